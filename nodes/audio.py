"""Voice Effect."""

from __future__ import annotations

from comfy_api.latest import io

from ..animal_lipsync.voice import shift_pitch
from .types import CATEGORY, from_audio, to_audio


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
