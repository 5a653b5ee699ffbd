"""Crop Mouth, Stitch Mouth: the mouth out of the frames for any other sampler, and back in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from comfy_api.latest import io

from ..animal_lipsync.crop import MouthCrop, cut_mouth, mouth_mask, place_crop, stitch_mouth
from ..animal_lipsync.image import to_frames, to_pixels
from .inputs import crf_input, source_input
from .media import open_source, with_progress, write_video
from .types import CATEGORY, AnimalFace, Stitch


@dataclass(frozen=True, eq=False)
class MouthStitch:
    """The value of MOUTH_STITCH: where Crop Mouth cut, one row per crop."""

    crop: MouthCrop
    mask: torch.Tensor
    """(N, size, size) in [0, 1]."""


class CropMouth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_CropMouth",
            display_name="Crop Mouth",
            category=CATEGORY,
            description="Cuts an upright square round the mouth out of every frame, for a sampler of your choice.",
            search_aliases=["crop face", "mouth mask", "inpaint mouth", "mouth crop", "detailer"],
            inputs=[
                source_input(),
                AnimalFace.Input("face", tooltip="The animal whose mouth is cut out."),
                io.Int.Input(
                    "size",
                    default=512,
                    min=64,
                    max=2048,
                    step=8,
                    tooltip="Pixels along a crop's side: what the sampler works best at.",
                ),
                io.Float.Input(
                    "margin",
                    default=1.6,
                    min=1.0,
                    max=6.0,
                    step=0.1,
                    tooltip="How much of the head comes along, in widths of the muzzle. Raise it when the sampler "
                    "needs to see more of the animal.",
                ),
                io.Float.Input(
                    "feather",
                    default=0.25,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="How softly the mask fades at its edge. Raise it when a seam shows.",
                ),
            ],
            outputs=[io.Image.Output("crops"), io.Mask.Output("mask"), Stitch.Output("stitch")],
        )

    @classmethod
    def execute(cls, source, face, size, margin, feather) -> io.NodeOutput:
        with open_source(source) as (clip, _):
            crop = place_crop(clip.face(face), size=size, margin=margin)
            rows = range(clip.frames) if len(crop) > 1 else [0] * clip.frames
            crops = torch.empty(clip.frames, size, size, 3)
            frames = with_progress(clip.read(clip.frames), clip.frames)
            for index, (frame, row) in enumerate(zip(frames, rows, strict=True)):
                crops[index] = cut_mouth(to_frames(frame[None]), crop[row : row + 1])[0].movedim(0, -1)
        mask = mouth_mask(crop, feather=feather)
        return io.NodeOutput(crops, mask, MouthStitch(crop, mask))


class StitchMouth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        template = io.MatchType.Template("source", [io.Image, io.Video])
        return io.Schema(
            node_id="AnimalLipSync_StitchMouth",
            display_name="Stitch Mouth",
            category=CATEGORY,
            description="Puts edited mouth crops back where Crop Mouth cut them. Outside the mask nothing changes.",
            search_aliases=["uncrop", "paste back", "composite mouth"],
            inputs=[
                io.MatchType.Input(
                    "source",
                    template,
                    tooltip="The picture or video that was cut. One picture takes any number of crops and becomes as "
                    "many pictures.",
                ),
                io.Image.Input("crops", tooltip="The edited crops, as many as Crop Mouth gave, of any size."),
                Stitch.Input("stitch", tooltip="Where they were cut: connect Crop Mouth."),
                io.Mask.Input("mask", optional=True, tooltip="What is replaced. Crop Mouth's when not connected."),
                crf_input(),
            ],
            outputs=[io.MatchType.Output(template, id="result", display_name="result")],
        )

    @classmethod
    def execute(cls, source, crops, stitch, crf, mask=None) -> io.NodeOutput:
        crops = crops[..., :3].movedim(-1, 1).float()
        mask = stitch.mask if mask is None else mask
        if isinstance(source, torch.Tensor):
            frames = source[..., :3].movedim(-1, 1).float()
            frames = frames.expand(len(crops) if len(frames) == 1 else -1, -1, -1, -1)
            result = stitch_mouth(frames, crops, mask, _rows(stitch.crop, len(frames)))
            return io.NodeOutput(result.movedim(1, -1))
        with open_source(source) as (clip, sound):
            if len(crops) != clip.frames:
                raise ValueError(
                    f"The video has {clip.frames} frames but there are {len(crops)} crops; stitch as many as Crop "
                    "Mouth gave."
                )
            crop, masks = _rows(stitch.crop, clip.frames), mask.expand(clip.frames, -1, -1)

            def stitched() -> Iterator[np.ndarray]:
                for index, frame in enumerate(clip.read(clip.frames)):
                    one = slice(index, index + 1)
                    yield to_pixels(stitch_mouth(to_frames(frame[None]), crops[one], masks[one], crop[one]))[0]

            video, preview = write_video(with_progress(stitched(), clip.frames), clip, sound, crf)
            return io.NodeOutput(video, ui=preview)


def _rows(crop: MouthCrop, frames: int) -> MouthCrop:
    return crop[np.zeros(frames, int)] if len(crop) == 1 else crop
