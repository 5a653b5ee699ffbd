"""The command line: `animal-lipsync COMMAND`. Names and defaults are those of the nodes."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
import time
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

from .types import CHANNELS, Faces, FaceTrack, MouthMotion

logger = logging.getLogger(__name__)

SURE = 0.5
"""Score of a face below which its points had better be looked at."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 on success, 1 on failure with one line on stderr, 2 on bad usage."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        _refuse_overwriting(options)
        report = options.run(options)
    except (ValueError, OSError) as error:
        _say("animal-lipsync: " + re.sub(r"^\[Errno \d+\] ", "", str(error)), sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("animal-lipsync: cancelled; nothing was written.", sys.stderr)
        return 1
    if options.json:
        _say(json.dumps(report), sys.stdout)
    else:
        _say(_in_words(report), sys.stdout)
    return 0


def _in_words(report: dict) -> str:
    if "times_real_time" in report:
        size, speed = f"{report['width']} x {report['height']}", f"{report['times_real_time']} s of video per second"
        return (
            f"Your video: {Path(report['output']).resolve()}\n"
            f"{report['duration_s']} s at {size}, made in {report['seconds']} s ({speed})"
        )
    if "faces" in report:
        found = ", ".join(f"{face['id']}: {face['species']} ({face['score']})" for face in report["faces"])
        return f"{len(report['faces'])} faces: {found}" if found else "No face was found."
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in report.items() if value is not None)


def animate_command(options: argparse.Namespace) -> dict:
    from tqdm import tqdm

    from .animate import animate, output_frames
    from .blinks import add_blinks
    from .clip import Clip
    from .engine import WarpEngine
    from .inside import OpenMouth
    from .motion import nod

    start = time.perf_counter()
    clip = Clip.open(options.source, frame_rate=options.frame_rate)
    face = _face(clip, options)
    if options.motion:
        motion = MouthMotion.from_json(_read_text(options.motion))
    else:
        motion = _voice_motion(options, clip.frame_rate)
    if options.nod:
        motion = nod(motion, options.nod)
    motion = add_blinks(motion, options.blinks)
    reference = None
    if options.reference:
        from .image import read_picture, to_frames

        picture = read_picture(options.reference)
        shown = Clip.from_picture(picture)
        reference = OpenMouth(
            to_frames(picture[None]), _face_of(shown, options.reference_keypoints, 0, options.min_score)
        )
    output = options.output or Path(f"{Path(options.source).stem}-talking.mp4")
    count = output_frames(clip, motion, options.voice)
    frames = animate(clip, face, motion, options.voice, output, WarpEngine(reference=reference))
    for _ in tqdm(frames, total=count, unit="frame", disable=options.json):
        pass
    seconds = time.perf_counter() - start
    duration = count / float(clip.frame_rate)
    return {
        "output": str(output),
        "frames": count,
        "duration_s": round(duration, 3),
        "frame_rate": str(clip.frame_rate),
        "width": clip.width + clip.width % 2,
        "height": clip.height + clip.height % 2,
        "seconds": round(seconds, 3),
        "times_real_time": round(duration / seconds, 2),
    }


def demo_command(options: argparse.Namespace) -> dict:
    samples = files(__package__) / "samples"
    options.source, options.voice = str(samples / "fox.jpg"), str(samples / "voice.wav")
    options.keypoints, options.face, options.min_score = samples / "fox.faces.json", 0, 0.3
    options.motion = options.reference = options.reference_keypoints = options.frame_rate = None
    options.transcript, options.language = None, "en-us"
    return animate_command(options)


def detect_command(options: argparse.Namespace) -> dict:
    from .clip import Clip
    from .draw import draw_landmarks
    from .image import write_picture

    clip = Clip.open(options.source)
    faces = _detect(clip, options.min_score)
    if options.output:
        _write_text(options.output, faces.to_json())
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


