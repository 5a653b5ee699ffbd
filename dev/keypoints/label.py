"""Grow labels.json by eye: propose points with the current networks, look at sheets of heads, correct what is off.

    python dev/keypoints/label.py propose --data DATA --weights FILE   # unlabelled heads, the most doubtful first
    python dev/keypoints/label.py sheet   --data DATA --page 0         # .cache/page_0.png: 12 heads with the points
    python dev/keypoints/label.py accept --page 0 --fixes fixes.json     # into labels.json

A head on a sheet spans 0 to 100 across and down (ticks every 10). fixes.json holds only what is wrong:
    {"3": {"points": {"5": [48, 71], "7": [47, 80]}, "hidden": [3], "pose": "threequarter", "mouth": "open"}, "8": null}
The key is the head's number on the sheet; null rejects it; every head not named is accepted as drawn.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from train import box_crop, load_pictures

from animal_lipsync.detection import place_keypoints
from animal_lipsync.detector import SPECIES, Detector, load_detector

HERE = Path(__file__).resolve().parent
LABELS, PROPOSALS = HERE / "labels.json", HERE / ".cache"
TILE, COLUMNS, ROWS = 380, 4, 3
VIEW = 1.1
"""Side of a tile over the larger side of the head box."""
COLOURS = ["#30a0ff", "#30a0ff", "#00e000", "#ff3030", "#ff3030", "#ff40ff", "#00ffff", "#ffa000", "#c8c8ff"]


def propose(data: Path, weights: Path | None):
    torch.set_num_threads(1)
    detector = load_detector()
    if weights:
        detector = Detector().eval()
        detector.load_state_dict(torch.load(weights))
    proposals = []
    for picture in load_pictures(data, LABELS):
        if picture["file"] in labelled():
            continue
        frame = picture["mips"][0][0].permute(1, 2, 0).contiguous()
        with torch.inference_mode():
            found = place_keypoints(frame, picture["box"][None], torch.ones(1), detector)
        points = np.concatenate([found.keypoints[0], found.keypoint_scores[0][:, None]], axis=1)
        known = {"file": picture["file"], "box": picture["box"].tolist(), "species": SPECIES[picture["species"]]}
        proposals.append(known | {"points": points.round(3).tolist()})
    proposals.sort(key=lambda p: np.mean([score for _, _, score in p["points"]]))
    PROPOSALS.mkdir(exist_ok=True)
    (PROPOSALS / "proposals.json").write_text(json.dumps(proposals))
    print(len(proposals), "proposals")


def labelled() -> set[str]:
    return {face["file"] for face in json.loads(LABELS.read_text())["faces"]}


def view(proposal: dict) -> tuple[float, float, float]:
    """Left, top and side, in pixels, of the tile's square."""
    x, y = np.mean(np.array(proposal["points"])[:, :2], axis=0)
    cx, cy, side, _ = box_crop(torch.tensor(proposal["box"]), VIEW).tolist()
    # between the middle of the box and that of the points, so that a misplaced point does not push the head out
    return (cx + x) / 2 - side / 2, (cy + y) / 2 - side / 2, side


def sheet(data: Path, page: int):
    proposals = json.loads((PROPOSALS / "proposals.json").read_text())[page * COLUMNS * ROWS :][: COLUMNS * ROWS]
    canvas = Image.new("RGB", (TILE * COLUMNS, TILE * ROWS))
    for number, proposal in enumerate(proposals):
        left, top, side = view(proposal)
        picture = Image.open(data / proposal["file"]).convert("RGB")
        size = (TILE, TILE)
        box = (left, top, left + side, top + side)
        tile = picture.transform(size, Image.Transform.EXTENT, box, Image.Resampling.BICUBIC, fillcolor="#404040")
        draw = ImageDraw.Draw(tile, "RGBA")
        for percent in range(10, 100, 10):
            at = percent * TILE // 100
            draw.line([(at, 0), (at, TILE)], fill=(255, 255, 255, 45))
            draw.line([(0, at), (TILE, at)], fill=(255, 255, 255, 45))
            for where in ((at - 6, 0), (0, at - 6)):
                draw.text(where, str(percent), fill="yellow", stroke_width=1, stroke_fill="black", font_size=11)
        for k, (x, y, score) in enumerate(proposal["points"]):
            x, y = (x - left) / side * TILE, (y - top) / side * TILE
            fill = COLOURS[k] if score > 0.4 else None
            draw.ellipse([x - 2.5, y - 2.5, x + 2.5, y + 2.5], fill=fill, outline=COLOURS[k])
            draw.text((x + 3, y - 12), str(k), fill=COLOURS[k], stroke_width=1, stroke_fill="black", font_size=12)
        name = f"#{number} {Path(proposal['file']).stem}"
        draw.text((18, TILE - 18), name, fill="white", stroke_width=2, stroke_fill="black", font_size=14)
        canvas.paste(tile, (number % COLUMNS * TILE, number // COLUMNS * TILE))
    canvas.save(PROPOSALS / f"page_{page}.png")


def accept(page: int, fixes: dict):
    proposals = json.loads((PROPOSALS / "proposals.json").read_text())[page * COLUMNS * ROWS :][: COLUMNS * ROWS]
    document = json.loads(LABELS.read_text())
    for number, proposal in enumerate(proposals):
        if proposal["file"] in labelled():
            raise SystemExit(f"page {page} is already in {LABELS.name}.")
        fix = fixes.get(str(number), {})
        keypoints = None
        if fix is not None:
            left, top, side = view(proposal)
            keypoints = np.array(proposal["points"])
            keypoints[:, 2] = keypoints[:, 2] > 0.25
            for k, (x, y) in fix.get("points", {}).items():
                keypoints[int(k)] = left + x / 100 * side, top + y / 100 * side, 1
            keypoints[fix.get("hidden", []), 2] = 0
            keypoints[fix.get("seen", []), 2] = 1
            keypoints = keypoints.round(1).tolist()
        document["faces"].append(
            {
                "file": proposal["file"],
                "box": proposal["box"],
                "species": proposal["species"],
                "keypoints": keypoints,
                "mouth": (fix or {}).get("mouth", "shut"),
                "pose": (fix or {}).get("pose", "frontal"),
                "origin": "proposed by the network, corrected by eye",
            }
        )
    faces = document.pop("faces")
    lines = ",\n".join(json.dumps(face) for face in faces)
    LABELS.write_text(json.dumps(document)[:-1] + ', "faces": [\n' + lines + "\n]}\n")
    print(len(faces), "faces in", LABELS.name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["propose", "sheet", "accept"])
    parser.add_argument("--fixes", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--page", type=int, default=0)
    args = parser.parse_args()
    if args.command == "propose":
        propose(args.data, args.weights)
    elif args.command == "sheet":
        sheet(args.data, args.page)
    else:
        accept(args.page, json.loads(args.fixes.read_text()))
