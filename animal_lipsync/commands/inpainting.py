"""The inpaint engine on the command line: its options, its weights, its device."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..types import Audio
from .models import folder_option, models_folder
from .options import UsageError, choose_device, within

if TYPE_CHECKING:
    from ..inpaint import InpaintEngine
    from ..prepared import PreparedAnimal
    from ..speech_features import SpeechFeatures

LAYOUTS = ("hf_post_ln", "openai_pre_ln")


def inpaint_options(parser: argparse.ArgumentParser) -> None:
    folder_option(parser)
    parser.add_argument("--unet", metavar="FILE", help="another MuseTalk; default: musetalk-1.5 of --models")
    parser.add_argument("--lora", metavar="FILE[:1.0]", help="what train made of one pet, and how much it counts")
    parser.add_argument("--no-positions", action="store_true", help="for a network or LoRA trained without positions")
    parser.add_argument("--layout", choices=LAYOUTS, help="what the network was trained to hear; default: hf_post_ln")
    parser.add_argument("--device", metavar="cuda", help="where to paint; default: a graphics card if there is one")
    parser.add_argument("--batch", type=int, metavar="N", help="faces painted at once; 1 takes the least memory")
    parser.add_argument("--compile", action="store_true", help="fuse the networks; pays off after some minutes")
    parser.add_argument("--prepared", metavar="FILE", help="what prepare wrote for this picture or clip")
    parser.add_argument("--opening", type=within(0, 1), metavar="0.6", help="how far the jaw may come down, 0 to 1")
    parser.add_argument(
        "--no-open-mouth",
        action="store_true",
        help="show the network the mouth as it is, not opened by the warp engine",
    )


def refuse_idle_painting(options: argparse.Namespace) -> None:
    """Refuse options of the engine that is not chosen.

    Raises:
        UsageError: naming it.
    """
    painting = (
        "models",
        "unet",
        "lora",
        "no_positions",
        "layout",
        "device",
        "batch",
        "compile",
        "prepared",
        "opening",
        "no_open_mouth",
    )
    moving = ("motion", "nod", "blinks", "reference", "transcript")
    for idle in painting if options.engine == "warp" else moving:
        if getattr(options, idle):
            raise UsageError(f"--{idle.replace('_', '-')} does nothing with --engine {options.engine}.")
    if options.prepared and options.keypoints:
        raise UsageError("--keypoints does nothing beside --prepared, which holds the face.")


def load_engine(options: argparse.Namespace, prepared: PreparedAnimal | None = None) -> InpaintEngine:
    """The engine that `inpaint_options` call for."""
    import torch

    from ..engine import WarpEngine
    from ..inpaint import OPENING, InpaintEngine, fitting_batch

    device = choose_device(options.device)
    try:
        from ..networks import load_networks
    except ImportError:
        raise ValueError(
            "--engine inpaint needs diffusers here: pip install 'animal-lipsync[inpaint]'. In ComfyUI it needs nothing."
        ) from None
    if options.batch is not None and options.batch < 1:
        raise UsageError(f"--batch must be at least 1, got {options.batch}.")
    folder = models_folder(options)
    unet = Path(options.unet) if options.unet else folder / "musetalk-1.5.safetensors"
    lora, strength = _lora(options.lora)
    networks = load_networks(
        unet,
        folder / "sd-vae-ft-mse.safetensors",
        device=device,
        positions=not options.no_positions,
        compile=options.compile,
        lora=lora,
        strength=strength,
    )
    free = torch.cuda.mem_get_info()[0] if device.startswith("cuda") else 2**31
    engine = InpaintEngine(
        networks,
        batch=fitting_batch(free) if options.batch is None else options.batch,
        guide=None if options.no_open_mouth else WarpEngine(),
        opening=OPENING if options.opening is None else options.opening,
        latents=prepared.latents if prepared else None,
    )
    if prepared:
        prepared.require(engine)
    return engine


def listen(options: argparse.Namespace, voice: Audio | Iterable[Audio]) -> SpeechFeatures:
    from ..checkpoints import load_whisper
    from ..speech_features import speech_features
    from .inputs import keeper

    encoder = load_whisper(models_folder(options) / "whisper-tiny.safetensors").to(choose_device(options.device))
    heard = keeper(options, "features")
    return speech_features(voice, encoder, layout=options.layout or "hf_post_ln", keeper=heard)


def _lora(text: str | None) -> tuple[str | None, float]:
    """The file and the strength of FILE or FILE:STRENGTH; any other colon belongs to the file's name."""
    found = re.fullmatch(r"(.+):(-?\d*\.?\d+)", text or "")
    return (found[1], float(found[2])) if found else (text, 1.0)
