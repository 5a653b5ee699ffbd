"""What the painting network learns from: a face before and after, and what is heard meanwhile.

Animals do not speak, so few pairs are simply filmed. Three kinds, each named in what comes of it:

- `recorded`: a piece with its own sound, for the pet that howls, barks, chatters or was dubbed well.
- `matched`: real pictures in another order, so that the measured opening of the mouth follows that of a voice.
- `warped`: pictures whose mouth the warp engine moves with a voice, its inside taken from where the pet opens it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.resources import files
from math import ceil
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .audio import load_audio
from .augmentation import UNCHANGED, USUAL, Augmentation, Look, cut, draw_look, draw_place
from .dataset import CROP, MARGIN, OPENING, Piece
from .engine import WarpEngine
from .inside import OWN_INSIDE, OpenMouth
from .lower_face import lower_face_mask, place_lower_face
from .motion import speech_to_motion
from .openness import openness
from .rig import build_rig
from .schemas import BROW, LEFT_EYE, LOWER_LIP, MOUTH_LEFT, MOUTH_RIGHT, NOSE, RIGHT_EYE
from .speech_features import SpeechFeatures, SpeechFrames
from .types import Audio, FaceTrack, MouthMotion

Kind = Literal["recorded", "matched", "warped"]
SHARES: dict[Kind, float] = {"recorded": 0.2, "matched": 0.3, "warped": 0.5}
RATE = Fraction(25)
"""Frames per second of everything here; what Whisper's windows were made for."""
ALIKE = (LEFT_EYE, RIGHT_EYE, NOSE, BROW, MOUTH_LEFT, MOUTH_RIGHT)
"""Points that say how a head is held, whatever its mouth does."""
STEADINESS = 40.0
"""Cost of a change of pose, in squares of crops' sides, against that of a wrong opening, in squares of the usual."""
MISFIT = 0.3
"""Of the usual opening; a matched picture that is further off what is heard is not learned from."""
LIVELY = 0.15
"""Half widths of the mouth by which a piece must open it to be matched to a voice."""
NEAREST = 0.51
"""Share of a piece's pictures that count as held alike, and as having another mouth: MuseTalk 1.5's."""
GUIDED = 0.5
"""How often the reference's mouth is opened by the warp engine, as when the network draws."""


@dataclass(frozen=True, eq=False)
class Voice:
    """A recording as it moves a mouth and as Whisper hears it, at RATE."""

    motion: MouthMotion
    speech: SpeechFrames | None = None
    """None where nothing is learned from it."""


@dataclass(frozen=True, eq=False)
class Take:
    """A piece with a voice: what could be a video of the animal speaking."""

    kind: Kind
    piece: Piece
    frames: np.ndarray
    """(T,) which of the piece's pictures is seen when."""
    voice: Voice
    opening: np.ndarray
    """(T,) of the mouth that is wanted, half widths; NaN where the picture itself tells, as it is warped."""
    fits: np.ndarray
    """(T,) bool: whether picture and voice belong together."""

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, eq=False)
class Pair:
    target: Tensor
    """(3, 256, 256) sRGB in [0, 1]."""
    reference: Tensor
    """Likewise: the same animal with another mouth."""
    mask: Tensor
    """(256, 256) in [0, 1]: what of the target will be seen."""
    face: FaceTrack
    """Of one row, in the target's pixels."""
    tokens: Tensor
    """(50, 384) of what is heard."""
    opening: float
    """Of the mouth that is wanted, half widths."""
    kind: Kind
    origin: str
    """File of the picture, and where in it."""


def listen(voice: Audio, hear: Callable[[Audio], SpeechFeatures]) -> Voice:
    """Args:
    hear: what Whisper makes of a voice, e.g. `speech_features` with an encoder.
    """
    motion = speech_to_motion(voice, RATE)
    return Voice(motion, hear(voice).resampled(RATE, len(motion)))


def sample_voices() -> list[Audio]:
    """The recordings that ship, for who has no voice at hand."""
    return [load_audio(files(__package__) / "samples" / name, mono=True) for name in ("voice.wav", "answer.wav")]


