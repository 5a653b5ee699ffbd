"""The weights that the inpaint engine needs and where they are published; fetched only when asked for.

Needs huggingface_hub, which comes with ComfyUI.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .checkpoints import UnsupportedCheckpointError, read_unet, write_half
from .files import held, make_folder, require_output

PIECE = 16 * 2**20
"""Bytes that are asked for at once; a download goes on after the last whole one."""


@dataclass(frozen=True)
class Weights:
    """One file of weights on Hugging Face and what it is called here."""

    title: str
    repository: str
    file: str
    megabytes: int
    """Of the download."""
    licence: str
    folder: str
    """Of ComfyUI's models."""
    name: str
    """Of the file in that folder."""

    @property
    def page(self) -> str:
        return f"https://huggingface.co/{self.repository}"


WEIGHTS = {
    "musetalk-1.5": Weights(
        "MuseTalk 1.5",
        "TMElyralab/MuseTalk",
        "musetalkV15/unet.pth",
        3400,
        "MIT for the code, CreativeML OpenRAIL-M or MIT for the weights; see the page",
        "diffusion_models",
        "musetalk-1.5.safetensors",
    ),
    "musetalk-1.0": Weights(
        "MuseTalk 1.0",
        "TMElyralab/MuseTalk",
        "musetalk/pytorch_model.bin",
        3400,
        "MIT for the code, CreativeML OpenRAIL-M or MIT for the weights; see the page",
        "diffusion_models",
        "musetalk-1.0.safetensors",
    ),
    "sd-vae-ft-mse": Weights(
        "SD VAE ft-MSE",
        "stabilityai/sd-vae-ft-mse",
        "diffusion_pytorch_model.safetensors",
        335,
        "MIT",
        "vae",
        "sd-vae-ft-mse.safetensors",
    ),
    "whisper-tiny": Weights(
        "Whisper tiny",
        "openai/whisper-tiny",
        "model.safetensors",
        151,
        "Apache-2.0",
        "audio_encoders",
        "whisper-tiny.safetensors",
    ),
}


class Progress(NamedTuple):
    done: int
    """Bytes."""
    total: int


def download(weights: Weights, folder: str | os.PathLike) -> Iterator[Progress]:
    """Fetch a file into `folder` as `weights.name`; close the generator to stop, call again to go on.

    It appears only when complete, checked against its SHA-256 and, a pickled UNet, converted to half precision.

    Raises:
        OSError: there is no connection or no room, or another program fetches the same.
        ValueError: what came is not what was published.
    """
    folder = Path(folder)
    make_folder(folder)
    require_output(folder / weights.name, ".safetensors")
    target, partial = folder / weights.name, folder / f".{weights.name}.{Path(weights.file).suffix[1:]}.partial"
    published = _Published(weights, folder)
    _check_room(folder, published.size - (partial.stat().st_size if partial.exists() else 0), weights)
    partial.touch()
    with held(partial) as is_mine:
        if is_mine is False:
            raise OSError(f"{weights.title} is being fetched by another program already; wait until it is done.")
        try:
            yield from _fetch(published, partial)
        except OSError as error:
            if error.errno in (errno.EFBIG, errno.ENOSPC):
                raise OSError(
                    f"Cannot write {target}: the disk is full. Make room and start again; it goes on."
                ) from None
            raise
        if published.sha256 and _sha256(partial) != published.sha256:
            partial.unlink()
            raise ValueError(f"{weights.title} arrived damaged and was thrown away; start the download again.")
        if target.suffix == Path(weights.file).suffix:
            os.replace(partial, target)
            return
        try:
            write_half(read_unet(partial), target)
        except UnsupportedCheckpointError:
            partial.unlink()
            raise
        partial.unlink()


def _fetch(published: _Published, partial: Path) -> Iterator[Progress]:
    with partial.open("ab") as file:
        while (there := file.tell()) < published.size:
            file.write(published.read(there))
            file.flush()
            yield Progress(file.tell(), published.size)


class _Published:
    """A file on Hugging Face; whatever goes wrong on the way is a ConnectionError with the remedy."""

    def __init__(self, weights: Weights, folder: Path):
        self._weights, self._folder = weights, folder
        try:
            from huggingface_hub import HfFileSystem
        except ImportError:
            raise ValueError(f"Downloads need huggingface_hub: pip install huggingface_hub. {self._by_hand}") from None
        source = f"{weights.repository}/{weights.file}"
        with self._reached():
            hub = HfFileSystem(use_listings_cache=False, skip_instance_cache=True)
            info = hub.info(source)
            self._file = hub.open(source, "rb", block_size=PIECE, cache_type="none")
        self.size: int = info["size"]
        self.sha256: str | None = (info.get("lfs") or {}).get("sha256")

    def read(self, start: int) -> bytes:
        """The next `PIECE` from `start` on."""
        with self._reached():
            self._file.seek(start)
            if not (piece := self._file.read(PIECE)):
                raise ConnectionError("the server stopped sending")
            return piece

    @contextmanager
    def _reached(self):
        try:
            yield
        except Exception as error:  # of whichever HTTP library huggingface_hub uses
            reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
            raise ConnectionError(
                f"{self._weights.title} could not be fetched ({reason}). Connect to the internet and start again. "
                + self._by_hand
            ) from None

    @property
    def _by_hand(self) -> str:
        return f"Or put {self._weights.file} from {self._weights.page} into {self._folder} yourself."


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _check_room(folder: Path, size: int, weights: Weights) -> None:
    """Room for what is to come and, of a pickle, for its half as large safetensors."""
    needed = size * 3 // 2 if weights.file.endswith((".pth", ".bin")) else size
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"{weights.title} needs {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free; make room.",
        )
