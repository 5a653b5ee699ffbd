"""How a mouth moves besides what it says: its temperament (`Style`) and its build (`Build`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .rig import BIRDS


@dataclass(frozen=True)
class Style:
    """A way of speaking. `natural` does what is heard."""

    opening: float
    """How far the jaw opens, times what is heard."""
    contrast: float
    """Above 1 small movements become smaller beside large ones: poses are struck. Below 1 they all become alike."""
    lips: float
    """How far the lips spread and round, times what is heard."""
    hold: float
    """Seconds longer than it is heard that a wide pose is held, half of them before and half after."""
    calm: float
    """Seconds, sigma of a blur: how softly one pose goes over into the next."""
    parted: float
    """How far the mouth opens before it begins to speak."""


STYLES = {
    "subtle": Style(opening=0.55, contrast=0.85, lips=0.6, hold=0.0, calm=0.03, parted=0.04),
    "natural": Style(opening=1.0, contrast=1.0, lips=1.0, hold=0.0, calm=0.0, parted=0.08),
    "cartoon": Style(opening=1.6, contrast=1.15, lips=1.6, hold=0.06, calm=0.012, parted=0.16),
}


@dataclass(frozen=True)
class Build:
    """What the mouth of a species can do."""

    widest: float = 1.0
    """`jaw_open` of its widest open mouth, that speech does not go beyond."""
    fastest: float = 14.0
    """Change of `jaw_open` in a second: a heavy jaw takes longer, and opens less far for a short vowel."""
    lips: float = 1.0
    """How far lips spread and round; a bill cannot."""


SMALL = Build(widest=0.85, fastest=18.0, lips=0.8)
LONG = Build(widest=0.85, fastest=8.0, lips=1.0)
LARGE = Build(widest=0.95, fastest=8.0)
BUILDS = {
    **dict.fromkeys(("dog", "fox", "wolf", "primate", "monkey", "unknown"), Build()),
    **dict.fromkeys(("cat", "ferret", "otter"), Build(widest=0.9, lips=0.8)),
    **dict.fromkeys(("lion", "tiger", "leopard", "bear", "seal"), LARGE),
    **dict.fromkeys(("rodent", "rabbit", "hamster", "mouse", "rat", "squirrel", "beaver"), SMALL),
    **dict.fromkeys(("horse", "donkey", "zebra", "cow", "camelid", "llama", "alpaca", "camel", "deer"), LONG),
    **dict.fromkeys(BIRDS, Build(widest=0.95, fastest=20.0, lips=0.0)),
}


def build_of(species: str) -> Build:
    """What a mouth of this species can do; a dog's where the name is not known."""
    return BUILDS.get(species.lower(), BUILDS["unknown"])


def respond(movement: np.ndarray, strength: float, *, contrast: float = 1.0) -> np.ndarray:
    """A movement in [0, 1], what is beyond cut off, made `strength` times as large and never larger than 1.

    At 1 it stays as it is. Below it is proportional; above, small movements become `strength` times as large and wide
    ones are bent below 1, so that no two become alike. 0 stays 0.
    """
    movement = np.clip(movement, 0, 1) ** contrast
    return strength * movement if strength <= 1 else 1 - (1 - movement) ** strength
