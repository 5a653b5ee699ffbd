"""Processes that jobs are shared out to: whatever program starts them, they end with it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from animal_lipsync.workers import share_out
from tests.processes import children

ROOT = Path(__file__).parents[1]
LIKE_COMFYUI = """
import importlib.util, sys
from pathlib import Path
package, folder = sys.argv[1:]
print("main", flush=True)
spec = importlib.util.spec_from_file_location("/custom_nodes/pack.one", package + "/__init__.py")
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
share_out = importlib.import_module(".workers", spec.name).share_out
jobs = [{"path": f"{name}.mp4", "origin": name, "key": name, "output": folder} for name in "abcd"]
for told in share_out("pet_clips:cut_into", jobs, workers=2):
    if told is not None:
        job, answer = told
        print(job["origin"], answer, flush=True)
"""


def command(tmp_path) -> list[str]:
    """A program that has loaded the package under another name, and that nobody may run twice."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "main.py").write_text(LIKE_COMFYUI)
    return [sys.executable, str(tmp_path / "main.py"), str(ROOT / "animal_lipsync"), str(tmp_path)]


def gone(pids: list[int], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.1)
    return False


def test_a_program_that_is_no_package_and_has_a_main_module_shares_out(tmp_path):
    told = subprocess.run(command(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    main, *answers = told.stdout.splitlines()
    assert main == "main" and sorted(answers) == ["a 1.0", "b 1.0", "c 1.0", "d 1.0"]
    assert {path.stem for path in (tmp_path / "sources").iterdir()} == set("abcd")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_processes_end_with_a_program_that_is_killed(tmp_path):
    process = subprocess.Popen(command(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "main\n"
    while len(running := children(process.pid)) < 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    process.stdout.close()
    assert gone(running)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_closed_in_the_middle_of_a_job_it_ends_the_process_at_once(tmp_path):
    os.mkfifo(tmp_path / "endless.mp4")
    job = {"path": str(tmp_path / "endless.mp4"), "origin": "a", "key": "a", "output": str(tmp_path)}
    before = children(os.getpid())
    answers = share_out("pet_clips:cut_into", [job], workers=1)
    assert next(answers) is None
    running = [pid for pid in children(os.getpid()) if pid not in before]
    assert len(running) == 1
    start = time.monotonic()
    answers.close()
    assert time.monotonic() - start < 2 and gone(running, 0.2)
