"""Videos made for tests."""

from fractions import Fraction

import numpy as np

from animal_lipsync.video_writer import VideoWriter

RATES = [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(50), Fraction(60000, 1001), Fraction(60)]


def numbered(number, width=64, height=48):
    """A frame whose flat colour is its number, from 0 to 215."""
    colour = [number // base % 6 * 40 + 25 for base in (1, 6, 36)]
    return np.full((height, width, 3), colour, np.uint8)


def number_of(frame):
    digits = np.round((frame.mean(axis=(0, 1)) - 25) / 40).astype(int)
    return int(digits @ [1, 6, 36])


def write(path, frames, rate=Fraction(25), **options):
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width, height, rate, **options) as clip:
        for frame in frames:
            clip.write(frame)
    return path


def noise(count, width=64, height=48, seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8))
