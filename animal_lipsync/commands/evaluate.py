"""How well the mouths of videos follow their voice, as figures and as a page."""

from __future__ import annotations

import argparse
from functools import cache, partial

from .options import UsageError, command, face_options, transcript_options


def add(commands) -> None:
    parser = command(commands, "evaluate", run, "Measure how well the mouth in a video follows its voice.")
    parser.add_argument("videos", metavar="VIDEO", nargs="+", help="results to judge, of the same voice")
    parser.add_argument("--voice", metavar="VOICE", help="what is said; default: the sound of each video")
    parser.add_argument("--source", metavar="PICTURE|VIDEO", help="what they were made from; tells more")
    face_options(parser)
    transcript_options(parser)
    parser.add_argument(
        "--names",
        metavar="NAME",
        nargs="+",
        help="what to call each video, e.g. baseline LoRA; default: its file",
    )
    parser.add_argument(
        "--dataset",
        metavar="DATASET",
        help="what a LoRA was trained on, from prepare-clips; its pairs say the voice too, as the upper bound",
    )
    parser.add_argument("--html", metavar="OUT.html", help="a page with figures, curves and videos side by side")


def run(options: argparse.Namespace) -> dict:
    from ..animate import voice_motion
    from ..clip import Clip
    from ..dataset import PetDataset
    from ..evaluate import evaluate
    from ..evaluation_page import compare_clips, evaluation_page
    from ..files import require_output, write_text
    from ..pairs import RATE
    from ..upper_bound import NAMES, pair_videos
    from .inputs import face_of, read_text

    names = options.names or options.videos
    if len(names) != len(options.videos):
        raise UsageError(f"There are {len(options.videos)} videos and {len(names)} names; give one for each.")
    if len(set(names)) != len(names):
        raise UsageError("Two videos are called the same; give each another name with --names.")
    if taken := {"source", *NAMES.values()} & set(names):
        raise UsageError(f"{taken.pop()!r} is what the page calls something else; give another name with --names.")
    if options.html:
        require_output(options.html, ".html")
    pieces = PetDataset.open(options.dataset).load_kept() if options.dataset else []
    transcript = read_text(options.transcript) if options.transcript else None
    language = options.language or "en-us"
    hear = cache(partial(voice_motion, transcript=transcript, language=language))
    judged, shown = {}, {}
    for name, video in zip(names, options.videos, strict=True):
        clip = Clip.open(video)
        if clip.frames < 2:
            raise ValueError(f"{video} is a picture; give the video that was made of it.")
        source = Clip.open(options.source, frame_rate=clip.frame_rate) if options.source else None
        face = face_of(source or clip, options.keypoints, options.face, options.min_score)
        heard = hear(options.voice or video, clip.frame_rate)
        judged[name] = evaluate(
            clip.read(clip.frames), face, heard, source=source.read(clip.frames) if source else None
        )
        shown |= {"source": source, name: clip} if source else {name: clip}
    heard = hear(options.voice or options.videos[0], RATE) if pieces else None
    pairs = pair_videos(pieces, heard) if pieces else {}
    bounds = {name: evaluate(pair.clip.read(pair.clip.frames), pair.face, heard) for name, pair in pairs.items()}
    shown |= {name: pair.clip for name, pair in pairs.items()}
    if options.html:
        both = compare_clips(shown, options.voice or options.videos[0]) if len(shown) > 1 else None
        write_text(options.html, evaluation_page(judged, bounds=bounds, comparison=both))
    figures = {name: result.summary() for name, result in (judged | bounds).items()}
    return {"html": options.html, "videos": figures}
