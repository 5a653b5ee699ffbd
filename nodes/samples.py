"""The sample picture, clip and voice that the workflows open with."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import folder_paths

SAMPLES = Path(__file__).parents[1] / "animal_lipsync" / "samples"
MEDIA = {".jpg", ".png", ".wav", ".mp4"}
PET = "animal-lipsync-my-pet"
"""Folder of the clips that Prepare Pet Clips opens with."""
CLIPS = {"fox.jpg", "fox-clip.mp4"}

logger = logging.getLogger(__name__)


def provide_samples():
    """Copy the samples that are not there yet into ComfyUI's input folder.

    Core's Load Image, Load Video and Load Audio list that folder's top level only; a file in a subfolder opens as a
    red node. Prepare Pet Clips wants a folder.
    """
    folder = Path(folder_paths.get_input_directory())
    for sample in SAMPLES.iterdir():
        if sample.suffix in MEDIA:
            _provide(sample, folder / f"animal-lipsync-{sample.name}")
        if sample.name in CLIPS:
            _provide(sample, folder / PET / sample.name)


def _provide(sample: Path, target: Path):
    if target.exists():
        return
    partial = target.with_suffix(".partial")
    try:
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(sample, partial)
        os.replace(partial, target)
    except OSError as error:
        logger.warning("The sample %s is not in %s (%s).", target.name, target.parent, error)
