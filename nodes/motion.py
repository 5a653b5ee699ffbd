"""Where a mouth's movement comes from: Speech to Mouth Motion, Motion from Keyframes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy_api.latest import io

from ..animal_lipsync.articulation import Mouth
from ..animal_lipsync.blinks import add_blinks
from ..animal_lipsync.head import nod as add_nod
from ..animal_lipsync.motion import NATURAL, keyframes_to_motion, speech_to_motion
from ..animal_lipsync.types import Audio, Faces, MouthMotion
from .inputs import (
    blinks_input,
    language_input,
    motion_rate_input,
    nod_input,
    strength_input,
    style_input,
    variation_input,
)
from .types import CATEGORY, AnimalFace, Motion, Visemes, to_audio, to_rate

KEYFRAMES = """{
  "version": 1,
  "frame_rate": "25",
  "keyframes": [
    {"time": 0.0, "jaw_open": 0.0},
    {"time": 0.3, "jaw_open": 0.8},
    {"time": 0.6, "jaw_open": 0.1, "mouth_wide": 0.0},
    {"time": 0.9, "jaw_open": 0.5, "mouth_wide": 0.6},
    {"time": 1.2, "jaw_open": 0.0, "mouth_wide": 0.0}
  ]
}"""


def speak(
    voice: Audio,
    frame_rate: Fraction,
    *,
    transcript: str = "",
    language: str = "en-us",
    recognise: bool = False,
    mouth: Mouth = NATURAL,
) -> MouthMotion:
    """The motion of a mouth that says `voice`."""
    return speech_to_motion(
        in_seconds(voice),
        frame_rate,
        transcript=transcript.strip() or None,
        language=language,
        recognise=recognise,
        mouth=mouth,
    )


def enliven(motion: MouthMotion, *, nod: float, blinks: float, variation: int) -> MouthMotion:
    """The motion with nods, drift and blinks added."""
    return add_blinks(add_nod(motion, nod, variation=variation), blinks, variation=variation)


def species_input():
    return AnimalFace.Input(
        "face",
        optional=True,
        tooltip="The animal that speaks: its mouth then opens as far and as fast as its species can. A dog's when not "
        "connected.",
    )


def species_of(face: Faces | None) -> str:
    return face.tracks[0].species if face else "unknown"


def in_seconds(voice: Audio) -> Iterator[Audio]:
    """The voice a second at a time, until the artist presses Cancel."""
    for start in range(0, voice.waveform.shape[1], voice.sample_rate):
        throw_exception_if_processing_interrupted()
        yield Audio(voice.waveform[:, start : start + voice.sample_rate], voice.sample_rate)


class SpeechToMouthMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_SpeechToMouthMotion",
            display_name="Speech to Mouth Motion",
            category=CATEGORY,
            description="Listens to a voice and says how a mouth moves with it.",
            search_aliases=["audio to motion", "lip sync", "visemes", "mouth shapes", "talking"],
            inputs=[
                io.Audio.Input("voice", tooltip="A recording of someone speaking or singing, in any language."),
                motion_rate_input(),
                nod_input(),
                blinks_input(),
                language_input(),
                io.String.Input(
                    "transcript",
                    default="",
                    multiline=True,
                    placeholder="What the voice says, word for word (optional)",
                    tooltip="What the voice says. Lips meet and open more surely with it; where it is wrong, what is "
                    "heard counts.",
                ),
                style_input(),
                strength_input(),
                variation_input(),
                io.Boolean.Input(
                    "recognise",
                    default=False,
                    advanced=True,
                    tooltip="Without a transcript, understand English words first: slower, with surer lips. Needs the "
                    "Python package pocketsphinx.",
                ),
                species_input(),
            ],
            outputs=[
                Motion.Output("motion"),
                Visemes.Output("visemes", tooltip="Which mouth shape when: for Edit Visemes and Visemes Preview."),
            ],
        )

    @classmethod
    def execute(
        cls, voice, frame_rate, nod, blinks, language, transcript, style, strength, variation, recognise, face=None
    ) -> io.NodeOutput:
        motion = speak(
            to_audio(voice),
            to_rate(frame_rate),
            transcript=transcript,
            language=language,
            recognise=recognise,
            mouth=Mouth(style, strength, species_of(face)),
        )
        motion = enliven(motion, nod=nod, blinks=blinks, variation=variation)
        return io.NodeOutput(motion, motion.visemes)


class MotionFromKeyframes(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_MotionFromKeyframes",
            display_name="Motion from Keyframes",
            category=CATEGORY,
            description="Moves the mouth through poses set at times, smoothly in between.",
            search_aliases=["keyframe animation", "mouth poses", "jaw open", "manual lip sync"],
            inputs=[
                io.String.Input(
                    "keyframes",
                    default=KEYFRAMES,
                    multiline=True,
                    tooltip="JSON: times in seconds and what each channel is by then, from 0 to 1 (head_pitch, "
                    "head_yaw and head_roll in degrees). A channel runs through the keyframes that name it.",
                ),
            ],
            outputs=[Motion.Output("motion")],
        )

    @classmethod
    def execute(cls, keyframes) -> io.NodeOutput:
        return io.NodeOutput(keyframes_to_motion(keyframes))
