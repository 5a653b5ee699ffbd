"""Downloads from a server on this machine that answers as Hugging Face does: whole, in parts, damaged, not at all."""

import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from animal_lipsync import cli, downloads
from animal_lipsync.commands.models import NAMES
from animal_lipsync.downloads import WEIGHTS, download
from tests.hub import Hub

ROOT = Path(__file__).parents[1]
WHISPER = WEIGHTS["whisper-tiny"]
CONTENT = os.urandom(450_000)


@pytest.fixture
def reach(monkeypatch):
    """Takes the address that downloads then go to."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is not installed")

    def reach(url: str):
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")

    return reach


@pytest.fixture
def hub(reach, monkeypatch):
    with Hub(WHISPER.repository, {WHISPER.file: CONTENT}) as hub:
        reach(hub.url)
        monkeypatch.setattr(downloads, "PIECE", 100_000)
        yield hub


def test_a_file_arrives_whole_under_its_name(hub, tmp_path):
    seen = list(download(WHISPER, tmp_path / "models"))
    assert [progress.done for progress in seen] == [100_000, 200_000, 300_000, 400_000, 450_000]
    assert {progress.total for progress in seen} == {450_000}
    assert [file.name for file in (tmp_path / "models").iterdir()] == ["whisper-tiny.safetensors"]
    assert (tmp_path / "models" / "whisper-tiny.safetensors").read_bytes() == CONTENT


def test_a_download_that_was_stopped_goes_on_where_it_was(hub, tmp_path):
    with closing(download(WHISPER, tmp_path)) as coming:
        assert next(islice(coming, 2, None)).done == 300_000
    assert not (tmp_path / WHISPER.name).exists()
    assert next(iter(download(WHISPER, tmp_path))).done == 400_000
    list(download(WHISPER, tmp_path))
    assert (tmp_path / WHISPER.name).read_bytes() == CONTENT
    assert hub.sent == len(CONTENT)


def test_what_arrives_damaged_is_thrown_away_and_fetched_anew(hub, tmp_path):
    hub.files[WHISPER.file] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(ValueError, match="damaged and was thrown away"):
        list(download(WHISPER, tmp_path))
    assert not list(tmp_path.iterdir())
    hub.files[WHISPER.file] = CONTENT
    list(download(WHISPER, tmp_path))
    assert (tmp_path / WHISPER.name).is_file()


def test_without_a_network_it_says_what_to_do_by_hand(reach, tmp_path):
    reach("http://127.0.0.1:9")
    with pytest.raises(OSError, match="Connect to the internet.*Or put model.safetensors from https://.*into") as error:
        list(download(WHISPER, tmp_path))
    assert len(str(error.value)) < 500 and not list(tmp_path.iterdir())


def test_a_file_that_is_not_published_any_more_is_told(hub, tmp_path):
    with pytest.raises(OSError, match="could not be fetched"):
        list(download(replace(WHISPER, file="gone.safetensors"), tmp_path))


def test_too_small_a_disk_is_told_before_anything_is_fetched(hub, tmp_path, monkeypatch):
    hub.sizes[WHISPER.file] = 10**15
    with pytest.raises(OSError, match=r"needs 1000000.0 GB in .*make room"):
        list(download(WHISPER, tmp_path))
    assert not list(tmp_path.iterdir()) and hub.sent == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_disk_that_fills_up_on_the_way_is_told_and_the_next_run_goes_on(hub, tmp_path):
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, 250_000))\n"
        "from animal_lipsync import downloads\n"
        "downloads.PIECE = 100_000\n"
        "list(downloads.download(downloads.WEIGHTS['whisper-tiny'], sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    environment = {**os.environ, "HF_ENDPOINT": hub.url}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "the disk is full. Make room" in done.stderr, done.stderr[-1000:]
    list(download(WHISPER, tmp_path))
    assert (tmp_path / WHISPER.name).read_bytes() == CONTENT


def test_musetalks_pickle_becomes_safetensors_of_half_its_size(reach, tmp_path):
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    from animal_lipsync.checkpoints import read_unet
    from animal_lipsync.networks import build_unet

    torch.save(build_unet(32).state_dict(), tmp_path / "unet.pth")
    weights = WEIGHTS["musetalk-1.5"]
    with Hub(weights.repository, {weights.file: (tmp_path / "unet.pth").read_bytes()}) as hub:
        reach(hub.url)
        list(download(weights, tmp_path / "models"))
    (made,) = (tmp_path / "models").iterdir()
    assert made.name == "musetalk-1.5.safetensors"
    assert read_unet(made)["conv_in.weight"].dtype == torch.float16


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks on files")
def test_two_programs_do_not_fetch_one_file_at_once(hub, tmp_path):
    with closing(download(WHISPER, tmp_path)) as coming:
        next(coming)
        with pytest.raises(OSError, match="another program"):
            list(download(WHISPER, tmp_path))
        list(coming)
    assert (tmp_path / WHISPER.name).read_bytes() == CONTENT and len(list(tmp_path.iterdir())) == 1


def test_killed_while_it_converts_it_fetches_nothing_again(reach, tmp_path, monkeypatch):
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    from animal_lipsync.networks import build_unet

    torch.save(build_unet(32).state_dict(), tmp_path / "unet.pth")
    weights = WEIGHTS["musetalk-1.5"]
    models = tmp_path / "models"
    with Hub(weights.repository, {weights.file: (tmp_path / "unet.pth").read_bytes()}) as hub:
        reach(hub.url)
        code = (
            "import os, signal, sys\nfrom animal_lipsync import downloads\n"
            "downloads.write_half = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
            "list(downloads.download(downloads.WEIGHTS['musetalk-1.5'], sys.argv[1]))"
        )
        environment = {**os.environ, "HF_ENDPOINT": hub.url}
        subprocess.run([sys.executable, "-c", code, str(models)], cwd=ROOT, env=environment)
        sent = hub.sent
        list(download(weights, models))
    assert hub.sent == sent and [file.name for file in models.iterdir()] == [weights.name]


def test_the_command_shows_the_licence_and_what_is_there(hub, tmp_path, capsys):
    folder = ["--models", str(tmp_path), "--json"]
    assert cli.main(["models", "list", *folder]) == 0
    before = json.loads(capsys.readouterr().out)
    assert [model["path"] for model in before["models"]] == [None] * 4
    assert tuple(model["name"] for model in before["models"]) == NAMES
    assert all(model["licence"] and model["page"].startswith("https://huggingface.co/") for model in before["models"])
    assert cli.main(["models", "download", "whisper-tiny", *folder]) == 0
    assert json.loads(capsys.readouterr().out)["downloaded"] == {"whisper-tiny": str(tmp_path / WHISPER.name)}
    assert cli.main(["models", "list", *folder]) == 0
    after = json.loads(capsys.readouterr().out)
    assert after["models"][3]["path"] == str(tmp_path / WHISPER.name)
    assert cli.main(["models", "download", "clippy", *folder]) == 2
    assert "musetalk-1.5" in capsys.readouterr().err
