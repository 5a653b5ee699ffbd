"""LoRAs of the painting network: low-rank additions to its layers (Hu et al., 2021), put on, trained, saved and read.

Layers go by ComfyUI's names, whichever implementation they belong to, so that a file loads through core's Load LoRA.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from .checkpoints import UnsupportedCheckpointError
from .tensors import write_tensors

Part = Literal["audio", "self", "feed_forward", "convolutions"]
"""Layers that are adapted together: attention to the voice, attention within the picture, what follows both, and the
convolutions."""
LAYERS: dict[Part, str] = {
    "audio": r"attn2\.to_(q|k|v|out\.0)$",
    "self": r"attn1\.to_(q|k|v|out\.0)$",
    "feed_forward": r"ff\.net\.(0\.proj|2)$",
    "convolutions": r"(in_layers\.2|out_layers\.3|skip_connection|proj_in|proj_out)$",
}
EARLY = r"input_blocks\.[0-6]\."
"""Where the network looks at the picture in fine detail; what a mouth is like is decided further in."""
PREFIX = "diffusion_model."
BASE = "animal_lipsync.base"
"""In a file's metadata: `network_hash` of what it was trained on."""
UP, DOWN, ALPHA = ".lora_up.weight", ".lora_down.weight", ".alpha"
BLOCKS = (
    (r"conv_in", lambda: "input_blocks.0.0"),
    (r"down_blocks\.(\d)\.resnets\.(\d)", lambda i, j: f"input_blocks.{3 * i + j + 1}.0"),
    (r"down_blocks\.(\d)\.attentions\.(\d)", lambda i, j: f"input_blocks.{3 * i + j + 1}.1"),
    (r"down_blocks\.(\d)\.downsamplers\.0\.conv", lambda i: f"input_blocks.{3 * i + 3}.0.op"),
    (r"mid_block\.resnets\.(\d)", lambda i: f"middle_block.{2 * i}"),
    (r"mid_block\.attentions\.0", lambda: "middle_block.1"),
    (r"up_blocks\.(\d)\.resnets\.(\d)", lambda i, j: f"output_blocks.{3 * i + j}.0"),
    (r"up_blocks\.(\d)\.attentions\.(\d)", lambda i, j: f"output_blocks.{3 * i + j}.1"),
    (r"up_blocks\.(\d)\.upsamplers\.0", lambda i: f"output_blocks.{3 * i + 2}.{2 if i else 1}"),
    (r"conv_norm_out", lambda: "out.0"),
    (r"conv_out", lambda: "out.2"),
    (r"time_embedding\.linear_(\d)", lambda i: f"time_embed.{2 * i - 2}"),
)
"""Parts of diffusers' UNet, and the numbers in their names -> ComfyUI's names."""
RESNET = (
    (r"\.norm1$", ".in_layers.0"),
    (r"\.norm2$", ".out_layers.0"),
    (r"\.conv1$", ".in_layers.2"),
    (r"\.conv2$", ".out_layers.3"),
    (r"\.time_emb_proj$", ".emb_layers.1"),
    (r"\.conv_shortcut$", ".skip_connection"),
)
"""Layers of a residual block, likewise."""


