"""Weights in ComfyUI's model folders: choices that name those that are there, and one to fetch those that are not."""

from __future__ import annotations

import logging
from pathlib import Path

import folder_paths
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar
from comfy_api.latest import io

from ..animal_lipsync.downloads import WEIGHTS, Weights, download

logger = logging.getLogger(__name__)


def weights_input(id: str, like: str, *names: str, tooltip: str):
    """A choice of the files in one of ComfyUI's folders, those `like` what is wanted first, or to download `names`."""
    folder = WEIGHTS[names[0]].folder
    files = folder_paths.get_filename_list(folder)
    first = [file for file in files if like in file.lower()]
    rest = [file for file in files if file not in first]
    licences = " ".join(f"{WEIGHTS[name].title} is published under {WEIGHTS[name].licence}." for name in names)
    return io.Combo.Input(
        id,
        options=[*first, *(_offer(WEIGHTS[name]) for name in names), *rest],
        tooltip=f"{tooltip} Files are those in models/{folder}. A download goes there, from {WEIGHTS[names[0]].page}, "
        f"and happens only when you choose it. {licences}",
    )


def missing(choice: str | None, *names: str) -> str | None:
    """What to do when there is no such file; None when there is one, it is to be fetched, or it is not known yet."""
    weights = WEIGHTS[names[0]]
    if choice is None or choice in map(_offer, map(WEIGHTS.get, names)):
        return None
    if folder_paths.get_full_path(weights.folder, choice):
        return None
    return (
        f"{choice} is not in models/{weights.folder}: choose '{_offer(weights)}' and press Run again, or put it there "
        f"yourself from {weights.page}."
    )


def weights_file(choice: str, *names: str) -> Path:
    """The file of a `weights_input`, fetched first if that was chosen."""
    weights = next((WEIGHTS[name] for name in names if choice == _offer(WEIGHTS[name])), None)
    if weights is None:
        return Path(folder_paths.get_full_path_or_raise(WEIGHTS[names[0]].folder, choice))
    there = folder_paths.get_full_path(weights.folder, weights.name)
    if there:
        return Path(there)
    folder = Path(folder_paths.get_folder_paths(weights.folder)[0])
    logger.info("Fetching %s from %s. Licence: %s.", weights.title, weights.page, weights.licence)
    bar = ProgressBar(100)
    for progress in download(weights, folder):
        throw_exception_if_processing_interrupted()
        bar.update_absolute(100 * progress.done // progress.total)
    return folder / weights.name


def _offer(weights: Weights) -> str:
    return f"download {weights.title} ({weights.megabytes} MB)"
