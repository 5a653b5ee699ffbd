"""What batches gain from more cores, and what Ray costs beside the pool, on rows of the sample animal.

    python benchmarks/batch.py [--rows 24] [--seconds 5] [--size 512] [--one-core 8]

One core is a pool of one process held to one core, for so many rows as --one-core says. Wall time means something on an
idle machine only, so the load before each run is given beside it, and the CPU time of all processes that had a part
in it. Ray's own servers are not among them. Linux only. The last line is JSON.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from speed import scene, voice


def batch(folder: Path, rows: int, cores: set[int], *options: str) -> dict:
    """Seconds of a batch of `rows` copies of a scene, from the start of the command to its end."""
    manifest = folder / "jobs.jsonl"
    row = {"source": "scene.png", "voice": "voice.wav", "keypoints": "scene.faces.json"}
    name = "-".join(["out", *options]).replace("--", "")
    manifest.write_text("\n".join(json.dumps({**row, "output": f"{name}/{i}.mp4"}) for i in range(rows)))
    load, before = os.getloadavg()[0], resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    command = [sys.executable, "-m", "animal_lipsync", "batch", str(manifest), "--json", *options]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["made"] == rows, report
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    made = [json.loads(line) for line in Path(report["report"]).read_text().splitlines()][-rows:]
    return {
        "rows": rows,
        "wall_s": round(wall, 1),
        "s_per_row": round(wall / rows, 2),
        "cpu_s": round(cpu, 1),
        "inside_rows_s": round(sum(result["seconds"] for result in made), 1),
        "load_before": round(load, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--one-core", type=int, default=8, metavar="ROWS")
    parser.add_argument("--seconds", type=float, default=5, help="of voice in a row")
    parser.add_argument("--size", type=int, default=512)
    options = parser.parse_args()
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as folder:
        scene(options.size, options.size, folder)
        voice(options.seconds, folder)
        folder = Path(folder)
        runs = {
            "one core": batch(folder, options.one_core, {min(cores)}, "--workers=1"),
            "pool": batch(folder, options.rows, cores, f"--workers={len(cores)}"),
            "ray": batch(folder, options.rows, cores, "--ray"),
        }
    for name, run in runs.items():
        print(name, "  ".join(f"{key} {value}" for key, value in run.items()))
    gain = runs["one core"]["s_per_row"] / runs["pool"]["s_per_row"]
    overhead = runs["ray"]["wall_s"] / runs["pool"]["wall_s"] - 1
    print(json.dumps({"cores": len(cores), "gain": round(gain, 2), "ray_overhead": round(overhead, 3), **runs}))


if __name__ == "__main__":
    main()
