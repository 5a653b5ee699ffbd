"""The same moments painted by a network alone and wearing a LoRA, beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch

from .dataset import CROP, Piece
from .engine import WarpEngine
from .image import to_pixels
from .inpaint import InpaintEngine
from .lora import Lora
from .musetalk import Painter
from .pairs import Voice
from .video import pingpong_indices

WIDTH, HEIGHT = 2 * CROP, CROP
TOGETHER = 8
"""Frames painted in one go."""


def clearest_piece(pieces: Sequence[Piece]) -> Piece:
    """The one in which the face is seen best."""
    return max(pieces, key=lambda piece: float(piece.face.score.mean()))


def before_and_after(piece: Piece, voice: Voice, painter: Painter, lora: Lora) -> Iterator[np.ndarray]:
    """The animal of a piece says what a voice does: (HEIGHT, WIDTH, 3) uint8, left without the LoRA, right with it."""
    engine = InpaintEngine(painter.networks, batch=TOGETHER, guide=WarpEngine())
    order = iter(pingpong_indices(len(piece), len(voice.speech)))
    at = 0
    while rows := list(islice(order, TOGETHER)):
        frames = torch.stack([piece.crop(row) for row in rows]).to(painter.networks.device)
        face, speech = piece.face[np.array(rows)], voice.speech[at : at + len(rows)]
        before = engine(frames, face, speech)
        with lora.on(painter.network):
            after = engine(frames, face, speech)
        yield from to_pixels(torch.cat([before, after], 3))
        at += len(rows)
