"""The inpaint engine: what it costs outside the networks, what the networks cost, and what the limits are.

    python benchmarks/inpaint.py [--seconds 10 600] [--device cuda]

Weights are random: speed does not depend on them. In the compatible mode frames are compared with those of MuseTalk's
published steps (`upstream.py`). Outside the networks the same job is also done as MuseTalk's scripts do it (frames
through PNG, whole frames composited with PIL, one at a time). The last line is JSON.
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
import upstream
from speed import RATE, scene, voice  # puts the package within reach

GFLOP = {"unet": 177.8, "decode": 622.2, "encode": 2 * 272.7}
"""Of one frame of 256 x 256; an encode is of the hidden and of the shown face."""
PEAKS = {"H100": 800e12, "H200": 800e12, "A100": 250e12, "4090": 165e12, "3090": 71e12}
"""FLOP/s in half precision that large products reach."""


def idle_networks():
    """Networks that cost nothing, on the CPU."""
    import torch

    from animal_lipsync.musetalk import MouthNetworks

    face = torch.rand(64, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    return MouthNetworks(
        lambda crops: torch.zeros(len(crops), 4, 32, 32), lambda x, _: x[:, :4], lambda latents: face[: len(latents)]
    )


def spoken(seconds: float, folder: str):
    """Features of a voice as they are kept, in a file."""
    import torch

    from animal_lipsync.speech_features import SpeechFeatures, StoredStates
    from animal_lipsync.tensors import write_tensors

    path, count = Path(folder) / "features.safetensors", int(50 * seconds)
    numbers = np.random.default_rng(0).integers(0, 0x3C00, (count, 5, 384), np.uint16)  # of [0, 1] in half precision
    write_tensors(path, {"states": torch.from_numpy(numbers.view(np.float16))})
    return SpeechFeatures(StoredStates(path), np.ones(count, np.float32), Fraction(seconds))


def job(seconds: float, is_clip: bool, folder: str) -> dict:
    """In the child: a whole video of 1920 x 1080 with networks that cost nothing."""
    from animal_lipsync.animate import animate
    from animal_lipsync.clip import Clip
    from animal_lipsync.inpaint import InpaintEngine
    from animal_lipsync.types import Faces

    picture, keypoints = scene(1920, 1080, folder)
    face = Faces.from_json(Path(keypoints).read_text()).tracks[0]
    sound = voice(seconds, folder)
    source = clip_of(picture, folder) if is_clip else picture
    start = time.perf_counter(), time.process_time()
    frames = animate(
        Clip.open(source),
        face,
        spoken(seconds, folder),
        sound,
        Path(folder) / "out.mp4",
        InpaintEngine(idle_networks()),
    )
    count = sum(1 for _ in frames)
    took = time.perf_counter() - start[0], time.process_time() - start[1]
    return {
        "source": "clip" if is_clip else "still",
        "voice_s": seconds,
        "ms_per_frame": round(1000 * took[0] / count, 1),
        "cpu_ms_per_frame": round(1000 * took[1] / count, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def clip_of(picture: str, folder: str) -> str:
    """A clip of 2 s that moves, so that no two frames are alike."""
    from animal_lipsync.image import read_picture
    from animal_lipsync.video_writer import VideoWriter

    pixels, path = read_picture(picture), str(Path(folder) / "clip.mp4")
    with VideoWriter(path, 1920, 1080, RATE) as video:
        for shift in range(50):
            video.write(np.roll(pixels, shift % 7, axis=1))
    return path


def upstream_steps(frames: int, folder: str) -> dict:
    """The same work done one step at a time: every frame through PNG twice and through PIL once.

    PNG is written as fast as it can be, as OpenCV does. The face parser and the detectors are networks: left out.
    """
    from PIL import Image, ImageFilter

    from animal_lipsync.image import read_picture
    from animal_lipsync.types import Faces
    from animal_lipsync.video import read_frames
    from animal_lipsync.video_writer import VideoWriter

    picture, keypoints = scene(1920, 1080, folder)
    x1, y1, x2, y2 = Faces.from_json(Path(keypoints).read_text()).tracks[0].boxes[0].astype(int).tolist()
    source = read_picture(picture)
    side = x2 - x1
    kernel = int(0.05 * 1.5 * side // 2 * 2) + 1
    deviation = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
    painted = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    mask = Image.new("L", (side, y2 - y1), 0)
    mask.paste(255, (side // 4, side // 2, 3 * side // 4, y2 - y1))
    start = time.perf_counter(), time.process_time()
    for index in range(frames):  # the clip is dumped
        Image.fromarray(np.roll(source, index % 7, axis=1)).save(f"{folder}/in{index}.png", compress_level=1)
    for index in range(frames):
        whole = Image.open(f"{folder}/in{index}.png").convert("RGB")
        whole.crop((x1, y1, x2, y2)).resize((256, 256), Image.LANCZOS)
        face = Image.fromarray(painted).resize((side, y2 - y1), Image.BILINEAR)
        soft = mask.filter(ImageFilter.GaussianBlur(deviation))
        body = whole.copy()
        body.paste(face, (x1, y1), soft)
        body.save(f"{folder}/out{index}.png", compress_level=1)
    with VideoWriter(f"{folder}/steps.mp4", 1920, 1080, RATE) as video:
        for index in range(frames):
            video.write(np.asarray(Image.open(f"{folder}/out{index}.png")))
    with VideoWriter(f"{folder}/sounding.mp4", 1920, 1080, RATE, crf=23) as video:  # muxing encodes once more
        for frame in read_frames(f"{folder}/steps.mp4"):
            video.write(frame)
    took = time.perf_counter() - start[0], time.process_time() - start[1]
    return {"ms_per_frame": round(1000 * took[0] / frames, 1), "cpu_ms_per_frame": round(1000 * took[1] / frames, 1)}


def networks_speed(device: str, batch: int, seconds: float = 5.0) -> dict:
    """Frames a second of the full-size networks with random weights, and the memory they take."""
    import torch

    from animal_lipsync.musetalk import latents_of, paint_latents
    from animal_lipsync.networks import build_unet, build_vae, connect, fold_time

    torch.backends.cudnn.benchmark = True
    with torch.device(device):
        networks = connect(fold_time(build_unet()), build_vae(), device=device, dtype=torch.float16)
    tokens = torch.randn(batch, 50, 384, device=device)
    crops = torch.rand(batch, 3, 256, 256, device=device)

    def cached(latents):
        return networks.decode(paint_latents(latents, tokens, networks))

    @torch.no_grad()
    def frames_per_second(work) -> float:
        for _ in range(3):
            work()
        torch.cuda.synchronize()
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            work()
            torch.cuda.synchronize()
            done += batch
        return round(done / (time.perf_counter() - start), 1)

    with torch.no_grad():
        latents = latents_of(crops, crops, networks.encode)
    torch.cuda.reset_peak_memory_stats()
    row = {"batch": batch, "cached_fps": frames_per_second(lambda: cached(latents))}
    row["vram_gb"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    row["encoding_fps"] = frames_per_second(lambda: cached(latents_of(crops, crops, networks.encode)))
    peak = next((value for name, value in PEAKS.items() if name in torch.cuda.get_device_name()), None)
    if peak:
        work = GFLOP["unet"] + GFLOP["decode"]
        limits = peak / work / 1e9, peak / (work + GFLOP["encode"]) / 1e9
        row |= {"limit_cached_fps": round(limits[0]), "limit_encoding_fps": round(limits[1])}
        row["share_of_limit"] = round(row["cached_fps"] / limits[0], 2)
    return row


def tell(what: str, row: dict) -> None:
    print(f"{what}:", "  ".join(f"{name} {value}" for name, value in row.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", nargs="*", type=float, default=[10, 600])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(job(float(options.job[0]), options.job[1] == "clip", folder)))
        return
    import torch

    has_gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if has_gpu else platform.processor() or platform.machine()
    result = {"device": device, "cores": os.cpu_count(), "jobs": [], "networks": []}
    with tempfile.TemporaryDirectory() as folder:
        result["step_by_step"] = upstream_steps(25, folder)
    tell("outside the networks, step by step as upstream", result["step_by_step"])
    result["upstream"] = upstream.compare()
    tell("against upstream's published steps, random weights (wanted: 2 of 255)", result["upstream"])
    for source in ("still", "clip"):
        for seconds in options.seconds if source == "still" else options.seconds[:1]:
            command = [sys.executable, __file__, "--job", str(seconds), source]
            row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for unit, name in (("ms_per_frame", "times_faster"), ("cpu_ms_per_frame", "times_less_cpu")):
                row[name] = round(result["step_by_step"][unit] / row[unit], 1)
            result["jobs"].append(row)
            tell("outside the networks", row)
    if has_gpu:
        for batch in (1, 8, 16, 32):
            result["networks"].append(networks_speed(options.device, batch))
            print(
                "networks:", "  ".join(f"{name} {value}" for name, value in result["networks"][-1].items()), flush=True
            )
    else:
        print("networks: not run, there is no graphics card")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
