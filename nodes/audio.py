"""Speak Text, Voice Effect."""

from __future__ import annotations

from comfy_api.latest import io

from ..animal_lipsync.articulation import Mouth
from ..animal_lipsync.speech import speak_text
from ..animal_lipsync.voice import shift_pitch
from .inputs import blinks_input, motion_rate_input, nod_input, strength_input, style_input, variation_input
from .motion import enliven, species_input, species_of
from .types import CATEGORY, Motion, Visemes, from_audio, to_audio, to_rate


class SpeakText(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_SpeakText",
            display_name="Speak Text",
            category=CATEGORY,
            description="Says a text with eSpeak NG's voice, offline, and moves the mouth exactly with it. A "
            "recording sounds better: connect that to Speech to Mouth Motion instead.",
            search_aliases=["text to speech", "tts", "say", "espeak", "voice", "talk"],
            inputs=[
                io.String.Input(
                    "text",
                    default="Hello! I am a fox. Thanks to you, I can finally talk.",
                    multiline=True,
                    dynamic_prompts=False,
                    tooltip="What the animal says.",
                ),
                io.String.Input(
                    "language",
                    default="en-us",
                    tooltip="As eSpeak NG calls it: en-us, en-gb, de, fr, es, ru, ja, cmn. Another voice of it: "
                    "en-us+f3 (f1 to f5 are women, m1 to m8 men, croak, whisper).",
                ),
                io.Int.Input(
                    "speed", default=160, min=80, max=450, tooltip="Words a minute. 120 is slow, 200 is hurried."
                ),
                io.Int.Input(
                    "pitch",
                    default=50,
                    min=0,
                    max=99,
                    tooltip="How high the voice is. Raise it for a small animal, lower it for a large one.",
                ),
                motion_rate_input(),
                style_input(),
                strength_input(),
                nod_input(),
                blinks_input(),
                variation_input(),
                species_input(),
            ],
            outputs=[
                io.Audio.Output("audio", display_name="voice"),
                Motion.Output("motion"),
                Visemes.Output("visemes", tooltip="Which mouth shape when: for Edit Visemes and Visemes Preview."),
            ],
        )

    @classmethod
    def execute(
        cls, text, language, speed, pitch, frame_rate, style, strength, nod, blinks, variation, face=None
    ) -> io.NodeOutput:
        audio, motion = speak_text(
            text,
            to_rate(frame_rate),
            language=language,
            words_per_minute=speed,
            pitch=pitch,
            mouth=Mouth(style, strength, species_of(face)),
        )
        motion = enliven(motion, nod=nod, blinks=blinks, variation=variation)
        return io.NodeOutput(from_audio(audio), motion, motion.visemes)


class VoiceEffect(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_VoiceEffect",
            display_name="Voice Effect",
            category=CATEGORY,
            description="Makes a voice smaller or larger, as a kitten's or a bear's, without changing its speed.",
            search_aliases=["pitch shift", "animal voice", "chipmunk", "formant", "voice changer"],
            inputs=[
                io.Audio.Input("voice", tooltip="A recording of someone speaking or singing."),
                io.Float.Input(
                    "semitones",
                    default=5.0,
                    min=-12.0,
                    max=12.0,
                    step=0.5,
                    tooltip="Raise it for a small animal (5 is a kitten), lower it for a large one (-6 is a bear). "
                    "0 leaves the voice as it is.",
                ),
            ],
            outputs=[io.Audio.Output("audio", display_name="voice")],
        )

    @classmethod
    def execute(cls, voice, semitones) -> io.NodeOutput:
        return io.NodeOutput(from_audio(shift_pitch(to_audio(voice), semitones)))
