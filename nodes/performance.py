"""Mouth movement that comes from elsewhere: Load Mouth Motion, Motion from Performance, Motion from Curve."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.input import CurveInput
from comfy_api.latest import io

from ..animal_lipsync.articulation import Mouth
from ..animal_lipsync.curve import curve_to_motion, motion_at_rest
from ..animal_lipsync.formats import SUFFIXES, read_motion
from ..animal_lipsync.performance import landmarks_to_motion
from ..animal_lipsync.types import CHANNELS, HEAD_LIMIT, FormatError
from .inputs import motion_rate_input, strength_input, style_input
from .motion import species_input, species_of
from .types import CATEGORY, FaceLandmarks, Motion, Visemes, to_rate


class LoadMouthMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        folder = Path(folder_paths.get_input_directory())
        files = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        return io.Schema(
            node_id="AnimalLipSync_LoadMouthMotion",
            display_name="Load Mouth Motion",
            category=CATEGORY,
            description="Reads mouth movement made elsewhere: Rhubarb, Moho, Papagayo, OVRLipSync, Live Link Face "
            "(ARKit) or this pack's command line.",
            search_aliases=["rhubarb", "papagayo", "moho", "arkit", "live link face", "ovr", "import visemes", "cues"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files,
                    tooltip="A file in ComfyUI's input folder that ends in .json, .tsv, .xml, .dat, .pgo or .csv.",
                ),
                io.Float.Input(
                    "frame_rate",
                    default=25.0,
                    min=1.0,
                    max=120.0,
                    step=0.001,
                    tooltip="Frames per second of the file where it does not say: Moho's (.dat) and Live Link Face's "
                    "(.csv).",
                ),
                style_input(),
                strength_input(),
                species_input(),
            ],
            outputs=[
                Motion.Output("motion"),
                Visemes.Output("visemes", tooltip="Which mouth shape when; empty for a filmed face."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file, **_):
        return Path(folder_paths.get_annotated_filepath(file)).stat().st_mtime_ns

    @classmethod
    def execute(cls, file, frame_rate, style, strength, face=None) -> io.NodeOutput:
        path = Path(folder_paths.get_annotated_filepath(file))
        try:
            text = path.read_text(encoding="utf-8-sig")
            motion = read_motion(text, to_rate(frame_rate), mouth=Mouth(style, strength, species_of(face)))
        except UnicodeDecodeError:
            raise FormatError(f"{file} is not a text file; export it again as one of {', '.join(SUFFIXES)}.") from None
        except FormatError as error:
            raise FormatError(f"{file}: {error}") from None
        return io.NodeOutput(motion, motion.visemes)


class MotionFromPerformance(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_MotionFromPerformance",
            display_name="Motion from Performance",
            category=CATEGORY,
            description="Lets an animal do what a filmed person does: mouth, eyes, brows and head.",
            search_aliases=["performance capture", "mediapipe", "blendshapes", "face landmarks", "puppeteer", "mocap"],
            inputs=[
                FaceLandmarks.Input(
                    "face_landmarks", tooltip="The film of the person: connect Detect Face Landmarks (MediaPipe)."
                ),
                io.Float.Input(
                    "frame_rate",
                    default=25.0,
                    min=1.0,
                    max=120.0,
                    step=0.001,
                    tooltip="Frames per second of the film. Get Video Components tells it.",
                ),
                io.Int.Input(
                    "person",
                    default=0,
                    min=0,
                    max=15,
                    tooltip="Who of several: 0 is whose face is largest. Detect Face Landmarks must look for so many.",
                ),
                io.Float.Input(
                    "strength",
                    default=2.0,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="How far the animal moves. People open their mouths less far to speak than an animal has "
                    "to: 2 suits speech, 1 is what was filmed.",
                ),
            ],
            outputs=[Motion.Output("motion")],
        )

    @classmethod
    def execute(cls, face_landmarks, frame_rate, person, strength) -> io.NodeOutput:
        return io.NodeOutput(
            landmarks_to_motion(face_landmarks["frames"], to_rate(frame_rate), face=person, strength=strength)
        )


class MotionFromCurve(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_MotionFromCurve",
            display_name="Motion from Curve",
            category=CATEGORY,
            description="Moves the jaw, the head or an eye along a curve that you draw. Chain several for several.",
            search_aliases=["curve", "animation curve", "manual lip sync", "jaw curve", "head turn"],
            inputs=[
                io.Curve.Input(
                    "curve",
                    default=[(0.0, 0.0), (0.25, 1.0), (0.5, 0.2), (0.75, 0.8), (1.0, 0.0)],
                    socketless=False,
                    tooltip="From left to right the time, from bottom to top the movement.",
                ),
                io.Combo.Input(
                    "channel", options=list(CHANNELS), default="jaw_open", tooltip="What moves along the curve."
                ),
                io.Float.Input(
                    "seconds",
                    default=2.0,
                    min=0.04,
                    max=3600.0,
                    step=0.01,
                    tooltip="How long the curve lasts. A connected motion keeps its own length.",
                ),
                io.Int.Input("repeat", default=1, min=1, max=10_000, tooltip="How often the curve is run through."),
                io.Float.Input(
                    "low",
                    default=0.0,
                    min=-HEAD_LIMIT,
                    max=HEAD_LIMIT,
                    step=0.01,
                    tooltip="What the bottom of the curve stands for; degrees for the head's channels.",
                ),
                io.Float.Input(
                    "high",
                    default=1.0,
                    min=-HEAD_LIMIT,
                    max=HEAD_LIMIT,
                    step=0.01,
                    tooltip="What the top of the curve stands for; degrees for the head's channels.",
                ),
                motion_rate_input(),
                Motion.Input(
                    "motion",
                    optional=True,
                    tooltip="A motion whose channel the curve replaces; all else of it stays. Nothing else moves when "
                    "not connected.",
                ),
            ],
            outputs=[Motion.Output("motion_out", display_name="motion")],
        )

    @classmethod
    def execute(cls, curve, channel, seconds, repeat, low, high, frame_rate, motion=None) -> io.NodeOutput:
        if motion is None:
            motion = motion_at_rest(seconds, to_rate(frame_rate))
        drawn = CurveInput.from_raw(curve).interp_array
        return io.NodeOutput(curve_to_motion(drawn, motion, channel=channel, low=low, high=high, repeat=repeat))
