from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from animal_lipsync.image import read_picture
from animal_lipsync.memory import memory_told

HUGE = 2**46


@pytest.mark.parametrize("ask", [np.ones, torch.ones, bytearray], ids=["NumPy", "PyTorch", "Python"])
def test_whoever_asks_for_too_much_memory_the_remedy_is_told(ask):
    with pytest.raises(OSError, match="not enough memory for this; close other programs"), memory_told():
        ask(HUGE)


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shape"), memory_told():
        torch.ones(2, 3) @ torch.ones(2, 3)


def test_a_picture_there_is_no_memory_for_is_not_called_damaged(tmp_path):
    resource = pytest.importorskip("resource", reason="limits of memory are POSIX")
    if not Path("/proc/self/statm").exists():
        pytest.skip("how much memory is in use is told by Linux")
    Image.new("RGB", (9000, 9000)).save(tmp_path / "large.png")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000, limits[1]))
    try:
        with pytest.raises(OSError, match="not enough memory"), memory_told():
            read_picture(tmp_path / "large.png")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
