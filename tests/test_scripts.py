import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the scripts are for bash")


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """Run demo.sh of a copy whose .venv is set up, with a program that only says how it is called."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "pack" / ".venv" / "bin" / "animal-lipsync"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    (tmp_path / "pack" / "scripts").mkdir()
    for name in ("scripts/demo.sh", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / "pack" / name)
    installed = "echo torch | cat - pyproject.toml | sha256sum > .venv/installed"
    subprocess.run(["bash", "-c", installed], cwd=tmp_path / "pack", check=True)

    def call(*arguments):
        done = subprocess.run(["bash", "pack/scripts/demo.sh", *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout.strip()

    return call


def test_the_demo_replaces_no_video(demo):
    assert demo() == (0, "demo -o talking.mp4")
    Path("talking.mp4").touch()
    assert demo() == (0, "demo -o talking-2.mp4")
    Path("talking-2.mp4").touch()
    assert demo("-my dog.jpg", "hello.wav") == (0, "animate -o talking-3.mp4 -- -my dog.jpg hello.wav")
    assert demo("dog.jpg") == (2, "")
