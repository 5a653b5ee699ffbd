"""MuseTalk's network for mouths: what goes into its one pass and what comes out.

Zhang et al., 2024 (arXiv 2410.10122). Everything is differentiable; who does not train wraps it in `no_grad`. The
three networks are callables: diffusers' (`networks.py`), the host's, or any others of the same shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

SIZE = 256
"""Pixels of a crop's side."""
LATENT_SIZE = SIZE // 8
LATENT_SCALE = 0.18215
"""What the VAE's latents are multiplied by before the UNet sees them."""
TOKENS = 50
TOKEN_WIDTH = 384


@dataclass(frozen=True, eq=False)
class MouthNetworks:
    """The three networks on one device. Each takes tensors of any dtype and computes in the one it was given."""

    encode: Callable[[Tensor], Tensor]
    """(B, 3, 256, 256) sRGB in [0, 1] -> (B, 4, 32, 32) latents, scaled: the mode, never a sample."""
    unet: Callable[[Tensor, Tensor], Tensor]
    """(B, 8, 32, 32) latents, (B, 50, 384) tokens -> (B, 4, 32, 32) latents of the speaking face, at time step 0."""
    decode: Callable[[Tensor], Tensor]
    """(B, 4, 32, 32) scaled latents -> (B, 3, 256, 256) sRGB in [0, 1]."""
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32
    """Of what the UNet is given."""
    positions: bool = True
    """Add `token_positions`, as upstream does when it draws; a network trained without them wants False."""
    encoder: str = ""
    """What tells `encode` from that of other weights, for those who keep latents; empty when that is not known."""


@dataclass(frozen=True, eq=False)
class Painter:
    """Networks that can be trained: all on one device, gradients flowing through `unet` and `decode`."""

    networks: MouthNetworks
    network: nn.Module
    """Whose layers are adapted: what `networks.unet` calls, diffusers' or ComfyUI's."""
    decoder: nn.Module
    """What `networks.decode` calls, likewise."""

    @property
    def middle(self) -> nn.Module:
        """The last residual block of the network's middle."""
        return (
            self.network.mid_block.resnets[-1] if hasattr(self.network, "mid_block") else self.network.middle_block[-1]
        )

    @property
    def decoder_blocks(self) -> list[nn.Module]:
        """All but the last, which is the picture already.

        Raises:
            ValueError: it has none, as that of TAESD.
        """
        if hasattr(self.decoder, "up_blocks"):
            return list(self.decoder.up_blocks)[:-1]
        if hasattr(self.decoder, "up"):
            return [level.block[-1] for level in list(self.decoder.up)[:0:-1]]
        raise ValueError("This VAE has no levels to compare at; take that of Load MuseTalk, or the preset quick.")


def token_positions() -> Tensor:
    """(50, 384) sines and cosines, alternating, that tell the tokens' order."""
    rates = torch.exp(torch.arange(0, TOKEN_WIDTH, 2) * (-torch.log(torch.tensor(10_000.0)) / TOKEN_WIDTH))
    angles = torch.arange(TOKENS)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def hide_mouth(crops: Tensor) -> Tensor:
    """(B, 3, 256, 256) crops with their lower half black."""
    return torch.cat([crops[:, :, : SIZE // 2], torch.zeros_like(crops[:, :, SIZE // 2 :])], dim=2)


def latents_of(crops: Tensor, references: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """(B, 8, 32, 32): what is known of the face, its mouth hidden, and below it what such a face looks like.

    Args:
        crops: (B, 3, 256, 256) sRGB in [0, 1].
        references: likewise, with a mouth; upstream gives the crops themselves.
    """
    hidden, shown = encode(torch.cat([hide_mouth(crops), references])).chunk(2)
    return torch.cat([hidden, shown], dim=1)


def paint_latents(latents: Tensor, tokens: Tensor, networks: MouthNetworks, dtype: torch.dtype | None = None) -> Tensor:
    """(B, 4, 32, 32): the face saying what the tokens (B, 50, 384) hold.

    Args:
        dtype: to compute in; the networks' own when None.
    """
    dtype = dtype or networks.dtype
    tokens = tokens.to(latents.device, dtype)
    if networks.positions:
        tokens = tokens + token_positions().to(tokens)
    return networks.unet(latents.to(dtype), tokens)
