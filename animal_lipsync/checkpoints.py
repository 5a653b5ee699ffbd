"""Files of weights: told apart by what is in them, read without running any code, converted once.

Knows nothing of the networks themselves; a file's name never matters.
"""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from .memory import is_out_of_memory
from .musetalk import TOKEN_WIDTH
from .tensors import write_tensors
from .whisper import BANDS, WhisperEncoder

UNET_TENSORS = 686
OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Attention of a VAE as diffusers called it before 2023, and the file of `sd-vae-ft-mse` does still."""


class UnsupportedCheckpointError(ValueError):
    """A file of weights is damaged or holds another network; the message says which and what to choose."""


def read_unet(path: str | os.PathLike) -> dict[str, Tensor]:
    """The 686 tensors of a MuseTalk UNet, under diffusers' names, in the precision of the file.

    Raises:
        UnsupportedCheckpointError: the file is missing, damaged or something else.
    """
    state = _read(path)
    first, attention = state.get("conv_in.weight"), _one(state, "attn2.to_k.weight")
    if first is None or attention is None or first.dim() != 4 or attention.dim() != 2:
        raise _unsupported(path, "MuseTalk's UNet", _what_it_is(state), "Choose unet.pth of MuseTalk 1.5.")
    if first.shape[1] != 8 or attention.shape[1] != TOKEN_WIDTH or len(state) != UNET_TENSORS:
        what = (
            f"a UNet with {first.shape[1]} input channels (expected 8), tokens of {attention.shape[1]} numbers "
            f"(expected {TOKEN_WIDTH}) and {len(state)} tensors (expected {UNET_TENSORS})"
        )
        raise _unsupported(path, "MuseTalk's UNet", what, "Choose unet.pth of MuseTalk 1.5.")
    return state


def read_vae(path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors of Stable Diffusion 1's VAE, under diffusers' names of today.

    Raises:
        UnsupportedCheckpointError: as `read_unet`.
    """
    state = _read(path)
    latents, pixels = state.get("quant_conv.weight"), state.get("encoder.conv_in.weight")
    if (
        latents is None
        or pixels is None
        or latents.shape[:1] != (8,)
        or "encoder.mid_block.resnets.0.conv1.weight" not in state
    ):
        raise _unsupported(path, "a VAE of Stable Diffusion 1", _what_it_is(state), "Choose that of sd-vae-ft-mse.")
    renamed = {}
    for name, tensor in state.items():
        parts = name.split(".")
        if parts[-2] in OLD_NAMES and "attentions" in parts:
            parts[-2] = OLD_NAMES[parts[-2]]
        renamed[".".join(parts)] = tensor
    return renamed


def load_whisper(path: str | os.PathLike) -> WhisperEncoder:
    """The encoder of whisper-tiny, on the CPU in single precision.

    Raises:
        UnsupportedCheckpointError: as `read_unet`.
    """
    state = _read(path)
    names = [name for name in state if "encoder." in name and "decoder." not in name]
    inner = {name.split("encoder.", 1)[1]: state[name].float() for name in names}
    first = inner.get("conv1.weight")
    layers = {name.split(".")[1] for name in inner if name.startswith("layers.")}
    if first is None or first.shape != (TOKEN_WIDTH, BANDS, 3) or len(layers) != 4:
        what = _what_it_is(state)
        if first is not None:
            what = f"a Whisper of {len(layers)} layers, {first.shape[0]} wide (tiny has 4 layers, {TOKEN_WIDTH} wide)"
        raise _unsupported(path, "whisper-tiny", what, "Choose model.safetensors of openai/whisper-tiny.")
    with torch.device("meta"):
        encoder = WhisperEncoder()
    fill(encoder, inner, path)
    return encoder.eval().requires_grad_(False)


def fill(network: nn.Module, state: dict[str, Tensor], path: str | os.PathLike, *, assign: bool = True) -> None:
    """Give a network the weights of a file; `assign` takes them as they are, in their precision.

    Raises:
        UnsupportedCheckpointError: some are missing, have another size or belong elsewhere.
    """
    try:
        network.load_state_dict(state, assign=assign)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()[:200]
        raise UnsupportedCheckpointError(
            f"{Path(path).name} does not fit the network ({reason}); download it again."
        ) from None


def converted(path: str | os.PathLike) -> Path:
    """The safetensors file of a UNet: `path` itself or, of a pickle, NAME.fp16.safetensors beside it.

    That is in half precision and is written the first time, complete or not at all.

    Raises:
        UnsupportedCheckpointError: as `read_unet`.
        OSError: there is no room for it.
    """
    path = Path(path)
    if not _is_pickle(path):
        return path
    twin = path.with_suffix(".fp16.safetensors")
    if not twin.is_file():
        write_half(read_unet(path), twin)
    return twin


def write_half(state: dict[str, Tensor], path: str | os.PathLike) -> None:
    """Save weights in half precision, complete or not at all.

    Raises:
        UnsupportedCheckpointError: a weight is not a number, or too large for half precision.
        OSError: there is no room for them.
    """
    path = Path(path)
    half = {name: tensor.to(torch.float16).contiguous() for name, tensor in state.items()}
    for name, tensor in half.items():
        if not tensor.isfinite().all():
            raise UnsupportedCheckpointError(f"{name} for {path} holds values that are not numbers; download it again.")
    write_tensors(path, half, {"format": "pt"})


def _read(path: str | os.PathLike) -> dict[str, Tensor]:
    path = Path(path)
    if not path.is_file():
        raise UnsupportedCheckpointError(
            f"There are no weights at {path}; `animal-lipsync models download` fetches them."
        )
    try:
        if _is_pickle(path):
            with path.open("rb") as file:  # PyTorch goes by the name of a file, but not of an open one
                state = torch.load(file, map_location="cpu", weights_only=True)
        else:
            state = load_file(path)
    except pickle.UnpicklingError:
        raise UnsupportedCheckpointError(
            f"{path} holds more than weights, which may be harmful, and was not opened; get it from where it was "
            "published, as safetensors if you can."
        ) from None
    except Exception as error:  # of a damaged pickle, whatever its instructions stumble over
        if is_out_of_memory(error):
            raise
        reason = str(error).split("\n")[0][:120]
        raise UnsupportedCheckpointError(f"{path} is damaged or cut off ({reason}); download it again.") from None
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise UnsupportedCheckpointError(f"{path} holds no weights by name; download it again.")
    return state


def _is_pickle(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02")  # PyTorch's archives and what came before them
    return False


def _one(state: dict[str, Tensor], ending: str) -> Tensor | None:
    return next((tensor for name, tensor in state.items() if name.endswith(ending)), None)


def _what_it_is(state: dict[str, Tensor]) -> str:
    names = " ".join(state)
    known = {
        "lora_": "a LoRA",
        "conditioner.embedders": "a whole SDXL checkpoint",
        "model.diffusion_model.": "a whole Stable Diffusion checkpoint",
        "add_embedding.": "an SDXL UNet",
        "down_blocks.0.attentions": "a UNet",
        "quant_conv.": "a VAE",
        "encoder.conv1.weight": "a Whisper",
    }
    return next((what for part, what in known.items() if part in names), "a network of another kind")


def _unsupported(path: str | os.PathLike, expected: str, found: str, remedy: str) -> UnsupportedCheckpointError:
    return UnsupportedCheckpointError(f"{Path(path).name} is not {expected} but {found}. {remedy}")
