"""MuseTalk's networks through diffusers, for those who work without ComfyUI. Needs `pip install diffusers`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from .checkpoints import UnsupportedCheckpointError, fill, read_unet, read_vae
from .lora import BASE, Lora, network_hash
from .musetalk import LATENT_SCALE, SIZE, TOKEN_WIDTH, MouthNetworks, Painter


def build_unet(channels: int = 320) -> UNet2DConditionModel:
    """Stable Diffusion 1's UNet with 8 channels in and tokens of 384; `channels` is 320 in all that were trained."""
    return UNet2DConditionModel(
        sample_size=SIZE // 8,
        in_channels=8,
        out_channels=4,
        block_out_channels=(channels, 2 * channels, 4 * channels, 4 * channels),
        cross_attention_dim=TOKEN_WIDTH,
        attention_head_dim=8,  # heads, in spite of the name
    )


def build_vae(channels: int = 128) -> AutoencoderKL:
    """The autoencoder of Stable Diffusion 1; `channels` is 128 in all that were trained."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(channels, 2 * channels, 4 * channels, 4 * channels),
        layers_per_block=2,
    )


def load_networks(
    unet: str | os.PathLike,
    vae: str | os.PathLike,
    *,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    positions: bool = True,
    compile: bool = False,
    lora: str | os.PathLike | None = None,
    strength: float = 1.0,
) -> MouthNetworks:
    """The networks of two checkpoints, ready to draw.

    Args:
        dtype: half precision on a GPU and single on a CPU when None.
        lora: file of one that is added to the UNet, `strength` times.
        compile: let torch.compile fuse them for one batch size, with CUDA graphs on a GPU; the first batch takes
            minutes.

    Raises:
        UnsupportedCheckpointError: a file holds another network, or is damaged; the LoRA was trained on another UNet.
    """
    dtype = dtype or (torch.float32 if torch.device(device).type == "cpu" else torch.float16)
    painter, codec = _read(unet, vae)
    if lora is not None:
        added = Lora.load(lora)
        base = added.told.get(BASE)
        if base and base != network_hash(painter):
            raise UnsupportedCheckpointError(
                f"{Path(lora).name} was trained on another network than {Path(unet).name}; choose the MuseTalk that it "
                "was trained on."
            )
        added.merge(painter, strength)
    return connect(fold_time(painter), codec, device=device, dtype=dtype, positions=positions, compile=compile)


def load_painter(
    unet: str | os.PathLike, vae: str | os.PathLike, *, device: str = "cpu", positions: bool = True
) -> Painter:
    """The networks of two checkpoints, ready to be trained: in bfloat16 on a graphics card that has it.

    Raises:
        UnsupportedCheckpointError: as `load_networks`.
    """
    is_small = torch.device(device).type == "cuda" and torch.cuda.is_bf16_supported()
    painter, codec = _read(unet, vae)
    dtype = torch.bfloat16 if is_small else torch.float32
    return Painter(connect(painter, codec, device=device, dtype=dtype, positions=positions), painter, codec.decoder)


def _read(unet: str | os.PathLike, vae: str | os.PathLike) -> tuple[UNet2DConditionModel, AutoencoderKL]:
    state, vae_state = read_unet(unet), read_vae(vae)
    with torch.device("meta"):
        painter, codec = build_unet(len(state["conv_in.weight"])), build_vae(len(vae_state["encoder.conv_in.weight"]))
    fill(painter, state, unet)
    fill(codec, vae_state, vae)
    return painter, codec


def connect(
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    positions: bool = True,
    compile: bool = False,
) -> MouthNetworks:
    """Loaded networks as callables; moves them to `device` and `dtype`."""
    layout = torch.channels_last if torch.device(device).type == "cuda" else torch.contiguous_format
    for network in (unet, vae):
        # not diffusers' own `to`, which warns of every cast
        nn.Module.to(network.eval().requires_grad_(False), device, dtype, memory_format=layout)
    now, encoder = torch.zeros(1, device=device), network_hash(vae)

    def draw(latents: Tensor, tokens: Tensor) -> Tensor:
        return unet(latents, now, encoder_hidden_states=tokens, return_dict=False)[0]

    def decode_raw(latents: Tensor) -> Tensor:
        return vae.decode(latents, return_dict=False)[0]

    if compile:
        draw, decode_raw = (
            in_full_batches(torch.compile(function, mode="reduce-overhead", dynamic=False))
            for function in (draw, decode_raw)
        )

    def paint(latents: Tensor, tokens: Tensor) -> Tensor:
        _compute_in(unet, latents.dtype)
        return draw(latents, tokens)

    def encode(crops: Tensor) -> Tensor:
        pixels = (2 * crops - 1).to(device, vae.dtype, memory_format=layout)
        return vae.encode(pixels).latent_dist.mode() * LATENT_SCALE

    def decode(latents: Tensor) -> Tensor:
        _compute_in(vae, latents.dtype)
        return (decode_raw(latents / LATENT_SCALE) / 2 + 0.5).clamp(0, 1)

    return MouthNetworks(encode, paint, decode, device, dtype, positions, encoder)


def in_full_batches(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function, always called with as many rows as the most so far; the last row fills up.

    A compiled function and its CUDA graph hold for one size, and what they return is overwritten by the next call.
    """
    size = 0

    def call(*tensors: Tensor) -> Tensor:
        nonlocal size
        count = len(tensors[0])
        size = max(size, count)
        full = (torch.cat([tensor, tensor[-1:].expand(size - count, *tensor.shape[1:])]) for tensor in tensors)
        return function(*full)[:count].clone()

    return call


def _compute_in(network: nn.Module, dtype: torch.dtype) -> None:
    """Change the network's precision if it is another; a picture that half precision spoils is asked for again so."""
    if network.dtype != dtype:
        nn.Module.to(network, dtype)


@torch.no_grad()
def fold_time(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """The same network for time step 0 alone: what it adds for the time is constant and becomes part of its biases."""
    weight = unet.conv_in.weight
    sinusoid = unet.time_proj(torch.zeros(1, device=weight.device)).to(weight.dtype)
    time = nn.functional.silu(unet.time_embedding(sinusoid))
    for block in unet.modules():
        if getattr(block, "time_emb_proj", None) is not None:
            block.conv1.bias += block.time_emb_proj(time)[0]
            block.time_emb_proj = None
            block.time_embedding_norm = "folded"  # neither of the two ways to use a time
    return unet
