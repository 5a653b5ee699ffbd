"""The most that can be hoped for of a training: what its own pairs show on a voice, as videos to be judged like others.

Moments at which no picture of the pet fits the voice are not learned from; they are shown all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .clip import Clip
from .dataset import CROP, Piece
from .image import to_pixels
from .inside import OpenMouth
from .pairs import Take, Voice, shown_picture, takes_of, widest_mouth
from .types import FaceTrack, MouthMotion

NAMES = {"matched": "matched pairs", "warped": "warped pairs"}
"""What each kind is called; a recorded pair has another voice, its own."""


@dataclass(frozen=True, eq=False)
class PairVideo:
    clip: Clip
    face: FaceTrack
    """Of as many frames, in the clip's pixels."""


def pair_videos(pieces: Sequence[Piece], motion: MouthMotion) -> dict[str, PairVideo]:
    """By its name in NAMES, the take of each kind that fits best; kinds that the pieces do not give are left out.

    Args:
        motion: of a mouth that says the voice, at `pairs.RATE`.
    """
    inside = widest_mouth(pieces)
    found = takes_of(pieces, [Voice(motion)])
    best = {
        kind: max(takes, key=lambda take: (take.fits.sum(), len(take.piece))) for kind, takes in found.items() if takes
    }
    return {NAMES[kind]: _video(take, inside) for kind, take in best.items()}


def _video(take: Take, inside: OpenMouth | None) -> PairVideo:
    def read(count: int) -> Iterator[np.ndarray]:
        for at in range(count):
            yield to_pixels(shown_picture(take, at, inside)[None])[0]

    clip = Clip(CROP, CROP, take.voice.motion.frame_rate, len(take), read)
    return PairVideo(clip, take.piece.face[take.frames])
