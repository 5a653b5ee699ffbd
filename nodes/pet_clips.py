"""Prepare Pet Clips: a folder of clips and pictures becomes what Train Pet LoRA learns from."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import folder_paths
import psutil
from aiohttp import web
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar
from comfy_api.latest import io, ui
from server import PromptServer

from ..animal_lipsync.batch import ROOM, workers_here
from ..animal_lipsync.dataset import DOCUMENT, PetDataset
from ..animal_lipsync.image import READABLE
from ..animal_lipsync.pet_clips import CLIPS, PAGE, prepare_clips
from ..animal_lipsync.pet_clips_page import advice, why_dropped
from .types import CATEGORY, Dataset, to_pixel_frames

NO_FOLDER = "no folder yet"

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""Of a report in the browser: it holds all that it shows, and runs nothing."""

_made: set[str] = set()
"""Names of datasets that ComfyUI remembers; one that was deleted meanwhile is made anew."""


class PreparePetClips(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_PreparePetClips",
            display_name="Prepare Pet Clips",
            category=CATEGORY,
            description="Cuts clips and pictures of one pet into a dataset for Train Pet LoRA, and writes a report of "
            "what was kept and dropped. The originals are only read. Run again to add clips: what is cut stays cut.",
            search_aliases=["dataset", "training data", "my pet", "prepare clips", "preprocess", "lora dataset"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Combo.Input(
                    "folder",
                    options=_clip_folders() or [NO_FOLDER],
                    tooltip="A folder in ComfyUI's input folder with clips and pictures of your pet. Press R after you "
                    "have put one there.",
                ),
                io.String.Input(
                    "name",
                    default="my-pet",
                    tooltip="The dataset lands in ComfyUI's datasets folder under this name. With the name of one that "
                    "is there already its work goes on.",
                ),
                io.Image.Input(
                    "reference",
                    optional=True,
                    tooltip="A picture of the pet that is meant, when others are in the clips too. Without it the one "
                    "that is seen most is kept.",
                ),
            ],
            outputs=[
                Dataset.Output("dataset", tooltip="For Train Pet LoRA."),
                io.String.Output("report", tooltip="What was kept, and what would make it better."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, folder, name, **_):
        clips = Path(folder_paths.get_input_directory()) / folder
        files = sorted((str(path), path.stat().st_mtime_ns) for path in clips.rglob("*") if path.is_file())
        return files, name in _made and not (_dataset_folder(name) / DOCUMENT).is_file()

    @classmethod
    def execute(cls, folder, name, reference=None) -> io.NodeOutput:
        if folder == NO_FOLDER:
            raise ValueError(
                f"Put clips and pictures of your pet into a folder in {folder_paths.get_input_directory()}, press R, "
                "and choose that folder."
            )
        clips, output = Path(folder_paths.get_input_directory()) / folder, _dataset_folder(name)
        picture = None if reference is None else next(to_pixel_frames(reference, [0]))
        bar = ProgressBar(1000)
        with closing(prepare_clips(clips, output, reference=picture, workers=_workers())) as steps:
            for step in steps:
                throw_exception_if_processing_interrupted()
                bar.update_absolute(round(1000 * step.share))
                PromptServer.instance.send_progress_text(step.text, cls.hidden.unique_id)
        dataset = PetDataset.open(output)
        _made.add(name)
        seconds = sum(entry.end - entry.start for entry in dataset.kept)
        lines = [f"{len(dataset.kept)} pieces of a {dataset.species} kept, {seconds:.0f} s.", why_dropped(dataset)]
        lines += [*advice(dataset), f"The report: {output / PAGE}"]
        PromptServer.instance.send_progress_text(lines[0], cls.hidden.unique_id)
        text = "\n".join(filter(None, lines))
        return io.NodeOutput(dataset, text, ui=ui.PreviewText(text))


def add_report_route(routes: web.RouteTableDef) -> None:
    @routes.get("/animal_lipsync/report")
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            page = _dataset_folder(request.query.get("name", "")) / PAGE
            is_there = page.is_file()
        except (ValueError, OSError):
            is_there = False
        if not is_there:
            raise web.HTTPNotFound(text="There is no report under this name yet; press Run first.")
        return web.FileResponse(page, headers={"Content-Type": "text/html", "Content-Security-Policy": POLICY})


def _workers() -> int:
    """As many as fit beside ComfyUI and the models that it holds."""
    return max(1, min(workers_here(), int(psutil.virtual_memory().available // ROOM)))


def _clip_folders() -> list[str]:
    """Folders in ComfyUI's input folder in which, or in folders of which, there are clips or pictures."""
    root, found = Path(folder_paths.get_input_directory()), set()
    for folder, _, files in os.walk(root):
        if any(Path(name).suffix.lower() in (*READABLE, *CLIPS) for name in files):
            here = Path(folder).relative_to(root)
            found |= {here, *here.parents}
    return sorted(path.as_posix() for path in found - {Path(".")})


def _dataset_folder(name: str) -> Path:
    """A folder in ComfyUI's folder of datasets.

    Raises:
        ValueError: the name leads out of it, or no disk takes it.
    """
    root = Path(os.path.realpath(folder_paths.get_folder_paths("datasets")[0]))
    is_name = name.isprintable() and len(name.encode()) < 200
    folder = Path(os.path.realpath(root / name.strip())) if is_name else root
    if folder == root or not folder.is_relative_to(root):
        raise ValueError(f"name must be that of a folder for the dataset, e.g. my-pet, got {name[:40]!r}.")
    return folder
