"""The inpaint nodes in the real server, with small random weights in its model folders, and core's networks against
diffusers'."""

import copy
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from animal_lipsync.clip import Clip
from animal_lipsync.downloads import WEIGHTS
from animal_lipsync.inpaint import InpaintEngine
from animal_lipsync.lora import new_lora
from animal_lipsync.musetalk import LATENT_SCALE, MouthNetworks
from animal_lipsync.speech_features import SpeechFeatures
from animal_lipsync.types import Faces
from animal_lipsync.whisper import WhisperEncoder
from tests.animals import joined, sample_fox
from tests.host.server import find_comfyui
from tests.host.test_workflows import PAINTED
from tests.hub import Hub
from tests.test_inpaint import slow_pipeline

pytest.importorskip("diffusers", reason="diffusers is not installed")

from diffusers import AutoencoderTiny  # noqa: E402

from animal_lipsync.networks import build_unet, build_vae, connect, load_networks  # noqa: E402

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "animal_lipsync" / "samples"
KEYPOINTS = (SAMPLES / "fox.faces.json").read_text()
CLIP_KEYPOINTS = (SAMPLES / "fox-clip.faces.json").read_text()

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
from pack.animal_lipsync.inpaint import InpaintEngine
from pack.animal_lipsync.speech_features import SpeechFeatures
from pack.animal_lipsync.types import Faces
from pack.nodes.networks import load_model, to_networks
given = torch.load(folder + "/given.pt", weights_only=True)
read = comfy.utils.load_torch_file
vae, small = (comfy.sd.VAE(sd=read(f"{folder}/{name}.safetensors")) for name in ("vae", "small"))
model = load_model(Path(folder) / "unet.pth")
networks = to_networks(model, vae)
(face,) = Faces.from_json(Path(folder, "faces.json").read_text()).tracks
said = SpeechFeatures(given["states"].numpy(), given["speaking"].numpy(), 1).resampled(25, 2)

def paint(model):
    return InpaintEngine(to_networks(model, small), match_colours=False)(given["picture"], face, said)

with torch.no_grad():
    made = {
        "unet": networks.unet(given["latents"], given["tokens"]),
        "encode": networks.encode(given["pixels"]),
        "decode": networks.decode(given["small"]),
        "keys": torch.tensor(len(model.model.diffusion_model.state_dict())),
        "plain": paint(model),
    }
    with_lora, _ = comfy.sd.load_lora_for_models(model, None, read(folder + "/pet.safetensors"), 0.7, 0)
    made |= {"adapted": torch.tensor(len(with_lora.patches)), "lora": paint(with_lora)}
