"""Which animal it is: features of a head by which one pet is told from another, whatever its pose and the light.

They are what the head network of `detector.py` sees on its way to the keypoints, in the directions in which animals
differ more than one animal does from picture to picture (Fisher's discriminant; recipe: dev/identity). Enough to sort
clips, not to identify anybody.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from .detection import crops_round
from .detector import Detector, load_detector
from .head_crops import cut_frame, load_frame

ALIKE = 0.38
"""Likeness to what is known of an animal from which on a head is taken for its own."""
SURELY_ALIKE = 0.45
"""Likeness of two pieces from which on they are taken to show one animal, before anything is known of it."""


@torch.inference_mode()
def look_of_heads(pixels: np.ndarray, boxes: np.ndarray, *, detector: Detector | None = None) -> np.ndarray:
    """(N, 128) float32 of length 1: the dot product of two is their likeness, up to 1.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        boxes: (N, 4) x1, y1, x2, y2 of the heads.
    """
    detector = detector or load_detector()
    weights = _weights()
    frame, heads = load_frame(pixels, detector.device), torch.as_tensor(np.asarray(boxes, np.float32)).reshape(-1, 4)
    looks = (head_features(frame, heads, detector).cpu() - weights["mean"]) @ weights["directions"]
    return normalize(looks, dim=1).numpy()


def head_features(frame: Tensor, boxes: Tensor, detector: Detector) -> Tensor:
    """(N, 384) of heads (N, 4) in a frame (H, W, 3) uint8: means and, of the finer layers, deviations over the crop."""
    net = detector.head
    pixels = cut_frame(frame, crops_round(boxes, net.margin).to(frame.device), net.size)
    quarter, eighth, deep = net.pyramid(torch.cat([pixels, pixels.flip(-1)]))
    parts = [deep.mean((2, 3))]
    for layer in (eighth, quarter):
        parts += [layer.mean((2, 3)), layer.std((2, 3))]
    return torch.cat(parts, 1).unflatten(0, (2, -1)).mean(0)


def mean_look(looks: np.ndarray) -> np.ndarray:
    """(E,) of length 1: what (N, E) looks of one animal have in common."""
    mean = np.mean(looks, axis=0)
    return mean / np.linalg.norm(mean)


def look_of_most(looks: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(E,) the look of the animal that most of (N, E) pieces show, each counted by its weight."""
    support = (looks @ looks.T > SURELY_ALIKE) @ weights
    like_it = looks @ looks[support.argmax()] > SURELY_ALIKE
    for _ in range(2):
        centre = mean_look(looks[like_it])
        like_it = looks @ centre > SURELY_ALIKE
    return centre


@cache
def _weights() -> dict[str, Tensor]:
    loaded = load_file(str(files(__package__) / "weights" / "identity.safetensors"))
    return {name: value.float() for name, value in loaded.items()}
