"""How well animal faces and their keypoints are found, and how fast, on labelled pictures that were never trained on.

    python benchmarks/keypoints.py [--data ../shared/data] [--more MORE]

MORE is what dev/keypoints/compose.py made: its drawn animals and empty pictures that are held out are measured too.

Terms:
    found      share of labelled heads for which some face of at least `min_score` overlaps the label by IoU >= 0.5
    false      faces per picture that overlap no label by IoU >= 0.2
    right      share of the faces scored 0.5 or more that are not false
    error      distance from a keypoint to its label over the larger side of the labelled head box, in percent, mean
               over points labelled as seen, by hand, without sight of any network's proposal; "given box": the label's
               box is used; "end to end": the detector's
    seam, ...  the same for points 5 and 6; mouth corners 3 and 4; chin 7
    doubted    share of the found heads that the artist is told to look at, and "end to end" of the seams of these and
               of all others
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

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "dev" / "keypoints"))

from train import is_held_out  # noqa: E402

from animal_lipsync.detection import detect_faces, keypoints_in_boxes  # noqa: E402
from animal_lipsync.detector import load_detector  # noqa: E402
from animal_lipsync.finding import SURE, SURE_OF_MOUTH  # noqa: E402
from animal_lipsync.following import follow_faces  # noqa: E402
from animal_lipsync.tracking import track_faces  # noqa: E402

GROUPS = {"all": range(9), "eyes": (0, 1), "nose": (2,), "corners": (3, 4), "seam": (5, 6), "chin": (7,), "brow": (8,)}

NOT_PROFILE = "all but profiles"
FACES_ONLY = ("catface_hujingyu", "catface_eyes_orienfish")
"""Sets, never trained on, whose boxes hold the face without the ears: every tenth picture is looked at."""
SOURCES = {
    "drawn": "drawn by us",
    "rendered": "rendered dogs",
    "collage": "drawn people",
    "person": "painted people",
    "portrait": "rendered people",
    "toy": "rendered toys",
}
"""Names of sets by the source of their pictures, or by how the names of pictures without animals begin."""
AT_MOST = 60
"""Pictures of each set that compose.py made."""


def overlap(a, b) -> float:
    inter = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(inter / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inter))


def errors(track, label) -> np.ndarray:
    """(9,) percent of the head; NaN where the label is an estimate."""
    points, box = np.array(label["keypoints"]), label["box"]
    size = max(box[2] - box[0], box[3] - box[1])
    distance = np.linalg.norm(track.keypoints[0] - points[:, :2], axis=1) / size
    return np.where(points[:, 2] > 0, 100 * distance, np.nan)


def turn_label(label: dict, quarters: int, width: int, height: int) -> dict:
    """A label of a picture that `np.rot90` turns."""
    for _ in range(quarters):
        x1, y1, x2, y2 = label["box"]
        label = label | {"box": [y1, width - x2, y2, width - x1]}
        if label.get("keypoints") is not None:
            label["keypoints"] = [[y, width - x, seen] for x, y, seen in label["keypoints"]]
        width, height = height, width
    return label


def measure(pictures: dict[Path, list[dict]], min_score: float, enough: float = 0.5, quarters: int = 0) -> dict:
    """Detection and keypoints over pictures and their labelled faces, of which there may be none.

    Args:
        enough: IoU with the label from which a face counts as found; less where labels box the face, not the head.
        quarters: turns of the pictures, counterclockwise.
    """
    found, false, sure, given, whole, scores, names, right_species, doubted = [], 0, [], [], [], [], [], [], []
    for path, labels in pictures.items():
        upright = np.asarray(Image.open(path).convert("RGB"))
        pixels = np.ascontiguousarray(np.rot90(upright, quarters))
        labels = [turn_label(label, quarters, upright.shape[1], upright.shape[0]) for label in labels]
        faces = detect_faces(pixels, min_score=min_score)
        boxes = [np.array(label["box"], float) for label in labels]
        for track, score in zip(faces.tracks, faces.scores, strict=True):
            is_false = max((overlap(track.boxes[0], box) for box in boxes), default=0) < 0.2
            false += is_false
            sure += [not is_false] * (score >= 0.5)
        placed = keypoints_in_boxes(pixels, np.array(boxes).reshape(-1, 4))
        for label, box, track in zip(labels, boxes, placed.tracks, strict=True):
            overlaps = [overlap(track.boxes[0], box) for track in faces.tracks]
            hit = max(overlaps, default=0) >= enough
            best, score = (seen[int(np.argmax(overlaps))] if hit else None for seen in (faces.tracks, faces.scores))
            found.append(hit)
            doubted.append(hit and (score < SURE or best.mouth_score[0] < SURE_OF_MOUTH))
            names.append(f"{label['species']} {label.get('pose', '')}".strip())
            right_species += [best.species == label["species"]] if hit else []
            is_labelled = label.get("keypoints") is not None
            given.append(errors(track, label) if is_labelled else np.full(9, np.nan))
            whole.append(errors(best, label) if is_labelled and hit else np.full(9, np.nan))
            scores.append(track.score[0])
    result = {"pictures": len(pictures), "faces": len(found), "false": false / len(pictures), "right": mean(sure)}
    if found:
        given, whole, scores, doubted = np.array(given), np.array(whole), np.array(scores), np.array(doubted)
        result |= {
            "found": mean(found),
            "species right": mean(right_species),
            "given box": by_group(given),
            "end to end": by_group(whole),
            "score of good points": average(scores[given < 5]),
            "score of bad points": average(scores[given >= 5]),
            "doubted": 100 * float(doubted.sum()) / max(1, sum(found)),
            "seam of doubted": by_group(whole[doubted])["seam"],
            "seam of others": by_group(whole[~doubted])["seam"],
        }
        for kind in (NOT_PROFILE, *sorted(set(names))):
            rows = [i for i, name in enumerate(names) if name == kind or kind == NOT_PROFILE and "profile" not in name]
            part = {"faces": len(rows), "found": mean([found[i] for i in rows])}
            result[kind] = part | {"given box": by_group(given[rows]), "end to end": by_group(whole[rows])}
    return result


def by_group(errors: np.ndarray) -> dict[str, float]:
    return {name: average(errors[:, list(points)]) for name, points in GROUPS.items()}


def mean(hits: list[bool]) -> float:
    """Percent."""
    return 100 * sum(hits) / len(hits) if hits else float("nan")


def average(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def measure_cost(pixels: np.ndarray) -> dict:
    """Time and memory, before any of the labelled pictures is read; `imports MB` is what PyTorch takes by itself."""
    result = {"imports MB": peak_memory()}
    start = time.perf_counter()
    load_detector()
    result["load s"] = time.perf_counter() - start
    result["1080p picture ms"] = time_picture(pixels)
    result["memory MB"] = peak_memory()
    return result | {"720p frames/s": time_video(pixels)}


def peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
    track_faces(follow_faces(frames), 25)
    return len(frames) / (time.perf_counter() - start)


def labelled_sets(data: Path, more: Path | None) -> dict[str, dict[Path, list[dict]]]:
    """Labelled faces by picture, by set."""
    labels = json.loads((ROOT / "dev" / "keypoints" / "labels.json").read_text())["faces"]
    by_file = {face["file"]: face for face in labels}
    held_out, cats = {}, {}
    for entry in json.loads((data / "train" / "annotations.json").read_text()):
        path = data / "train" / entry["file"]
        if entry["set"] == "oxford_pets" and is_held_out(entry["file"]):
            label = {"box": entry["boxes"][0], "species": entry["species"], **by_file.get(entry["file"], {})}
            held_out[path] = [label | ({"keypoints": None} if "origin" in label else {})]
        elif entry["set"] in FACES_ONLY and path.stem[-1] == "0":
            cats.setdefault(entry["set"], {})[path] = [{"box": b, "species": entry["species"]} for b in entry["boxes"]]
    shown = json.loads((data / "pictures" / "keypoints.json").read_text())
    pictures = {data / "pictures" / name: faces for name, faces in shown.items()}
    pets = {p: [f for f in faces if f["species"] in ("cat", "dog")] for p, faces in pictures.items()}
    sets = {
        "Oxford held out": held_out,
        **cats,
        "pictures: cats, dogs": {p: faces for p, faces in pets.items() if faces},
        "pictures: others": {p: faces for p, faces in pictures.items() if not pets[p]},
    }
    for face in json.loads((more / "faces.json").read_text()) if more else ():
        if face["held_out"]:
            kind = face["file"].split("_")[0] if face["box"] is None else face["source"]
            source = SOURCES.get(kind, "no animal" if face["box"] is None else f"art of {kind}")
            if len(sets.setdefault(source, {})) < AT_MOST:
                sets[source][more / face["file"]] = [face] if face["box"] else []
    return sets


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("ANIMAL_LIPSYNC_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--more", type=Path)
    parser.add_argument("--min-score", type=float, default=0.3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    result = measure_cost(np.asarray(Image.open(args.data / "pictures" / "lp_s38.jpg").convert("RGB")))
    print("\n".join(f"{name:24}{value:8.2f}" for name, value in result.items()))

    sets = labelled_sets(args.data, args.more)
    turned = {"- on the left side": 1, "- upside down": 2, "- on the right side": 3}
    sets |= dict.fromkeys(turned, sets["Oxford held out"])
    print(
        f"{'':30}{'faces':>6}{'found':>7}{'false':>7}{'right':>7}   error: " + "".join(f"{name:>9}" for name in GROUPS)
    )
    for name, files in sets.items():
        row = result[name] = measure(files, args.min_score, 0.25 if name in FACES_ONLY else 0.5, turned.get(name, 0))
        print(f"{name:30}{row['faces']:6}{row.get('found', 0):7.1f}{row['false']:7.3f}{row['right']:7.1f}", end="")
        for kind in ("given box", "end to end") if row["faces"] and name not in FACES_ONLY else ():
            print(("" if kind == "given box" else f"\n{'':57}") + f"{kind:>13}", end="")
            print("".join(f"{row[kind][group]:9.2f}" for group in GROUPS), end="")
        print()
        if np.isfinite(row.get("seam of others", np.nan)):
            seams = f"{row['seam of doubted']:.2f}, of all others {row['seam of others']:.2f}"
            print(f"  doubted {row['doubted']:.1f} %, the seams of these {seams}")
        for kind in (key for key, value in row.items() if isinstance(value, dict) and "faces" in value):
            part = row[kind]
            print(f"  {kind:28}{part['faces']:6}{part['found']:7.1f}{'end to end':>29}", end="")
            print("".join(f"{value:9.2f}" for value in part["end to end"].values()))

    print(json.dumps(result, default=lambda value: round(float(value), 4)))


if __name__ == "__main__":
    main()
