"""Make Animal Talk, Animate Mouth (Warp)."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
from comfy.model_management import get_torch_device
from comfy_api.latest import io

from ..animal_lipsync.animate import animate, output_frames
from ..animal_lipsync.articulation import Mouth
from ..animal_lipsync.clip import Clip
from ..animal_lipsync.dialogue import mix_audio
from ..animal_lipsync.engine import WarpEngine
from ..animal_lipsync.image import to_frames
from ..animal_lipsync.inside import OpenMouth
from ..animal_lipsync.render import Drive, MouthEngine
from ..animal_lipsync.speaker import choose_face
from ..animal_lipsync.types import Audio, FaceTrack
from .finding import faces_of, find_face, tell
from .inputs import (
    blinks_input,
    crf_input,
    face_input,
    frame_rate_input,
    keep_sound_input,
    language_input,
    min_score_input,
    nod_input,
    source_input,
    speaker_input,
    strength_input,
    style_input,
    variation_input,
)
from .keypoints import face_by_hand
from .media import open_source, result_file, show, with_progress
from .motion import enliven, speak
from .types import CATEGORY, AnimalFace, AnimalFaces, Motion, chosen, to_audio

SILENCE = Audio(np.zeros((1, 1), np.float32), 48_000)


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
            hidden=[io.Hidden.unique_id],
            inputs=[
                source_input(),
                io.Audio.Input("voice", tooltip="What the animal says: a recording of someone speaking or singing."),
                io.MultiType.Input(
                    "keypoints",
                    [AnimalFaces, AnimalFace],
                    optional=True,
                    tooltip="Where the faces are, from Edit Keypoints. Found automatically when not connected.",
                ),
                face_input(),
                frame_rate_input(),
                nod_input(),
                blinks_input(),
                language_input(),
                min_score_input(),
                crf_input(),
                io.String.Input(
                    "transcript",
                    optional=True,
                    force_input=True,
                    tooltip="What the voice says, word for word, for surer lips: connect a text node. Not needed.",
                ),
                style_input(),
                strength_input(),
                variation_input(),
                Motion.Input(
                    "motion",
                    optional=True,
                    tooltip="How the mouth moves, from Speak Text, Edit Visemes or any other. It is heard in the voice "
                    "when not connected; style and strength are for that.",
                ),
                speaker_input(),
                keep_sound_input(),
                io.String.Input(
                    "by_hand",
                    default="",
                    multiline=True,
                    optional=True,
                    socketless=True,
                    extra_dict={"widgetType": "ANIMAL_LIP_SYNC_KEYPOINT_BUTTON"},
                    tooltip="Where the mouth is, when it was found wrongly: opens the picture to drag its points.",
                ),
            ],
            outputs=[
                io.Video.Output("video"),
                AnimalFace.Output("face"),
                Motion.Output("motion"),
            ],
        )

    @classmethod
    def execute(
        cls,
        source,
        voice,
        face,
        frame_rate,
        nod,
        blinks,
        language,
        min_score,
        crf,
        style,
        strength,
        variation,
        speaker,
        keep_sound,
        keypoints=None,
        transcript="",
        motion=None,
        by_hand="",
    ) -> io.NodeOutput:
        voice = to_audio(voice)
        with open_source(source, frame_rate) as (clip, sound):
            track = face_by_hand(clip, by_hand, face, min_score, keypoints)
            if track is None:
                faces = faces_of(clip, keypoints, min_score)
                index = choose_face(faces, face, speaker)
                tell(cls, faces, index)
                track = clip.face(faces, index)
            if motion is None:
                motion = speak(
                    voice,
                    clip.frame_rate,
                    transcript=transcript,
                    language=language,
                    mouth=Mouth(style, strength, track.species),
                )
            motion = enliven(motion, nod=nod, blinks=blinks, variation=variation)
            if keep_sound and sound:
                voice = mix_audio(voice, sound)
            video, preview = make_video(clip, track, motion, voice, WarpEngine(), crf)
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
                io.Audio.Input(
                    "voice",
                    optional=True,
                    tooltip="The sound of the result. When not connected, a video keeps its own; a picture is silent.",
                ),
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
        cls, source, face, motion, frame_rate, crf, voice=None, reference=None, reference_face=None
    ) -> io.NodeOutput:
        engine = WarpEngine()
        if reference is not None:
            with open_source(reference[:1]) as (clip, _):
                track = find_face(clip, reference_face)
                engine = WarpEngine(OpenMouth(to_frames(next(clip.read(1))[None]), track))
        with open_source(source, frame_rate) as (clip, sound):
            if voice is not None:
                sound = to_audio(voice)
            video, preview = make_video(clip, clip.face(face), motion, sound or SILENCE, engine, crf)
            return io.NodeOutput(video, ui=preview)


def make_video(clip: Clip, face: FaceTrack, motion: Drive, voice: Audio | Path, engine: MouthEngine, crf: int):
    """A video of `animate`, with progress and Cancel, as `show` gives it."""
    output = result_file()
    with closing(animate(clip, face, motion, voice, output, engine, device=get_torch_device(), crf=crf)) as frames:
        for _ in with_progress(frames, output_frames(clip, motion, voice)):
            pass
    return show(output)