def motion_command(options: argparse.Namespace) -> dict:
    from .cues import to_rhubarb

    motion = _voice_motion(options, options.frame_rate)
    if options.rhubarb:
        form = Path(options.rhubarb).suffix.lstrip(".").lower()
        if form not in ("tsv", "json", "xml"):
            raise ValueError(f"{options.rhubarb} must end in .tsv, .json or .xml.")
        _write_text(options.rhubarb, to_rhubarb(motion.visemes, form=form))
    if options.output:
        _write_text(options.output, motion.to_json())
    return {
        "output": options.output,
        "frames": len(motion),
        "frame_rate": str(motion.frame_rate),
        "mean_jaw_open": round(float(motion.channel("jaw_open").mean()), 3),
    }


def frame_command(options: argparse.Namespace) -> dict:
    import numpy as np

    from .clip import Clip
    from .engine import WarpEngine
    from .image import write_picture
    from .render import render

    clip = Clip.open(options.source)
    face = _face(clip, options)[:1]
    motion = MouthMotion.from_channels(Fraction(25), 1, **dict(options.set))
    posed = next(render([next(clip.read(1))], face, motion, WarpEngine()))
    write_picture(options.output, np.asarray(posed.pixels))
    return {"output": options.output, "width": clip.width, "height": clip.height}


def _voice_motion(options: argparse.Namespace, frame_rate: Fraction) -> MouthMotion:
    from .animate import voice_motion

    transcript = _read_text(options.transcript) if options.transcript else None
    return voice_motion(options.voice, frame_rate, transcript=transcript, language=options.language)


def _face(clip, options: argparse.Namespace) -> FaceTrack:
    return _face_of(clip, options.keypoints, options.face, options.min_score)


def _face_of(clip, keypoints: str | None, index: int, min_score: float) -> FaceTrack:
    from .tracking import choose_face

    faces = Faces.from_json(_read_text(keypoints)) if keypoints else _detect(clip, min_score)
    if not clip.shows(faces):
        raise ValueError(
            f"{keypoints} was made for another picture or clip. Make one for this with detect -o, or leave it out."
        )
    choose_face(faces, index)
    return clip.face(faces, index)


def _detect(clip, min_score: float) -> Faces:
    from .detection import detect_faces, detect_video
    from .image import fingerprint
    from .tracking import track_faces

    if clip.frames == 1:
        faces = detect_faces(next(clip.read(1)), min_score=min_score)
    else:
        logger.info("Looking for the face in %d frames", clip.frames)
        faces = track_faces(detect_video(clip.read(clip.frames), min_score=min_score), frame_rate=clip.frame_rate)
    if faces.scores and faces.scores[0] < SURE:
        logger.warning(
            "Not sure about this face (%.2f, taken for a %s): check its points with detect --draw.",
            faces.scores[0],
            faces.tracks[0].species,
        )
    return replace(faces, picture=fingerprint(next(clip.read(1))))


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file.") from None
    except OSError as error:
        raise ValueError(f"Cannot read {path} ({error.strerror}); check the name.") from None


