"""The editors' own tests, and their types."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "js"
TSC = HERE / "node_modules" / "typescript" / "bin" / "tsc"


@pytest.fixture(scope="module")
def node() -> str:
    path = shutil.which("node")
    if path is None:
        pytest.skip("no Node.js; scripts/test.sh installs it")
    return path


def run(*command: object):
    done = subprocess.run([str(part) for part in command], cwd=HERE, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pure_modules(node):
    run(node, "--test")


def test_the_types_agree(node):
    if not TSC.is_file():
        pytest.skip("no TypeScript; run npm ci in tests/js, as scripts/test.sh does")
    run(node, TSC)
