"""The inside of a mouth, painted per pixel: cavity, tongue, teeth of the species, lip rims.

Works in lip coordinates: u across (-1 to 1 from the front; 0 at the hinge to 1 at the tip from the side) and v from
the upper lip (0) to the lower one (1). Knows nothing of keypoints or of where the mouth sits in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .warp import smoothstep

# sRGB under white light
TONGUE = (0.83, 0.46, 0.48)
PALATE = (0.46, 0.17, 0.18)
THROAT = (0.055, 0.016, 0.020)
TOOTH = (0.93, 0.90, 0.83)
GUM = (0.62, 0.30, 0.31)
BEAK_TONGUE = (0.46, 0.30, 0.29)


@dataclass(frozen=True)
class Tooth:
    at: float
    """Centre: share of the mouth's half width (front) or length (side)."""
    width: float
    """Half the width at the gum, same unit."""
    height: float
    """Same unit."""
    point: float
    """1 is a cone, 4 nearly a box."""


def _row(count: int, width: float, height: float, point: float = 3.0) -> tuple[Tooth, ...]:
    return tuple(Tooth((i - (count - 1) / 2) * 2 * width, 0.94 * width, height, point) for i in range(count))


def _pair(at: float, width: float, height: float, point: float) -> tuple[Tooth, ...]:
    return (Tooth(-at, width, height, point), Tooth(at, width, height, point))


@dataclass(frozen=True)
class Dentition:
    upper: tuple[Tooth, ...] = ()
    lower: tuple[Tooth, ...] = ()
    upper_side: tuple[Tooth, ...] = ()
    lower_side: tuple[Tooth, ...] = ()


CARNIVORE = Dentition(
    upper=_pair(0.38, 0.075, 0.20, 1.5),
    lower=_row(6, 0.040, 0.075, 4.0) + _pair(0.32, 0.062, 0.19, 1.5),
    upper_side=(Tooth(0.84, 0.035, 0.13, 1.3), Tooth(0.66, 0.04, 0.05, 1.6), Tooth(0.55, 0.05, 0.06, 1.6))
    + (Tooth(0.42, 0.06, 0.075, 1.6),),
    lower_side=(Tooth(0.88, 0.032, 0.11, 1.3), Tooth(0.70, 0.04, 0.045, 1.6), Tooth(0.58, 0.045, 0.05, 1.6))
    + (Tooth(0.46, 0.05, 0.06, 1.6),),
)
FELINE = Dentition(
    upper=_pair(0.34, 0.065, 0.27, 1.3),
    lower=_row(6, 0.026, 0.045, 4.0) + _pair(0.27, 0.055, 0.20, 1.3),
    upper_side=CARNIVORE.upper_side,
    lower_side=CARNIVORE.lower_side,
)
RODENT = Dentition(
    upper=_pair(0.085, 0.085, 0.36, 4.0),
    lower=_pair(0.06, 0.06, 0.26, 4.0),
    upper_side=(Tooth(0.92, 0.06, 0.20, 3.0),),
    lower_side=(Tooth(0.90, 0.05, 0.16, 3.0),),
)
GRAZER = Dentition(
    upper=_row(6, 0.085, 0.12, 4.0),
    lower=_row(6, 0.080, 0.15, 4.0),
    upper_side=(Tooth(0.88, 0.05, 0.07, 4.0), Tooth(0.78, 0.05, 0.06, 4.0)),
    lower_side=(Tooth(0.88, 0.05, 0.08, 4.0), Tooth(0.78, 0.05, 0.07, 4.0)),
)
RUMINANT = Dentition(lower=GRAZER.lower, lower_side=GRAZER.lower_side)
TOOTHLESS = Dentition()

_DENTITIONS = {
    CARNIVORE: ("dog", "fox", "wolf", "bear", "raccoon", "seal", "ferret", "otter", "unknown"),
    FELINE: ("cat", "lion", "tiger", "leopard"),
    RODENT: ("rodent", "rabbit", "hamster", "mouse", "rat", "squirrel", "beaver"),
    GRAZER: ("horse", "donkey", "zebra", "pig", "primate", "monkey"),
    RUMINANT: ("camelid", "llama", "alpaca", "camel", "cow", "sheep", "goat", "deer"),
}


def dentition_of(species: str, *, beak: bool) -> Dentition:
    """The teeth of a species name; carnivore's where the name is not known."""
    if beak:
        return TOOTHLESS
    for dentition, names in _DENTITIONS.items():
        if species.lower() in names:
            return dentition
    return CARNIVORE


