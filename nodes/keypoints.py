"""Where the faces are: Edit Keypoints, Draw Landmarks, and the inputs that other nodes share with them."""

from __future__ import annotations

from itertools import islice

import numpy as np
from comfy_api.latest import io, ui

from ..animal_lipsync.draw import draw_landmarks
from ..animal_lipsync.types import Faces
from .finding import find_face
from .inputs import face_input, min_score_input, source_input
from .media import open_source, with_progress
from .types import CATEGORY, AnimalFace, AnimalFaces, chosen, to_image


class EditKeypoints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_EditKeypoints",
            display_name="Edit Keypoints",
            category=CATEGORY,
            description="Sets by hand where an animal's eyes, nose, lips and chin are. Left empty, it shows the points "
            "that were found, as text to start from.",
            search_aliases=["landmarks", "face points", "mouth position", "manual keypoints", "FACES.json"],
            has_intermediate_output=True,
            inputs=[
                source_input(),
                AnimalFaces.Input(
                    "faces", optional=True, tooltip="Faces to start from. Found automatically when not connected."
                ),
                io.String.Input(
                    "keypoints",
                    default="",
                    multiline=True,
                    socketless=True,
                    extra_dict={"widgetType": "ANIMAL_LIP_SYNC_KEYPOINTS"},
                    tooltip="The points as JSON. Paste what the keypoints output says and change it. When empty, the "
                    "connected or found faces are used.",
                ),
                face_input(),
                min_score_input(),
            ],
            outputs=[
                AnimalFace.Output("face"),
                io.String.Output("keypoints_json", display_name="keypoints"),
            ],
        )

    @classmethod
    def execute(cls, source, keypoints, face, min_score, faces=None) -> io.NodeOutput:
        if keypoints.strip():
            faces = Faces.from_json(keypoints)
        with open_source(source) as (clip, _):
            track = find_face(clip, faces, face, min_score)
            frame = int(track.visible.argmax())
            picture = next(islice(clip.read(frame + 1), frame, None))
            drawn = draw_landmarks(picture, track[frame : frame + 1])
            speaker = chosen(track, clip)
            return io.NodeOutput(speaker, speaker.to_json(), ui=ui.PreviewImage(to_image([drawn], 1), cls=cls))


class DrawLandmarks(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_DrawLandmarks",
            display_name="Draw Landmarks",
            category=CATEGORY,
            description="Draws an animal's face: upper lip red, lower lip blue, jaw green, eyes and nose yellow.",
            search_aliases=["landmarks", "keypoints", "controlnet", "conditioning", "pose"],
            inputs=[
                source_input(),
                AnimalFace.Input("face", tooltip="The face to draw."),
                io.Combo.Input(
                    "background",
                    options=["source", "black"],
                    tooltip="source to check the points, black for ControlNet-style conditioning.",
                ),
            ],
            outputs=[io.Image.Output("images")],
        )

    @classmethod
    def execute(cls, source, face, background) -> io.NodeOutput:
        with open_source(source) as (clip, _):
            track = clip.face(face)
            rows = range(clip.frames) if len(track) > 1 else [0] * clip.frames
            drawn = (
                draw_landmarks(frame if background == "source" else np.zeros_like(frame), track[row : row + 1])
                for frame, row in zip(with_progress(clip.read(clip.frames), clip.frames), rows, strict=True)
            )
            return io.NodeOutput(to_image(drawn, clip.frames))
