"""Edit Visemes."""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import folder_paths
from comfy_api.latest import io, ui

from ..animal_lipsync.edits import Edits, apply_edits
from ..animal_lipsync.files import write_text
from ..animal_lipsync.motion import visemes_to_motion
from ..animal_lipsync.timeline import timeline_json
from ..animal_lipsync.types import Audio, MouthMotion, VisemeTrack
from .motion import speak
from .types import CATEGORY, Motion, Visemes, to_audio, to_rate

logger = logging.getLogger(__name__)


def spoken(voice: Audio, track: VisemeTrack, frame_rate: Fraction) -> MouthMotion:
    """The motion of a given track, as long as the voice."""
    length = max(1, round(Fraction(voice.waveform.shape[1], voice.sample_rate) * frame_rate))
    return replace(visemes_to_motion(track, frame_rate).resampled(frame_rate, length), visemes=track)


class EditVisemes(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_EditVisemes",
            display_name="Edit Visemes",
            category=CATEGORY,
            description="Shows which mouth shape is held when, over the voice, to change by hand.",
            search_aliases=["viseme editor", "timeline", "mouth shapes", "rhubarb", "lip sync editor", "mouth cues"],
            has_intermediate_output=True,
            inputs=[
                io.Audio.Input("voice", tooltip="A recording of someone speaking or singing, in any language."),
                Visemes.Input(
                    "visemes",
                    optional=True,
                    tooltip="Mouth shapes to start from. Heard from the voice when not connected.",
                ),
                io.Float.Input(
                    "frame_rate",
                    default=25.0,
                    min=1.0,
                    max=120.0,
                    step=0.001,
                    tooltip="Frames per second of the motion, and what the editor snaps to.",
                ),
                io.String.Input(
                    "edits",
                    default="",
                    socketless=True,
                    extra_dict={"widgetType": "ANIMAL_TIMELINE"},
                    tooltip="What was changed, as JSON. Empty changes nothing.",
                ),
            ],
            outputs=[
                Motion.Output("motion", tooltip="How the mouth moves, with the changes."),
                Visemes.Output("visemes_out", display_name="visemes", tooltip="Which mouth shape when."),
            ],
        )

    @classmethod
    def execute(cls, voice, frame_rate, edits, visemes=None) -> io.NodeOutput:
        edits = Edits.from_json(edits)
        audio, rate = to_audio(voice), to_rate(frame_rate)
        if visemes is None:
            motion = speak(audio, rate)
        else:
            motion = spoken(audio, visemes, rate)
        shown = {"timeline": [_keep(timeline_json(audio, motion, given=visemes is not None))]}
        shown |= {"voice": ui.AudioSaveHelper.save_audio(voice, "animal-lipsync", io.FolderType.temp, cls)}
        if edits.suit(audio, visemes):
            motion = apply_edits(motion, edits)
        else:
            logger.warning("Edit Visemes: the edits were made for another voice or other visemes and are left out.")
        return io.NodeOutput(motion, motion.visemes, ui=shown)


def _keep(text: str) -> dict:
    """Write what the editor shows to the temp folder; where it lies."""
    path = Path(folder_paths.get_temp_directory()) / f"animal-lipsync-{uuid4().hex[:12]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return {"filename": path.name, "subfolder": "", "type": "temp"}
