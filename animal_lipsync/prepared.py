"""An animal prepared for the inpaint engine: where its face is and what the encoder makes of it, kept in one file.

Whoever lets it speak later, live or not, then needs neither detector nor encoder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .cache import clip_key
from .clip import Clip
from .image import to_frames
from .inpaint import InpaintEngine
from .keeping import Keeper
from .tensors import write_tensors
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
        told = {
            "version": "1",
            "faces": self.face.to_json(),
            "is_guided": str(int(self.is_guided)),
            "opening": str(self.opening),
        }
        write_tensors(path, _to_tensors(self.latents), told)

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
                kept = _from_tensors(file.get_tensor("names"), file.get_tensor("latents"))
            if told.get("version") != "1":
                raise ValueError("it holds something else")
            return cls(Faces.from_json(told["faces"]), kept, told["is_guided"] == "1", float(told["opening"]))
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise FormatError(f"{path} is no prepared animal ({error}); make it again with Prepare Animal.") from None


@contextmanager
def remembering(engine: InpaintEngine, clip: Clip, keeper: Keeper | None) -> Iterator[None]:
    """Within the block the engine knows the faces of this clip that were encoded before; new ones are kept at its end.

    Args:
        keeper: of files of latents; None keeps nothing.
    """
    if keeper is None or not engine.networks.encoder:
        yield
        return
    key = clip_key(clip, engine.networks.encoder, str(engine.networks.dtype))
    known = keeper.get(key, _read_latents) or {}
    for name, latents in known.items():
        engine.latents.setdefault(name, latents)
    try:
        yield
    finally:
        if engine.latents.keys() - known.keys():
            keeper.put(key, lambda path: write_tensors(path, _to_tensors(engine.latents)))


def _read_latents(path: Path) -> dict[bytes, Tensor]:
    with safe_open(path, "pt") as file:
        return _from_tensors(file.get_tensor("names"), file.get_tensor("latents"))


def _to_tensors(latents: Mapping[bytes, Tensor]) -> dict[str, Tensor]:
    names = torch.tensor([list(name) for name in latents], dtype=torch.uint8).reshape(len(latents), 16)
    rows = torch.stack([tensor.cpu() for tensor in latents.values()]) if latents else torch.zeros(0, 8, 32, 32)
    return {"names": names, "latents": rows}


def _from_tensors(names: Tensor, latents: Tensor) -> dict[bytes, Tensor]:
    if latents.shape[1:] != (8, 32, 32) or names.shape != (len(latents), 16):
        raise ValueError("it holds something else")
    return dict(zip((bytes(name.tolist()) for name in names), latents, strict=True))


def prepare(clip: Clip, face: FaceTrack, engine: InpaintEngine) -> Iterator[np.ndarray]:
    """Encode the face of every frame into `engine.latents`; yields each frame when that is done."""
    engine.kept = max(engine.kept, clip.frames)
    for index, pixels in enumerate(clip.read(clip.frames)):
        row = face if len(face) == 1 else face[index : index + 1]
        if engine.sees(row, clip.width, clip.height)[0]:
            frame = to_frames(pixels[None]).to(engine.networks.device)
            engine.encode(frame, row, is_still=clip.frames == 1)
        yield pixels
