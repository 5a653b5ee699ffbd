"""The sample picture says the sample voice."""

from __future__ import annotations

import argparse
from importlib.resources import files

from ..files import free_name
from . import animate
from .options import command, life_options


def add(commands) -> None:
    parser = command(commands, "demo", run, "Animate the sample picture with the sample voice.")
    parser.add_argument("-o", "--output", metavar="OUT.mp4", help="default: talking.mp4, or talking-2.mp4")
    life_options(parser)


def run(options: argparse.Namespace) -> dict:
    samples = files("animal_lipsync") / "samples"
    options.output = options.output or free_name("talking.mp4")
    defaults = argparse.ArgumentParser()
    animate.arguments(defaults)
    sample = [samples / "fox.jpg", samples / "voice.wav", "--keypoints", samples / "fox.faces.json"]
    return animate.run(defaults.parse_args([str(argument) for argument in sample], options))
