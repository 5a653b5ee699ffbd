"""Evaluate Lip-Sync: how well a finished video's mouth follows its voice."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io, ui

from ..animal_lipsync.evaluate import evaluate
from ..animal_lipsync.evaluation_page import MEASURES, evaluation_page
from ..animal_lipsync.files import write_text
from ..animal_lipsync.motion import speech_to_motion
from .finding import find_face
from .media import open_source, with_progress
from .motion import in_seconds
from .types import CATEGORY, AnimalFace, to_audio


class EvaluateLipSync(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_EvaluateLipSync",
            display_name="Evaluate Lip-Sync",
            category=CATEGORY,
            description="Measures how well the mouth in a video follows its voice, and writes a report to the output "
            "folder.",
            search_aliases=["lip sync score", "sync confidence", "quality", "benchmark", "report"],
            is_output_node=True,
            inputs=[
                io.Video.Input("video", tooltip="The result to judge."),
                io.Audio.Input("voice", tooltip="What it says."),
                io.MultiType.Input(
                    "source",
                    [io.Image, io.Video],
                    optional=True,
                    tooltip="What the video was made from. With it the report also tells what became of the rest of "
                    "the picture.",
                ),
                AnimalFace.Input(
                    "face",
                    optional=True,
                    tooltip="The animal that speaks. Found automatically when not connected.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="lip-sync/report",
                    advanced=True,
                    tooltip="Where the report goes in the output folder.",
                ),
            ],
            outputs=[
                io.String.Output("report", tooltip="The figures, a line each."),
                io.Float.Output("correlation", tooltip="How closely the mouth follows the voice; 1 is perfect."),
            ],
        )

    @classmethod
    def execute(cls, video, voice, filename_prefix, source=None, face=None) -> io.NodeOutput:
        with open_source(video) as (clip, _):
            heard = speech_to_motion(in_seconds(to_audio(voice)), clip.frame_rate)
            if source is None:
                track, frames = find_face(clip, face), None
                result = evaluate(with_progress(clip.read(clip.frames), clip.frames), track, heard)
            else:
                with open_source(source, float(clip.frame_rate)) as (original, _):
                    track, frames = find_face(original, face), original.read(clip.frames)
                    shown = with_progress(clip.read(clip.frames), clip.frames)
                    result = evaluate(shown, track, heard, source=frames)
        folder, name, number, _, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory()
        )
        path = Path(folder) / f"{name}_{number:05}_.html"
        write_text(path, evaluation_page({"video": result}))
        lines = [
            f"{MEASURES[measure][0]}: {value:.2f}" for measure, value in result.summary().items() if value is not None
        ]
        text = "\n".join([*lines, f"report: {path.name}"])
        return io.NodeOutput(text, result.correlation, ui=ui.PreviewText(text))
