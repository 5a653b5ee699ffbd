"""Where a mouth's movement comes from: Speech to Mouth Motion, Motion from Keyframes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy_api.latest import io

from ..animal_lipsync.blinks import add_blinks
from ..animal_lipsync.head import nod as add_nod
from ..animal_lipsync.motion import keyframes_to_motion, speech_to_motion
from ..animal_lipsync.types import Audio, MouthMotion
from .inputs import blinks_input, language_input, nod_input
from .types import CATEGORY, Motion, Visemes, to_audio, to_rate

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
    voice: Audio, frame_rate: Fraction, *, nod: float, blinks: float, transcript: str, language: str
) -> MouthMotion:
    """The motion of a head that says `voice`."""
    motion = speech_to_motion(_seconds(voice), frame_rate, transcript=transcript.strip() or None, language=language)
    return add_blinks(add_nod(motion, nod), blinks)


def _seconds(voice: Audio) -> Iterator[Audio]:
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
                io.Float.Input(
                    "frame_rate",
                    default=25.0,
                    min=1.0,
                    max=120.0,
                    step=0.001,
                    tooltip="Frames per second of the motion. It is resampled to a video's own rate when used.",
                ),
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
            ],
            outputs=[
                Motion.Output("motion"),
                Visemes.Output("visemes", tooltip="Which mouth shape when: for Edit Visemes and Visemes Preview."),
            ],
        )

    @classmethod
    def execute(cls, voice, frame_rate, nod, blinks, language, transcript) -> io.NodeOutput:
        motion = speak(
            to_audio(voice), to_rate(frame_rate), nod=nod, blinks=blinks, transcript=transcript, language=language
        )
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
