"""Paint the sample of a dialogue: the red fox and a white one, side by side in one wood.

python dev/samples/draw_pair.py            # pair.jpg and pair.faces.json; needs what draw_fox.py needs; 2 minutes
"""

from __future__ import annotations

from fractions import Fraction

import draw_fox
import numpy as np
from draw_fox import SAMPLES, paint_portrait
from painter import develop, linear, paint_background
from PIL import Image

from animal_lipsync.image import fingerprint, read_picture
from animal_lipsync.types import Faces

CANVAS, WIDTH = 1024, 1792
HEIGHT = 768  # of the picture
HAIRS = 250_000
RED = {"yaw": -15.0, "pitch": -2.0, "roll": 3.0, "target": (-0.1, -0.1, 0.2), "span": 4.4}
WHITE = {"yaw": 16.0, "pitch": 0.0, "roll": -3.0, "target": (0.1, 0.1, 0.2), "span": 4.9}
COATS = ("ORANGE", "RUST", "SAND", "CREAM")
ORANGE = tuple(getattr(draw_fox, name) for name in COATS)
PALE = (linear(232, 228, 222), linear(196, 194, 196), linear(240, 236, 228), linear(206, 196, 190))


def main() -> None:
    rng = np.random.default_rng(11)
    canvas = paint_background(WIDTH, rng)[:CANVAS]
    documents = []
    for left, pose, coat in ((WIDTH - CANVAS, WHITE, PALE), (0, RED, ORANGE)):
        for name, colour in zip(COATS, coat, strict=True):
            setattr(draw_fox, name, colour)
        part = np.ascontiguousarray(canvas[:, left : left + CANVAS])
        documents.append((left, Faces.from_json(paint_portrait(part, rng, pose, HAIRS))))
        canvas[:, left : left + CANVAS] = part
    size = (WIDTH * HEIGHT // CANVAS, HEIGHT)
    picture = develop(np.ascontiguousarray(canvas), rng, CANVAS).resize(size, Image.LANCZOS)
    picture.save(SAMPLES / "pair.jpg", quality=90)
    tracks = [faces.tracks[0].scaled(CANVAS / faces.width).shifted(-left, 0) for left, faces in documents]
    tracks = tuple(track.scaled(HEIGHT / CANVAS) for track in reversed(tracks))
    mark = fingerprint(read_picture(SAMPLES / "pair.jpg"))
    faces = Faces(*size, Fraction(0), 1, tracks, picture=mark)
    (SAMPLES / "pair.faces.json").write_text(faces.to_json() + "\n")


if __name__ == "__main__":
    main()
