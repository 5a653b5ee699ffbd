"""How well a video's mouth follows its voice, as figures and as a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import command, face_options, transcript_options


def add(commands) -> None:
    parser = command(commands, "evaluate", run, "Measure how well the mouth in a video follows its voice.")
    parser.add_argument("videos", metavar="VIDEO", nargs="+", help="results to judge, of the same voice")
    parser.add_argument("--voice", metavar="VOICE", help="what is said; default: the sound of each video")
    parser.add_argument("--source", metavar="PICTURE|VIDEO", help="what they were made from; tells more")
    face_options(parser)
    transcript_options(parser)
    parser.add_argument("--html", metavar="OUT.html", help="a page with the figures and curves of all of them")


def run(options: argparse.Namespace) -> dict:
    from ..animate import voice_motion
    from ..clip import Clip
    from ..evaluate import evaluate
    from ..evaluation_page import evaluation_page
    from ..files import require_output, write_text
    from .inputs import face_of, read_text

    if options.html:
        require_output(options.html, ".html")
    transcript = read_text(options.transcript) if options.transcript else None
    judged = {}
    for video in options.videos:
        clip = Clip.open(video)
        if clip.frames < 2:
            raise ValueError(f"{video} is a picture; give the video that was made of it.")
        source = Clip.open(options.source, frame_rate=clip.frame_rate) if options.source else None
        face = face_of(source or clip, options.keypoints, options.face, options.min_score)
        heard = voice_motion(
            options.voice or video, clip.frame_rate, transcript=transcript, language=options.language or "en-us"
        )
        judged[video] = evaluate(
            clip.read(clip.frames), face, heard, source=source.read(clip.frames) if source else None
        )
    if options.html:
        write_text(options.html, evaluation_page({Path(name).name: result for name, result in judged.items()}))
    return {"html": options.html, "videos": {name: result.summary() for name, result in judged.items()}}
