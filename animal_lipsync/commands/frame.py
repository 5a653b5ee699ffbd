"""One posed frame, for looking."""

from __future__ import annotations

import argparse
from fractions import Fraction

from ..files import require_output
from ..types import CHANNELS, MouthMotion
from .options import channel, command, face_options


def add(commands) -> None:
    parser = command(commands, "frame", run, "Pose one frame, for looking.")
    parser.add_argument("source", metavar="PICTURE")
    face_options(parser)
    parser.add_argument(
        "--set",
        type=channel,
        action="append",
        default=[],
        metavar="jaw_open=0.6",
        help=f"a channel of {', '.join(CHANNELS)}; may be repeated",
    )
    parser.add_argument("-o", "--output", required=True, metavar="OUT.png")


def run(options: argparse.Namespace) -> dict:
    import numpy as np

    from ..clip import Clip
    from ..engine import WarpEngine
    from ..image import SUFFIXES, write_picture
    from ..render import render
    from .inputs import chosen_face

    require_output(options.output, *SUFFIXES)
    clip = Clip.open(options.source)
    face = chosen_face(clip, options)[:1]
    motion = MouthMotion.from_channels(Fraction(25), 1, **dict(options.set))
    posed = next(render([next(clip.read(1))], face, motion, WarpEngine()))
    write_picture(options.output, np.asarray(posed.pixels))
    return {"output": options.output, "width": clip.width, "height": clip.height}
