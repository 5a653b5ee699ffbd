"""Detect Animal Faces, Choose Face, Track Face: which animals there are, which of them speaks, where it goes."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch
from comfy_api.latest import io, ui

from ..animal_lipsync.clip import Clip
from ..animal_lipsync.draw import draw_faces, telling_frame
from ..animal_lipsync.finding import boxes_of_masks, faces_by, faces_in_boxes
from ..animal_lipsync.following import follow_face, out_and_back
from ..animal_lipsync.found_heads import Found, Pose, heads_within
from ..animal_lipsync.speaker import Pick, choose_face, face_at
from ..animal_lipsync.table import faces_to_csv
from ..animal_lipsync.types import Faces
from .finding import faces_of, tell
from .inputs import face_input, min_score_input, source_input, speaker_input
from .media import open_source, shown_file, with_progress
from .prompted import load_pose, model_input
from .types import CATEGORY, AnimalFace, AnimalFaces, chosen, from_boxes, to_boxes, to_image


class DetectAnimalFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_DetectAnimalFaces",
            display_name="Detect Animal Faces",
            category=CATEGORY,
            description="Finds the faces of all animals in a picture or video, numbered from left to right. Boxes or a "
            "mask of any other detector may say where the heads are.",
            search_aliases=["face detection", "find animals", "pet face", "dog", "cat", "landmarks", "track faces"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                source_input(),
                io.BoundingBox.Input(
                    "boxes",
                    optional=True,
                    force_input=True,
                    tooltip="Where the animals are, from any detector, e.g. RT-DETR or SAM3: one list, or one per "
                    "frame. Eyes, nose and mouth are looked for inside. Not needed for cats, dogs and birds.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="The same as boxes, as a mask: one per animal of a picture, one or one per frame of a "
                    "video.",
                ),
                io.Combo.Input(
                    "boxes_show",
                    options=["heads", "whole animals"],
                    tooltip="What boxes and mask go round. In those of whole animals the head is looked for.",
                ),
                min_score_input(),
                model_input(
                    "pose_model",
                    "A folder in models/detection that holds ViTPose++: it places eyes and nose of boxed animals that "
                    "the pack does not know. Not needed.",
                ),
            ],
            outputs=[
                AnimalFaces.Output(
                    "faces", tooltip="All of them, for Choose Face, Edit Keypoints or Make Animal Talk."
                ),
                io.BoundingBox.Output("boxes", tooltip="Their heads, one list per frame, as other nodes take them."),
                io.String.Output("keypoints_json", display_name="keypoints", tooltip="FACES.json: all points as text."),
                io.String.Output(
                    "table", tooltip="All points as CSV, for a spreadsheet; Edit Keypoints reads it back."
                ),
            ],
        )

    @classmethod
    def execute(cls, source, boxes_show, min_score, pose_model, boxes=None, mask=None) -> io.NodeOutput:
        with open_source(source) as (clip, _):
            if boxes is None and mask is None:
                faces = faces_of(clip, None, min_score)
            else:
                faces = _given_faces(
                    clip, _found(clip, boxes, mask), boxes_show == "whole animals", load_pose(pose_model)
                )
            lines = tell(cls, faces)
            return io.NodeOutput(
                faces,
                from_boxes(faces),
                faces.to_json(),
                faces_to_csv(faces),
                ui=_shown(cls, clip, faces) | {"text": lines},
            )


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
            hidden=[io.Hidden.unique_id],
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
                AnimalFace.Output("face", tooltip="The animal that speaks."),
                io.String.Output("keypoints_json", display_name="keypoints", tooltip="Its points as text."),
            ],
        )

    @classmethod
    def execute(cls, source, pick, speaker, face, min_score, faces=None) -> io.NodeOutput:
        pick = Pick.from_json(pick) if pick.strip() else None
        with open_source(source) as (clip, _):
            if pick and pick.frame >= clip.frames:
                raise ValueError(f"The click is on frame {pick.frame}; the source has frames 0 to {clip.frames - 1}.")
            if pick and pick.box:
                found = Found(np.array([pick.at(clip.width, clip.height)]), np.ones(1), ("",))
                faces, index = _given_faces(clip, {pick.frame: found}), 0
            else:
                faces = faces_of(clip, faces, min_score)
                at = pick and pick.at(clip.width, clip.height)
                index = face_at(faces, at, pick.frame) if pick else choose_face(faces, face, speaker)
            lines = tell(cls, faces, index)
            frame = pick.frame if pick else telling_frame(faces)
            shown = {
                "frame": frame,
                "frames": clip.frames,
                "width": clip.width,
                "height": clip.height,
                "chosen": index,
                "faces": [{"id": i, **box} for i, box in enumerate(from_boxes(faces, frame))],
            }
            speaking = chosen(clip.face(faces, index), clip, faces.scores[index : index + 1])
            about = {"text": lines, "faces": [shown], "animal_source": [shown_file(source, clip)]}
            return io.NodeOutput(speaking, speaking.to_json(), ui=_shown(cls, clip, faces, frame, index) | about)


class TrackFace(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_TrackFace",
            display_name="Track Face",
            category=CATEGORY,
            description="Follows a face through a video from the points it has in one frame, forwards and backwards. "
            "Works for any animal.",
            search_aliases=["track", "follow face", "motion tracking", "hand-set points in video", "optical flow"],
            hidden=[io.Hidden.unique_id],
            inputs=[
                source_input(),
                AnimalFace.Input("face", tooltip="Where its points are in one frame: Edit Keypoints or Choose Face."),
                io.Int.Input(
                    "frame",
                    default=0,
                    min=0,
                    max=1_000_000,
                    tooltip="Number of that frame, from 0: the one in which the points are right.",
                ),
            ],
            outputs=[AnimalFace.Output("face", tooltip="The same face in every frame of the video.")],
        )

    @classmethod
    def execute(cls, source, face, frame) -> io.NodeOutput:
        with open_source(source) as (clip, _):
            if frame >= clip.frames:
                raise ValueError(f"There is no frame {frame}; the source has frames 0 to {clip.frames - 1}.")
            track = clip.face(face)
            track = track[min(frame, len(track) - 1) :][:1]
            if clip.frames > 1:
                frames = with_progress(out_and_back(clip, frame), clip.frames)
                track = follow_face(clip, track, frame, frames=frames)
            tracked = chosen(track, clip, face.scores)
            tell(cls, tracked, 0)
            return io.NodeOutput(tracked)


def _found(clip: Clip, boxes, mask: torch.Tensor | None) -> dict[int, Found]:
    """What was boxed or masked, by frame."""
    if mask is not None:
        around = boxes_of_masks(mask.cpu().numpy(), clip.width, clip.height)
        rows = [around] if clip.frames == 1 else around[:, None]
        rows = [row[np.isfinite(row[:, 0])] for row in rows]
        found = [Found(row, np.ones(len(row)), ("",) * len(row)) for row in rows]
    else:
        found = to_boxes(boxes)
    if len(found) not in (1, clip.frames):
        raise ValueError(
            f"There are boxes for {len(found)} frames but the source has {clip.frames}; give one list, or one a frame."
        )
    if not any(len(heads.boxes) for heads in found):
        raise ValueError("The boxes and the mask are empty; disconnect them to search the whole picture.")
    return dict(enumerate(found))


def _given_faces(clip: Clip, found: dict[int, Found], of_animals: bool = False, pose: Pose | None = None) -> Faces:
    """Faces where boxes say that heads, or whole animals, are."""

    def heads(frame: int, pixels: np.ndarray) -> Found:
        return heads_within(pixels, found[frame]) if of_animals else found[frame]

    if len(found) > 1:
        return faces_by(clip, heads, frames=with_progress(clip.read(clip.frames), clip.frames))
    (frame,) = found
    known = heads(frame, next(clip.read_from(frame)))
    read = chain.from_iterable(out_and_back(clip, frame) for _ in known.boxes)
    return faces_in_boxes(clip, known, frame, pose=pose, frames=with_progress(read, clip.frames * len(known.boxes)))


def _shown(node, clip: Clip, faces: Faces, frame: int | None = None, speaker: int | None = None) -> dict:
    """The preview of a frame with its faces drawn in and numbered."""
    frame = telling_frame(faces) if frame is None else frame
    drawn = draw_faces(next(clip.read_from(frame)), faces, frame, speaker=speaker)
    return ui.PreviewImage(to_image([drawn], 1), cls=node).as_dict()
