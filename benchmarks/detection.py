"""How well animal faces and their keypoints are found, and how fast, on labelled pictures that were never trained on.

    python benchmarks/detection.py [--data ../shared/data]

Terms:
    found      share of labelled heads for which some face of at least `min_score` overlaps the label by IoU >= 0.5
    false      faces per picture that overlap no label by IoU >= 0.2
    error      distance from a keypoint to its label over the larger side of the labelled head box, in percent, mean
               over points labelled as seen, by hand, without sight of any network's proposal; "given box": the label's
               box is used; "end to end": the detector's
    seam, ...  the same for points 5 and 6; mouth corners 3 and 4; chin 7
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "dev" / "keypoints")]

from train import is_held_out  # noqa: E402

from animal_lipsync.detection import detect_faces, detect_video, keypoints_in_boxes, load_detector  # noqa: E402
from animal_lipsync.tracking import track_faces  # noqa: E402

GROUPS = {"all": range(9), "eyes": (0, 1), "nose": (2,), "corners": (3, 4), "seam": (5, 6), "chin": (7,), "brow": (8,)}


def overlap(a, b) -> float:
    inter = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(inter / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inter))


def errors(track, label) -> np.ndarray:
    """(9,) percent of the head; NaN where the label is an estimate."""
    points, box = np.array(label["keypoints"]), label["box"]
    size = max(box[2] - box[0], box[3] - box[1])
    distance = np.linalg.norm(track.keypoints[0] - points[:, :2], axis=1) / size
    return np.where(points[:, 2] > 0, 100 * distance, np.nan)


def measure(pictures: dict[Path, list[dict]], min_score: float) -> dict:
    """Detection and keypoints over pictures and their labelled faces."""
    found, false, given, whole, scores, names = [], 0, [], [], [], []
    for path, labels in pictures.items():
        pixels = np.asarray(Image.open(path).convert("RGB"))
        faces = detect_faces(pixels, min_score=min_score)
        boxes = [np.array(label["box"], float) for label in labels]
        false += sum(max(overlap(track.boxes[0], box) for box in boxes) < 0.2 for track in faces.tracks)
        placed = keypoints_in_boxes(pixels, np.array(boxes))
        for label, box, track in zip(labels, boxes, placed.tracks, strict=True):
            best = max(faces.tracks, key=lambda track: overlap(track.boxes[0], box), default=None)
            hit = best is not None and overlap(best.boxes[0], box) >= 0.5
            found.append(hit)
            names.append((label["species"], label.get("pose", "")))
            if label.get("keypoints"):
                given.append(errors(track, label))
                whole.append(errors(best, label) if hit else np.full(9, np.nan))
                scores.append(track.score[0])
            else:
                given.append(np.full(9, np.nan))
                whole.append(given[-1])
                scores.append(given[-1])
    given, whole, scores = np.array(given), np.array(whole), np.array(scores)
    result = {
        "faces": len(found),
        "found": 100 * float(np.mean(found)),
        "false": false / len(pictures),
        "given box": {name: float(np.nanmean(given[:, list(points)])) for name, points in GROUPS.items()},
        "end to end": {name: float(np.nanmean(whole[:, list(points)])) for name, points in GROUPS.items()},
        "score of good points": float(scores[given < 5].mean()),
        "score of bad points": float(scores[given >= 5].mean()) if (given >= 5).any() else None,
    }
    for kind in sorted(set(names)):
        rows = [i for i, name in enumerate(names) if name == kind]
        if not np.isnan(given[rows]).all():
            hits = sum(found[i] for i in rows)
            result[" ".join(kind)] = {
                "faces": len(rows),
                "found": 100 * hits / len(rows),
                "given box": float(np.nanmean(given[rows])),
                "end to end": float(np.nanmean(whole[rows])) if hits else None,
            }
    return result


def measure_load() -> dict:
    start = time.perf_counter()
    load_detector()
    return {"load s": time.perf_counter() - start}


def time_picture(pixels: np.ndarray) -> float:
    """Milliseconds for one 1080p picture, median of seven."""
    pixels = np.asarray(Image.fromarray(pixels).resize((1920, 1080)))
    times = []
    for _ in range(7):
        start = time.perf_counter()
        detect_faces(pixels)
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times))


def time_video(pixels: np.ndarray) -> float:
    """Frames per second of detecting and tracking the picture as a 720p video that drifts a little."""
    frame = np.asarray(Image.fromarray(pixels).resize((1280, 720)))
    frames = [np.roll(frame, t % 20, axis=1) for t in range(60)]
    start = time.perf_counter()
    track_faces(detect_video(frames), 25)
    return len(frames) / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("ANIMAL_LIPSYNC_DATA", HERE.parent.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--min-score", type=float, default=0.3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    result = measure_load()

    labels = json.loads((HERE.parent / "dev" / "keypoints" / "labels.json").read_text())["faces"]
    by_file = {face["file"]: face for face in labels}
    annotations = json.loads((args.data / "train" / "annotations.json").read_text())
    held_out = {}
    for entry in annotations:
        if entry["set"] == "oxford_pets" and is_held_out(entry["file"]):
            label = {"box": entry["boxes"][0], "species": entry["species"], **by_file.get(entry["file"], {})}
            if "origin" in label:
                label["keypoints"] = None
            held_out[args.data / "train" / entry["file"]] = [label]
    shown = json.loads((args.data / "pictures" / "keypoints.json").read_text())
    pictures = {args.data / "pictures" / name: faces for name, faces in shown.items()}
    pets = {p: [f for f in faces if f["species"] in ("cat", "dog")] for p, faces in pictures.items()}
    sets = {
        "Oxford held out": held_out,
        "pictures: cats, dogs": {p: faces for p, faces in pets.items() if faces},
        "pictures: others": {p: faces for p, faces in pictures.items() if not pets[p]},
    }
    print(f"{'':24}{'faces':>6}{'found':>7}{'false':>7}   given box: " + "".join(f"{name:>9}" for name in GROUPS))
    for name, files in sets.items():
        row = result[name] = measure(files, args.min_score)
        print(f"{name:24}{row['faces']:6}{row['found']:7.1f}{row['false']:7.2f}" + " " * 14, end="")
        print("".join(f"{row['given box'][group]:9.2f}" for group in GROUPS))
        print(f"{'':44}end to end:" + " " * 3, end="")
        print("".join(f"{row['end to end'][group]:9.2f}" for group in GROUPS))
        for kind in (key for key, value in row.items() if isinstance(value, dict) and "faces" in value):
            part = row[kind]
            print(f"  {kind:22}{part['faces']:6}{part['found']:7.1f}{'':21}{part['given box']:9.2f}", end="")
            print("" if part["end to end"] is None else f"   end to end {part['end to end']:.2f}")

    pixels = np.asarray(Image.open(args.data / "pictures" / "lp_s38.jpg").convert("RGB"))
    result |= {"1080p picture ms": time_picture(pixels), "720p frames/s": time_video(pixels)}
    result["memory MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for key in ("load s", "memory MB", "1080p picture ms", "720p frames/s"):
        print(f"{key:24}{result[key]:8.2f}")
    print(json.dumps(result, default=lambda value: round(float(value), 4)))


if __name__ == "__main__":
    main()
