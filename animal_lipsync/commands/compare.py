"""Videos beside each other."""

from __future__ import annotations

import argparse

from ..files import require_output
from .options import UsageError, command


def add(commands) -> None:
    parser = command(commands, "compare", run, "Show videos side by side, in step.")
    parser.add_argument("sources", metavar="VIDEO", nargs="+", help="two or more; all become as high as the first")
    parser.add_argument("-o", "--output", required=True, metavar="OUT.mp4")
    parser.add_argument(
        "--sound", type=int, metavar="N", help="the video that is heard, from 0; default: the first with sound"
    )


def run(options: argparse.Namespace) -> dict:
    from tqdm import tqdm

    from ..clip import Clip
    from ..compare import compare_videos, side_by_side
    from ..image import is_picture
    from ..video import probe

    if len(options.sources) < 2:
        raise UsageError("compare needs two or more videos.")
    require_output(options.output, ".mp4")
    sound = options.sound
    if sound is None:
        heard = (i for i, path in enumerate(options.sources) if not is_picture(path) and probe(path).has_audio)
        sound = next(heard, None)
    clip = side_by_side([Clip.open(path) for path in options.sources])
    frames = compare_videos(options.sources, options.output, sound=sound)
    for _ in tqdm(frames, total=clip.frames, unit="frame", disable=options.json):
        pass
    return {
        "output": options.output,
        "frames": clip.frames,
        "frame_rate": str(clip.frame_rate),
        "width": clip.width + clip.width % 2,
        "height": clip.height + clip.height % 2,
        "sound": sound,
    }
