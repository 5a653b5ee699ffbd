"""Visemes Preview."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from comfy_api.latest import io, ui

from ..animal_lipsync.chart import draw_chart
from ..animal_lipsync.motion import visemes_to_motion
from .types import CATEGORY, Motion, Visemes, to_audio, to_image


class VisemesPreview(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_VisemesPreview",
            display_name="Visemes Preview",
            category=CATEGORY,
            description="Draws which mouth shape is held when, over the voice, with the mouth and its curves.",
            search_aliases=["viseme plot", "mouth chart", "preview motion", "lip sync chart", "waveform"],
            is_output_node=True,
            inputs=[
                Visemes.Input("visemes", tooltip="Which mouth shape when, e.g. of Speech to Mouth Motion."),
                io.Float.Input(
                    "start", default=0.0, min=0.0, max=86400.0, step=0.1, tooltip="Second that the picture begins with."
                ),
                io.Float.Input(
                    "seconds",
                    default=6.0,
                    min=0.2,
                    max=600.0,
                    step=0.1,
                    tooltip="How much time is shown. Lower it to read every shape.",
                ),
                Motion.Input(
                    "motion",
                    optional=True,
                    tooltip="How the mouth moves. When not connected, as the visemes call for.",
                ),
                io.Audio.Input("voice", optional=True, tooltip="The sound, to be drawn as a waveform."),
            ],
            outputs=[io.Image.Output("image")],
        )

    @classmethod
    def execute(cls, visemes, start, seconds, motion=None, voice=None) -> io.NodeOutput:
        if motion is None:
            motion = visemes_to_motion(visemes, Fraction(25))
        sound = None if voice is None else to_audio(voice)
        image = to_image([draw_chart(replace(motion, visemes=visemes), sound, start=start, seconds=seconds)], 1)
        return io.NodeOutput(image, ui=ui.PreviewImage(image, cls=cls))
