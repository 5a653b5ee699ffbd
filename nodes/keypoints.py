"""Where the faces are: Edit Keypoints, Draw Landmarks, and the inputs that other nodes share with them."""

from __future__ import annotations

import logging

import numpy as np
from comfy_api.latest import io

from ..animal_lipsync.clip import Clip
from ..animal_lipsync.correction import correct_face
from ..animal_lipsync.draw import draw_landmarks
from ..animal_lipsync.speaker import choose_face, require_in_sight
from ..animal_lipsync.table import read_faces
from ..animal_lipsync.types import Faces, FaceTrack
from .finding import faces_of, tell
from .inputs import face_input, min_score_input, source_input
from .media import open_source, shown_file, with_progress
from .types import CATEGORY, AnimalFace, AnimalFaces, chosen, to_image

logger = logging.getLogger(__name__)


def face_by_hand(clip: Clip, text: str, number: int, min_score: float, faces: Faces | None) -> FaceTrack | None:
    """The track of face `number` of what an editor holds; None when that is nothing, or of another picture or clip.

    Between frames that were set it follows the animal as it is in `faces`, or found.
    """
    if not text.strip():
        return None
    hand = read_faces(text)
    if not clip.shows(hand):
        logger.warning("The keypoints were set on another picture or clip; those of this one are used.")
        return None
    track = clip.face(hand, number)
    require_in_sight(hand, number)
    if clip.frames > 1 and any(hand.anchors[number : number + 1]):
        return correct_face(clip, hand, number, faces_of(clip, faces, min_score))
    return track


class EditKeypoints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_EditKeypoints",
            display_name="Edit Keypoints",
            category=CATEGORY,
            description="Shows where an animal's eyes, nose, lips and chin were found, on the picture, and lets them "
            "be dragged to where they belong.",
            search_aliases=[
                "landmarks",
                "face points",
                "mouth position",
                "manual keypoints",
                "fix mouth",
                "FACES.json",
            ],
            has_intermediate_output=True,
            hidden=[io.Hidden.unique_id],
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
                    tooltip="The points, dragged in the picture or pasted as text. When empty, the connected or found "
                    "faces are used.",
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
        with open_source(source) as (clip, _):
            track, scores = face_by_hand(clip, keypoints, face, min_score, faces), ()
            if track is None:
                found = faces_of(clip, faces, min_score)
                index = choose_face(found, face)
                track, scores = clip.face(found, index), found.scores[index : index + 1]
            speaker = chosen(track, clip, scores)
            tell(cls, speaker)
            return io.NodeOutput(speaker, speaker.to_json(), ui={"animal_source": [shown_file(source, clip)]})


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
