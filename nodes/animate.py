"""Make Animal Talk, Animate Mouth (Warp)."""

from __future__ import annotations

from contextlib import closing

from comfy.model_management import get_torch_device
from comfy_api.latest import InputImpl, io, ui

from ..animal_lipsync.animate import animate, output_frames, voice_motion
from ..animal_lipsync.clip import Clip
from ..animal_lipsync.engine import WarpEngine
from ..animal_lipsync.image import to_frames
from ..animal_lipsync.inside import OpenMouth
from ..animal_lipsync.motion import nod as add_nod
from ..animal_lipsync.types import Audio, FaceTrack, MouthMotion
from .keypoints import face_input, faces_input, find_face, min_score_input, source_input
from .motion import nod_input
from .types import CATEGORY, AnimalFace, Motion, chosen, open_clip, result_file, to_audio, with_progress


def frame_rate_input():
    return io.Float.Input(
        "frame_rate",
        default=25.0,
        min=1.0,
        max=120.0,
        step=0.001,
        tooltip="Frames per second of the result when the source is a picture, or a batch of pictures. "
        "A video keeps its own.",
    )


def crf_input():
    return io.Int.Input(
        "crf",
        default=18,
        min=0,
        max=40,
        advanced=True,
        tooltip="Quality of the video: lower is better and larger. 18 looks lossless.",
    )


class MakeAnimalTalk(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_MakeAnimalTalk",
            display_name="Make Animal Talk",
            category=CATEGORY,
            description="Makes the animal of a picture or video say a voice recording. Nothing but its mouth changes.",
            search_aliases=["talking animal", "talking pet", "lip sync", "lipsync", "speaking dog", "cat", "dub"],
            is_output_node=True,
            inputs=[
                source_input(),
                io.Audio.Input("voice", tooltip="What the animal says: a recording of someone speaking or singing."),
                faces_input("Where the faces are, from Edit Keypoints. Found automatically when not connected."),
                face_input(),
                frame_rate_input(),
                nod_input(),
                min_score_input(),
                crf_input(),
            ],
            outputs=[
                io.Video.Output("video"),
                AnimalFace.Output("face"),
                Motion.Output("motion"),
            ],
        )

    @classmethod
    def execute(cls, source, voice, face, frame_rate, nod, min_score, crf, keypoints=None) -> io.NodeOutput:
        voice = to_audio(voice)
        with open_clip(source, frame_rate) as clip:
            track = find_face(clip, keypoints, face, min_score)
            motion = add_nod(voice_motion(voice, clip.frame_rate), nod)
            video, preview = _make_video(clip, track, motion, voice, WarpEngine(), crf)
            return io.NodeOutput(video, chosen(track, clip), motion, ui=preview)


class AnimateMouthWarp(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_AnimateMouthWarp",
            display_name="Animate Mouth (Warp)",
            category=CATEGORY,
            description="Moves an animal's mouth by bending the picture and painting the inside of the mouth. "
            "Needs no model and runs on any machine.",
            search_aliases=["talking animal", "lip sync", "puppet", "mouth animation", "warp"],
            is_output_node=True,
            inputs=[
                source_input(),
                AnimalFace.Input("face", tooltip="The animal that speaks."),
                Motion.Input("motion", tooltip="How its mouth moves, frame by frame."),
                io.Audio.Input("voice", tooltip="The sound of the video."),
                io.Image.Input(
                    "reference",
                    optional=True,
                    tooltip="A picture of the same animal with its mouth open. Its tongue and teeth are used instead "
                    "of painted ones.",
                ),
                AnimalFace.Input(
                    "reference_face",
                    optional=True,
                    tooltip="Keypoints of the reference. Found automatically when not connected.",
                ),
                frame_rate_input(),
                crf_input(),
            ],
            outputs=[io.Video.Output("video")],
        )

    @classmethod
    def execute(
        cls, source, face, motion, voice, frame_rate, crf, reference=None, reference_face=None
    ) -> io.NodeOutput:
        engine = WarpEngine()
        if reference is not None:
            with open_clip(reference[:1]) as clip:
                track = find_face(clip, reference_face)
                engine = WarpEngine(OpenMouth(to_frames(next(clip.read(1))[None]), track))
        with open_clip(source, frame_rate) as clip:
            video, preview = _make_video(clip, clip.face(face), motion, to_audio(voice), engine, crf)
            return io.NodeOutput(video, ui=preview)


def _make_video(
    clip: Clip, face: FaceTrack, motion: MouthMotion, voice: Audio, engine: WarpEngine, crf: int
) -> tuple[InputImpl.VideoFromFile, ui.PreviewVideo]:
    """Render to a temporary mp4; Cancel leaves nothing."""
    output = result_file(".mp4")
    with closing(animate(clip, face, motion, voice, output, engine, device=get_torch_device(), crf=crf)) as frames:
        for _ in with_progress(frames, output_frames(clip, motion, voice)):
            pass
    result = ui.SavedResult(output.name, "", io.FolderType.temp)
    return InputImpl.VideoFromFile(str(output)), ui.PreviewVideo([result])
