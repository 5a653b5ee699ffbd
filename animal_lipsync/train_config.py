"""Settings of a training, as a file too, and those that have names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from .augmentation import Augmentation
from .documents import FormatError
from .lora import Part
from .losses import Rule
from .pairs import SHARES, Kind

PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"steps": 600},
    "good": {"steps": 1500, "parts": ("audio", "self", "feed_forward"), "perceptual": 0.1, "statistics": 0.02},
    "best": {
        "steps": 4000,
        "parts": ("audio", "self", "feed_forward", "convolutions"),
        "perceptual": 0.1,
        "statistics": 0.02,
        "critic": 0.02,
    },
}


@dataclass(frozen=True)
class TrainConfig:
    """All that decides what a run learns, besides its material and networks; kept beside every checkpoint."""

    steps: int = 1500
    batch: int = 4
    """Pairs a step, on each graphics card."""
    learning_rate: float = 1e-4
    """At its highest; it rises over `warm_up` steps and sinks to 0 along a cosine."""
    warm_up: int = 50
    rank: int = 16
    alpha: float = 16.0
    parts: tuple[Part, ...] = ("audio", "self")
    """Layers that are adapted."""
    early: bool = False
    """Adapt also the layers that look at fine detail first."""
    decay: float = 0.995
    """Of the running average of the weights, which is what is saved."""
    latent: float = 1.0
    """Weight of the difference of latents; those below likewise of what `losses.py` defines. 0 saves its cost."""
    pixel: float = 1.0
    perceptual: float = 0.0
    texture: float = 0.02
    opening: float = 0.1
    identity: float = 0.02
    statistics: float = 0.0
    """Of the middle of the network against the network without the LoRA: one more pass through it."""
    critic: float = 0.0
    """Of the verdicts of a critic of 1.3 million weights, trained beside, and once more of what it sees."""
    critic_from: int = 500
    """Step at which the critic is heard; it learns from the start."""
    rule: Rule = "hinge"
    shares: Mapping[Kind, float] = field(default_factory=lambda: dict(SHARES))
    augmentation: Augmentation = Augmentation()
    optimizer: Literal["adamw", "adamw8bit"] = "adamw"
    """adamw8bit keeps its moments in a quarter of the memory and needs bitsandbytes."""
    repeat: bool = True
    """Compute the inner values of blocks again rather than keep them: less memory, more time."""
    seed: int = 0
    keep_every: int = 100
    """Steps between checkpoints."""
    show_every: int = 100
    """Steps between previews."""

    def __post_init__(self):
        for name, low in (("steps", 1), ("batch", 1), ("rank", 1), ("keep_every", 1), ("show_every", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}.")
        if not 0 < self.learning_rate <= 0.1:
            raise ValueError(f"learning_rate must lie above 0 and up to 0.1, got {self.learning_rate}; 1e-4 is usual.")
        if self.latent + self.pixel <= 0:
            raise ValueError("latent and pixel cannot both be 0: nothing would say what the mouth should look like.")

    def to_json(self) -> str:
        return json.dumps({"version": 1, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Raises:
        FormatError: it is something else.
        """
        try:
            values = json.loads(text)
            known = {name: values[name] for name in (field.name for field in fields(cls)) if name in values}
            known["parts"], known["augmentation"] = tuple(known["parts"]), Augmentation(**known["augmentation"])
            return cls(**known)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"These are no settings of a training ({error}).") from None
