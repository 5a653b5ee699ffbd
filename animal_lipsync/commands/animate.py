"""A picture or clip and a voice become a video."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..files import require_output
from .options import UsageError, command, face_options, life_options, rate, refuse_idle, transcript_options


def add(commands) -> None:
    arguments(command(commands, "animate", run, "Make the animal of a picture or video say a voice recording."))


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="PICTURE|VIDEO")
    parser.add_argument("voice", metavar="VOICE", help="any sound or video file")
    parser.add_argument("-o", "--output", metavar="OUT.mp4", help="default: NAME-talking.mp4 in this folder")
    face_options(parser)
    transcript_options(parser)
    parser.add_argument("--motion", metavar="MOTION.json", help="how the mouth moves; heard from VOICE when not given")
    parser.add_argument("--frame-rate", type=rate, metavar="25", help="default: the video's own, 25 for a picture")
    parser.add_argument("--reference", metavar="OPEN_MOUTH.png", help="picture of the animal with its mouth open")
    parser.add_argument("--reference-keypoints", metavar="FACES.json", help="its face; detected when not given")
    life_options(parser)


def run(options: argparse.Namespace) -> dict:
    from tqdm import tqdm

    from ..animate import animate, output_frames
    from ..blinks import add_blinks
    from ..clip import Clip
    from ..engine import WarpEngine
    from ..head import nod
    from ..inside import OpenMouth
    from .inputs import chosen_face, face_of, mouth_motion

    start = time.perf_counter()
    refuse_idle(options, language="transcript", reference_keypoints="reference")
    if options.motion and options.transcript:
        raise UsageError("--transcript does nothing beside --motion, which says already how the mouth moves.")
    output = options.output or f"{Path(options.source).stem}-talking.mp4"
    require_output(output, ".mp4")
    clip = Clip.open(options.source, frame_rate=options.frame_rate)
    motion = mouth_motion(options, clip.frame_rate)
    count = output_frames(clip, motion, options.voice)
    face = chosen_face(clip, options)
    if options.nod:
        motion = nod(motion, options.nod)
    motion = add_blinks(motion, options.blinks)
    reference = None
    if options.reference:
        from ..image import read_picture, to_frames

        picture = read_picture(options.reference)
        shown = Clip.from_picture(picture)
        reference = OpenMouth(
            to_frames(picture[None]), face_of(shown, options.reference_keypoints, 0, options.min_score)
        )
    frames = animate(clip, face, motion, options.voice, output, WarpEngine(reference=reference))
    for _ in tqdm(frames, total=count, unit="frame", disable=options.json):
        pass
    seconds = time.perf_counter() - start
    duration = count / float(clip.frame_rate)
    return {
        "output": output,
        "frames": count,
        "duration_s": round(duration, 3),
        "frame_rate": str(clip.frame_rate),
        "width": clip.width + clip.width % 2,
        "height": clip.height + clip.height % 2,
        "seconds": round(seconds, 3),
        "times_real_time": round(duration / seconds, 2),
    }
