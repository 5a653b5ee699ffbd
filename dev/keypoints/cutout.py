"""Cut animals out of their photographs, as an artist does: what stands before white is not therefore a toy."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

ROUNDS = 4
"""Of GrabCut (Rother, Kolmogorov and Blake 2004)."""
COARSER = 2
"""How many times smaller the picture is looked at."""
INNER, OUTER = 0.72, 1.25
"""Over the box: the ellipse that is the head for certain, and the one beyond which, above the chin, nothing is."""
LEAST, MOST = 0.9, 0.7
"""Of the head that must be kept, and of what is round it that may be."""


def cut_out(image: Image.Image, box: np.ndarray) -> Image.Image | None:
    """`image` (RGBA) with nothing but the animal whose head's `box` (4,) is in pixels; None where that fails."""
    pixels, box = np.asarray(image.convert("RGB").reduce(COARSER)), box / COARSER
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    far = np.hypot((x - middle[0]) / half[0], (y - middle[1]) / half[1])
    mask = np.full(pixels.shape[:2], cv2.GC_PR_BGD, np.uint8)
    mask[far < 1] = cv2.GC_PR_FGD
    mask[(y > box[3]) & (np.abs(x - middle[0]) < half[0])] = cv2.GC_PR_FGD
    mask[(far > OUTER) & (y < middle[1])] = cv2.GC_BGD
    mask[far < INNER] = cv2.GC_FGD
    colours = np.zeros((2, 1, 65))
    cv2.grabCut(pixels[..., ::-1].copy(), mask, None, *colours, ROUNDS, cv2.GC_INIT_WITH_MASK)
    kept = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    kept = only_head(cv2.morphologyEx(kept, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), middle)
    round_it = (far > 1.05) & (far < 1.6) & (y < middle[1])
    if kept[far < 0.9].mean() < LEAST or kept[round_it].mean() > MOST:
        return None
    alpha = cv2.resize(cv2.GaussianBlur(kept.astype(np.float32), (0, 0), 0.6), image.size)
    cut = image.convert("RGB")
    cut.putalpha(Image.fromarray((255 * alpha).astype(np.uint8)))
    return cut


def only_head(kept: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """The piece of the mask `kept` (H, W) that the head is in, with its holes filled."""
    _, pieces = cv2.connectedComponents(kept)
    piece = (pieces == pieces[int(middle[1]), int(middle[0])]).astype(np.uint8)
    outlines, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(piece, outlines, -1, 1, cv2.FILLED)
