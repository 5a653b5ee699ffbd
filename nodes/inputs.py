"""Inputs that several nodes share, so that they read the same everywhere."""

from __future__ import annotations

from comfy_api.latest import io

from ..animal_lipsync.speaker import SPEAKERS
from ..animal_lipsync.styles import STYLES

MIN_SCORE = 0.3


def source_input():
    return io.MultiType.Input(
        "source",
        [io.Image, io.Video],
        tooltip="A picture or a video of an animal. A batch of pictures is a video at frame_rate.",
    )


def face_input():
    return io.Int.Input(
        "face",
        default=0,
        min=0,
        max=63,
        tooltip="Which animal it is when there are several: 0 is the most prominent one, or the first by the speaker "
        "rule.",
    )


def speaker_input(default="prominent"):
    return io.Combo.Input(
        "speaker",
        options=list(SPEAKERS),
        default=default,
        tooltip="How face counts the animals when there are several. prominent: the large and sure ones first; "
        "central: from the middle of the picture; leftmost or rightmost: along it; cat or dog: only those.",
    )


def min_score_input():
    return io.Float.Input(
        "min_score",
        default=MIN_SCORE,
        min=0.05,
        max=0.95,
        step=0.05,
        advanced=True,
        tooltip="Lower it when a face is not found because it is small, dark or turned away.",
    )


def frame_rate_input():
    return io.Float.Input(
        "frame_rate",
        default=25.0,
        min=1.0,
        max=120.0,
        step=0.001,
        tooltip="Frames per second of the result when the source is a picture, or a batch of pictures. "
        "A video keeps its own.",
    )


def motion_rate_input():
    return io.Float.Input(
        "frame_rate",
        default=25.0,
        min=1.0,
        max=120.0,
        step=0.001,
        tooltip="Frames per second of the motion. It is resampled to a video's own rate when used.",
    )


def keep_sound_input():
    return io.Boolean.Input(
        "keep_sound",
        default=False,
        tooltip="Mixes the voice with the sound that the video has already: for the second of several speakers.",
    )


def nod_input():
    return io.Float.Input(
        "nod",
        default=0.0,
        min=0.0,
        max=15.0,
        step=0.5,
        tooltip="Degrees that the head nods on stressed syllables. 1 to 3 brings a picture to life; at 0 nothing but "
        "the mouth moves.",
    )


def blinks_input():
    return io.Float.Input(
        "blinks",
        default=0.0,
        min=0.0,
        max=40.0,
        step=1.0,
        tooltip="How often a minute both eyes blink. 10 to 20 looks natural; at 0 nothing but the mouth moves.",
    )


def style_input():
    return io.Combo.Input(
        "style",
        options=list(STYLES),
        default="natural",
        tooltip="subtle: a small mouth, soft changes. natural: what the voice calls for. cartoon: wide poses that are "
        "held, lips that exaggerate.",
    )


def strength_input():
    return io.Float.Input(
        "strength",
        default=1.0,
        min=0.0,
        max=2.0,
        step=0.05,
        tooltip="How far the mouth moves: lower it for a mumble, raise it for a shout. Lips that meet always meet, and "
        "no mouth opens further than its animal's.",
    )


def variation_input():
    return io.Int.Input(
        "variation",
        default=0,
        min=0,
        max=9999,
        advanced=True,
        tooltip="Another number gives other blinks and head poses, so that two animals do not blink together.",
    )


def language_input():
    return io.String.Input(
        "language",
        default="en-us",
        advanced=True,
        tooltip="Of the transcript, as eSpeak NG calls it: en-us, en-gb, de, fr, es, ru, ja, cmn. Without a transcript "
        "any language is understood.",
    )


def crf_input():
    return io.Int.Input(
        "crf",
        default=18,
        min=0,
        max=40,
        advanced=True,
        tooltip="Quality of the video: lower is better and larger. 18 looks lossless.",
    )