@dataclass(frozen=True, eq=False)
class Lora:
    down: dict[str, Tensor]
    """(rank, channels in, ...) by layer, in the shape of that layer's weight."""
    up: dict[str, Tensor]
    """(channels out, rank) by layer, with two more dimensions of size 1 for a convolution."""
    alpha: float
    """The addition counts alpha / rank."""
    told: dict[str, str] = field(default_factory=dict)
    """Where it comes from, as a file's metadata."""

    @property
    def rank(self) -> int:
        return len(next(iter(self.down.values())))

    def tensors(self) -> list[Tensor]:
        """All that is trained, in a fixed order."""
        return [tensor for name in self.down for tensor in (self.down[name], self.up[name])]

    @contextmanager
    def on(self, network: nn.Module, strength: float = 1.0) -> Iterator[None]:
        """Within the block the network's layers add this to what they return; gradients flow to it.

        Raises:
            UnsupportedCheckpointError: the network has no such layers.
        """
        hooks = []
        try:
            for name, layer in self._layers(network).items():
                added = partial(_add, down=self.down[name], up=self.up[name], scale=strength * self.alpha / self.rank)
                hooks.append(layer.register_forward_hook(added))
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def merge(self, network: nn.Module, strength: float = 1.0) -> None:
        """Add this to the network's weights, for good.

        Raises:
            UnsupportedCheckpointError: as `on`.
        """
        for name, layer in self._layers(network).items():
            down, up = self.down[name].float(), self.up[name].float()
            added = (up.flatten(1) @ down.flatten(1)).reshape(layer.weight.shape).to(layer.weight.device)
            layer.weight.copy_(layer.weight.float() + strength * self.alpha / self.rank * added)

    def state(self) -> dict[str, Tensor]:
        """What a file of it holds and core's LORA_MODEL is, on the CPU."""
        state = {}
        for name in self.down:
            state[PREFIX + name + UP] = self.up[name].detach().cpu().contiguous()
            state[PREFIX + name + DOWN] = self.down[name].detach().cpu().contiguous()
            state[PREFIX + name + ALPHA] = torch.tensor(self.alpha)
        return state

    def save(self, path: str | os.PathLike) -> None:
        """Write it as safetensors, complete or not at all.

        Raises:
            OSError: there is no room for it.
        """
        write_tensors(path, self.state(), {"format": "pt", **self.told})

    @classmethod
    def load(cls, path: str | os.PathLike) -> Lora:
        """Read what `save` wrote.

        Raises:
            UnsupportedCheckpointError: the file is missing, damaged or holds something else.
        """
        try:
            with safe_open(path, "pt") as file:
                told = file.metadata() or {}
                state = {name: file.get_tensor(name) for name in file.keys()}
        except (SafetensorError, OSError) as error:
            raise UnsupportedCheckpointError(f"{path} is no LoRA that can be read ({error}); get it again.") from None
        names = [name.removeprefix(PREFIX).removesuffix(UP) for name in state if name.endswith(UP)]
        down = {name: state.get(PREFIX + name + DOWN) for name in names}
        up = {name: state.get(PREFIX + name + UP) for name in names}
        alphas = {float(state.get(PREFIX + name + ALPHA, torch.tensor(torch.nan))) for name in names}
        ranks = {len(tensor) for tensor in down.values() if tensor is not None}
        if not names or None in down.values() or None in up.values() or len(alphas) != 1 or len(ranks) != 1:
            raise UnsupportedCheckpointError(
                f"{path} is no LoRA of Train Pet LoRA (its first tensor is {next(iter(state), 'missing')}); choose one "
                "that was trained here."
            )
        return cls(down, up, alphas.pop(), told)

    def _layers(self, network: nn.Module) -> dict[str, nn.Module]:
        there = named_layers(network)
        missing = [name for name in self.down if name not in there]
        misfits = [name for name in self.down if name in there and not self._fits(name, there[name])]
        if missing or misfits:
            raise UnsupportedCheckpointError(
                f"The LoRA does not fit this network: {len(missing)} of its {len(self.down)} layers are missing and "
                f"{len(misfits)} have another size, e.g. {(missing + misfits)[0]}. Use the MuseTalk it was trained on."
            )
        return {name: there[name] for name in self.down}

    def _fits(self, name: str, layer: nn.Module) -> bool:
        shape = layer.weight.shape
        return self.down[name].shape[1:] == shape[1:] and len(self.up[name]) == shape[0]


def new_lora(
    network: nn.Module,
    parts: Sequence[Part] = ("audio", "self"),
    *,
    rank: int = 16,
    alpha: float = 16.0,
    early: bool = False,
    seed: int = 0,
) -> Lora:
    """A LoRA that changes nothing yet, in single precision on the network's device.

    Args:
        early: adapt also the layers that look at fine detail first.
    """
    wanted = re.compile("|".join(LAYERS[part] for part in parts))
    names = [
        name
        for name, layer in sorted(named_layers(network).items())
        if wanted.search(name) and (early or not re.match(EARLY, name)) and isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    if not names:
        raise ValueError(f"The network has no layers of {', '.join(parts)} to adapt.")
    layers, random = named_layers(network), torch.Generator().manual_seed(seed)
    down, up = {}, {}
    for name in names:
        weight = layers[name].weight
        bound = weight[0].numel() ** -0.5
        drawn = torch.rand(rank, *weight.shape[1:], generator=random) * 2 * bound - bound
        down[name] = drawn.to(weight.device)
        up[name] = torch.zeros(len(weight), rank, *[1] * (weight.dim() - 2), device=weight.device)
    return Lora(down, up, alpha)


def named_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Every layer with a weight, by the name ComfyUI has for it, of ComfyUI's own network or of diffusers'."""
    layers = {name: layer for name, layer in network.named_modules() if hasattr(layer, "weight")}
    if hasattr(network, "down_blocks"):
        return {core_name(name): layer for name, layer in layers.items()}
    return layers


def network_hash(network: nn.Module) -> str:
    """What tells this network's weights from others, in whatever precision: 16 hexadecimal digits of some signs."""
    content = blake2b(digest_size=8)
    for name, layer in sorted(named_layers(network).items()):
        sample = layer.weight.detach().flatten()[:: max(1, layer.weight.numel() // 16)]
        content.update(name.encode() + sample.signbit().cpu().numpy().tobytes())
    return content.hexdigest()


def core_name(name: str) -> str:
    """ComfyUI's name for a layer of diffusers' Stable Diffusion 1 UNet."""
    for pattern, place in BLOCKS:
        if found := re.match(pattern, name):
            name = place(*map(int, found.groups())) + name[found.end() :]
            break
    if "transformer_blocks" not in name:
        for old, new in RESNET:
            name = re.sub(old, new, name)
    return name


def _add(layer: nn.Module, inputs: tuple[Tensor], output: Tensor, *, down: Tensor, up: Tensor, scale: float) -> Tensor:
    x, down, up = inputs[0], down.to(inputs[0]), up.to(inputs[0])
    if down.dim() == 2:
        return output + F.linear(F.linear(x, down), up) * scale
    return output + F.conv2d(F.conv2d(x, down, None, layer.stride, layer.padding, layer.dilation), up) * scale
