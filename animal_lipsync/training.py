"""Trains a LoRA that paints one pet's own mouth. Reads from top to bottom: settings, the run, the loop, one step.

A run can be cut off at any moment and goes on bit for bit: every draw depends on the seed and the step alone, and
checkpoints appear complete or not at all.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from . import losses
from .augmentation import Augmentation
from .documents import FormatError
from .files import make_folder, replacing, write_text
from .image import to_pixels, write_picture
from .lora import BASE, Lora, Part, network_hash, new_lora
from .losses import Critic, Rule
from .memory import is_out_of_memory
from .musetalk import Painter, latents_of, paint_latents
from .pairs import SHARES, Kind, Pair, Pairs
from .types import FaceTrack

logger = logging.getLogger(__name__)

AHEAD = 2
"""Batches that are drawn while the network learns from another."""
SHOWN = 6
"""Moments in a preview."""
REPEATED = {"BasicTransformerBlock", "ResnetBlock2D", "ResBlock", "ResnetBlock", "AttnBlock"}
"""Classes of blocks, diffusers' and ComfyUI's, whose inner values are computed again rather than kept."""
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"steps": 600},
    "good": {"steps": 1500, "parts": ("audio", "self", "feed_forward"), "perceptual": 0.1, "statistics": 0.02},
    "best": {
        "steps": 4000,
        "parts": ("audio", "self", "feed_forward", "convolutions"),
        "perceptual": 0.1,
        "statistics": 0.02,
        "critic": 0.02,
    },
}


class TrainingError(ValueError):
    """A run cannot go on; the message says why, what was kept and what to do."""


@dataclass(frozen=True)
class TrainConfig:
    """All that decides what a run learns, besides its material and networks; kept beside every checkpoint."""

    steps: int = 1500
    batch: int = 4
    """Pairs a step, on each graphics card."""
    learning_rate: float = 1e-4
    """At its highest; it rises over `warm_up` steps and sinks to 0 along a cosine."""
    warm_up: int = 50
    rank: int = 16
    alpha: float = 16.0
    parts: tuple[Part, ...] = ("audio", "self")
    """Layers that are adapted."""
    early: bool = False
    """Adapt also the layers that look at fine detail first."""
    decay: float = 0.995
    """Of the running average of the weights, which is what is saved."""
    latent: float = 1.0
    """Weight of the difference of latents; those below likewise of what `losses.py` defines. 0 saves its cost."""
    pixel: float = 1.0
    perceptual: float = 0.0
    texture: float = 0.02
    opening: float = 0.1
    identity: float = 0.02
    statistics: float = 0.0
    """Of the middle of the network against the network without the LoRA: one more pass through it."""
    critic: float = 0.0
    """Of the verdicts of a critic of 1.3 million weights, trained beside, and once more of what it sees."""
    critic_from: int = 500
    """Step at which the critic is heard; it learns from the start."""
    rule: Rule = "hinge"
    shares: Mapping[Kind, float] = field(default_factory=lambda: dict(SHARES))
    augmentation: Augmentation = Augmentation()
    optimizer: Literal["adamw", "adamw8bit"] = "adamw"
    """adamw8bit keeps its moments in a quarter of the memory and needs bitsandbytes."""
    repeat: bool = True
    """Compute the inner values of blocks again rather than keep them: less memory, more time."""
    seed: int = 0
    keep_every: int = 100
    """Steps between checkpoints."""
    show_every: int = 100
    """Steps between previews."""

    def __post_init__(self):
        for name, low in (("steps", 1), ("batch", 1), ("rank", 1), ("keep_every", 1), ("show_every", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}.")
        if not 0 < self.learning_rate <= 0.1:
            raise ValueError(f"learning_rate must lie above 0 and up to 0.1, got {self.learning_rate}; 1e-4 is usual.")
        if self.latent + self.pixel <= 0:
            raise ValueError("latent and pixel cannot both be 0: nothing would say what the mouth should look like.")

    def to_json(self) -> str:
        return json.dumps({"version": 1, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Raises:
        FormatError: it is something else.
        """
        try:
            values = json.loads(text)
            known = {name: values[name] for name in (field.name for field in fields(cls)) if name in values}
            known["parts"], known["augmentation"] = tuple(known["parts"]), Augmentation(**known["augmentation"])
            return cls(**known)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"These are no settings of a training ({error}).") from None


@dataclass(frozen=True, eq=False)
class Step:
    step: int
    """Steps done."""
    losses: dict[str, float]
    """Each part as it counts, and `total`."""
    seconds: float
    learning_rate: float
    memory: int
    """Most bytes of the graphics card in use so far; 0 on a CPU."""
    preview: np.ndarray | None
    """(2 * 256, N * 256, 3) uint8: the mouths that are wanted above those that are painted."""
    kept: int
    """Step of the last checkpoint and the LoRA beside it; 0 when there is none yet."""

    @property
    def is_kept(self) -> bool:
        return self.kept == self.step


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


