"""A LoRA of one pet's own mouth, from what prepare-clips wrote."""

from __future__ import annotations

import argparse
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import require_output
from .inpainting import LAYOUTS
from .models import folder_option, models_folder
from .options import UsageError, choose_device, command

if TYPE_CHECKING:
    from ..train_config import TrainConfig

PRESETS = ("quick", "good", "best")
KINDS = ("recorded", "matched", "warped")


def add(commands) -> None:
    parser = command(commands, "train", run, "Train a LoRA that paints one pet's own mouth.")
    parser.add_argument("dataset", metavar="DATASET", help="a folder that prepare-clips wrote")
    parser.add_argument("-o", "--output", required=True, metavar="PET.safetensors")
    parser.add_argument("--preset", choices=PRESETS, default="quick", help="how much is learned and how long it takes")
    parser.add_argument(
        "--voice",
        action="append",
        default=[],
        metavar="FILE",
        help="speech to learn with; may be repeated; default: the voices that ship",
    )
    parser.add_argument("--run", dest="folder", metavar="FOLDER", help="of checkpoints; default: in DATASET/runs")
    for name, example in (("steps", "1500"), ("batch", "4"), ("rank", "16"), ("seed", "0")):
        parser.add_argument(f"--{name}", type=int, metavar=example)
    parser.add_argument("--learning-rate", type=float, metavar="1e-4")
    parser.add_argument(
        "--shares",
        type=shares,
        metavar="recorded=0.2,matched=0.3,warped=0.5",
        help="how often each kind of pair is learned from",
    )
    parser.add_argument("--optimizer", choices=("adamw", "adamw8bit"), help="adamw8bit needs bitsandbytes")
    parser.add_argument("--no-positions", action="store_true", help="for a network trained without token positions")
    parser.add_argument("--layout", choices=LAYOUTS, default="hf_post_ln", help="what the network was trained to hear")
    parser.add_argument("--unet", metavar="FILE", help="another MuseTalk; default: musetalk-1.5 of --models")
    parser.add_argument("--device", metavar="cuda", help="where to train; default: a graphics card if there is one")
    parser.add_argument("--tensorboard", action="store_true", help="write the losses for TensorBoard too")
    parser.add_argument(
        "--accelerate", action="store_true", help="on all graphics cards: accelerate launch -m animal_lipsync train ..."
    )
    folder_option(parser)


def shares(text: str) -> dict[str, float]:
    try:
        found = {name: float(share) for name, share in (part.split("=") for part in text.split(","))}
    except ValueError:
        found = {}
    if not found or found.keys() - set(KINDS) or min(found.values()) < 0 or not 0 < sum(found.values()) < inf:
        raise argparse.ArgumentTypeError(f"expected KIND=NUMBER,... of {', '.join(KINDS)}, got {text}")
    return found


def run(options: argparse.Namespace) -> dict:
    from tqdm import tqdm

    from ..dataset import PetDataset
    from ..training import fit

    require_output(options.output, ".safetensors")
    config = settings(options)
    dataset = PetDataset.open(options.dataset)
    folder = Path(options.folder) if options.folder else dataset.folder / "runs" / Path(options.output).stem
    rank, device = _place(options)
    painter, pairs = _load(options, config, dataset, device)
    board = _board(folder) if options.tensorboard and rank == 0 else None
    last = None
    with tqdm(total=config.steps, unit="step", disable=options.json or rank > 0) as bar:
        for step in fit(config, pairs, painter, folder, options.output):
            bar.update(step.step - bar.n)
            bar.set_postfix(loss=f"{step.losses['total']:.4f}", refresh=False)
            if board:
                for name, loss in step.losses.items():
                    board.add_scalar(f"loss/{name}", loss, step.step)
            last = step
    if board:
        board.close()
    if rank:
        return {}
    return {
        "output": options.output,
        "run": str(folder),
        "steps": config.steps,
        "loss": round(last.losses["total"], 5) if last else None,
        "material": pairs.summary(),
    }


def settings(options: argparse.Namespace) -> TrainConfig:
    from ..train_config import PRESETS as VALUES
    from ..train_config import TrainConfig

    names = ("steps", "batch", "rank", "seed", "learning_rate", "shares", "optimizer")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    try:
        config = TrainConfig(**VALUES[options.preset] | given)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return replace(config, alpha=float(config.rank))


def _load(options: argparse.Namespace, config: TrainConfig, dataset, device: str):
    from ..audio import load_audio
    from ..checkpoints import load_whisper
    from ..pairs import Pairs, listen, sample_voices
    from ..speech_features import speech_features

    try:
        from ..networks import load_painter
    except ImportError:
        raise ValueError(
            "Training needs diffusers here: pip install 'animal-lipsync[train]'. In ComfyUI it needs nothing."
        ) from None
    pieces, folder = dataset.load_kept(), models_folder(options)
    unet = Path(options.unet) if options.unet else folder / "musetalk-1.5.safetensors"
    vae, positions = folder / "sd-vae-ft-mse.safetensors", not options.no_positions
    encoder = load_whisper(folder / "whisper-tiny.safetensors").to(device)

    def hear(voice):
        return speech_features(voice, encoder, layout=options.layout)

    sounds = [load_audio(path, mono=True) for path in options.voice] or sample_voices()
    voices = [listen(sound, hear) for sound in sounds]
    pairs = Pairs(pieces, voices, hear, shares=config.shares)
    return load_painter(unet, vae, device=device, positions=positions), pairs


def _place(options: argparse.Namespace) -> tuple[int, str]:
    """This process's number and device."""
    if options.accelerate:
        try:
            from accelerate import Accelerator
        except ImportError:
            raise ValueError("--accelerate needs accelerate: pip install 'animal-lipsync[train]'.") from None
        accelerator = Accelerator()
        return accelerator.process_index, str(accelerator.device)
    return 0, choose_device(options.device)


def _board(folder: Path):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ValueError("--tensorboard needs TensorBoard: pip install tensorboard.") from None
    return SummaryWriter(str(folder / "tensorboard"))
