"""A folder of one pet's clips and pictures becomes what its mouth is trained on."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import UsageError, command


def add(commands) -> None:
    parser = command(
        commands,
        "prepare-clips",
        run,
        "Cut clips and pictures of one pet into a dataset for training. The originals are only read; what a run has "
        "done the next one need not do again. What a network hears of the voices is computed when it is trained.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="clips and pictures, in folders of it too")
    parser.add_argument("-o", "--output", required=True, metavar="DATASET", help="a new folder, or one to go on with")
    parser.add_argument(
        "--reference", metavar="PICTURE", help="the animal that is meant; default: the one that is seen most"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="files cut at once; default: as many as fit")


def run(options: argparse.Namespace) -> dict:
    from contextlib import closing

    from tqdm import tqdm

    from ..dataset import PetDataset
    from ..image import read_picture
    from ..pet_clips import PAGE, prepare_clips
    from ..pet_clips_page import advice, why_dropped

    if options.workers is not None and options.workers < 1:
        raise UsageError(f"--workers must be 1 or more, got {options.workers}.")
    reference = read_picture(options.reference) if options.reference else None
    steps = prepare_clips(options.folder, options.output, reference=reference, workers=options.workers)
    with closing(steps), tqdm(total=100, unit="%", disable=options.json) as bar:
        for step in steps:
            bar.update(round(100 * step.share) - bar.n)
            bar.set_description(step.text)
    dataset = PetDataset.open(options.output)
    clips = [entry for entry in dataset.kept if entry.end > entry.start]
    return {
        "output": options.output,
        "report": str(Path(options.output) / PAGE),
        "species": dataset.species,
        "kept": len(dataset.kept),
        "seconds": round(sum(entry.end - entry.start for entry in clips), 2),
        "pictures": len(dataset.kept) - len(clips),
        "dropped": len(dataset.pieces) - len(dataset.kept),
        "why": why_dropped(dataset) or None,
        "advice": " ".join(advice(dataset)) or None,
    }
