"""Show in 20 silent seconds what the pack does, with its own samples and commands: demo.gif of the README.

python dev/samples/show.py
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from animal_lipsync import cli  # noqa: E402
from animal_lipsync.clip import Clip  # noqa: E402
from animal_lipsync.draw import draw_landmarks  # noqa: E402
from animal_lipsync.image import read_picture  # noqa: E402
from animal_lipsync.types import Faces  # noqa: E402

SAMPLES = ROOT / "animal_lipsync" / "samples"
OUTPUT = Path(__file__).with_name("demo.gif")
SIDE, CAPTION = 360, 40  # pixels
RATE = 12.5  # frames a second
GROUND = (24, 26, 30)
NOISE = 9  # of 255
CUT = 0.5  # of the pixels


def talking(source: str, voice: str, *options: str) -> Iterator[np.ndarray]:
    keypoints = f"{SAMPLES / source.split('.')[0]}.faces.json"
    files = [str(SAMPLES / source), str(SAMPLES / voice), "--keypoints", keypoints]
    cli.main(["animate", *files, "--frame-rate", str(RATE), "-o", "talking.mp4", "--json", *options])
    clip = Clip.open("talking.mp4")
    return clip.read(clip.frames)


def posed() -> Iterator[np.ndarray]:
    """The fox, its points, and its mouth opened and shut."""
    picture, document = SAMPLES / "fox.jpg", SAMPLES / "fox.faces.json"
    (face,) = Faces.from_json(document.read_text()).tracks
    pixels = read_picture(picture)
    yield from [pixels] * 6
    yield from [draw_landmarks(pixels, face)] * 20
    for jaw in np.sin(np.linspace(0, 2 * np.pi, 40)) ** 2 * 0.8:
        opening = ("--set", f"jaw_open={jaw:.3f}", "-o", "posed.png", "--json")
        cli.main(["frame", str(picture), "--keypoints", str(document), *opening])
        yield read_picture("posed.png")


def shown(frames: Iterator[np.ndarray], caption: str) -> Iterator[Image.Image]:
    font = ImageFont.load_default(19)
    for frame in frames:
        page = Image.new("RGB", (SIDE, SIDE + CAPTION), GROUND)
        picture = ImageOps.contain(Image.fromarray(frame), (SIDE, SIDE), Image.Resampling.LANCZOS)
        page.paste(picture, (0, (SIDE - picture.height) // 2))
        ImageDraw.Draw(page).text((SIDE / 2, SIDE + CAPTION / 2), caption, "white", font, "mm")
        yield page


def save(pages: list[Image.Image]) -> None:
    """One palette for all, no dithering and no noise of the videos' compression, so that only what moves is stored."""
    held = np.asarray(pages[0])
    for number, page in enumerate(pages):
        moved = np.abs(np.asarray(page, int) - held).max(axis=2, keepdims=True) > NOISE
        held = np.asarray(page) if moved.mean() > CUT else np.where(moved, page, held)
        pages[number] = Image.fromarray(held)
    sheet = Image.new("RGB", (SIDE * 4, (SIDE + CAPTION) * 4))
    for number, page in enumerate(pages[:: len(pages) // 16][:16]):
        sheet.paste(page, (number % 4 * SIDE, number // 4 * (SIDE + CAPTION)))
    palette = sheet.quantize(128, Image.Quantize.MEDIANCUT)
    first, *rest = [page.quantize(palette=palette, dither=Image.Dither.NONE) for page in pages]
    first.save(OUTPUT, save_all=True, append_images=rest, duration=round(1000 / RATE), loop=0, optimize=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        pages = [
            *shown(talking("fox.jpg", "voice.wav"), "one picture, one voice"),
            *shown(talking("pair.jpg", "answer.wav", "--speaker", "rightmost"), "choose who answers"),
            *shown(posed(), "nine points to drag, if need be"),
            *shown(islice(talking("fox-clip.mp4", "voice.wav"), 40), "a clip: only its mouth changes"),
        ]
        os.chdir(ROOT)
    save(pages)


if __name__ == "__main__":
    main()
