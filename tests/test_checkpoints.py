"""Files of weights: told apart by what they hold, never run, converted once or not at all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from animal_lipsync.checkpoints import (
    UnsupportedCheckpointError,
    converted,
    load_whisper,
    read_unet,
    read_vae,
)
from animal_lipsync.musetalk import latents_of, paint_latents
from animal_lipsync.whisper import WhisperEncoder
from benchmarks import memory

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")

from animal_lipsync.networks import build_unet, build_vae, connect, fold_time, in_full_batches, load_networks  # noqa: E402

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return build_unet(32).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def files(unet, tmp_path_factory) -> Path:
    """A folder with unet.pth and vae.safetensors, small and random."""
    folder = tmp_path_factory.mktemp("weights")
    torch.save(unet.state_dict(), folder / "unet.pth")
    save_file(build_vae(32).state_dict(), folder / "vae.safetensors")
    return folder


def refused(path: Path, read=read_unet) -> str:
    with pytest.raises(UnsupportedCheckpointError) as error:
        read(path)
    return str(error.value)


# ---- the networks ----------------------------------------------------------------------------------------------------


def test_the_full_graph_has_the_tensors_and_parameters_of_the_published_one():
    with torch.device("meta"):
        unet, vae = build_unet(), build_vae()
    shapes = {name: tuple(tensor.shape) for name, tensor in unet.state_dict().items()}
    assert len(shapes) == 686
    assert sum(tensor.numel() for tensor in unet.parameters()) == 849_947_844
    assert shapes["conv_in.weight"] == (320, 8, 3, 3) and shapes["conv_out.weight"] == (4, 320, 3, 3)
    assert shapes["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"] == (320, 384)
    assert shapes["mid_block.attentions.0.proj_in.weight"] == (1280, 1280, 1, 1)
    assert sum(tensor.numel() for tensor in vae.parameters()) == 83_653_863


def test_the_full_networks_fit_a_small_graphics_card():
    """3 GB for eight faces at once, 2 GB for one; counted without storage, workspaces of the card not included."""
    assert memory.count(8)["most"] < 3
    assert memory.count(1)["most"] < 2.1


def test_folding_the_constant_time_into_the_biases_changes_nothing(unet, files):
    folded = build_unet(32).eval()
    folded.load_state_dict(unet.state_dict())
    fold_time(folded)
    latents, tokens = torch.randn(2, 8, 32, 32), torch.randn(2, 50, 384)
    with torch.no_grad():
        a, b = (network(latents, torch.zeros(1), encoder_hidden_states=tokens).sample for network in (unet, folded))
    assert (a - b).abs().max() < 1e-5 and a.std() > 0.1
    assert sum(p.numel() for p in folded.parameters()) < sum(p.numel() for p in unet.parameters())


def test_the_forward_pass_has_gradients_for_whoever_trains(unet):
    networks = connect(unet, build_vae(32))
    tokens = torch.randn(1, 50, 384, requires_grad=True)
    latents = torch.randn(1, 8, 32, 32)
    networks.decode(paint_latents(latents, tokens, networks)).mean().backward()
    assert tokens.grad.abs().max() > 0


def test_networks_of_files_draw_what_those_in_memory_do(unet, files):
    vae = build_vae(32)
    vae.load_state_dict(load_file(files / "vae.safetensors"))
    crops, tokens = torch.rand(1, 3, 256, 256), torch.randn(1, 50, 384)
    drawn = []
    with torch.no_grad():
        for networks in (connect(unet, vae), load_networks(files / "unet.pth", files / "vae.safetensors")):
            drawn.append(networks.decode(paint_latents(latents_of(crops, crops, networks.encode), tokens, networks)))
    assert (drawn[0] - drawn[1]).abs().max() < 1e-4 and drawn[0].std() > 0.01


def test_a_compiled_network_sees_one_size_of_batch():
    sizes = []

    def function(a, b):
        sizes.append((len(a), len(b)))
        return a + b

    fixed = in_full_batches(function)
    for count in (2, 8, 3, 8):
        a, b = torch.rand(count, 4), torch.rand(count, 4)
        assert torch.equal(fixed(a, b), a + b)
    assert sizes == [(2, 2), (8, 8), (8, 8), (8, 8)]


# ---- files that are right --------------------------------------------------------------------------------------------


def test_a_pickle_is_converted_once_to_half_precision(files, tmp_path):
    path = tmp_path / "unet.pth"
    path.write_bytes((files / "unet.pth").read_bytes())
    twin = converted(path)
    assert twin == tmp_path / "unet.fp16.safetensors" and converted(twin) == twin
    assert twin.stat().st_size < 0.51 * path.stat().st_size
    stamp = twin.stat().st_mtime_ns
    assert converted(path) == twin and twin.stat().st_mtime_ns == stamp
    exact, half = read_unet(path), read_unet(twin)
    assert all(torch.equal(exact[name].half(), half[name]) for name in exact)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["unet.fp16.safetensors", "unet.pth"]
    path.rename(tmp_path / "misnamed.safetensors")
    assert converted(tmp_path / "misnamed.safetensors").name == "misnamed.fp16.safetensors"


def test_the_old_names_of_a_vaes_attention_are_understood(tmp_path):
    state = build_vae(32).state_dict()
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, tensor in state.items():
        for new, was in old.items():
            name = name.replace(f".{new}.", f".{was}.")
        renamed[name] = tensor
    assert set(renamed) != set(state)
    save_file(renamed, tmp_path / "vae.safetensors")
    assert set(read_vae(tmp_path / "vae.safetensors")) == set(state)


@pytest.mark.parametrize("prefix", ["model.encoder.", "encoder."])
def test_whispers_encoder_is_found_in_its_files(prefix, tmp_path):
    encoder = WhisperEncoder()
    state = {prefix + name: tensor.half() for name, tensor in encoder.state_dict().items()}
    state["model.decoder.embed_tokens.weight"] = torch.zeros(4, 384)
    save_file(state, tmp_path / "model.safetensors")
    loaded = load_whisper(tmp_path / "model.safetensors")
    assert torch.equal(loaded.conv1.weight, encoder.conv1.weight.half().float())


# ---- files that are not ----------------------------------------------------------------------------------------------


def other(kind: str) -> dict[str, torch.Tensor]:
    zeros = torch.zeros
    attention = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    return {
        "sd15": {"conv_in.weight": zeros(320, 4, 3, 3), f"{attention}.weight": zeros(320, 768)},
        "sdxl": {"add_embedding.linear_1.weight": zeros(4), "down_blocks.1.attentions.0.x": zeros(2)},
        "lora": {f"unet.{attention}.lora_down.weight": zeros(4, 384)},
        "whole": {"model.diffusion_model.input_blocks.0.0.weight": zeros(320, 4, 3, 3)},
        "vae": {"quant_conv.weight": zeros(8, 8, 1, 1), "encoder.conv_in.weight": zeros(128, 3, 3, 3)},
        "whisper": {"model.encoder.conv1.weight": zeros(384, 80, 3)},
    }[kind]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("sd15", "4 input channels .expected 8., tokens of 768 numbers .expected 384."),
        ("sdxl", "an SDXL UNet"),
        ("lora", "a LoRA"),
        ("whole", "a whole Stable Diffusion checkpoint"),
        ("vae", "a VAE"),
        ("whisper", "a Whisper"),
    ],
)
def test_another_network_is_called_by_its_name(kind, said, tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(other(kind), path)
    message = refused(path)
    assert re.search(said, message), message
    assert "Choose unet.pth of MuseTalk 1.5" in message and str(tmp_path) not in message


def test_a_larger_whisper_is_refused(tmp_path):
    save_file({"encoder." + k: v for k, v in WhisperEncoder(512, 6).state_dict().items()}, tmp_path / "w.safetensors")
    assert "6 layers, 512 wide (tiny has 4 layers, 384 wide)" in refused(tmp_path / "w.safetensors", load_whisper)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("damage", ["cut off", "empty", "text"])
def test_a_damaged_file_says_so(suffix, damage, files, tmp_path):
    path = tmp_path / f"unet{suffix}"
    source = files / ("unet.pth" if suffix == ".pth" else "vae.safetensors")
    content = {"cut off": source.read_bytes()[:100_000], "empty": b"", "text": b"<html>404</html>"}[damage]
    path.write_bytes(content)
    message = refused(path)
    assert "damaged or cut off" in message or "not opened" in message
    assert "\n" not in message and len(message) < 400


def test_a_hostile_pickle_runs_nothing(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"conv_in.weight": Hostile()}, tmp_path / "unet.pth")
    message = refused(tmp_path / "unet.pth")
    assert "may be harmful" in message and "not opened" in message
    assert not (tmp_path / "harm").exists()


def test_weights_that_are_no_numbers_are_not_converted(files, tmp_path):
    state = torch.load(files / "unet.pth", weights_only=True)
    state["conv_in.bias"][3] = float("nan")
    torch.save(state, tmp_path / "unet.pth")
    with pytest.raises(UnsupportedCheckpointError, match="conv_in.bias.*not numbers"):
        converted(tmp_path / "unet.pth")
    assert [file.name for file in tmp_path.iterdir()] == ["unet.pth"]


@pytest.mark.parametrize("what", ["one of another size", "one missing", "one flat"])
def test_a_network_that_is_almost_the_right_one_is_refused_in_one_line(what, files, tmp_path):
    state = torch.load(files / "unet.pth", weights_only=True)
    if what == "one of another size":
        state["conv_out.weight"] = torch.zeros(3, 32, 3, 3)
    if what == "one missing":
        state["other"] = state.pop("conv_out.bias")
    if what == "one flat":
        state["conv_in.weight"] = torch.zeros(4)
    torch.save(state, tmp_path / "unet.pth")
    with pytest.raises(UnsupportedCheckpointError, match="unet.pth (does not fit|is not MuseTalk)") as error:
        load_networks(tmp_path / "unet.pth", files / "vae.safetensors")
    assert "\n" not in str(error.value)


def test_a_missing_file_says_what_to_press(tmp_path):
    assert "models download" in refused(tmp_path / "unet.pth")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_no_half_file_and_the_next_run_works(files, tmp_path):
    path = tmp_path / "unet.pth"
    path.write_bytes((files / "unet.pth").read_bytes())
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "from animal_lipsync.checkpoints import converted\n"
        "converted(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "check the folder and the free space" in done.stderr, done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["unet.pth"]
    assert converted(path).is_file()
