"""Whether abuse loses anything: programs killed at random moments, thousands of jobs in one, full disks, bad networks.

    python -m benchmarks.endurance [kill soak disk memory closed unplugged network clock two cancel]
        [--times 100] [--jobs 10000] [--seed 0] [--only render batch]

All media are tiny. Programs run as forks of this one, so that none has to load PyTorch again. `cancel` needs ComfyUI at
COMFYUI_PATH. POSIX only; `memory`, `closed` and `unplugged` Linux. The last line is JSON, one object for each campaign;
what is found torn, lost or left stands in it under a name that says so, and should be 0.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import functools
import io
import json
import logging
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from safetensors.torch import save_file

from animal_lipsync import cli, downloads, files
from animal_lipsync.batch import Row
from animal_lipsync.cache import FaceCache
from animal_lipsync.clip import Clip
from animal_lipsync.commands.batch import make
from animal_lipsync.dataset import Piece
from animal_lipsync.image import read_picture, to_pixels, write_picture
from animal_lipsync.lora import Lora
from animal_lipsync.networks import build_unet, build_vae
from animal_lipsync.pairs import Pairs
from animal_lipsync.prepared import PreparedAnimal
from animal_lipsync.train_config import TrainConfig
from animal_lipsync.training import fit
from animal_lipsync.types import Faces
from animal_lipsync.video import probe
from animal_lipsync.video_writer import VideoWriter
from animal_lipsync.whisper import WhisperEncoder
from benchmarks.speed import voice
from tests.animals import as_document, make_face, soft_picture
from tests.host.server import ComfyUI, find_comfyui
from tests.hub import Hub

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "animal_lipsync" / "samples"
SIDE, SECONDS = 64, 0.2
FRAMES = round(25 * SECONDS)
WEIGHTS = downloads.WEIGHTS["whisper-tiny"]
PATIENCE = 60


def scene(folder: Path, scale: int = 1) -> None:
    """A picture, a clip, a voice and the face in both, as small as they come, the picture so many times larger."""
    side = SIDE * scale
    write_picture(folder / "cat.png", to_pixels(soft_picture(side, side))[0])
    face = make_face(at=(32 * scale, 30 * scale), size=9 * scale, species="cat")
    (folder / "cat.json").write_text(as_document(face, side, side).to_json())
    voice(SECONDS, str(folder))
    with VideoWriter(folder / "cat.clip.mp4", side, side, Fraction(25)) as video:
        for _ in range(3):
            video.write(read_picture(folder / "cat.png"))


def command(*arguments: str) -> None:
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
        code = cli.main([*arguments, "--json"])
    if code:
        raise RuntimeError(f"exit code {code}")


def is_whole(path: Path) -> bool:
    """Whether a video can be played to its end, sound and all."""
    frames = sum(1 for _ in Clip.open(path).read(FRAMES))
    return frames == FRAMES == probe(path).frames and probe(path).has_audio


# ---- what is killed --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    run: Callable[[Path], None]
    """In a folder made by `scene`, in a process of its own."""
    made: str
    """Pattern of the files that it makes."""
    is_whole: Callable[[Path], bool]
    goes_on_from: tuple[str, ...] = ()
    """Patterns of what else it leaves for its next run."""


def render(folder: Path) -> None:
    command("animate", "cat.png", "voice.wav", "--keypoints", "cat.json", "-o", "made.mp4")


def paint(folder: Path) -> None:
    """As `render`, with networks of a tenth of the width and random weights."""
    models = folder / "models"
    if not models.exists():
        models.mkdir()
        save_file(build_unet(32).state_dict(), models / "musetalk-1.5.safetensors")
        save_file(build_vae(32).state_dict(), models / "sd-vae-ft-mse.safetensors")
        heard = {f"encoder.{name}": tensor for name, tensor in WhisperEncoder().state_dict().items()}
        save_file(heard, models / "whisper-tiny.safetensors")
    painting = ("--engine", "inpaint", "--models", "models", "--device", "cpu", "--no-cache")
    command("animate", "cat.png", "voice.wav", "--keypoints", "cat.json", *painting, "-o", "made.mp4")


def prepare(folder: Path) -> None:
    latents = {index.to_bytes(16, "big"): torch.full((8, 32, 32), float(index)) for index in range(100)}
    faces = Faces.from_json((folder / "cat.json").read_text())
    PreparedAnimal(faces, latents, True, 0.6).save(folder / "made.safetensors")


def is_prepared(path: Path) -> bool:
    latents = PreparedAnimal.load(path).latents
    return all((latents[name] == int.from_bytes(name, "big")).all() for name in latents) and len(latents) == 100


def keep(folder: Path) -> None:
    faces = Faces.from_json((folder / "cat.json").read_text())
    for number in range(40):
        FaceCache(folder / "made", limit=20_000).put(f"{number % 8}", faces)


def is_kept(path: Path) -> bool:
    return FaceCache(path.parent).get(path.stem) is not None


def batch(folder: Path) -> None:
    row = {"source": "cat.png", "voice": "voice.wav", "keypoints": "cat.json"}
    lines = [json.dumps({**row, "output": f"made-{number}.mp4"}) for number in range(4)]
    (folder / "jobs.jsonl").write_text("\n".join(lines))
    command("batch", "jobs.jsonl", "--workers", "1")


def fetch(folder: Path) -> None:
    command("models", "download", "whisper-tiny", "--models", "made")


def is_fetched(path: Path) -> bool:
    return path.read_bytes() == content()


def content() -> bytes:
    return random.Random(0).randbytes(2_000_000)


def cut(folder: Path) -> None:
    """A dataset of a picture and a second of the sample clip."""
    if not (folder / "pet").exists():
        (folder / "pet").mkdir()
        shutil.copy(SAMPLES / "fox.jpg", folder / "pet")
        clip = Clip.open(SAMPLES / "fox-clip.mp4")
        with VideoWriter(folder / "pet" / "fox.mp4", clip.width, clip.height, clip.frame_rate) as video:
            for frame in clip.read(25):
                video.write(frame)
    command("prepare-clips", "pet", "-o", "made", "--workers", "1")


def is_piece(path: Path) -> bool:
    piece = Piece.load(path)
    return all(piece.crop(frame).shape[0] == 3 for frame in range(len(piece)))


@functools.cache
def pairs() -> Pairs:
    from tests.test_training import make_pairs

    return make_pairs()


def train(folder: Path) -> None:
    from tests.pets import small_painter
    from tests.test_training import SHORT

    config = TrainConfig(steps=6, **SHORT | {"keep_every": 1})
    for _ in fit(config, pairs(), small_painter(), folder / "run", folder / "made.safetensors"):
        pass


def is_lora(path: Path) -> bool:
    steps = int(Lora.load(path).told["animal_lipsync.steps"])
    return 1 <= steps <= 6 and all(tensor.isfinite().all() for tensor in Lora.load(path).tensors())


KILLED = {
    "render": Job(render, "made.mp4", is_whole),
    "paint": Job(paint, "made.mp4", is_whole),
    "prepare": Job(prepare, "made.safetensors", is_prepared),
    "cache": Job(keep, "made/[!.]*.npz", is_kept),
    "download": Job(fetch, "made/whisper-tiny.safetensors", is_fetched),
    "batch": Job(batch, "made-*.mp4", is_whole, ("*.results.jsonl",)),
    "train": Job(train, "made.safetensors", is_lora, ("run",)),
    "prepare-clips": Job(cut, "made/pieces/*.safetensors", is_piece, ("made/sources", "made/*.json")),
}


def kill(draw: random.Random, times: int, names: list[str]) -> dict:
    """Each job killed at random moments of its run and begun again; outputs are taken away now and then."""
    return {name: kill_one(KILLED[name], draw, times) for name in names}


def kill_one(job: Job, draw: random.Random, times: int) -> dict:
    counts = Counter(torn=0, left_running=0, left_behind=0, lost=0)
    with tempfile.TemporaryDirectory() as name, serving() as url:
        folder = Path(name)
        scene(folder)
        if job.run is train:
            pairs()  # once, for all forks
        point_at(url)
        durations = []
        for _ in range(3):
            start = time.perf_counter()
            counts["lost"] += wait_for(begin(job, folder))
            durations.append(time.perf_counter() - start)
            clear(folder, *job.goes_on_from)
        litter = 0
        for _ in range(times):
            if draw.random() < 0.5:
                clear(folder, job.made, *job.goes_on_from)
            pid = begin(job, folder)
            time.sleep(draw.uniform(0, min(durations)))
            os.kill(pid, signal.SIGKILL)
            counts["killed at work" if wait_for(pid) else "already done"] += 1
            counts["left_running"] += not ends(pid)
            counts["torn"] += sum(not job.is_whole(path) for path in folder.glob(job.made))
            litter = max(litter, len(unfinished(folder)))
        counts["lost"] += wait_for(begin(job, folder))
        counts["lost"] += not any(folder.glob(job.made))
        counts["left_behind"] = len(unfinished(folder))
    return {**counts, "most unfinished files at once": litter}


def begin(job: Job, folder: Path, said: str | os.PathLike = os.devnull) -> int:
    """The process that does it, in a session of its own; `said` is the file that takes what it tells people."""
    pid = os.fork()
    if pid:
        return pid
    files._sweep.cache_clear()  # a program of its own would not have looked there yet
    sys.modules["__main__"] = types.ModuleType("__main__")  # or the workers of its pool import all of this first
    os.setsid()
    os.chdir(folder)
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    try:
        job.run(folder)
        os._exit(0)
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc()
        os._exit(1)


def wait_for(pid: int) -> bool:
    """Whether it came to another end than a good one."""
    return os.waitpid(pid, 0)[1] != 0


def ends(session: int) -> bool:
    """Whether all processes of a session end by themselves."""
    for _ in range(PATIENCE * 10):
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    os.killpg(session, signal.SIGKILL)
    return False


def clear(folder: Path, *patterns: str) -> None:
    for path in [path for pattern in patterns for path in folder.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def unfinished(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


@contextlib.contextmanager
def serving(**options) -> Iterator[str]:
    """The address of a stand-in for Hugging Face, which runs as a process of its own."""
    source, sink = os.pipe()
    pid = os.fork()
    if not pid:
        with Hub(WEIGHTS.repository, {WEIGHTS.file: content()}, **options) as hub:
            os.write(sink, hub.url.encode() + b"\n")
            signal.pause()
    os.close(sink)
    with open(source) as told:
        url = told.readline().strip()
    try:
        yield url
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def point_at(url: str) -> None:
    from huggingface_hub import constants

    constants.ENDPOINT = url
    constants.HUGGINGFACE_CO_URL_TEMPLATE = url + "/{repo_id}/resolve/{revision}/{filename}"
    downloads.PIECE = 100_000


# ---- what goes on for long -------------------------------------------------------------------------------------------


def soak(draw: random.Random, jobs: int) -> dict:
    """Jobs of three kinds, one after the other in this process; what it holds is written down now and then."""
    counts, held = Counter(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        scene(folder)
        still = {"source": "cat.png", "voice": "voice.wav", "keypoints": "cat.json"}
        rows = [
            {**still, "output": "still.mp4"},
            {**still, "output": "styled.mp4", "nod": "2", "blinks": "40", "style": "cartoon"},
            {**still, "output": "clip.mp4", "source": "cat.clip.mp4"},
            {**still, "output": "bad.mp4", "voice": "cat.json"},
        ]
        start = time.process_time()
        for number in range(jobs):
            row = rows[number % len(rows)]
            try:
                make(Row(number, row))
                counts["made"] += 1
            except ValueError:
                counts["refused"] += 1
            if number in (jobs // 10, jobs // 2, jobs - 1):
                held.append(holdings())
                print(number + 1, held[-1], f"{time.process_time() - start:.0f} s of CPU", flush=True)
        counts["torn"] = sum(not is_whole(folder / row["output"]) for row in rows[:3])
        counts["left_behind"] = len(unfinished(folder))
    first, _, last = held
    return {**counts, "after a tenth": first, "at the end": last}


def holdings() -> dict:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "mb": round(pages * resource.getpagesize() / 1e6, 1),
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }


# ---- what the world does ---------------------------------------------------------------------------------------------


def disk(draw: random.Random, times: int) -> dict:
    """Each job with no room for more than a random part of what it writes: it must say so and leave nothing."""
    counts = Counter(torn=0, left_behind=0, silent=0)
    for name in ("render", "prepare", "cache", "download"):
        job = KILLED[name]
        with tempfile.TemporaryDirectory() as place, serving() as url:
            folder = Path(place)
            scene(folder)
            point_at(url)
            wait_for(begin(job, folder))
            size = max(path.stat().st_size for path in folder.glob(job.made))
            for _ in range(times):
                clear(folder, job.made, "made/.*")
                failed = wait_for(begin(limited(job, draw.randrange(size)), folder))
                made = list(folder.glob(job.made))
                counts["torn"] += sum(not job.is_whole(path) for path in made)
                counts["silent"] += not failed and not made and name != "cache"  # without a cache all goes on
                counts["left_behind"] += len(unfinished(folder)) if name != "download" else 0  # which goes on there
                counts["refused"] += failed
                counts["done all the same"] += not failed
    return dict(counts)


def limited(job: Job, size: int) -> Job:
    def run(folder: Path) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        job.run(folder)

    return Job(run, job.made, job.is_whole)


def memory(draw: random.Random, times: int) -> dict:
    """Jobs on a large picture with a random part of the memory that they need: they must say so and leave nothing."""
    counts = Counter(torn=0, left_behind=0, crashed=0, unsaid=0)
    for name in ("render", "paint", "batch"):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            scene(folder, 32)
            job, most = KILLED[name], 50_000_000
            while wait_for(begin(within(job, most), folder)):
                most = most * 5 // 4
            for number in range(times if name != "batch" else times // 5):
                clear(folder, job.made, *job.goes_on_from)
                status, said = end(within(job, draw.randrange(most)), folder)
                made = list(folder.glob(job.made))
                counts["torn"] += sum(not job.is_whole(path) for path in made)
                counts["left_behind"] += len(unfinished(folder))
                counts["crashed"] += os.WIFSIGNALED(status)
                counts["unsaid"] += bool(status) and not ("memory" in said and is_in_words(said))
                counts["refused" if status else "done all the same"] += 1
                if status and not ("memory" in said and is_in_words(said)):
                    print(name, number, status, said[-600:], flush=True)
    return dict(counts)


def within(job: Job, size: int) -> Job:
    """With so many bytes of memory besides what this program has."""

    def run(folder: Path) -> None:
        limit = size + int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        job.run(folder)

    return Job(run, job.made, job.is_whole)


def closed(draw: random.Random, names: list[str]) -> dict:
    """Each job where nothing can be written, before its first run and after it: it must say so and change nothing."""
    counts = Counter(changed=0, unsaid=0, without_a_cache=0)
    for name in names:
        with tempfile.TemporaryDirectory() as place, serving() as url:
            folder = Path(place)
            scene(folder)
            point_at(url)
            for kept in ((), KILLED[name].goes_on_from):
                wait_for(begin(KILLED[name], folder))
                clear(folder, KILLED[name].made, *(set(KILLED[name].goes_on_from) - set(kept)))
                before = sorted(folder.rglob("*"))
                for path in [folder, *filter(Path.is_dir, before)]:
                    path.chmod(0o555)
                status, said = end(unprivileged(KILLED[name]), folder)
                for path in [folder, *filter(Path.is_dir, before)]:
                    path.chmod(0o755)
                counts["changed"] += sorted(folder.rglob("*")) != before
                is_told = "Permission denied" in said and is_in_words(said)
                counts["unsaid"] += not is_told if status else name != "cache"
                if not is_told and name != "cache":
                    print(name, status, said[-600:], flush=True)
                counts["refused" if status else "without_a_cache"] += 1
    return dict(counts)


def unprivileged(job: Job) -> Job:
    """Permissions count for root too."""

    def run(folder: Path) -> None:
        if not os.geteuid():
            libc, able = ctypes.CDLL(None), (ctypes.c_uint32 * 6)()
            libc.prctl(24, 1)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE: for the programs that it starts
            libc.capget((ctypes.c_uint32 * 2)(0x20080522, 0), able)
            able[0], able[1] = able[0] & ~2, able[1] & ~2
            libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), able)
        job.run(folder)

    return Job(run, job.made, job.is_whole)


def unplugged(draw: random.Random, names: list[str]) -> dict:
    """Each job on a machine without any network: all but downloads must not notice."""
    counts = Counter(missed_it=0, unsaid=0)
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            scene(folder)
            status, said = end(alone(KILLED[name]), folder)
            if name == "download":
                counts["unsaid"] += "Connect to the internet" not in said
            else:
                counts["missed_it"] += bool(status)
            counts["jobs"] += 1
            if bool(status) != (name == "download"):
                print(name, status, said[-600:], flush=True)
    return dict(counts)


def alone(job: Job) -> Job:
    def run(folder: Path) -> None:
        if ctypes.CDLL(None).unshare(0x40000000 if not os.geteuid() else 0x50000000):  # CLONE_NEWNET, CLONE_NEWUSER
            raise RuntimeError("the network cannot be taken away here")
        job.run(folder)

    return Job(run, job.made, job.is_whole)


def two(draw: random.Random, times: int, names: list[str]) -> dict:
    """Each job twice at once in one folder: both end well, or one says why, and what they made is whole."""
    counts = Counter(torn=0, unsaid=0, left_behind=0, lost=0)
    for name in names:
        job = KILLED[name]
        with tempfile.TemporaryDirectory() as place, serving() as url:
            folder = Path(place)
            scene(folder)
            point_at(url)
            if job.run is train:
                pairs()
            start = time.perf_counter()
            wait_for(begin(job, folder))
            duration = time.perf_counter() - start
            for _ in range(times):
                clear(folder, job.made, *job.goes_on_from)
                first = begin(job, folder, folder / "said-1")
                time.sleep(draw.uniform(0, duration))
                second = begin(job, folder, folder / "said-2")
                for number, process in enumerate((first, second), 1):
                    failed, said = wait_for(process), (folder / f"said-{number}").read_text(errors="replace")
                    counts["unsaid"] += failed and not is_in_words(said)
                    counts["refused" if failed else "done"] += 1
                    if failed:
                        print(name, number, said[-600:], flush=True)
                made = list(folder.glob(job.made))
                counts["lost"] += not made
                counts["torn"] += sum(not job.is_whole(path) for path in made)
                counts["left_behind"] += len(unfinished(folder))
    return dict(counts)


def end(job: Job, folder: Path) -> tuple[int, str]:
    """The status with which it ends, and what it tells people."""
    with tempfile.NamedTemporaryFile() as said:
        status = os.waitpid(begin(job, folder, said.name), 0)[1]
        return status, Path(said.name).read_text(errors="replace")


def is_in_words(said: str) -> bool:
    """Whether a program told why it failed: by the command's line or, of the library, by an error that names a file."""
    *_, last = said.strip().splitlines() or [""]
    return last.startswith("RuntimeError: exit code") or ";" in last or last.endswith("'")


