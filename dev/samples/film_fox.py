"""Film the painted fox: a hand-held camera drifts round it while it blinks; the mouth stays shut.

    python dev/samples/film_fox.py

writes fox-clip.mp4 and fox-clip.faces.json beside fox.jpg. The camera's path is known, so the keypoints are exact.
"""

import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from animal_lipsync.blinks import add_blinks  # noqa: E402
from animal_lipsync.engine import WarpEngine  # noqa: E402
from animal_lipsync.image import fingerprint, read_picture  # noqa: E402
from animal_lipsync.render import render  # noqa: E402
from animal_lipsync.types import Faces, FaceTrack, MouthMotion  # noqa: E402
from animal_lipsync.video import read_frames  # noqa: E402
from animal_lipsync.video_writer import VideoWriter  # noqa: E402

SAMPLES = ROOT / "animal_lipsync" / "samples"
SIZE = 640  # pixels
RATE = Fraction(25)
SECONDS = 4


def camera(t: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the camera looks at t in [0, 1]: source = origin + axes @ pixel. At rest at both ends."""
    swing, drift = (1 - np.cos(np.pi * t)) / 2, np.sin(np.pi * t) ** 2
    side = 900 - 110 * swing
    roll = np.radians(-2.5 + 5 * swing)
    centre = np.array([505 + 25 * swing, 500 - 18 * drift])
    axes = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]) * side / SIZE
    return centre - axes @ [SIZE / 2, SIZE / 2], axes


def main():
    fox = Faces.from_json((SAMPLES / "fox.faces.json").read_text()).tracks[0]
    picture = read_picture(SAMPLES / "fox.jpg")
    frames = int(SECONDS * RATE)
    motion = add_blinks(MouthMotion.from_channels(RATE, frames), per_minute=25)
    boxes, keypoints = [], []
    with VideoWriter(SAMPLES / "fox-clip.mp4", SIZE, SIZE, RATE, crf=24, preset="slow") as video:
        for index, posed in enumerate(render([picture] * frames, fox, motion, WarpEngine())):
            origin, axes = camera(index / (frames - 1))
            coefficients = np.column_stack([axes, origin]).ravel()
            image = Image.fromarray(posed.pixels).transform((SIZE, SIZE), Image.AFFINE, coefficients, Image.BICUBIC)
            video.write(np.asarray(image))
            keypoints.append((fox.keypoints[0] - origin) @ np.linalg.inv(axes).T)
            corners = (fox.boxes[0].reshape(2, 2) - origin) @ np.linalg.inv(axes).T
            boxes.append(corners.ravel())
    track = FaceTrack(
        np.array(boxes, np.float32),
        np.array(keypoints, np.float32),
        np.repeat(fox.score, frames, axis=0),
        np.ones(frames, bool),
        fox.species,
    )
    document = json.loads(Faces(SIZE, SIZE, RATE, frames, (track,)).to_json())
    for name in ("frames", "boxes", "keypoints"):  # every eleventh frame; those between are interpolated
        document["faces"][0][name] = document["faces"][0][name][::11]
    document["source"]["picture"] = fingerprint(next(read_frames(SAMPLES / "fox-clip.mp4")))
    (SAMPLES / "fox-clip.faces.json").write_text(json.dumps(document) + "\n")


main()
