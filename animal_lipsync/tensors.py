"""Files of tensors, written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from .files import replacing


def write_tensors(
    path: str | os.PathLike, tensors: Mapping[str, Tensor], told: Mapping[str, str] | None = None
) -> None:
    """Save tensors on the CPU, and what is told of them, as safetensors.

    Raises:
        OSError: there is no room for them.
    """
    with replacing(path) as partial:
        try:
            save_file(dict(tensors), partial, metadata=dict(told or {}))
        except SafetensorError as error:  # what it makes of a full disk
            raise OSError(errno.EIO, str(error)) from None
