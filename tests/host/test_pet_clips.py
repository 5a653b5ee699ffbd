"""Prepare Pet Clips in the real ComfyUI: a folder of the artist's in, a dataset and a report out."""

import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from animal_lipsync.dataset import PetDataset
from tests.processes import children

SAMPLES = Path(__file__).parents[2] / "animal_lipsync" / "samples"


@pytest.fixture
def folder(comfyui):
    folder = comfyui.base / "input" / "my fox"
    (folder / "phone").mkdir(parents=True)
    shutil.copy(SAMPLES / "fox-clip.mp4", folder / "phone")
    shutil.copy(SAMPLES / "pair.jpg", folder)
    (folder / "broken.mp4").write_bytes(b"rubbish" * 1000)
    yield folder
    shutil.rmtree(folder)
    shutil.rmtree(comfyui.base / "datasets", ignore_errors=True)


def graph(comfyui, **inputs) -> dict:
    return {"dataset": comfyui.node("AnimalLipSync_PreparePetClips", **{"folder": "my fox"} | inputs)}


def text_of(outputs: dict) -> str:
    return outputs["dataset"]["text"][0]


def test_a_folder_of_clips_becomes_a_dataset_and_takes_more(comfyui, folder):
    text = text_of(comfyui.run(graph(comfyui)))
    output = comfyui.base / "datasets" / "my-pet"
    dataset = PetDataset.open(output)
    assert {entry.origin for entry in dataset.kept} >= {"phone/fox-clip.mp4"}
    assert "broken.mp4" in {entry.origin for entry in dataset.pieces if entry.reason}
    assert f"{len(dataset.kept)} pieces" in text and "report.html" in text
    assert (output / "report.html").is_file()
    with urllib.request.urlopen(f"{comfyui.url}/animal_lipsync/report?name=my-pet") as answer:
        assert answer.headers.get_content_type() == "text/html"
        assert answer.read() == (output / "report.html").read_bytes()
    shutil.copy(SAMPLES / "fox.jpg", folder)
    comfyui.run(graph(comfyui))
    assert "fox.jpg" in {entry.origin for entry in PetDataset.open(output).pieces}, "a new clip is seen"


@pytest.mark.parametrize("name", ["", ".", "..", "../outside", "/tmp/outside", "a\0b", "a" * 300])
def test_a_dataset_stays_in_its_folder(comfyui, folder, name):
    assert "name must be" in comfyui.fail(graph(comfyui, name=name))


@pytest.mark.parametrize("name", ["", "..", "../input/my fox", "/etc", "none", "a\0b"])
def test_no_page_but_a_report_is_shown(comfyui, folder, name):
    (folder / "report.html").write_text("mine")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{comfyui.url}/animal_lipsync/report?{urllib.parse.urlencode({'name': name})}")


@pytest.mark.parametrize("path", ["../../etc", "/etc", "no such folder"])
def test_only_folders_of_the_input_folder_can_be_chosen(comfyui, folder, path):
    answer = comfyui.post("/prompt", {"prompt": graph(comfyui, folder=path), "client_id": "tests"})
    assert "prompt_id" not in answer


def test_cancel_ends_the_processes_and_keeps_what_is_done_and_a_run_goes_on_with_it(comfyui, folder):
    prompt = comfyui.queue(graph(comfyui))
    while os.cpu_count() > 1 and not children(comfyui.pid):
        time.sleep(0.05)
    comfyui.interrupt()
    comfyui.wait(prompt)
    assert not children(comfyui.pid)
    started = len(comfyui.log.split("To see the GUI go to"))
    comfyui.run(graph(comfyui))
    assert len(comfyui.log.split("To see the GUI go to")) == started == 2, "no process is another server"
    assert PetDataset.open(comfyui.base / "datasets" / "my-pet").kept


def test_a_folder_without_an_animal_says_what_to_do(comfyui, folder):
    (folder / "pair.jpg").unlink()
    shutil.rmtree(folder / "phone")
    assert "use clips in which" in comfyui.fail(graph(comfyui))
