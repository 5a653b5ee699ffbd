"""The inpaint nodes in the real server, with small random weights in its model folders, and core's networks against
diffusers'."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from animal_lipsync.clip import Clip
from animal_lipsync.whisper import WhisperEncoder
from tests.host.server import find_comfyui
from tests.host.test_workflows import PAINTED

pytest.importorskip("diffusers", reason="diffusers is not installed")

from animal_lipsync.networks import build_unet, build_vae, connect  # noqa: E402

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "animal_lipsync" / "samples"
KEYPOINTS = (SAMPLES / "fox.faces.json").read_text()

IN_CORE = """
import importlib.util, sys
comfyui, pack, folder = sys.argv[1:4]
sys.argv = ["x", "--cpu"]
sys.path.insert(0, comfyui)
import comfy.options
comfy.options.enable_args_parsing()
import torch, comfy.sd, comfy.utils
spec = importlib.util.spec_from_file_location("pack", pack + "/__init__.py", submodule_search_locations=[pack])
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
from pathlib import Path
from pack.nodes.networks import load_model, to_networks
given = torch.load(folder + "/given.pt", weights_only=True)
vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(folder + "/vae.safetensors"))
model = load_model(Path(folder) / "unet.pth")
networks = to_networks(model, vae)
with torch.no_grad():
    made = {
        "unet": networks.unet(given["latents"], given["tokens"]),
        "encode": networks.encode(given["pixels"]),
        "decode": networks.decode(given["small"]),
        "keys": torch.tensor(len(model.model.diffusion_model.state_dict())),
    }
torch.save(made, folder + "/made.pt")
"""


def test_cores_networks_compute_what_diffusers_do_with_the_same_weights(tmp_path):
    comfyui = find_comfyui()
    if comfyui is None:
        pytest.skip("no ComfyUI; scripts/test.sh fetches one, or set COMFYUI_PATH")
    torch.manual_seed(0)
    unet, vae = build_unet(32), build_vae()
    torch.save(unet.state_dict(), tmp_path / "unet.pth")
    save_file(vae.half().state_dict(), tmp_path / "vae.safetensors")
    given = {
        "latents": torch.randn(2, 8, 32, 32),
        "tokens": torch.randn(2, 50, 384),
        "pixels": torch.rand(1, 3, 64, 64),
        "small": 0.2 * torch.randn(1, 4, 8, 8),
    }
    torch.save(given, tmp_path / "given.pt")
    command = [sys.executable, "-c", IN_CORE, str(comfyui), str(ROOT), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    core = torch.load(tmp_path / "made.pt", weights_only=True)
    assert int(core["keys"]) == 686

    networks = connect(unet.half().float(), vae.float())
    with torch.no_grad():
        ours = {
            "unet": networks.unet(given["latents"], given["tokens"]),
            "encode": networks.encode(given["pixels"]),
            "decode": networks.decode(given["small"]),
        }
    for name, tensor in ours.items():
        assert tensor.std() > 1e-3, name
        assert (core[name] - tensor).abs().mean() < 0.004 * tensor.std(), name  # a 255th


@pytest.fixture(scope="module")
def weights(comfyui):
    """Small random stand-ins under the names that the workflows ask for: a thin UNet, TAESD for the VAE."""
    torch.manual_seed(0)
    folders = {name: comfyui.base / "models" / name for name in ("diffusion_models", "vae", "audio_encoders", "loras")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    unet = {name: tensor.half() for name, tensor in build_unet(32).state_dict().items()}
    save_file(unet, folders["diffusion_models"] / "musetalk-1.5.safetensors")
    save_file(small_vae(), folders["vae"] / "sd-vae-ft-mse.safetensors")
    whisper = {f"model.encoder.{name}": tensor for name, tensor in WhisperEncoder().state_dict().items()}
    save_file(whisper, folders["audio_encoders"] / "whisper-tiny.safetensors")
    yield
    for folder in folders.values():
        for file in folder.iterdir():
            file.unlink()


def small_vae() -> dict[str, torch.Tensor]:
    """TAESD's shapes, random."""
    from diffusers import AutoencoderTiny

    state = {}
    for name, tensor in AutoencoderTiny().state_dict().items():
        part, rest = name.split(".layers.")
        index, _, inner = rest.partition(".")
        # core's decoder has a clamp in front
        state[f"taesd_{part}.{int(index) + (part == 'decoder')}.{inner}"] = tensor
    return state


def graph(comfyui, source: dict, **inputs) -> dict:
    prompt = {
        "picture": source,
        "voice": comfyui.node("LoadAudio", audio="animal-lipsync-voice.wav"),
        "short": comfyui.node("TrimAudioDuration", audio=["voice", 0], start_index=0.5, duration=0.4),
        "face": comfyui.node("AnimalLipSync_EditKeypoints", source=["picture", 0], keypoints=KEYPOINTS),
        "load": comfyui.node("AnimalLipSync_LoadMuseTalk"),
        "features": comfyui.node("AnimalLipSync_SpeechFeatures", voice=["short", 0]),
    }
    prompt["paint"] = comfyui.node(
        "AnimalLipSync_AnimateMouthInpaint",
        source=["picture", 0],
        face=["face", 0],
        features=["features", 0],
        model=["load", 0],
        vae=["load", 1],
        voice=["short", 0],
        **inputs,
    )
    return prompt


