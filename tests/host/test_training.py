"""Training in the real server, with small random weights: folder -> dataset -> LoRA -> core's LoRA loader."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from animal_lipsync.lora import Lora, new_lora
from animal_lipsync.networks import build_unet
from tests.host.test_inpaint import KEYPOINTS, frames_of, is_cancelled
from tests.host.test_inpaint import weights as weights  # a fixture
from tests.host.test_workflows import TRAINED

ROOT = Path(__file__).parents[2]


def graph(comfyui, name: str, **inputs) -> dict:
    """Training of a LoRA `name` on the sample clips, with half a second of voice."""
    return {
        "clips": comfyui.node("AnimalLipSync_PreparePetClips", folder="animal-lipsync-my-pet", name="tested-pet"),
        "voice": comfyui.node("LoadAudio", audio="animal-lipsync-voice.wav"),
        "short": comfyui.node("TrimAudioDuration", audio=["voice", 0], start_index=0.5, duration=0.4),
        "load": comfyui.node("AnimalLipSync_LoadMuseTalk"),
        "train": comfyui.node(
            "AnimalLipSync_TrainPetLora",
            dataset=["clips", 0],
            model=["load", 0],
            vae=["load", 1],
            voice=["short", 0],
            name=name,
            **{"preset": "quick", "steps": 2, "batch": 1} | inputs,
        ),
    }


def loras(comfyui) -> Path:
    return comfyui.base / "models" / "loras"


def test_clips_become_a_lora_that_core_puts_on_with_every_key(comfyui, weights):
    prompt = graph(comfyui, "rex", learning_rate=1e-2)
    prompt["save"] = comfyui.node("SaveVideo", video=["train", 3], format="auto", codec="auto")
    prompt["plot"] = comfyui.node("LossGraphNode", loss=["train", 1])
    outputs = comfyui.run(prompt)
    assert outputs["plot"]["images"]
    preview = frames_of(comfyui.path(outputs["save"]["images"][0]))
    assert preview.shape == (10, 320, 640, 3)
    assert np.abs(preview[5, :, :320].astype(int) - preview[5, :, 320:]).max() > 4, "before and after differ"

    lora = Lora.load(loras(comfyui) / "rex.safetensors")
    assert lora.told["animal_lipsync.steps"] == "2" and lora.told["animal_lipsync.species"]
    picture = comfyui.node("LoadImage", image="animal-lipsync-fox.jpg")
    use = {
        "picture": picture,
        **{name: prompt[name] for name in ("voice", "short", "load")},
        "face": comfyui.node("AnimalLipSync_EditKeypoints", source=["picture", 0], keypoints=KEYPOINTS),
        "features": comfyui.node("AnimalLipSync_SpeechFeatures", voice=["short", 0]),
        "lora": comfyui.node("LoraLoaderModelOnly", model=["load", 0], lora_name="rex.safetensors", strength_model=1.0),
        "paint": comfyui.node(
            "AnimalLipSync_AnimateMouthInpaint",
            source=["picture", 0],
            face=["face", 0],
            features=["features", 0],
            model=["lora", 0],
            vae=["load", 1],
        ),
    }
    before = len(comfyui.log)
    comfyui.run(use)
    assert "lora key not loaded" not in comfyui.log[before:]


def test_cancelled_it_keeps_the_last_checkpoint_and_goes_on_from_there(comfyui, weights):
    before, prompt = comfyui.unfinished, graph(comfyui, "cancelled", steps=300)
    assert is_cancelled(comfyui.cancel(prompt, "train"), "AnimalLipSync_TrainPetLora")
    assert not (loras(comfyui) / "cancelled.safetensors").exists()
    assert {path.suffix for path in comfyui.unfinished if path not in before} <= {".jpg"}  # the mouths it showed
    runs = next(comfyui.base.rglob("runs/cancelled"))
    assert (runs / "log.jsonl").exists()
    comfyui.run(graph(comfyui, "cancelled", steps=1))
    assert (loras(comfyui) / "cancelled.safetensors").exists()


def test_a_lora_from_elsewhere_is_not_overwritten(comfyui, weights):
    (loras(comfyui) / "friends.safetensors").write_bytes(b"precious")
    assert "friends.safetensors already that was not trained here" in comfyui.fail(graph(comfyui, "friends"))
    assert (loras(comfyui) / "friends.safetensors").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["", "../up", "a/b", "con\n", ".hidden", "x" * 300])
def test_a_name_that_is_none_is_refused_before_anything_runs(comfyui, weights, name):
    answer = comfyui.post("/prompt", {"prompt": graph(comfyui, name), "client_id": "tests"})
    assert "plain file name" in str(answer)


def test_a_name_that_is_connected_is_refused_too(comfyui, weights):
    prompt = graph(comfyui, ["text", 0])
    prompt["text"] = comfyui.node("PrimitiveString", value="../up")
    assert "plain file name" in comfyui.fail(prompt)


def test_a_dataset_that_was_deleted_is_made_anew(comfyui, weights):
    prompt = graph(comfyui, "tidy", steps=1)
    comfyui.run({"clips": prompt["clips"], "shown": comfyui.node("PreviewAny", source=["clips", 0])})
    folder = next(comfyui.base.rglob("datasets/tested-pet"))
    shutil.rmtree(folder)
    comfyui.run(prompt)
    assert (folder / "runs" / "tidy" / "checkpoint.pt").exists()


@pytest.fixture
def trained(name, comfyui, weights):
    """The LoRA that a workflow uses, or none where it is to be trained; there before the page asks for the list."""
    path = loras(comfyui) / "my-pet.safetensors"
    path.unlink(missing_ok=True)
    if name == "use_pet_lora":
        new_lora(build_unet(32), rank=2).save(path)


@pytest.mark.parametrize("name", sorted(TRAINED))
def test_a_workflow_opens_and_runs(name, trained, page, comfyui):
    page.page.evaluate("() => app.refreshComboInNodes()")  # R
    page.open(json.loads((ROOT / "workflows" / f"{name}.json").read_text()))
    assert page.red_nodes() == []
    prompt = page.prompt()
    page.open(page.workflow())
    assert page.prompt() == prompt
    if page.renderer != "classic":
        return
    (loaded,) = (id for id, node in prompt.items() if node["class_type"] == "LoadAudio")
    for node in prompt.values():
        node["inputs"] = {key: ["short", 0] if value == [loaded, 0] else value for key, value in node["inputs"].items()}
        if node["class_type"] == "AnimalLipSync_TrainPetLora":
            node["inputs"] |= {"steps": 2, "batch": 1}  # core cannot plot a single loss
    prompt["short"] = comfyui.node("TrimAudioDuration", audio=[loaded, 0], start_index=0.5, duration=0.3)
    outputs = comfyui.run(prompt)
    (saved,) = (outputs[id] for id, node in prompt.items() if node["class_type"] == "SaveVideo")
    assert len(frames_of(comfyui.path(saved["images"][0]))) == 8
