"""Where the animals' faces are."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from ..documents import LARGEST
from ..files import require_output, write_text
from .options import command, finding_options, refuse_idle

if TYPE_CHECKING:
    from ..clip import Clip
    from ..types import Faces

logger = logging.getLogger(__name__)


def add(commands) -> None:
    parser = command(commands, "detect", run, "Find the animals' faces and their keypoints.")
    parser.add_argument("source", metavar="PICTURE|VIDEO")
    parser.add_argument("-o", "--output", metavar="FACES.json", help="a name that ends in .csv makes a table")
    finding_options(parser)
    parser.add_argument(
        "--box", type=box, action="append", metavar="X1,Y1,X2,Y2", help="a head is here, in pixels; may be repeated"
    )
    parser.add_argument("--frame", type=int, metavar="N", help="the frame of a video that --box is meant for, from 0")
    parser.add_argument("--draw", metavar="OUT.png", help="picture with the faces drawn in")


def run(options: argparse.Namespace) -> dict:
    from ..clip import Clip
    from ..draw import draw_faces, telling_frame
    from ..finding import describe
    from ..image import SUFFIXES, write_picture
    from ..speaker import nothing_found
    from ..table import faces_to_csv
    from .inputs import detect, face_cache

    refuse_idle(options, frame="box")
    if options.output:
        require_output(options.output, ".json", ".csv", or_stream=True)
    if options.draw:
        require_output(options.draw, *SUFFIXES)
    clip = Clip.open(options.source)
    faces = _boxed(clip, options) if options.box else detect(clip, options.min_score, face_cache(options))
    for line in describe(faces) if faces.tracks else [nothing_found(faces)]:
        logger.info(line)
    if options.output:
        is_table = options.output.lower().endswith(".csv")
        write_text(options.output, faces_to_csv(faces) if is_table else faces.to_json())
    if options.draw:
        frame = telling_frame(faces)
        write_picture(options.draw, draw_faces(next(clip.read_from(frame)), faces, frame))
    found = [
        {
            "id": i,
            "species": track.species,
            "score": round(score, 3),
            "mouth_score": round(float(track.mouth_score[track.visible].min()), 3),
            "frames": int(track.visible.sum()),
        }
        for i, (track, score) in enumerate(zip(faces.tracks, faces.scores, strict=True))
    ]
    return {"output": options.output, "faces": found}


def box(text: str) -> list[float]:
    try:
        x1, y1, x2, y2 = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"a box must look like 120,80,360,300, got {text}") from None
    if not (-LARGEST <= x1 < x2 <= LARGEST and -LARGEST <= y1 < y2 <= LARGEST):
        raise argparse.ArgumentTypeError(f"a box must go from its top left corner to its bottom right one, got {text}")
    return [x1, y1, x2, y2]


def _boxed(clip: Clip, options: argparse.Namespace) -> Faces:
    import numpy as np

    from ..finding import faces_in_boxes
    from ..found_heads import Found

    frame = options.frame or 0
    if not 0 <= frame < clip.frames:
        raise ValueError(f"There is no frame {frame}; {options.source} has frames 0 to {clip.frames - 1}.")
    count = len(options.box)
    return faces_in_boxes(clip, Found(np.array(options.box), np.ones(count), ("",) * count), frame)