def lip_coordinates(width: int, height: int, *, is_side: bool, device="cpu") -> tuple[Tensor, Tensor]:
    """u of `width` columns, (1, 1, w), a little beyond either end, and v of `height` rows, (1, h, 1)."""
    first, last = _ends(is_side)
    u = torch.linspace(first, last, width, device=device).reshape(1, 1, -1)
    return u, torch.linspace(0, 1, height, device=device).reshape(1, -1, 1)


def to_texture(u: Tensor, *, is_side: bool) -> Tensor:
    """u -> position on the painted picture, -1 at its left edge and 1 at its right."""
    first, last = _ends(is_side)
    return (2 * u - first - last) / (last - first)


def paint_mouth(
    gap: Tensor,
    *,
    light: Tensor,
    slant: Tensor,
    dentition: Dentition,
    is_side: bool,
    beak: bool,
) -> Tensor:
    """The opened mouth, stretched flat: lip to lip from top to bottom, corner to corner from left to right.

    Args:
        gap: (N, 1, w) distance between the lips at each column of `lip_coordinates`, in half widths (side: lengths).
        light: (N, 3, 1, 1) colour of the light, 1 = white daylight.
        slant: (N, 1, 1) from -1 (light from the left) to 1 (from the right).

    Returns:
        (N, 3, w / 2, w) sRGB, not clipped.
    """
    gap = gap.expand(max(len(gap), len(slant)), -1, -1)
    width = gap.shape[2]
    u, v = lip_coordinates(width, width // 2, is_side=is_side, device=gap.device)
    paint = _paint_side if is_side else _paint_front
    return light * paint(u, v, gap, slant, dentition, beak)


def _paint_front(u: Tensor, v: Tensor, gap: Tensor, slant: Tensor, dentition: Dentition, beak: bool) -> Tensor:
    edge = 1 - u.abs().clamp(0, 1)
    grown = smoothstep(gap / 0.42)
    # roof to floor, darkest in the middle of the throat; ridges of the palate show at the top of a wide mouth
    depth = smoothstep((v + 0.12) / 0.5) * smoothstep(edge / 0.6)
    colour = _mix(_rgb(PALATE, u) * 0.62, _rgb(THROAT, u), depth)
    ridges = torch.cos(34 * v * gap.clamp(max=1.2) + 3 * u**2)
    colour = colour * (1 + (0.12 + 0.12 * ridges) * smoothstep((0.4 - v) / 0.4))[:, None]
    colour = _teeth(colour, dentition.upper, u, v, gap, grown, slant, gum=0.035, is_side=False)

    across = u / 0.72
    top = 0.58 - 0.18 * grown + 0.34 * across**2 - 0.05 * _bell((across.abs() - 0.42) / 0.25)
    rise = (v - top) / (1 - top).clamp(min=0.15)
    mask = smoothstep(rise / 0.10 + 0.2) * smoothstep((1 - across.abs()) / 0.16)
    shade = (0.30 + 0.70 * smoothstep(rise / 0.55)) * (0.55 + 0.45 * smoothstep((1.02 - across.abs()) / 0.5))
    colour = _mix(colour, _tongue(across, rise, slant) * shade[:, None], mask)

    colour = _teeth(colour, dentition.lower, u, 1 - v, gap, grown, slant, gum=0.03, is_side=False)
    # the upper lip's shadow falls on everything under it; cheeks close the light off at the corners
    shadow = (0.35 + 0.65 * smoothstep(v * gap / 0.16)) * (0.62 + 0.38 * smoothstep(edge / 0.45))
    return colour * shadow[:, None]


def _paint_side(u: Tensor, v: Tensor, gap: Tensor, slant: Tensor, dentition: Dentition, beak: bool) -> Tensor:
    inner = smoothstep(u / 0.9)
    grown = smoothstep(gap / 0.22)
    flat = torch.zeros_like(slant)
    colour = _mix(_rgb(THROAT, u), _rgb(PALATE, u) * 0.75, inner * (0.35 + 0.65 * (2 * v - 1) ** 2))
    colour = _teeth(colour, dentition.upper_side, u, v, gap, grown, flat, gum=0.02, is_side=True)
    across = (u - 0.50) / (0.30 if beak else 0.38)
    top = 0.62 + 0.28 * across**2
    rise = (v - top) / (1 - top).clamp(min=0.12)
    shine = 0.22 * _bell((rise - 0.30) / 0.16) * smoothstep((0.9 - across.abs()) / 0.5)
    body = _rgb(BEAK_TONGUE if beak else TONGUE, u) * (0.45 + 0.55 * smoothstep(rise / 0.6))[:, None] + shine[:, None]
    mask = smoothstep(rise / 0.15) * smoothstep((1 - across.abs()) / 0.2)
    colour = _mix(colour, body * (0.4 + 0.6 * inner)[:, None], mask)
    colour = _teeth(colour, dentition.lower_side, u, 1 - v, gap, grown, flat, gum=0.02, is_side=True)
    return colour * (0.45 + 0.55 * smoothstep(v * gap / 0.10))[:, None]


def paint_tongue_out(u: Tensor, s: Tensor, *, light: Tensor, slant: Tensor) -> tuple[Tensor, Tensor]:
    """A tongue hanging over the lower lip.

    Args:
        u: (N, h, w) across the tongue, -1 to 1 from edge to edge.
        s: (N, h, w) along it, 0 where it leaves the mouth, 1 at its tip.

    Returns:
        (N, 3, h, w) colours and (N, h, w) coverage.
    """
    rounded = 1 - (1 - ((s - 0.55) / 0.45).clamp(0, 1) ** 2).clamp(min=0).sqrt()
    edge = 1 - rounded * 0.95 - u.abs()
    mask = smoothstep(edge / 0.12) * smoothstep(s / 0.12) * (s < 1)
    shade = (0.62 + 0.38 * smoothstep(edge / 0.55)) * (0.75 + 0.25 * smoothstep(s / 0.25))
    colour = _tongue(u, 0.55 + 0.35 * s, slant) * shade[:, None]
    return light * colour, mask


def _tongue(across: Tensor, rise: Tensor, slant: Tensor) -> Tensor:
    groove = _bell(across / 0.10) * smoothstep(rise / 0.3) * (1 - 0.6 * smoothstep((rise - 0.6) / 0.5))
    left = across - 0.34 * slant
    shine = _bell((left - 0.24) / 0.16) * _bell((rise - 0.52) / 0.20)
    shine = shine + 0.7 * _bell((left + 0.28) / 0.13) * _bell((rise - 0.58) / 0.16)
    return _rgb(TONGUE, across) * (1 - 0.22 * groove)[:, None] + 0.13 * shine[:, None]


def _teeth(
    colour: Tensor,
    teeth: tuple[Tooth, ...],
    u: Tensor,
    v: Tensor,
    gap: Tensor,
    grown: Tensor,
    slant: Tensor,
    *,
    gum: float,
    is_side: bool,
) -> Tensor:
    """Paint a row of teeth that grow from v = 0 along +v."""
    if not teeth:
        return colour
    reach = max(abs(tooth.at) + tooth.width for tooth in teeth)
    gums = smoothstep((gum * 1.6 - v * gap) / gum) * smoothstep((reach * 1.15 - u.abs()) / (0.25 * reach)) * grown
    colour = _mix(colour, _rgb(GUM, u) * 0.75, gums * 0.8)
    first, last = _ends(is_side)
    count = u.shape[2]
    for tooth in teeth:
        start, stop = ((tooth.at + side * tooth.width - first) / (last - first) * (count - 1) for side in (-1, 1))
        columns = slice(max(int(start), 0), min(int(stop) + 2, count))
        x = (u[..., columns] - tooth.at) / tooth.width
        y, height = v * gap[..., columns], tooth.height * grown[..., columns]
        outline = height * (1 - x.abs().clamp(0, 1) ** tooth.point)
        mask = smoothstep((outline - y) / (0.25 * tooth.width) + 0.3) * smoothstep((1 - x.abs()) / 0.22)
        along = (y / height.clamp(min=1e-3)).clamp(0, 1)
        tone = (0.70 + 0.30 * smoothstep(along / 0.5)) * (1 - 0.34 * (x - 0.3 * slant) ** 2).clamp(min=0.4)
        yellow = (0.18 * (1 - along))[:, None] * _rgb((0, 0, TOOTH[2]), u)
        part = colour[..., columns]
        colour[..., columns] = _mix(part, (_rgb(TOOTH, u) - yellow) * tone[:, None], mask)
    return colour


def _ends(is_side: bool) -> tuple[float, float]:
    return (-0.02, 1.02) if is_side else (-1.04, 1.04)


def _bell(x: Tensor) -> Tensor:
    """exp(-x^2), exactly 0 from |x| = 3 on: what is smaller is slow to compute and cannot be seen."""
    return torch.where(x.abs() < 3, torch.exp(-(x.clamp(-3, 3) ** 2)), 0.0)


def _mix(under: Tensor, over: Tensor, share: Tensor) -> Tensor:
    return under + (over - under) * share[:, None]


def _rgb(colour: tuple[float, float, float], like: Tensor) -> Tensor:
    return like.new_tensor(colour).reshape(1, 3, 1, 1)