class Run:
    """What changes while a run goes on, and its folder: `train.json`, `checkpoint.pt`, `log.jsonl`, `previews/`.

    Raises:
        TrainingError: the folder holds another run.
    """

    def __init__(self, folder: Path, config: TrainConfig, painter: Painter, material: str):
        self.folder, self.config, self.material = folder, config, material
        device = painter.networks.device
        options = {"rank": config.rank, "alpha": config.alpha, "early": config.early, "seed": config.seed}
        self.lora = new_lora(painter.network, config.parts, **options)
        for tensor in self.lora.tensors():
            tensor.requires_grad_(True)
        self.average = [tensor.detach().clone() for tensor in self.lora.tensors()]
        self.optimizer = _optimizer(self.lora.tensors(), config)
        self.critic, self.critic_optimizer = None, None
        if config.critic:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(config.seed)
                self.critic = Critic().to(device)
            self.critic_optimizer = torch.optim.AdamW(self.critic.parameters(), 2e-4, betas=(0.5, 0.999))
        self.base = network_hash(painter.network)
        self.step = self.kept = 0
        self._resume()

    @property
    def averaged(self) -> Lora:
        """The LoRA as it is saved and shown."""
        tensors = iter(self.average)
        pairs = {name: (next(tensors), next(tensors)) for name in self.lora.down}
        down, up = ({name: pair[i] for name, pair in pairs.items()} for i in (0, 1))
        return replace(self.lora, down=down, up=up)

    def keep(self) -> None:
        """Write the checkpoint, complete or not at all.

        Raises:
            OSError: there is no room for it; what was kept before is untouched.
        """
        state = {
            "version": 1,
            "step": self.step,
            "base": self.base,
            "material": self.material,
            "lora": [tensor.detach() for tensor in self.lora.tensors()],
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        if self.critic:
            state |= {"critic": self.critic.state_dict(), "critic_optimizer": self.critic_optimizer.state_dict()}
        make_folder(self.folder)  # the artist may have tidied it away
        write_text(self.folder / "train.json", self.config.to_json())
        with replacing(self.folder / "checkpoint.pt") as partial_path, partial_path.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        self.kept = self.step

    def log(self, step: Step) -> None:
        """
        Raises:
            OSError: there is no room for it.
        """
        line = {"step": step.step, **step.losses, "learning_rate": step.learning_rate, "seconds": step.seconds}
        path = self.folder / "log.jsonl"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({name: round(value, 7) for name, value in line.items()}) + "\n")
        except OSError as error:
            reason = f"({error.strerror}); check the folder and the free space."
            raise OSError(error.errno, f"Cannot write {path} {reason}") from None

    def _resume(self) -> None:
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            make_folder(self.folder)
            (self.folder / "log.jsonl").unlink(missing_ok=True)
            return
        remedy = f"Give this training another name, or delete {self.folder} to begin anew."
        try:
            before = TrainConfig.from_json((self.folder / "train.json").read_text(encoding="utf-8"))
            state = torch.load(path, map_location="cpu", weights_only=True)
            changed = [
                item.name
                for item in fields(TrainConfig)
                if getattr(before, item.name) != getattr(self.config, item.name)
                and item.name not in ("steps", "keep_every", "show_every", "repeat")
            ]
            if changed:
                raise TrainingError(
                    f"The training in {self.folder} had other settings ({', '.join(changed)}). {remedy}"
                )
            if state["base"] != self.base:
                raise TrainingError(f"The training in {self.folder} began with another network. {remedy}")
            if state["material"] != self.material:
                raise TrainingError(f"The training in {self.folder} learned from other clips or voices. {remedy}")
            with torch.no_grad():
                for tensors, kept in ((self.lora.tensors(), state["lora"]), (self.average, state["average"])):
                    for tensor, value in zip(tensors, kept, strict=True):
                        tensor.copy_(value)
            self.optimizer.load_state_dict(state["optimizer"])
            if self.critic:
                self.critic.load_state_dict(state["critic"])
                self.critic_optimizer.load_state_dict(state["critic_optimizer"])
            self.step = self.kept = state["step"]
        except TrainingError:
            raise
        except Exception as error:  # whatever torch.load and a torn file make of each other
            if is_out_of_memory(error):
                raise
            raise TrainingError(f"The checkpoint in {self.folder} cannot be read ({error}). {remedy}") from None
        log = self.folder / "log.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        write_text(log, "".join(line + "\n" for line in lines if _step_of(line) <= self.step))


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


def logged_losses(folder: str | os.PathLike) -> list[float]:
    """The `total` of every step of the run in `folder`, also of those before it was taken up again."""
    lines = (Path(folder) / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["total"] for line in lines]


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


def _optimizer(tensors: list[Tensor], config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimizer == "adamw8bit":
        try:
            from bitsandbytes.optim import AdamW8bit
        except ImportError:
            raise TrainingError(
                "optimizer adamw8bit needs bitsandbytes: pip install bitsandbytes, or choose adamw."
            ) from None
        return AdamW8bit(tensors, lr=config.learning_rate, weight_decay=0.01)
    fused = tensors[0].device.type == "cuda"
    return torch.optim.AdamW(tensors, lr=config.learning_rate, weight_decay=0.01, fused=fused)


def _place() -> tuple[int, int]:
    """This process among those that train together, and how many they are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _kept(run: Run) -> str:
    return f"the LoRA of step {run.kept} is kept." if run.kept else "nothing was kept yet."


def _step_of(line: str) -> float:
    with suppress(ValueError, KeyError, TypeError):
        return json.loads(line)["step"]
    return np.inf