def _write_text(path: str, text: str) -> None:
    target = Path(path).resolve()
    # a device or pipe is written to; a file is replaced when the new one is whole
    is_stream = target.exists() and not target.is_file()
    partial = target if is_stream else target.with_name(f".{target.name[:80]}-{uuid4().hex[:8]}")
    try:
        partial.write_text(text)
        partial.replace(target)
    except OSError as error:
        raise ValueError(f"Cannot write {path} ({error.strerror}); check the folder and the free space.") from None
    finally:
        if not is_stream:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def _refuse_overwriting(options: argparse.Namespace) -> None:
    """No command may replace what it reads."""
    outputs = [getattr(options, name, None) for name in ("output", "draw", "rhubarb")]
    names = ("source", "voice", "keypoints", "motion", "reference", "reference_keypoints", "transcript")
    inputs = [getattr(options, name, None) for name in names]
    for output in filter(None, outputs):
        for read in filter(None, inputs):
            if Path(output).is_file() and Path(read).exists() and Path(output).samefile(read):
                raise ValueError(f"{output} is also what is read; choose another name for the output.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="animal-lipsync", description="Make a picture or clip of an animal speak.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        sub.set_defaults(run=run)
        sub.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        return sub

    def score_option(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--min-score", type=float, default=0.3, help="lower it for faces that are small, dark or turned"
        )

    def face_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--keypoints", metavar="FACES.json", help="where the faces are; detected when not given")
        score_option(sub)
        sub.add_argument("--face", type=int, default=0, metavar="N", help="which of them speaks, from 0")

    def life_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--nod", type=float, default=0.0, metavar="DEGREES", help="nod on stressed syllables")
        sub.add_argument("--blinks", type=float, default=0.0, metavar="PER_MINUTE", help="blink now and then")

    def transcript_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--transcript", metavar="FILE", help="text of what VOICE says; makes the mouth surer")
        sub.add_argument("--language", default="en-us", help="of the transcript, as eSpeak NG names it")

    animate = command("animate", animate_command, "Make the animal of a picture or video say a voice recording.")
    animate.add_argument("source", metavar="PICTURE|VIDEO")
    animate.add_argument("voice", metavar="VOICE", help="any sound or video file")
    animate.add_argument("-o", "--output", metavar="OUT.mp4", help="default: NAME-talking.mp4 in this folder")
    face_options(animate)
    transcript_options(animate)
    animate.add_argument("--motion", metavar="MOTION.json", help="how the mouth moves; heard from VOICE when not given")
    animate.add_argument("--frame-rate", type=_rate, metavar="25", help="default: the video's own, 25 for a picture")
    animate.add_argument("--reference", metavar="OPEN_MOUTH.png", help="picture of the animal with its mouth open")
    animate.add_argument("--reference-keypoints", metavar="FACES.json", help="its face; detected when not given")
    life_options(animate)

    detect = command("detect", detect_command, "Find the animals' faces and their keypoints.")
    detect.add_argument("source", metavar="PICTURE|VIDEO")
    detect.add_argument("-o", "--output", metavar="FACES.json")
    score_option(detect)
    detect.add_argument("--draw", metavar="OUT.png", help="picture with the faces drawn in")

    motion = command("motion", motion_command, "Turn a voice into mouth movement.")
    motion.add_argument("voice", metavar="VOICE")
    motion.add_argument("-o", "--output", metavar="MOTION.json")
    transcript_options(motion)
    motion.add_argument("--rhubarb", metavar="OUT.tsv", help="the cues in Rhubarb's format: .tsv, .json or .xml")
    motion.add_argument("--frame-rate", type=_rate, default=Fraction(25), metavar="25")

    frame = command("frame", frame_command, "Pose one frame, for looking.")
    frame.add_argument("source", metavar="PICTURE")
    face_options(frame)
    frame.add_argument(
        "--set",
        type=_channel,
        action="append",
        default=[],
        metavar="jaw_open=0.6",
        help=f"a channel of {', '.join(CHANNELS)}; may be repeated",
    )
    frame.add_argument("-o", "--output", required=True, metavar="OUT.png")

    demo = command("demo", demo_command, "Animate the sample picture with the sample voice.")
    demo.add_argument("-o", "--output", default="talking.mp4", metavar="OUT.mp4")
    life_options(demo)
    return parser


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"frame rate must look like 25 or 30000/1001, got {text}") from None
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError(f"frame rate must lie above 0 and up to 1000, got {text}")
    return rate


def _channel(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        amount = float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected CHANNEL=NUMBER, got {text}") from None
    low, high = (-45, 45) if name.startswith("head_") else (0, 1)
    if name not in CHANNELS or not low <= amount <= high:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(CHANNELS)} within [{low}, {high}], got {text}")
    return name, amount


def _say(text: str, stream) -> None:
    stream.write(text + "\n")
