"""Detect Animal Faces, Choose Face, Track Face: which animals there are, and which of them speaks."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..animal_lipsync.draw import draw_landmarks
from .finding import find_face
from .inputs import face_input, min_score_input, source_input, speaker_input
from .media import open_source
from .types import CATEGORY, AnimalFace, AnimalFaces, chosen, to_image


class ChooseFace(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_ChooseFace",
            display_name="Choose Face",
            category=CATEGORY,
            description="Says which animal speaks: click on it, draw a box where its head is, or give a rule.",
            search_aliases=["face picker", "select face", "who speaks", "speaker", "click face", "draw face box"],
            has_intermediate_output=True,
            inputs=[
                source_input(),
                AnimalFaces.Input(
                    "faces",
                    optional=True,
                    tooltip="Faces to choose from, from Detect Animal Faces. Found automatically when not connected.",
                ),
                io.String.Input(
                    "pick",
                    default="",
                    multiline=True,
                    socketless=True,
                    extra_dict={"widgetType": "ANIMAL_LIP_SYNC_PICK"},
                    tooltip="A click on the animal that speaks, or a box drawn round a head that was not found. Counts "
                    "for more than the rule below; empty it to use the rule.",
                ),
                speaker_input("leftmost"),
                face_input(),
                min_score_input(),
            ],
            outputs=[
                AnimalFace.Output("face"),
                io.String.Output("keypoints_json", display_name="keypoints"),
            ],
        )

    @classmethod
    def execute(cls, source, pick, speaker, face, min_score, faces=None) -> io.NodeOutput:
        with open_source(source) as (clip, _):
            track = find_face(clip, faces, face, min_score)
            picture = draw_landmarks(next(clip.read(1)), track[:1])
            speaker = chosen(track, clip)
            return io.NodeOutput(speaker, speaker.to_json(), ui=ui.PreviewImage(to_image([picture], 1), cls=cls))
