"""What became of a picture beside its mouth: whether the animal is still itself, and whether the edit shows.

Each figure sets the finished frames beside those of the source that they were made from:

- **change outside**: the mean change of pixels well outside the head. An engine leaves it at exactly 0; in a compressed
  video it is what compression did, about 1.
- **identity**: the likeness (`identity.py`) of the head before and after; 1 is the same picture, `identity.ALIKE` the
  least at which two pictures are taken for one animal.
- **texture**: how much of its fine detail, of one pixel, the face above the nose has kept. Under 1 it was softened.
- **flicker**: how much more the face above the nose changes from frame to frame than it did.
- **mouth flicker**: the same below the nose, where change is wanted: so a frame is held against the mean of its two
  neighbours, which a mouth that moves smoothly meets and one that is painted anew each time does not.
- **seam**: how steep edges are that an edit has left on the head (`seams.py`).
"""

from __future__ import annotations

import numpy as np

from .identity import look_of_heads
from .image import to_frames
from .schemas import NOSE
from .seams import Seams
from .types import FaceTrack

HEAD = np.array([-0.25, -0.25, 0.25, 0.7])
"""Sizes of the head by which each edge of its box moves out to hold all that a jaw may move."""
LOOKED = 12
"""Frames from one look at who it is to the next."""


class Preservation:
    """Adds up what became of frame after frame."""

    def __init__(self):
        self.seams, self.recent, self.count = Seams(), [], 0
        self.outside, self.likeness = [], []
        self.detail, self.steps, self.jumps = [], [], []
        """Of the finished frame and of the source."""

    def add(self, frames: np.ndarray, sources: np.ndarray, face: FaceTrack) -> None:
        """Frames that follow on those before.

        Args:
            frames, sources: (N, H, W, 3) uint8; where one is larger, only the part that both have counts.
            face: where the animal is in the source; N rows, or 1 that holds for all.
        """
        height, width = (min(a, b) for a, b in zip(frames.shape[1:3], sources.shape[1:3], strict=True))
        both = np.stack([frames[:, :height, :width], sources[:, :height, :width]])
        self.seams.add(*(to_frames(pixels) for pixels in both), face)
        for index in range(both.shape[1]):
            row = min(index, len(face) - 1)
            self._add(both[:, index], face.boxes[row], face.keypoints[row, NOSE, 1])

    def figures(self) -> dict[str, float]:
        """Of all that was added; NaN where there was nothing to measure."""
        nothing = [[np.nan, np.nan]]
        (made, given), steps, jumps = (np.mean(pairs or nothing, 0) for pairs in (self.detail, self.steps, self.jumps))
        return {
            "changed_outside": float(np.mean(self.outside or nothing)),
            "identity": float(np.mean(self.likeness or nothing)),
            "texture": float(made / max(given, 1e-6)),
            "flicker": float(steps[0] - steps[1]),
            "mouth_flicker": float(jumps[0] - jumps[1]),
            "seam": self.seams.visibility(),
        }

    def _add(self, pair: np.ndarray, box: np.ndarray, nose: float) -> None:
        if self.count % LOOKED == 0:
            one, other = (look_of_heads(pixels, box[None])[0] for pixels in pair)
            self.likeness.append(float(one @ other))
        self.count += 1
        height, width = pair.shape[1:3]
        away = np.ones((height, width), bool)
        away[_within(box + HEAD * max(box[2] - box[0], box[3] - box[1]), height, width)] = False
        if away.any():
            self.outside.append(np.abs(pair[0].astype(np.int16) - pair[1])[away].mean())
        above = _within(np.array([*box[:3], min(box[3], nose)]), height, width)
        below = _within(np.array([box[0], nose, *box[2:]]), height, width)
        self.recent = [*self.recent[-2:], pair]
        upper = _grey(self.recent[-2:], above)
        if min(upper.shape[2:]) >= 4:
            now = upper[-1]
            self.detail.append(np.abs(now[:, 1:-1, 1:-1] * 4 - _around(now)).mean((1, 2)))
            if len(upper) == 2:
                self.steps.append(np.abs(now - upper[0]).mean((1, 2)))
        lower = _grey(self.recent, below)
        if len(lower) == 3 and lower.size:
            self.jumps.append(np.abs(lower[1] - (lower[0] + lower[2]) / 2).mean((1, 2)))


def _within(box: np.ndarray, height: int, width: int) -> tuple[slice, slice]:
    x1, y1, x2, y2 = (int(value) for value in np.clip(box, 0, [width, height] * 2))
    return slice(y1, y2), slice(x1, x2)


def _grey(pairs: list[np.ndarray], area: tuple[slice, slice]) -> np.ndarray:
    return np.stack([pair[:, area[0], area[1]].mean(3, dtype=np.float32) for pair in pairs])


def _around(parts: np.ndarray) -> np.ndarray:
    return parts[:, :-2, 1:-1] + parts[:, 2:, 1:-1] + parts[:, 1:-1, :-2] + parts[:, 1:-1, 2:]
