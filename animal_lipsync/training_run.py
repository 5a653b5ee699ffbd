"""What changes while a training goes on, and the folder in which it is kept and taken up again."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .files import make_folder, replacing, write_text
from .lora import Lora, network_hash, new_lora
from .losses import Critic
from .memory import is_out_of_memory
from .musetalk import Painter
from .train_config import TrainConfig


class TrainingError(ValueError):
    """A run cannot go on; the message says why, what was kept and what to do."""


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


def logged_losses(folder: str | os.PathLike) -> list[float]:
    """The `total` of every step of the run in `folder`, also of those before it was taken up again."""
    lines = (Path(folder) / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["total"] for line in lines]


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


def _step_of(line: str) -> float:
    with suppress(ValueError, KeyError, TypeError):
        return json.loads(line)["step"]
    return np.inf
