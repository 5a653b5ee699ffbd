"""A voice, a text or another program's cues become the movement of a mouth, in any of their formats."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

from ..files import require_output, write_text
from .options import UsageError, command, life_options, rate, refuse_mumbling, voice_options

EXPORTS = {
    "output": (".json",),
    "rhubarb": (".tsv", ".json", ".xml"),
    "moho": (".dat",),
    "papagayo": (".pgo",),
    "arkit": (".csv",),
    "ovr": (".json",),
    "draw": (".png",),
    "wav": (".wav",),
}
"""Options that name a file to write, and how it may end."""


def add(commands) -> None:
    parser = command(commands, "motion", run, "Turn a voice, a text or another program's cues into mouth movement.")
    voice_options(parser)
    parser.add_argument(
        "--motion", metavar="FILE", help="of ours, Rhubarb, Moho, Papagayo, OVRLipSync or ARKit, to convert"
    )
    parser.add_argument("-o", "--output", metavar="MOTION.json")
    life_options(parser)
    parser.add_argument("--frame-rate", type=rate, default=Fraction(25), metavar="25", help="of all that is written")
    parser.add_argument("--species", default="unknown", metavar="NAME", help="whose mouth it is: dog, cat, parrot, ...")
    parser.add_argument("--rhubarb", metavar="OUT.tsv", help="the cues in Rhubarb's format: .tsv, .json or .xml")
    parser.add_argument("--moho", metavar="OUT.dat", help="the cues as a switch layer of Moho (Anime Studio)")
    parser.add_argument("--papagayo", metavar="OUT.pgo", help="the cues as a project of Papagayo")
    parser.add_argument("--arkit", metavar="OUT.csv", help="the curves as Live Link Face writes ARKit's")
    parser.add_argument("--ovr", metavar="OUT.json", help="the cues as an OVRLipSyncSequence")
    parser.add_argument("--draw", metavar="OUT.png", help="a chart of the first ten seconds")
    parser.add_argument("--wav", metavar="OUT.wav", help="what eSpeak NG says; with --text only")


def run(options: argparse.Namespace) -> dict:
    from ..audio import load_audio
    from ..chart import draw_chart
    from ..cues import to_moho, to_papagayo, to_rhubarb
    from ..image import write_picture
    from ..performance import to_arkit, to_ovr
    from ..speech import write_wav
    from .inputs import spoken

    refuse_mumbling(options)
    if options.wav and options.text is None:
        raise UsageError("--wav does nothing without --text.")
    for name, suffixes in EXPORTS.items():
        if path := getattr(options, name):
            require_output(path, *suffixes, or_stream=name == "output")
    voice, motion = spoken(options, options.frame_rate, options.species)
    if options.motion:
        motion = motion.resampled(options.frame_rate, round(len(motion) * options.frame_rate / motion.frame_rate))
    track = motion.visemes
    if not track.cues and (options.rhubarb or options.moho or options.papagayo or options.ovr):
        raise ValueError(f"{options.motion} holds no cues, only curves; those are written by --arkit and -o.")
    if options.rhubarb:
        form = Path(options.rhubarb).suffix.lstrip(".").lower()
        write_text(options.rhubarb, to_rhubarb(track, form=form))
    if options.moho:
        write_text(options.moho, to_moho(track, options.frame_rate))
    if options.papagayo:
        sound = voice if isinstance(voice, str) else options.wav or ""
        write_text(options.papagayo, to_papagayo(track, options.frame_rate, sound=sound))
    if options.ovr:
        write_text(options.ovr, to_ovr(track))
    if options.arkit:
        write_text(options.arkit, to_arkit(motion))
    if options.draw:
        sound = load_audio(voice) if isinstance(voice, str) else voice
        write_picture(options.draw, draw_chart(motion, sound, seconds=10))
    if options.wav:
        write_wav(options.wav, voice)
    if options.output:
        write_text(options.output, motion.to_json())
    return {
        "output": options.output,
        "frames": len(motion),
        "frame_rate": str(motion.frame_rate),
        "mean_jaw_open": round(float(motion.channel("jaw_open").mean()), 3),
    }