def frames_of(path: Path) -> np.ndarray:
    clip = Clip.open(path)
    return np.stack(list(clip.read(clip.frames)))


def test_without_weights_it_says_what_to_press(comfyui):
    prompt = graph(comfyui, comfyui.node("LoadImage", image="animal-lipsync-fox.jpg"))
    prompt["load"]["inputs"] |= {"model": "musetalk-1.5.safetensors", "vae": "gone.safetensors"}
    answer = str(comfyui.post("/prompt", {"prompt": prompt, "client_id": "tests"}))
    assert "choose 'download MuseTalk 1.5 (3400 MB)' and press Run again" in answer


def test_a_picture_speaks_through_all_four_nodes(comfyui, weights):
    picture = comfyui.node("LoadImage", image="animal-lipsync-fox.jpg")
    prompt = graph(comfyui, picture, open_mouth=True)
    prompt["prepared"] = comfyui.node(
        "AnimalLipSync_PrepareAnimal", source=["picture", 0], face=["face", 0], vae=["load", 1], open_mouth=True
    )
    plain = frames_of(comfyui.path(comfyui.run(prompt | {"prepared": picture})["paint"]["images"][0]))
    prompt["paint"]["inputs"]["prepared"] = ["prepared", 0]
    prepared = frames_of(comfyui.path(comfyui.run(prompt)["paint"]["images"][0]))
    assert len(plain) == len(prepared) == 10
    assert np.array_equal(plain, prepared)
    source = np.asarray(frames_of(SAMPLES / "fox.jpg")[0], int)
    change = np.abs(plain[5].astype(int) - source).max(-1)
    height, width = change.shape
    assert change[: height // 3].mean() < 4, "only compression changes what is not the mouth"
    assert (change > 40).mean() > 0.005, "a mouth is painted"


def test_another_model_is_refused_in_the_artists_words(comfyui, weights):
    torch.save({"conv_in.weight": torch.zeros(2, 4, 3, 3)}, comfyui.base / "models" / "diffusion_models" / "other.pth")
    prompt = graph(comfyui, comfyui.node("LoadImage", image="animal-lipsync-fox.jpg"))
    prompt["load"]["inputs"]["model"] = "other.pth"
    assert "other.pth is not MuseTalk's UNet" in comfyui.fail(prompt)


def test_core_loaders_put_a_lora_on_it(comfyui, weights):
    """A LoRA in core's own form changes what is painted."""
    folder = comfyui.base / "models" / "loras"
    key = "diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_v"
    lora = {f"{key}.lora_up.weight": 3 * torch.ones(128, 2), f"{key}.lora_down.weight": torch.ones(2, 384)}
    save_file(lora, folder / "pet.safetensors")
    prompt = graph(comfyui, comfyui.node("LoadImage", image="animal-lipsync-fox.jpg"))
    before = frames_of(comfyui.path(comfyui.run(prompt)["paint"]["images"][0]))
    prompt["lora"] = comfyui.node(
        "LoraLoaderModelOnly", model=["load", 0], lora_name="pet.safetensors", strength_model=1.0
    )
    prompt["paint"]["inputs"]["model"] = ["lora", 0]
    after = frames_of(comfyui.path(comfyui.run(prompt)["paint"]["images"][0]))
    assert np.abs(before.astype(int) - after).max() > 8


@pytest.mark.parametrize("name", sorted(PAINTED))
def test_a_workflow_opens_and_paints_with_the_weights_in_the_model_folders(name, page, comfyui, weights):
    """As it ships, but for the voice, of which a part must do: on a processor every frame takes its time."""
    workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text())
    page.open(workflow)
    assert page.red_nodes() == []
    prompt = page.prompt()
    page.open(page.workflow())
    assert page.prompt() == prompt
    declared = [model for node in workflow["nodes"] for model in node["properties"].get("models", ())]
    assert {model["directory"] for model in declared} == {"diffusion_models", "vae", "audio_encoders"}
    if page.renderer != "classic":
        return
    (loaded,) = (id for id, node in prompt.items() if node["class_type"] == "LoadAudio")
    for node in prompt.values():
        node["inputs"] = {key: ["short", 0] if value == [loaded, 0] else value for key, value in node["inputs"].items()}
    prompt["short"] = comfyui.node("TrimAudioDuration", audio=[loaded, 0], start_index=0.5, duration=0.3)
    outputs = comfyui.run(prompt)
    kinds = {node["class_type"]: outputs.get(id) for id, node in prompt.items()}
    saved = comfyui.path(kinds["SaveVideo"]["images"][0])
    assert len(frames_of(saved)) == (100 if name.startswith("video") else 8)
