"""Trains a LoRA that paints one pet's own mouth. Reads from top to bottom: the loop, one step, and what both need.

A run can be cut off at any moment and goes on bit for bit: every draw depends on the seed and the step alone, and
checkpoints appear complete or not at all.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from . import losses
from .image import to_pixels, write_picture
from .lora import BASE
from .musetalk import Painter, latents_of, paint_latents
from .pairs import Pair, Pairs
from .train_config import TrainConfig
from .training_run import Run, Step, TrainingError
from .types import FaceTrack

AHEAD = 2
"""Batches that are drawn while the network learns from another."""
SHOWN = 6
"""Moments in a preview."""
REPEATED = {"BasicTransformerBlock", "ResnetBlock2D", "ResBlock", "ResnetBlock", "AttnBlock"}
"""Classes of blocks, diffusers' and ComfyUI's, whose inner values are computed again rather than kept."""


@dataclass(frozen=True, eq=False)
class Batch:
    target: Tensor
    reference: Tensor
    mask: Tensor
    face: FaceTrack
    tokens: Tensor
    opening: Tensor

    @classmethod
    def of(cls, pairs: list[Pair], device: torch.device | str) -> Batch:
        def stacked(name: str) -> Tensor:
            return torch.stack([torch.as_tensor(getattr(pair, name)) for pair in pairs]).to(device, torch.float32)

        rows = ("boxes", "keypoints", "score", "visible")
        face = replace(
            pairs[0].face, **{row: np.concatenate([getattr(pair.face, row) for pair in pairs]) for row in rows}
        )
        names = ("target", "reference", "mask", "tokens", "opening")
        return cls(face=face, **{name: stacked(name) for name in names})


def fit(
    config: TrainConfig,
    pairs: Pairs,
    painter: Painter,
    folder: str | os.PathLike,
    output: str | os.PathLike,
    *,
    told: Mapping[str, str] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Step]:
    """Train, or go on with the run in `folder`; yields after every step.

    Where `torch.distributed` is set up, as `accelerate launch` does, each process learns from pairs of its own and the
    first one writes.

    Args:
        folder: of the run; what is in it is used when it belongs to the same settings and network.
        output: the LoRA, written with every checkpoint.
        told: for the LoRA's metadata, besides what is known here.
        stopped: asked after every step; when true the run is kept and ends.

    Raises:
        TrainingError: the folder holds another run, the losses are no numbers or the memory does not suffice; what
            was kept last is still there.
        OSError: there is no room for a checkpoint.
    """
    rank, processes = _place()
    run = Run(Path(folder), config, painter, pairs.digest)
    drawn = _drawn_ahead(pairs, config, run.step, rank, painter.networks.device)
    with repeating(painter) if config.repeat else nullcontext(), drawn as batches:
        while run.step < config.steps:
            start, rate = time.perf_counter(), _learning_rate(config, run.step)
            try:
                parts = learn(next(batches), run, painter, rate, processes)
            except torch.cuda.OutOfMemoryError:
                raise TrainingError(
                    f"The memory of the graphics card does not suffice for {config.batch} pairs at once. Choose a "
                    f"smaller batch; {_kept(run)}"
                ) from None
            parts = dict(zip(parts, torch.stack(list(parts.values())).tolist(), strict=True))
            if not all(np.isfinite(value) for value in parts.values()):
                names = ", ".join(name for name, value in parts.items() if not np.isfinite(value))
                raise TrainingError(
                    f"At step {run.step + 1} the losses were no numbers any more ({names}), so the training ended; "
                    f"{_kept(run)} Try half the learning_rate under another name."
                )
            run.step += 1
            ends = run.step == config.steps or stopped()
            preview = None
            if (ends or run.step % config.keep_every == 0) and rank == 0:
                run.keep()
                replace(run.averaged, told=_metadata(run, pairs, painter) | dict(told or {})).save(output)
            if (ends or run.step % config.show_every == 0) and rank == 0:
                preview = _preview(run, pairs, painter)
                write_picture(_previews(run) / f"{run.step:06}.jpg", preview)
            memory = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
            step = Step(run.step, parts, time.perf_counter() - start, rate, memory, preview, run.kept)
            if rank == 0:
                run.log(step)
            yield step
            if ends:
                return
    if run.step >= config.steps and not Path(output).exists():
        replace(run.averaged, told=_metadata(run, pairs, painter) | dict(told or {})).save(output)


def learn(batch: Batch, run: Run, painter: Painter, rate: float, processes: int = 1) -> dict[str, Tensor]:
    """One step of the painter and, if there is one, of its critic: each loss as it counts, and their sum `total`."""
    config, networks = run.config, painter.networks
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    with torch.no_grad():
        latents = latents_of(batch.target, batch.reference, networks.encode)
        wanted = networks.encode(batch.target).float()
        with losses.observed([painter.middle]) as base:
            if config.statistics:
                paint_latents(latents, batch.tokens, networks)
    with run.lora.on(painter.network):
        with losses.observed([painter.middle] if config.statistics else []) as middle:
            painted = paint_latents(latents, batch.tokens, networks)
        parts = {"latent": losses.masked_l1(painted.float(), wanted, _shrunk(batch.mask, painted))}
        if config.identity:
            parts["identity"] = losses.identity(painted.float(), latents[:, 4:].float(), batch.mask)
        with losses.observed(painter.decoder_blocks if config.perceptual else []) as features:
            picture = networks.decode(painted).float()
        if config.pixel:
            parts["pixel"] = losses.masked_l1(picture, batch.target, batch.mask)
        if config.texture:
            parts["texture"] = losses.texture(picture, batch.target, batch.mask)
        if config.opening:
            parts["opening"] = losses.opening(picture, batch.face, batch.opening)
        if config.perceptual:
            with torch.no_grad(), losses.observed(painter.decoder_blocks) as targets:
                networks.decode(wanted.to(painted.dtype))
            parts["perceptual"] = losses.perceptual([f.float() for f in features], targets, batch.mask)
        if config.critic and run.step >= config.critic_from:
            with torch.no_grad():
                real = run.critic(batch.target)
            verdicts = run.critic(picture)
            parts["critic"] = losses.persuade(verdicts, config.rule) + losses.match_features(verdicts, real)
        if config.statistics:
            parts["statistics"] = losses.statistics(middle[0].float(), base[0].float())
        counted = {name: getattr(config, name) * loss for name, loss in parts.items()}
        total = sum(counted.values())
        total.backward()
    _step(run.optimizer, run.lora.tensors(), processes)
    decay = min(config.decay, (1 + run.step) / (10 + run.step))
    with torch.no_grad():
        for average, tensor in zip(run.average, run.lora.tensors(), strict=True):
            average.lerp_(tensor, 1 - decay)
    if config.critic:
        run.critic_optimizer.zero_grad()
        loss = losses.judge(run.critic(batch.target), run.critic(picture.detach()), config.rule)
        loss.backward()
        _step(run.critic_optimizer, list(run.critic.parameters()), processes)
    return {name: loss.detach() for name, loss in (counted | {"total": total}).items()}


def _step(optimizer: torch.optim.Optimizer, tensors: list[Tensor], processes: int) -> None:
    if processes > 1:
        for tensor in tensors:
            if tensor.grad is not None:
                distributed.all_reduce(tensor.grad)
                tensor.grad /= processes
    nn.utils.clip_grad_norm_(tensors, 1.0)
    optimizer.step()
    optimizer.zero_grad()


def _shrunk(mask: Tensor, latents: Tensor) -> Tensor:
    return nn.functional.adaptive_avg_pool2d(mask[:, None], latents.shape[2:])[:, 0]


@torch.no_grad()
def _preview(run: Run, pairs: Pairs, painter: Painter) -> np.ndarray:
    """The same moments every time, as they are wanted and as they are painted."""
    plain = pairs.without_changes()
    shown = [plain.draw(np.random.default_rng([run.config.seed, 0, index])) for index in range(SHOWN)]
    rows = []
    for start in range(0, SHOWN, run.config.batch):
        batch = Batch.of(shown[start : start + run.config.batch], painter.networks.device)
        latents = latents_of(batch.target, batch.reference, painter.networks.encode)
        with run.averaged.on(painter.network):
            painted = painter.networks.decode(paint_latents(latents, batch.tokens, painter.networks)).float()
        rows.append(torch.cat([batch.target, painted], 2))
    return to_pixels(torch.cat(list(torch.cat(rows)), 2)[None])[0]


def _previews(run: Run) -> Path:
    folder = run.folder / "previews"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _metadata(run: Run, pairs: Pairs, painter: Painter) -> dict[str, str]:
    """What whoever gets the LoRA wants to know."""
    return {
        "animal_lipsync.version": "1",
        BASE: run.base,
        "animal_lipsync.species": pairs.species,
        "animal_lipsync.positions": str(painter.networks.positions),
        "animal_lipsync.steps": str(run.step),
        "animal_lipsync.material": pairs.summary(),
        "animal_lipsync.settings": run.config.to_json(),
    }


def _learning_rate(config: TrainConfig, step: int) -> float:
    if step < config.warm_up:
        return config.learning_rate * (step + 1) / config.warm_up
    share = (step - config.warm_up) / max(config.steps - config.warm_up, 1)
    return config.learning_rate * (1 + math.cos(math.pi * share)) / 2


@contextmanager
def _drawn_ahead(pairs: Pairs, config: TrainConfig, first: int, rank: int, device) -> Iterator[Iterator[Batch]]:
    """The batch of each step from `first` on, drawn beside the training."""

    def draw(step: int) -> list[Pair]:
        seeds = ([config.seed, 1, step, rank, index] for index in range(config.batch))
        return [pairs.draw(np.random.default_rng(seed)) for seed in seeds]

    def batches() -> Iterator[Batch]:
        coming = [workers.submit(draw, first + index) for index in range(AHEAD)]
        for step in count(first + AHEAD):
            yield Batch.of(coming.pop(0).result(), device)
            coming.append(workers.submit(draw, step))

    workers = ThreadPoolExecutor(AHEAD)
    try:
        yield batches()
    finally:
        workers.shutdown(cancel_futures=True)


@contextmanager
def repeating(painter: Painter) -> Iterator[None]:
    """Within the block inner values are computed again on the way back rather than kept."""
    modules = [*painter.network.modules(), *painter.decoder.modules()]
    blocks = [module for module in modules if type(module).__name__ in REPEATED]
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


def _place() -> tuple[int, int]:
    """This process among those that train together, and how many they are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _kept(run: Run) -> str:
    return f"the LoRA of step {run.kept} is kept." if run.kept else "nothing was kept yet."