torch.save(made, folder + "/made.pt")
"""


class Small:
    """An `AutoencoderTiny` with the manners of the large VAE."""

    def __init__(self, tiny):
        self.tiny = tiny

    def encode(self, pixels):
        latents = self.tiny.encode(pixels).latents / LATENT_SCALE
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latents))

    def decode(self, latents):
        return self.tiny.decode(latents * LATENT_SCALE)


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """A folder of small random weights, what was drawn from, and what core made of both."""
    comfyui = find_comfyui()
    if comfyui is None:
        pytest.skip("no ComfyUI; scripts/test.sh fetches one, or set COMFYUI_PATH")
    folder = tmp_path_factory.mktemp("core")
    torch.manual_seed(0)
    unet, vae, tiny = build_unet(32), build_vae(), AutoencoderTiny().requires_grad_(False)
    for layer in tiny.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight *= 1.6  # or its pictures are the same whatever it is given
    tiny.decoder.layers[-1].bias += 0.5
    torch.save(unet.state_dict(), folder / "unet.pth")
    save_file(vae.half().state_dict(), folder / "vae.safetensors")
    save_file(build_vae(32).state_dict(), folder / "thin.safetensors")
    save_file(small_vae(tiny), folder / "small.safetensors")
    lora = new_lora(unet, ("audio", "self", "feed_forward", "convolutions"), rank=4, early=True)
    for tensor in lora.up.values():
        tensor.copy_(0.1 * torch.randn_like(tensor))
    lora.save(folder / "pet.safetensors")
    picture, face = sample_fox()
    (folder / "faces.json").write_text(Faces(256, 256, Fraction(0), 1, (face,)).to_json())
    given = {
        "latents": torch.randn(2, 8, 32, 32),
        "tokens": torch.randn(2, 50, 384),
        "pixels": torch.rand(1, 3, 64, 64),
        "small": 0.2 * torch.randn(1, 4, 8, 8),
        "picture": picture,
        "states": torch.randn(50, 5, 384),
        "speaking": torch.ones(50),
    }
    torch.save(given, folder / "given.pt")
    command = [sys.executable, "-c", IN_CORE, str(comfyui), str(ROOT), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "not loaded" not in done.stderr, "a layer of the LoRA that core does not know"
    made = torch.load(folder / "made.pt", weights_only=True)
    return SimpleNamespace(folder=folder, unet=unet, vae=vae, tiny=tiny, lora=lora, given=given, made=made)


def test_cores_networks_compute_what_diffusers_do_with_the_same_weights(core):
    assert int(core.made["keys"]) == 686
    networks = connect(copy.deepcopy(core.unet).half().float(), core.vae.float())
    with torch.no_grad():
        ours = {
            "unet": networks.unet(core.given["latents"], core.given["tokens"]),
            "encode": networks.encode(core.given["pixels"]),
            "decode": networks.decode(core.given["small"]),
        }
    for name, tensor in ours.items():
        assert tensor.std() > 1e-3, name
        assert (core.made[name] - tensor).abs().mean() < 0.004 * tensor.std(), name  # a 255th


@torch.no_grad()
def test_frames_painted_in_core_are_those_of_diffusers_and_of_a_slow_pipeline(core):
    face = Faces.from_json((core.folder / "faces.json").read_text()).tracks[0]
    said = SpeechFeatures(core.given["states"].numpy(), core.given["speaking"].numpy(), Fraction(1)).resampled(25, 2)
    small, picture = Small(core.tiny), core.given["picture"]

    def paint(**options):
        unet = load_networks(core.folder / "unet.fp16.safetensors", core.folder / "thin.safetensors", **options).unet
        networks = MouthNetworks(
            lambda crops: LATENT_SCALE * small.encode(2 * crops - 1).latent_dist.mode(),
            unet,
            lambda latents: (small.decode(latents / LATENT_SCALE).sample / 2 + 0.5).clamp(0, 1),
        )
        return InpaintEngine(networks, match_colours=False)(picture, face, said)

    slow = slow_pipeline(picture.expand(2, -1, -1, -1), joined(face, face), said, None, core.unet, small)
    plain, changed = paint(), core.made["plain"] != picture
    assert changed.float().mean() > 0.05 and core.made["plain"][changed].std() > 0.02
    assert 255 * (plain - core.made["plain"])[changed].abs().mean() < 1
    assert np.abs(slow - 255 * core.made["plain"].permute(0, 2, 3, 1).numpy())[changed.permute(0, 2, 3, 1)].mean() < 1

    assert int(core.made["adapted"]) == len(core.lora.down)
    adapted = paint(lora=core.folder / "pet.safetensors", strength=0.7)
    assert 255 * (adapted - plain)[changed].abs().mean() > 2, "the LoRA is to be seen"
    assert 255 * (adapted - core.made["lora"])[changed].abs().mean() < 1


@pytest.fixture(scope="module")
def weights(comfyui):
    """Small random stand-ins under the names that the workflows ask for: a thin UNet, TAESD for the VAE."""
    torch.manual_seed(0)
    folders = {name: comfyui.base / "models" / name for name in ("diffusion_models", "vae", "audio_encoders", "loras")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    unet = {name: tensor.half() for name, tensor in build_unet(32).state_dict().items()}
    save_file(unet, folders["diffusion_models"] / "musetalk-1.5.safetensors")
    save_file(small_vae(AutoencoderTiny()), folders["vae"] / "sd-vae-ft-mse.safetensors")
    whisper = {f"model.encoder.{name}": tensor for name, tensor in WhisperEncoder().state_dict().items()}
    save_file(whisper, folders["audio_encoders"] / "whisper-tiny.safetensors")
    yield
    for folder in folders.values():
        for file in folder.iterdir():
            file.unlink()


def small_vae(tiny: AutoencoderTiny) -> dict[str, torch.Tensor]:
    """TAESD under core's names."""
    state = {"vae_scale": torch.tensor(LATENT_SCALE), "vae_shift": torch.tensor(0.0)}
    for name, tensor in tiny.state_dict().items():
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


