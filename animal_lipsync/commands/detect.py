"""Where the animals' faces are."""

from __future__ import annotations

import argparse

from ..files import require_output, write_text
from .options import command, score_option


def add(commands) -> None:
    parser = command(commands, "detect", run, "Find the animals' faces and their keypoints.")
    parser.add_argument("source", metavar="PICTURE|VIDEO")
    parser.add_argument("-o", "--output", metavar="FACES.json")
    score_option(parser)
    parser.add_argument("--draw", metavar="OUT.png", help="picture with the faces drawn in")


def run(options: argparse.Namespace) -> dict:
    from ..clip import Clip
    from ..draw import draw_landmarks
    from ..image import SUFFIXES, write_picture
    from .inputs import detect

    if options.output:
        require_output(options.output)
    if options.draw:
        require_output(options.draw, *SUFFIXES)
    clip = Clip.open(options.source)
    faces = detect(clip, options.min_score)
    if options.output:
        write_text(options.output, faces.to_json())
    if options.draw:
        pixels = next(clip.read(1)).copy()
        for track in faces.tracks:
            pixels = draw_landmarks(pixels, track[:1])
        write_picture(options.draw, pixels)
    found = [
        {"id": i, "species": track.species, "score": round(score, 3), "frames": int(track.visible.sum())}
        for i, (track, score) in enumerate(zip(faces.tracks, faces.scores, strict=True))
    ]
    return {"output": options.output, "faces": found}
