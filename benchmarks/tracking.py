"""Speed and calm of following faces, and what the cache saves. Ends in one JSON line.

    python benchmarks/tracking.py CLIP ...

Each clip is followed once; its frames per second count the processor time of one core, decoding included, so that a
busy machine does not matter. Calm is measured on the clip's first frame, repeated with the grain of a camera: the
deviation of the points from their mean, over the larger side of the head's box, root mean square.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from animal_lipsync.cache import FaceCache  # noqa: E402
from animal_lipsync.clip import Clip  # noqa: E402
from animal_lipsync.detector import load_detector  # noqa: E402
from animal_lipsync.finding import find_faces  # noqa: E402
from animal_lipsync.following import follow_faces  # noqa: E402
from animal_lipsync.tracking import track_faces  # noqa: E402

GRAIN = 4.0
"""Standard deviation of the noise, grey levels of 255."""
STILL = 75
"""Frames of a still head."""


def measure(path: str) -> dict:
    clip = Clip.open(path)
    with tempfile.TemporaryDirectory() as folder:
        cache = FaceCache(folder)
        start = time.process_time(), time.perf_counter()
        faces = find_faces(clip, cache=cache)
        first = time.process_time() - start[0], time.perf_counter() - start[1]
        start = time.process_time(), time.perf_counter()
        find_faces(clip, cache=cache)
        second = time.process_time() - start[0], time.perf_counter() - start[1]
    return {
        "clip": Path(path).stem,
        "size": f"{clip.width}x{clip.height}",
        "frames": clip.frames,
        "frames_per_cpu_s": round(clip.frames / first[0], 1),
        "second_run_percent": round(100 * second[0] / first[0], 2),
        "faces": [f"{track.species} {score:.2f}" for track, score in zip(faces.tracks, faces.scores, strict=True)],
        "visible": [round(float(track.visible.mean()), 3) for track in faces.tracks],
        "trembling_percent": trembling(next(clip.read(1))),
    }


def trembling(frame: np.ndarray) -> float | None:
    random = np.random.default_rng(0)
    still = (
        (frame + random.normal(0, GRAIN, frame.shape).astype(np.float32)).clip(0, 255).astype(np.uint8)
        for _ in range(STILL)
    )
    faces = track_faces(follow_faces(still), 25)
    if not faces.tracks:
        return None
    track = faces.tracks[0]
    size = (track.boxes[0, 2:] - track.boxes[0, :2]).max()
    off = np.linalg.norm(track.keypoints - track.keypoints.mean(0), axis=-1)
    return round(100 * float(np.sqrt((off**2).mean()) / size), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+")
    torch.set_num_threads(1)
    load_detector()
    results = []
    for path in parser.parse_args().clips:
        results.append(measure(path))
        print(" ".join(f"{name}={value}" for name, value in results[-1].items()))
    print(json.dumps({"benchmark": "tracking", "clips": results}))


if __name__ == "__main__":
    main()
