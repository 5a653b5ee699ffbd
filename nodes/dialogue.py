"""Take Turns."""

from __future__ import annotations

from comfy_api.latest import io

from ..animal_lipsync.dialogue import take_turns
from .types import CATEGORY, from_audio, to_audio

TURNS = ("first", "second", "third", "fourth")


class TakeTurns(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_TakeTurns",
            display_name="Take Turns",
            category=CATEGORY,
            description="Lets voices speak one after the other: each comes out as long as the whole dialogue, silent "
            "while the others speak.",
            search_aliases=["dialogue", "conversation", "several speakers", "pad audio", "delay audio", "two animals"],
            inputs=[
                *(
                    io.Audio.Input(name, optional=name in TURNS[2:], tooltip=f"The voice that speaks {name}.")
                    for name in TURNS
                ),
                io.Float.Input(
                    "pause",
                    default=0.3,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    tooltip="Seconds from one to the next. Below 0 they interrupt each other.",
                ),
            ],
            outputs=[
                io.Audio.Output(f"{name}_voice", display_name=name, tooltip=f"The {name} voice at its time.")
                for name in TURNS
            ],
        )

    @classmethod
    def execute(cls, first, second, pause, third=None, fourth=None) -> io.NodeOutput:
        voices = [first, second, third, fourth]
        spoken = iter(take_turns([to_audio(voice) for voice in voices if voice is not None], pause=pause))
        return io.NodeOutput(*(from_audio(next(spoken)) if voice is not None else None for voice in voices))