def network(draw: random.Random, times: int) -> dict:
    """Downloads from a server that is slow and breaks off, begun again until they are done."""
    counts, job = Counter(torn=0, given_up=0), KILLED["download"]
    with tempfile.TemporaryDirectory() as place, serving(delay=0.005, breaks=0.1) as url:
        folder = Path(place)
        scene(folder)
        point_at(url)
        for _ in range(times):
            clear(folder, job.made)
            for _ in range(50):
                counts["attempts"] += 1
                failed = wait_for(begin(job, folder))
                counts["torn"] += sum(not job.is_whole(path) for path in folder.glob(job.made))
                if not failed:
                    break
            counts["given_up"] += failed
            counts["downloads"] += 1
    return dict(counts)


def clock(draw: random.Random, times: int) -> dict:
    """A cache with entries of any year, as after a clock was set: it keeps to its limit, and what it is given."""
    counts = Counter(lost=0, over_the_limit=0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        scene(folder)
        faces = Faces.from_json((folder / "cat.json").read_text())
        cache = FaceCache(folder / "made", limit=20_000)
        for number in range(times):
            for path in cache.folder.glob("*.npz"):
                year = draw.choice([0, 1, 1e9, time.time(), time.time() + 1e8, 2**33])
                os.utime(path, (year, year))
            cache.put(str(number), faces)
            counts["over_the_limit"] += sum(path.stat().st_size for path in cache.folder.iterdir()) > 20_000
            counts["lost"] += cache.get(str(number)) is None
            counts["put"] += 1
    return dict(counts)


def cancel(draw: random.Random, times: int) -> dict:
    """ComfyUI's Cancel at random moments of Make Animal Talk: it stops at once and leaves no file."""
    counts, waits = Counter(left_behind=0, not_stopped=0), []
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    parts = ("__init__.py", "pyproject.toml", "animal_lipsync", "nodes", "web", "locales")
    shipped = [Path(name) for name in tracked if name.split("/")[0] in parts]
    with tempfile.TemporaryDirectory() as place, ComfyUI(find_comfyui(), Path(place), ROOT, shipped) as comfyui:
        scene(comfyui.base / "input")
        voice(2, str(comfyui.base / "input"))
        graph = {
            "picture": comfyui.node("LoadImage", image="cat.png"),
            "voice": comfyui.node("LoadAudio", audio="voice.wav"),
        }
        faces = (comfyui.base / "input" / "cat.json").read_text()
        face = {"keypoints": faces, "source": ["picture", 0]}
        graph["face"] = comfyui.node("AnimalLipSync_EditKeypoints", **face)
        links = {"source": ["picture", 0], "voice": ["voice", 0], "keypoints": ["face", 0]}

        def talk(number: int) -> dict:  # another setting each time, or ComfyUI takes what it made before
            options = {**links, "nod": 2.0, "variation": number}
            return {**graph, "talk": comfyui.node("AnimalLipSync_MakeAnimalTalk", **options)}

        comfyui.run(talk(0))
        start = time.monotonic()
        comfyui.run(talk(1))
        duration = time.monotonic() - start
        for number in range(2, times + 2):
            prompt = comfyui.queue(talk(number))
            time.sleep(draw.uniform(0, duration))
            start = time.monotonic()
            comfyui.interrupt()
            status = comfyui.wait(prompt)["status"]
            waits.append(time.monotonic() - start)
            was_cancelled = "execution_interrupted" in [kind for kind, _ in status["messages"]]
            counts["cancelled" if was_cancelled else "already done"] += 1
            counts["not_stopped"] += waits[-1] > 2
            counts["left_behind"] += bool(comfyui.unfinished)
        comfyui.run(talk(times + 2))
    return {**counts, "longest_wait_s": round(max(waits), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    campaigns = ["kill", "soak", "disk", "memory", "closed", "unplugged", "network", "clock", "two", "cancel"]
    parser.add_argument("campaigns", nargs="*", default=campaigns)
    parser.add_argument("--times", type=int, default=100, help="that each job is killed, and so on")
    parser.add_argument("--jobs", type=int, default=10_000, help="of the soak")
    parser.add_argument("--only", nargs="*", default=list(KILLED), help="jobs that are killed, and so on")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable()
    with tempfile.TemporaryDirectory() as warm:  # imports what the forks then share
        os.chdir(warm)
        scene(Path(warm))
        render(Path(warm))
        os.chdir(ROOT)
    results = {}
    for name in options.campaigns:
        draw = random.Random(f"{name} {options.seed}")
        if name in ("kill", "two"):
            results[name] = globals()[name](draw, options.times, options.only)
        elif name in ("closed", "unplugged"):
            results[name] = globals()[name](draw, options.only)
        else:
            results[name] = globals()[name](draw, options.jobs if name == "soak" else options.times)
        print(name, json.dumps(results[name], indent=1), flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