def is_cancelled(entry: dict, kind: str) -> bool:
    """Whether a prompt was interrupted in a node of that kind."""
    interrupted = [content for kind, content in entry["status"]["messages"] if kind == "execution_interrupted"]
    return [content["node_type"] for content in interrupted] == [kind]


def test_cancel_while_painting_leaves_no_file_and_the_next_run_paints(comfyui, weights):
    prompt = graph(comfyui, comfyui.node("LoadImage", image="animal-lipsync-fox.jpg"), batch=1)
    prompt["short"]["inputs"]["duration"] = 2.0
    assert is_cancelled(comfyui.cancel(prompt, "paint"), "AnimalLipSync_AnimateMouthInpaint")
    assert comfyui.unfinished == []
    prompt["short"]["inputs"]["duration"] = 0.2
    assert len(frames_of(comfyui.path(comfyui.run(prompt)["paint"]["images"][0]))) == 5


def test_cancel_while_an_animal_is_prepared_and_the_next_run_prepares_it(comfyui, weights):
    clip = comfyui.node("LoadVideo", file="animal-lipsync-fox-clip.mp4")
    prompt = graph(comfyui, clip)
    prompt["prepared"] = comfyui.node(
        "AnimalLipSync_PrepareAnimal", source=["picture", 0], face=["face", 0], vae=["load", 1], open_mouth=False
    )
    prompt["face"] = comfyui.node("AnimalLipSync_EditKeypoints", source=["picture", 0], keypoints=CLIP_KEYPOINTS)
    prompt["paint"]["inputs"] |= {"prepared": ["prepared", 0], "open_mouth": False}
    assert is_cancelled(comfyui.cancel(prompt, "prepared"), "AnimalLipSync_PrepareAnimal")
    prompt["picture"] = comfyui.node("LoadImage", image="animal-lipsync-fox.jpg")
    prompt["face"]["inputs"]["keypoints"] = KEYPOINTS
    prompt["short"]["inputs"]["duration"] = 0.2
    assert len(frames_of(comfyui.path(comfyui.run(prompt)["paint"]["images"][0]))) == 5
    assert comfyui.unfinished == []


def test_a_download_without_a_network_is_told_cancel_keeps_what_came_and_the_next_run_goes_on(
    comfyui, weights, tmp_path
):
    """MuseTalk 1.0 from a server on this machine that answers as Hugging Face does."""
    published = WEIGHTS["musetalk-1.0"]
    prompt = graph(comfyui, comfyui.node("LoadImage", image="animal-lipsync-fox.jpg"))
    prompt["load"]["inputs"]["model"] = "download MuseTalk 1.0 (3400 MB)"
    prompt["short"]["inputs"]["duration"] = 0.2
    there = set((comfyui.base / "models").rglob("*"))

    def new() -> list[str]:
        return [path.name for path in set((comfyui.base / "models").rglob("*")) - there if path.is_file()]

    message = comfyui.fail(prompt)
    assert "MuseTalk 1.0 could not be fetched" in message and published.page in message
    assert new() == []

    torch.save(build_unet(32).state_dict(), tmp_path / "unet.pth")
    content = (tmp_path / "unet.pth").read_bytes()
    with Hub(published.repository, {published.file: content}, delay=1.0, port=comfyui.hub_port) as hub:
        assert is_cancelled(comfyui.cancel(prompt, "load"), "AnimalLipSync_LoadMuseTalk")
        assert 0 < hub.sent < len(content) and [name.split(".")[-1] for name in new()] == ["partial"]
        assert len(frames_of(comfyui.path(comfyui.run(prompt)["paint"]["images"][0]))) == 5
        assert new() == ["musetalk-1.0.safetensors"] and hub.sent <= len(content) + 16 * 2**20
    for path in (comfyui.base / "models").rglob("musetalk-1.0.safetensors"):
        path.unlink()


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
