"""What a step of training costs at full size: python benchmarks/training.py [--presets quick best] [--batches 1 4]

On a graphics card steps are run and timed. Everywhere, memory and arithmetic are counted with tensors that have no
values: what every operation of a step returns, for as long as something holds on to it. Weights are random; what is
counted or timed does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
import weakref
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

sys.path.insert(0, str(Path(__file__).parents[1]))
from animal_lipsync.musetalk import LATENT_SCALE, SIZE, MouthNetworks, Painter  # noqa: E402
from animal_lipsync.networks import build_unet, build_vae  # noqa: E402
from animal_lipsync.openness import load_openness  # noqa: E402
from animal_lipsync.train_config import PRESETS, TrainConfig  # noqa: E402
from animal_lipsync.training import Batch, learn, repeating  # noqa: E402
from animal_lipsync.training_run import Run  # noqa: E402
from animal_lipsync.types import FaceTrack  # noqa: E402

POINTS = [[70, 90], [180, 90], [125, 128], [80, 165], [170, 165], [125, 170], [125, 185], [125, 230], [125, 80]]
STEPS = 5


class Peak(TorchDispatchMode):
    """Bytes of all tensors that operations within the block return, while anything refers to them."""

    def __init__(self):
        super().__init__()
        self.held = self.most = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        returned = function(*args, **kwargs or {})
        for tensor in tree_leaves(returned):
            if isinstance(tensor, torch.Tensor):
                self.hold(tensor)
        return returned

    def hold(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if id(storage) not in self.known:
            self.known.add(id(storage))
            self.held += storage.nbytes()
            self.most = max(self.most, self.held)
            weakref.finalize(storage, self.release, id(storage), storage.nbytes())

    def release(self, name: int, size: int) -> None:
        self.known.discard(name)
        self.held -= size


def full_size(device: str) -> Painter:
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        unet, vae = build_unet().requires_grad_(False), build_vae().requires_grad_(False)
    torch.set_default_dtype(torch.float32)
    now = torch.zeros(1, device=device)

    def encode(crops):
        return vae.encode((2 * crops - 1).to(vae.dtype)).latent_dist.mode() * LATENT_SCALE

    def paint(latents, tokens):
        return unet(latents, now, encoder_hidden_states=tokens, return_dict=False)[0]

    def decode(latents):
        return (vae.decode(latents / LATENT_SCALE, return_dict=False)[0] / 2 + 0.5).clamp(0, 1)

    return Painter(MouthNetworks(encode, paint, decode, device, torch.bfloat16), unet, vae.decoder)


def some_batch(size: int, device: str) -> Batch:
    points = np.tile(np.array(POINTS, np.float32), (size, 1, 1))
    boxes = np.tile(np.array([40, 40, 210, 240], np.float32), (size, 1))
    face = FaceTrack(boxes, points, np.ones((size, 9), np.float32), np.ones(size, bool), "dog")
    pictures = torch.rand(3, size, 3, SIZE, SIZE, device=device)
    tokens, wanted = torch.randn(size, 50, 384, device=device), torch.rand(size, device=device)
    return Batch(pictures[0], pictures[1], pictures[2, :, 0], face, tokens, wanted)


def count(config: TrainConfig) -> dict:
    """Peak memory and arithmetic of a step, with tensors without values."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    load_openness("cpu")  # a file cannot be read into tensors without values
    # tensors without values have no content, and modules of them cannot be moved
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        patch("animal_lipsync.training.network_hash", lambda network: ""),
        patch("animal_lipsync.training.Critic.to", lambda critic, device: critic),
    ):
        peak = Peak()
        with peak:
            painter = full_size("cpu")
            for tensor in [*painter.network.parameters(), *painter.decoder.parameters()]:
                peak.hold(tensor)
            run = Run(Path(tempfile.mkdtemp()), config, painter, "")
            batch = some_batch(config.batch, "cpu")
            with repeating(painter) if config.repeat else nullcontext():
                learn(batch, run, painter, 1e-4)
                with FlopCounterMode(display=False) as arithmetic:
                    learn(batch, run, painter, 1e-4)
    trained = sum(tensor.numel() for tensor in run.lora.tensors())
    return {
        "trained_millions": round(trained / 1e6, 2),
        "peak_gb": round(peak.most / 1e9, 2),
        "tflop": round(arithmetic.get_total_flops() / 1e12, 2),
    }


def measure(config: TrainConfig) -> dict:
    """The same on the graphics card, run."""
    painter = full_size("cuda")
    run, batch = Run(Path(tempfile.mkdtemp()), config, painter, ""), some_batch(config.batch, "cuda")
    with repeating(painter) if config.repeat else nullcontext():
        for _ in range(2):
            learn(batch, run, painter, 1e-4)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(STEPS):
            learn(batch, run, painter, 1e-4)
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - start) / STEPS
    used = torch.cuda.max_memory_allocated()
    return {"pairs_per_s": round(config.batch / seconds, 2), "measured_gb": round(used / 1e9, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4, 8])
    options = parser.parse_args()
    rows = []
    for preset in options.presets:
        for batch in options.batches:
            config = TrainConfig(**PRESETS[preset] | {"batch": batch, "critic_from": 0})
            row = {"preset": preset, "batch": batch, **count(config)}
            if torch.cuda.is_available():
                row |= measure(config)
            rows.append(row)
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"counted only, {platform.machine()}"
    print(json.dumps({"device": device, "steps": rows}))


if __name__ == "__main__":
    main()
