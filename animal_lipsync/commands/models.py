"""The weights of the inpaint engine: which there are, fetch them, make them half as large."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import command

NAMES = ("musetalk-1.5", "musetalk-1.0", "sd-vae-ft-mse", "whisper-tiny")


def add(commands) -> None:
    text = "List, download or convert the weights that --engine inpaint needs."
    parser = commands.add_parser("models", help=text, description=text, allow_abbrev=False)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = command(actions, "list", run_list, "Say which weights there are and where.")
    fetching = command(actions, "download", run_download, "Fetch weights from Hugging Face.")
    fetching.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: what 1.5 needs")
    for action in (listing, fetching):
        folder_option(action)
    converting = command(actions, "convert", run_convert, "Write a downloaded UNet as safetensors, half as large.")
    converting.add_argument("source", metavar="unet.pth")
    converting.add_argument("-o", "--output", metavar="OUT.safetensors", help="default: beside it")


def folder_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", metavar="FOLDER", help="where weights are kept; default: this user's cache")


def models_folder(options: argparse.Namespace) -> Path:
    from ..cache import default_folder

    return Path(options.models) if options.models else default_folder().with_name("models")


def run_list(options: argparse.Namespace) -> dict:
    from ..downloads import WEIGHTS

    folder = models_folder(options)
    models = [
        {
            "name": name,
            "megabytes": weights.megabytes,
            "licence": weights.licence,
            "page": weights.page,
            "path": str(folder / weights.name) if (folder / weights.name).is_file() else None,
        }
        for name, weights in WEIGHTS.items()
    ]
    return {"folder": str(folder), "models": models}


def run_download(options: argparse.Namespace) -> dict:
    import logging

    from tqdm import tqdm

    from ..downloads import WEIGHTS, download
    from .options import UsageError

    names = options.names or [name for name in NAMES if name != "musetalk-1.0"]
    for name in names:
        if name not in WEIGHTS:
            raise UsageError(f"There are no weights called {name}; there are {', '.join(WEIGHTS)}.")
    folder = models_folder(options)
    for name in names:
        weights = WEIGHTS[name]
        if (folder / weights.name).is_file():
            continue
        logging.getLogger(__name__).info("%s from %s. Licence: %s.", weights.title, weights.page, weights.licence)
        with tqdm(desc=name, unit="B", unit_scale=True, disable=options.json) as bar:
            for progress in download(weights, folder):
                bar.total = progress.total
                bar.update(progress.done - bar.n)
    return {"folder": str(folder), "downloaded": {name: str(folder / WEIGHTS[name].name) for name in names}}


def run_convert(options: argparse.Namespace) -> dict:
    from ..checkpoints import converted, read_unet, write_half
    from ..files import require_output

    if options.output:
        require_output(options.output, ".safetensors")
        write_half(read_unet(options.source), options.output)
        return {"output": options.output}
    output = converted(options.source)
    if output == Path(options.source):  # as it should be already, if it is one
        read_unet(output)
    return {"output": str(output)}
