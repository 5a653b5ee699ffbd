import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # there is one on each core

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    """Faces that a test finds are kept in its own folder, not in the user's."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def without_privileges(tmp_path):
    """A context in which root, whom no permission binds, is somebody else, who may read no module either."""
    if os.name != "posix":
        pytest.skip("permissions are POSIX")

    @contextmanager
    def somebody_else():
        if os.geteuid() != 0:
            yield
            return
        for folder in (*tmp_path.parents[:3], tmp_path):
            if not folder.stat().st_mode & 0o001:
                folder.chmod(0o755)
        tmp_path.chmod(0o777)
        os.setresuid(65534, 65534, 0)
        try:
            yield
        finally:
            os.setresuid(0, 0, 0)

    return somebody_else


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: "host" in item.path.parts)


@pytest.fixture(scope="session")
def data() -> Path:
    """Real pictures, clips and speech, which the repository does not hold."""
    folder = Path(os.environ.get("ANIMAL_LIPSYNC_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}; set ANIMAL_LIPSYNC_DATA to the development data")
    return folder


@pytest.fixture(scope="session")
def shipped() -> list[Path]:
    """What a user of the registry receives: the repository's files less those .comfyignore names."""

    def files(*options: str) -> set[str]:
        command = ["git", "ls-files", "-z", "--cached", "--others", *options]
        return set(filter(None, subprocess.check_output(command, cwd=ROOT, text=True).split("\0")))

    kept = files("--exclude-standard") - files("--ignored", "--exclude-from=.comfyignore")
    return sorted(path for path in map(Path, kept) if (ROOT / path).is_file())
