"""An animal prepared for the inpaint engine: where its face is and what the encoder makes of it, kept in one file.

Whoever lets it speak later, live or not, then needs neither detector nor encoder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .clip import Clip
from .files import replacing
from .image import to_frames
from .inpaint import InpaintEngine
from .types import Faces, FaceTrack, FormatError


@dataclass(frozen=True, eq=False)
class PreparedAnimal:
    face: Faces
    """With one track, of the clip that was prepared."""
    latents: dict[bytes, Tensor]
    """(8, 32, 32) of each frame's face, by its content."""
    is_guided: bool
    """Made with the mouth opened by the warp engine, as the engine must then be that uses it."""
    opening: float
    """Of the engine, likewise."""

    def require(self, engine: InpaintEngine) -> None:
        """Refuse an engine that would encode all anew.

        Raises:
            ValueError: it has another guide or opening.
        """
        if (self.is_guided, self.opening) != (engine.guide is not None, engine.opening):
            opened = "open_mouth on" if self.is_guided else "open_mouth off"
            raise ValueError(
                f"The animal was prepared with {opened} and opening {self.opening:g}; use the same here, or prepare it "
                "again."
            )

    def save(self, path: str | os.PathLike) -> None:
        """Write it as safetensors.

        Raises:
            OSError: there is no room for it.
        """
        names = torch.tensor([list(name) for name in self.latents], dtype=torch.uint8).reshape(-1, 16)
        latents = torch.stack([latents.cpu() for latents in self.latents.values()])
        told = {
            "version": "1",
            "faces": self.face.to_json(),
            "is_guided": str(int(self.is_guided)),
            "opening": str(self.opening),
        }
        with replacing(path) as partial:
            save_file({"names": names, "latents": latents}, partial, metadata=told)

    @classmethod
    def load(cls, path: str | os.PathLike) -> PreparedAnimal:
        """Read what `save` wrote.

        Raises:
            FormatError: the file is missing, damaged or something else.
        """
        path = Path(path)
        try:
            with safe_open(path, "pt") as file:
                told = file.metadata() or {}
                names, latents = file.get_tensor("names"), file.get_tensor("latents")
            if told.get("version") != "1" or latents.shape[1:] != (8, 32, 32) or names.shape != (len(latents), 16):
                raise ValueError("it holds something else")
            kept = dict(zip((bytes(name.tolist()) for name in names), latents, strict=True))
            return cls(Faces.from_json(told["faces"]), kept, told["is_guided"] == "1", float(told["opening"]))
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise FormatError(f"{path} is no prepared animal ({error}); make it again with Prepare Animal.") from None


def prepare(clip: Clip, face: FaceTrack, engine: InpaintEngine) -> Iterator[np.ndarray]:
    """Encode the face of every frame into `engine.latents`; yields each frame when that is done."""
    engine.kept = max(engine.kept, clip.frames)
    for index, pixels in enumerate(clip.read(clip.frames)):
        row = face if len(face) == 1 else face[index : index + 1]
        if engine.sees(row, clip.width, clip.height)[0]:
            frame = to_frames(pixels[None]).to(engine.networks.device)
            engine.encode(frame, row, is_still=clip.frames == 1)
        yield pixels
