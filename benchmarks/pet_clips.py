"""How fast clips are prepared for training, and how much memory it takes. Ends in one JSON line.

    python benchmarks/pet_clips.py CLIP ...

Each clip is cut once by one process with one thread, as a worker does. Speed is told in seconds of footage per second
of two cores, counted by processor time, decoding included, so that a busy machine matters less; starting Python does
not count, which takes some seconds once for each core.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from animal_lipsync.pet_clips import cut_into  # noqa: E402
from animal_lipsync.sightings import Sightings  # noqa: E402
from animal_lipsync.video import probe  # noqa: E402

CORES = 2


def measure(path: str) -> dict:
    info = probe(path)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("pieces", "sources"):
            (Path(folder) / name).mkdir()
        start = time.process_time(), time.perf_counter()
        for _ in cut_into(path, Path(path).name, "clip", folder):
            pass
        spent = time.process_time() - start[0], time.perf_counter() - start[1]
        seen = Sightings.load(Path(folder) / "sources" / "clip.json").seen
    kept = [sighting for sighting in seen if sighting.name]
    return {
        "clip": Path(path).stem,
        "size": f"{info.width}x{info.height}",
        "seconds": round(info.duration, 2),
        "pieces": len(kept),
        "share_kept": round(sum(one.seconds for one in kept) / info.duration, 2),
        "cpu_s": round(spent[0], 2),
        "wall_s": round(spent[1], 2),
        "times_real_time": round(CORES * info.duration / spent[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+")
    clips = parser.parse_args().clips
    torch.set_num_threads(1)
    measure(clips[0])  # networks are loaded
    results = []
    for path in clips:
        results.append(measure(path))
        print(" ".join(f"{name}={value}" for name, value in results[-1].items()))
    total = CORES * sum(one["seconds"] for one in results) / sum(one["cpu_s"] for one in results)
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps({"benchmark": "pet_clips", "times_real_time": round(total, 1), "peak_mb": peak, "clips": results}))


if __name__ == "__main__":
    main()
