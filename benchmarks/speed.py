"""Speed and peak memory of the warp engine and of the whole job, on the sample animal.

    python benchmarks/speed.py [--sizes 512x512 1920x1080 3840x2160] [--seconds 10 600]

Each job runs in its own process, so that its peak memory is its own. The last line is JSON.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SAMPLES = ROOT / "animal_lipsync" / "samples"
RATE = Fraction(25)


def scene(width: int, height: int, folder: str) -> tuple[str, str]:
    """The sample animal in a picture of this size, and its keypoints."""
    from animal_lipsync import Faces

    fox = Image.open(SAMPLES / "fox.jpg").convert("RGB")
    faces = Faces.from_json((SAMPLES / "fox.faces.json").read_text())
    side = min(width, height)
    fox = np.asarray(fox.resize((side, side), Image.LANCZOS))
    left, top = (width - side) // 2, (height - side) // 2
    wide = ((top, height - side - top), (left, width - side - left), (0, 0))
    picture = Path(folder) / "scene.png"
    Image.fromarray(np.pad(fox, wide, mode="edge")).save(picture, compress_level=1)
    track = faces.tracks[0].scaled(side / faces.width).shifted(-left, -top)
    keypoints = Path(folder) / "scene.faces.json"
    keypoints.write_text(Faces(width, height, Fraction(0), 1, (track,)).to_json())
    return str(picture), str(keypoints)


def voice(seconds: float, folder: str) -> str:
    """The sample voice over and over."""
    import wave

    from animal_lipsync.audio import load_audio
    from animal_lipsync.video_writer import VideoWriter  # noqa: F401  (imports PyAV as the job does)

    said = load_audio(SAMPLES / "voice.wav", mono=True)
    count = int(seconds * said.sample_rate)
    waveform = np.tile(said.waveform[0], -(-count // said.waveform.shape[1]))[:count]
    path = str(Path(folder) / "voice.wav")
    with wave.open(path, "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(said.sample_rate)
        file.writeframes((waveform * 32767).astype("<i2").tobytes())
    return path


def engine_speed(size: int = 512, frames: int = 128) -> dict:
    """Frames per second of the engine on a mouth region of `size` x `size`, the still's pixels in memory."""
    import torch

    from animal_lipsync import Faces, MouthMotion
    from animal_lipsync.engine import WarpEngine
    from animal_lipsync.image import read_picture, to_frames

    faces = Faces.from_json((SAMPLES / "fox.faces.json").read_text())
    motion = MouthMotion.from_channels(RATE, frames, jaw_open=0.5 + 0.5 * np.sin(np.arange(frames) / 3))
    engine = WarpEngine()
    face = faces.tracks[0]
    x1, y1, x2, y2 = engine.region(face, motion, faces.width, faces.height)
    face = face.shifted(x1, y1).scaled(size / max(x2 - x1, y2 - y1))
    crop = Image.fromarray(read_picture(SAMPLES / "fox.jpg")[y1:y2, x1:x2]).resize((size, size), Image.LANCZOS)
    still = to_frames(np.asarray(crop)[None])
    engine(still, face, motion[:16])
    start = time.perf_counter()
    for first in range(0, frames, 16):
        engine(still, face, motion[first : first + 16])
    return {"engine_frames_per_s": round(frames / (time.perf_counter() - start), 1), "threads": torch.get_num_threads()}


def job(width: int, height: int, seconds: float) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        picture, keypoints = scene(width, height, folder)
        arguments = ["animate", picture, voice(seconds, folder), "--keypoints", keypoints, "--json"]
        command = [sys.executable, __file__, "--job", *arguments, "-o", str(Path(folder) / "out.mp4")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        report = json.loads(done.stdout.splitlines()[-1])
    return {
        "size": f"{width}x{height}",
        "voice_s": seconds,
        "frames_per_s": round(report["frames"] / report["seconds"], 1),
        "times_real_time": report["times_real_time"],
        "peak_mb": report["peak_mb"],
    }


def run_job(arguments: list[str]) -> None:
    """In the child: the CLI's own function, then its report with the peak memory of this process."""
    from animal_lipsync import cli

    options = cli._parser().parse_args(arguments)
    report = options.run(options)
    report["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(report))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="*", default=["512x512", "1920x1080", "3840x2160"])
    parser.add_argument("--seconds", nargs="*", type=float, default=[10, 600])
    parser.add_argument("--job", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.job:
        return run_job(options.job)
    result = {
        "device": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        **engine_speed(),
        "jobs": [],
    }
    print(f"engine alone, 512 x 512 region: {result['engine_frames_per_s']} frames/s")
    for size in options.sizes:
        for seconds in options.seconds:
            row = job(*map(int, size.split("x")), seconds)
            result["jobs"].append(row)
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