class Pairs:
    """All that one animal's pieces and some voices give.

    Args:
        shares: how often each kind is drawn; kinds that the material does not give are left out.

    Raises:
        ValueError: there is nothing to learn from.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        voices: Sequence[Voice],
        hear: Callable[[Audio], SpeechFeatures],
        *,
        shares: Mapping[Kind, float] = SHARES,
        augmentation: Augmentation = USUAL,
    ):
        self.augmentation = augmentation
        self.pieces, self.voices = tuple(pieces), tuple(voices)
        self.inside = widest_mouth(pieces)
        recorded = [_recorded(piece, hear) for piece in pieces if piece.sound]
        self.takes = {"recorded": _fitting(recorded)} | takes_of(pieces, voices)
        weights = {kind: shares.get(kind, 0.0) for kind, some in self.takes.items() if some}
        total = sum(weights.values())
        if total <= 0:
            raise ValueError(
                "There is nothing to learn from: no piece with a sound of its own, none that opens its mouth, and no "
                "voice. Add clips or a voice, or give the kinds that there are a share above 0."
            )
        self.shares: dict[Kind, float] = {kind: weight / total for kind, weight in weights.items()}

    def draw(self, rng: np.random.Generator) -> Pair:
        """One pair; the same for the same state of `rng`."""
        kind = list(self.shares)[rng.choice(len(self.shares), p=list(self.shares.values()))]
        takes = self.takes[kind]
        lengths = np.array([take.fits.sum() for take in takes])
        take = takes[rng.choice(len(takes), p=lengths / lengths.sum())]
        at = int(rng.choice(np.flatnonzero(take.fits)))
        frame = int(take.frames[at])
        picture, face = shown_picture(take, at, self.inside), take.piece.face[frame : frame + 1]
        mask = mouth_mask(face)
        reference, reference_face = self._reference(take, frame, rng)
        look = draw_look(rng, self.augmentation, CROP)
        mask = mask.flip(1) if look.is_mirrored else mask
        target, face = self._place(picture, face, look, rng, mask)
        reference, _ = self._place(reference, reference_face, look, rng)
        target, mask = target[:3], target[3]
        opening = take.opening[at]
        if np.isnan(opening):
            opening = float(openness(target[None], face)[0])
        tokens = take.voice.speech[at : at + 1].tokens()[0]
        origin = f"{take.piece.origin} at {take.piece.start + frame / float(take.piece.frame_rate or 1):.2f} s"
        return Pair(target, reference, mask, face, tokens, float(opening), kind, origin)

    @property
    def species(self) -> str:
        return self.pieces[0].face.species

    @property
    def digest(self) -> str:
        """What tells them from pairs of other pieces or voices."""
        digest = hashlib.blake2b(digest_size=16)
        for piece in self.pieces:
            digest.update(repr((piece.origin, piece.start, len(piece))).encode())
        for voice in self.voices:
            digest.update(voice.motion.values.tobytes())
        return digest.hexdigest()

    def summary(self) -> str:
        """The material in a few words, for people."""
        pictures = sum(map(len, self.pieces))
        kinds = ", ".join(f"{share:.0%} {kind}" for kind, share in self.shares.items())
        return (
            f"{len(self.pieces)} pieces of {len({p.origin for p in self.pieces})} files, {pictures} pictures; {kinds}"
        )

    def without_changes(self) -> Pairs:
        """The same pairs as they were filmed, for looking."""
        plain = copy(self)
        plain.augmentation = UNCHANGED
        return plain

    def _place(self, picture: Tensor, face: FaceTrack, look: Look, rng, mask: Tensor | None = None):
        picture, face = look.apply(picture, face)
        layers = picture if mask is None else torch.cat([picture, mask[None]])
        return cut(layers, face, draw_place(rng, self.augmentation, CROP))

    def _reference(self, take: Take, frame: int, rng: np.random.Generator) -> tuple[Tensor, FaceTrack]:
        """A crop of the same animal that does not give away the mouth that is wanted."""
        piece = take.piece
        if len(piece) > 1:
            frame = int(rng.choice(other_mouths(piece, frame)))
        picture, face = piece.crop(frame), piece.face[frame : frame + 1]
        if (len(piece) > 1 or take.kind == "warped") and rng.random() < GUIDED:
            picture = WarpEngine(self.inside)(
                picture[None], face, MouthMotion.from_channels(RATE, 1, jaw_open=OPENING)
            )[0]
        return picture, face


def takes_of(pieces: Sequence[Piece], voices: Sequence[Voice]) -> dict[Kind, list[Take]]:
    """All that pictures of these pieces can be made to say, matched and warped."""
    shut, usual = usual_openings(pieces)
    matched = [_matched(piece, voice, shut, usual) for piece in pieces for voice in voices if _is_lively(piece)]
    warped = [_warped(piece, voice) for piece in pieces for voice in voices]
    return {"matched": _fitting(matched), "warped": _fitting(warped)}


def shown_picture(take: Take, at: int, inside: OpenMouth | None) -> Tensor:
    """(3, CROP, CROP) sRGB in [0, 1], what a take shows in its frame `at`.

    Args:
        inside: what a mouth looks like inside that the warp engine opens.
    """
    frame = int(take.frames[at])
    picture = take.piece.crop(frame)
    if take.kind == "warped":
        face = take.piece.face[frame : frame + 1]
        picture = WarpEngine(inside)(picture[None], face, take.voice.motion[at : at + 1])[0]
    return picture


def usual_openings(pieces: Sequence[Piece]) -> tuple[float, float]:
    """Half widths at which this animal's mouth is shut and at which it is as open as it gets, LIVELY apart at least."""
    openings = np.concatenate([piece.opening for piece in pieces])
    shut, wide = np.percentile(openings, (5, 95)).tolist()
    return shut, max(wide, shut + LIVELY)


