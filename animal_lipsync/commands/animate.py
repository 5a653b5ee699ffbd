"""A picture or clip and a voice become a video."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from ..files import free_name, require_output
from .inpainting import inpaint_options, listen, load_engine, refuse_idle_painting
from .options import (
    UsageError,
    command,
    face_options,
    life_options,
    rate,
    refuse_idle,
    refuse_mumbling,
    voice_options,
    within,
)


def add(commands) -> None:
    arguments(command(commands, "animate", run, "Make the animal of a picture or video say a voice recording."))


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="PICTURE|VIDEO")
    voice_options(parser)
    parser.add_argument(
        "-o", "--output", metavar="OUT.mp4", help="default: NAME-talking.mp4 in this folder, or NAME-talking-2.mp4"
    )
    face_options(parser)
    parser.add_argument(
        "--motion",
        metavar="MOTION.json",
        help="how the mouth moves, also of Rhubarb, Moho, Papagayo, OVRLipSync or ARKit; heard in VOICE when not given",
    )
    parser.add_argument("--frame-rate", type=rate, metavar="25", help="default: the video's own, 25 for a picture")
    parser.add_argument("--reference", metavar="OPEN_MOUTH.png", help="picture of the animal with its mouth open")
    parser.add_argument("--reference-keypoints", metavar="FACES.json", help="its face; detected when not given")
    life_options(parser)
    parser.add_argument("--engine", choices=("warp", "inpaint"), default="warp", help="inpaint: MuseTalk, see models")
    inpaint_options(parser)
    parser.add_argument(
        "--split",
        type=within(1, 3600, "seconds"),
        metavar="SECONDS",
        help="draw a longer video in parts of about so many seconds, on all cores at once, on a Ray cluster on all "
        "its nodes; the frames are the same (warp engine)",
    )


def run(options: argparse.Namespace) -> dict:
    from tqdm import tqdm

    from ..animate import animate, output_frames
    from ..audio import probe_audio, read_audio
    from ..clip import Clip
    from ..engine import WarpEngine
    from ..inside import OpenMouth
    from ..lower_face import calm
    from ..parts import animate_in_parts
    from ..prepared import PreparedAnimal, remembering
    from ..types import Audio
    from .inputs import chosen_face, face_of, keeper, spoken

    began = time.perf_counter()
    refuse_mumbling(options)
    refuse_idle(options, reference_keypoints="reference")
    refuse_idle_painting(options)
    if options.split and options.engine != "warp":
        raise UsageError("--split is for --engine warp; a network paints its frames in batches already.")
    if options.voice is None and options.text is None:
        raise UsageError("give VOICE, which --motion is for.")
    output = options.output or free_name(default_output(options.source))
    require_output(output, ".mp4")
    clip = Clip.open(options.source, frame_rate=options.frame_rate)
    if options.voice:
        probe_audio(options.voice)  # a voice that cannot be read is told before a face is looked for
    prepared = PreparedAnimal.load(options.prepared) if options.prepared else None
    face = clip.face(prepared.face) if prepared else chosen_face(clip, options)
    voice, motion = spoken(options, clip.frame_rate, face.species)
    count = output_frames(clip, motion, voice)
    reference = None
    if options.reference:
        from ..image import read_picture, to_frames

        picture = read_picture(options.reference)
        shown = Clip.from_picture(picture)
        reference = OpenMouth(
            to_frames(picture[None]), face_of(shown, options.reference_keypoints, 0, options.min_score)
        )
    engine, device, kept = WarpEngine(reference=reference), "cpu", nullcontext()
    if options.engine == "inpaint":
        engine = load_engine(options, prepared)
        face, device = face if prepared else calm(face, clip.frame_rate), engine.networks.device
        motion = listen(options, voice if isinstance(voice, Audio) else read_audio(voice))
        kept = remembering(engine, clip, keeper(options, "latents"))
    if options.split and count > options.split * clip.frame_rate:
        drawn = animate_in_parts(
            clip, face, motion, voice, output, engine, seconds=options.split, share_out=_share_out()
        )
    else:
        drawn = (1 for _ in animate(clip, face, motion, voice, output, engine, device=device))
    with kept, tqdm(total=count, unit="frame", disable=options.json) as bar:
        for frames in drawn:
            bar.update(frames)
    took = time.perf_counter() - began
    duration = count / float(clip.frame_rate)
    return {
        "output": output,
        "frames": count,
        "duration_s": round(duration, 3),
        "frame_rate": str(clip.frame_rate),
        "width": clip.width + clip.width % 2,
        "height": clip.height + clip.height % 2,
        "seconds": round(took, 3),
        "times_real_time": round(duration / took, 2),
    }


def default_output(source: str) -> str:
    return f"{Path(source).stem}-talking.mp4"


def _share_out():
    """Onto the cores of this machine, or where this process is itself a Ray worker onto its cluster."""
    from ..batch import workers_here
    from ..workers import share_out

    ray = sys.modules.get("ray")
    if ray and ray.is_initialized():
        from ..cluster import share_out_on_ray

        return share_out_on_ray
    return partial(share_out, workers=workers_here())
