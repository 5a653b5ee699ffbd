"""Find Heads by Prompt, and the models of the artist's own choice in models/detection."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy.model_management import get_torch_device
from comfy_api.latest import io

from ..animal_lipsync.prompted import AnimalPose, PromptedFinder
from .inputs import min_score_input, source_input
from .media import open_source
from .types import CATEGORY, boxes_of

NONE = "none"


def model_input(name: str, tooltip: str):
    folders = {
        config.parent.name
        for folder in folder_paths.get_folder_paths("detection")
        for config in Path(folder).glob("*/config.json")
    }
    return io.Combo.Input(name, options=[NONE, *sorted(folders)], tooltip=tooltip)


def load_pose(model: str) -> AnimalPose | None:
    return None if model == NONE else AnimalPose(_folder(model), device=get_torch_device())


class FindHeadsByPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_FindHeadsByPrompt",
            display_name="Find Heads by Prompt",
            category=CATEGORY,
            description="Finds heads of any animal by words, with Grounding DINO or OWLv2, for Detect Animal Faces.",
            search_aliases=["grounding dino", "owlv2", "text detection", "open vocabulary", "find animal by text"],
            inputs=[
                source_input(),
                model_input("model", "A folder in models/detection that holds Grounding DINO or OWLv2."),
                io.String.Input(
                    "prompt",
                    default="dog face, cat face, parrot head",
                    tooltip="What to look for, separated by commas; the first word of each is the species.",
                ),
                min_score_input(),
            ],
            outputs=[io.BoundingBox.Output("boxes", tooltip="For Detect Animal Faces; of a video: its first frame.")],
        )

    @classmethod
    def execute(cls, source, model, prompt, min_score) -> io.NodeOutput:
        if model == NONE:
            raise ValueError(
                "No model is chosen: put a folder with Grounding DINO or OWLv2, as transformers saves it, into "
                "models/detection and choose it."
            )
        finder = PromptedFinder(_folder(model), prompt, min_score=min_score, device=get_torch_device())
        with open_source(source) as (clip, _):
            return io.NodeOutput([boxes_of(finder(0, next(clip.read(1))))])


def _folder(model: str) -> Path:
    folders = [Path(folder) / model for folder in folder_paths.get_folder_paths("detection")]
    return next((folder for folder in folders if (folder / "config.json").is_file()), folders[0])