def widest_mouth(pieces: Sequence[Piece]) -> OpenMouth | None:
    """The picture that shows the inside of this animal's mouth best, its lips placed where they are seen to part."""
    piece = max(pieces, key=lambda piece: piece.opening.max())
    frame = int(piece.opening.argmax())
    if piece.opening[frame] < OWN_INSIDE:
        return None
    face = piece.face[frame : frame + 1]
    rig = build_rig(face)
    keypoints = face.keypoints.copy()
    keypoints[:, LOWER_LIP] = rig.origin + piece.opening[frame] * rig.half_width[:, None] * rig.down
    return OpenMouth(piece.crop(frame)[None], replace(face, keypoints=keypoints))


def mouth_mask(face: FaceTrack) -> Tensor:
    """(CROP, CROP) in [0, 1] of a face of one row in the pixels of a crop: what the engine would set in."""
    square = place_lower_face(face, drop=OPENING)
    widened = replace(square, side=MARGIN * square.side, mouth=square.mouth / MARGIN, size=CROP)
    return lower_face_mask(widened)[0]


def other_mouths(piece: Piece, frame: int) -> np.ndarray:
    """Pictures of a piece in which the head is held alike and the mouth is not: MuseTalk 1.5's choice of references.

    Where no other picture shows the animal, `frame` itself.
    """
    others = np.flatnonzero(piece.face.visible & (np.arange(len(piece)) != frame))
    if not len(others):
        return np.array([frame])
    poses = _poses(piece)
    apart = np.abs(poses[others] - poses[frame]).mean(1)
    alike = np.abs(piece.opening[others] - piece.opening[frame])
    count = ceil(NEAREST * len(others))
    return np.intersect1d(others[np.argsort(apart)[:count]], others[np.argsort(-alike)[:count]])


def match_opening(opening: np.ndarray, poses: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(T,) which picture to show when, so that the mouth opens as wanted and the head does not jump.

    The cheapest path through all pictures (Viterbi, 1967).

    Args:
        opening: (N,) of each picture.
        poses: (N, P) of each, in sides of its crop.
        wanted: (T,), in the same unit as `opening`.
    """
    unit = max(float(wanted.max()), LIVELY)
    turn = STEADINESS * ((poses[:, None] - poses) ** 2).sum(-1)
    cost = ((opening - wanted[0]) / unit) ** 2
    came_from = np.zeros((len(wanted), len(opening)), int)
    for t in range(1, len(wanted)):
        through = cost[:, None] + turn
        came_from[t] = through.argmin(0)
        cost = through.min(0) + ((opening - wanted[t]) / unit) ** 2
    path = np.empty(len(wanted), int)
    path[-1] = cost.argmin()
    for t in range(len(wanted) - 1, 0, -1):
        path[t - 1] = came_from[t, path[t]]
    return path


def _poses(piece: Piece) -> np.ndarray:
    return piece.face.keypoints[:, ALIKE].reshape(len(piece), -1).astype(float) / CROP


def _is_lively(piece: Piece) -> bool:
    return len(piece) > 1 and float(np.ptp(piece.opening)) > LIVELY


def _fitting(takes: list[Take]) -> list[Take]:
    return [take for take in takes if take.fits.any()]


def _recorded(piece: Piece, hear: Callable[[Audio], SpeechFeatures]) -> Take:
    voice = listen(piece.sound, hear)
    count = min(len(piece), len(voice.motion))
    frames, voice = np.arange(count), Voice(voice.motion[:count], voice.speech[:count])
    return Take("recorded", piece, frames, voice, piece.opening[:count], piece.face.visible[:count])


def _matched(piece: Piece, voice: Voice, shut: float, usual: float) -> Take:
    wanted = shut + (usual - shut) * voice.motion.channel("jaw_open")
    frames = match_opening(piece.opening, _poses(piece), wanted)
    fits = np.abs(piece.opening[frames] - wanted) < MISFIT * (usual - shut)
    return Take("matched", piece, frames, voice, wanted, fits & piece.face.visible[frames])


def _warped(piece: Piece, voice: Voice) -> Take:
    """Pictures in which the mouth is nearly shut, forth and back for as long as the voice lasts."""
    shut = np.flatnonzero(piece.face.visible & (piece.opening < np.median(piece.opening) + LIVELY))
    order = np.concatenate([shut, shut[-2:0:-1]]) if len(shut) > 2 else shut
    count = len(voice.motion) if len(order) else 0
    frames = order[np.arange(count) % max(len(order), 1)]
    return Take("warped", piece, frames, voice, np.full(count, np.nan), np.ones(count, bool))
