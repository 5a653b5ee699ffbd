"""Train the four networks of animal_lipsync/detector.py, on a CPU, in reading order.

    python dev/keypoints/train.py faces --data DATA --more MORE --minutes 25 --out faces.pt
    python dev/keypoints/train.py head  --data DATA --more MORE --mistakes-of faces.pt --minutes 25 --out head.pt
    python dev/keypoints/train.py mouth --data DATA --more MORE --minutes 15 --out mouth.pt
    python dev/keypoints/train.py verifier --data DATA --more MORE --mistakes-of faces.pt --minutes 40 --out verifier.pt

DATA holds annotations.json (Oxford-IIIT Pet pictures, species, head boxes) and the pictures it names; their keypoints
are labels.json beside this file. MORE is what compose.py made. An Oxford picture whose name hashes to 0 modulo 6 is
held out: never trained on, by any of the four.
"""

import argparse
import hashlib
import io
import json
import math
import random
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from animal_lipsync.boxes import box_iou, box_of_sides, sides_of_box  # noqa: E402
from animal_lipsync.detection import face_roll, find_boxes  # noqa: E402
from animal_lipsync.detector import (  # noqa: E402
    SPECIES,
    STRIDE,
    Detector,
    FaceDetector,
    expected_points,
    place_points,
)
from animal_lipsync.head_crops import cut, to_crop, to_frame  # noqa: E402

CANVAS = 160
"""Pixels along one side of what the detector is trained on."""
SHARES = {
    "faces": {
        "oxford": 0.55,
        "art": 0.08,
        "drawn": 0.08,
        "rendered": 0.05,
        "turned": 0.1,
        "nothing": 0.16,
        "people": 0.16,
        "toys": 0.06,
    },
    "head": {
        "oxford": 0.6,
        "opened": 0.1,
        "art": 0.07,
        "drawn": 0.07,
        "rendered": 0.05,
        "turned": 0.14,
        "nothing": 0.08,
        "people": 0.12,
        "toys": 0.07,
    },
    "mouth": {"oxford": 0.72, "opened": 0.2, "art": 0.06, "drawn": 0.06, "rendered": 0.03, "turned": 0.1},
    "verifier": {
        "oxford": 0.5,
        "opened": 0.04,
        "art": 0.06,
        "drawn": 0.06,
        "rendered": 0.04,
        "turned": 0.06,
        "nothing": 0.14,
        "people": 0.2,
        "toys": 0.12,
    },
}
"""How often each source of pictures is drawn from; "art" is every source that is not named."""
WEIGHTS = (1.0,) * 9 + (0.4,) * 4
"""Of a keypoint in training: ears make the sides of a box less certain."""

# ---------------------------------------------------------------- data


def is_held_out(file: str) -> bool:
    return int(hashlib.md5(Path(file).stem.encode()).hexdigest(), 16) % 6 == 0


def load_pictures(data: Path, labels: Path, more: Path | None = None) -> list[dict]:
    """Every Oxford picture and those in `more`, with what is known of them.

    `mips` (full, half, quarter size), `box` or None where no animal is, `species` index, `keypoints` (13, 3) or None:
    the last four are the middles of the box's sides.
    """
    known = {face["file"]: face for face in json.loads(labels.read_text())["faces"]}
    entries = []
    for entry in json.loads((data / "annotations.json").read_text()):
        if entry["set"] == "oxford_pets":
            label = {"box": entry["boxes"][0], "species": entry["species"], "keypoints": None}
            label |= known.get(entry["file"], {}) | {"source": "oxford", "held_out": is_held_out(entry["file"])}
            entries.append((data / entry["file"], label | {"file": entry["file"], "box": entry["boxes"][0]}))
    if more:
        entries += [(more / entry["file"], entry) for entry in json.loads((more / "faces.json").read_text())]
    return [load_picture(path, label) for path, label in entries]


def load_picture(path: Path, label: dict) -> dict:
    pixels = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1).copy()
    mips = [torch.from_numpy(pixels)[None]]
    for _ in range(2):
        mips.append(F.avg_pool2d(mips[-1].float(), 2, ceil_mode=True).round().byte())
    box, points = label["box"], label["keypoints"]
    if points is not None:
        points = torch.tensor(points, dtype=torch.float32)
        points = torch.cat([points, F.pad(sides_of_box(torch.tensor([box]).float())[0], (0, 1), value=1.0)])
    return {
        "file": label["file"],
        "source": label["source"],
        "mips": mips,
        "box": None if box is None else torch.tensor(box, dtype=torch.float32),
        "species": len(SPECIES) if box is None else SPECIES.index(label["species"]),
        "pose": label.get("pose", ""),
        "mouth": label.get("mouth", ""),
        "keypoints": points,
        "mistakes": torch.zeros(0, 4),
        "held_out": label["held_out"],
    }


@torch.no_grad()
def find_mistakes(net: FaceDetector, pictures: list[dict]):
    """Note in each picture where `net` sees a head that is not there: it is shown these places more often."""
    net.eval()
    for picture in pictures:
        boxes, _ = find_boxes(net, picture["mips"][0][0].permute(1, 2, 0).contiguous(), min_score=0.12)
        if picture["box"] is not None:
            boxes = boxes[box_iou(boxes, picture["box"][None])[:, 0] < 0.05]
        picture["mistakes"] = boxes


def cut_picture(picture: dict, crop: torch.Tensor, size: int) -> torch.Tensor:
    """(3, size, size) in [0, 1] under `crop` (x, y, side, roll), read from the picture's size that fits best."""
    level = min(2, max(0, round(math.log2(max(1e-6, float(crop[2]) / size)))))
    scale = 0.5**level
    x, y, side, roll = (crop * crop.new_tensor([scale, scale, scale, 1.0])).tolist()
    pixels = picture["mips"][level]
    height, width = pixels.shape[-2:]
    reach = side / 2 * (abs(math.cos(roll)) + abs(math.sin(roll))) + 2
    left, right = (min(max(int(at), 0), width - 1) for at in (x - reach, x + reach))
    top, bottom = (min(max(int(at), 0), height - 1) for at in (y - reach, y + reach))
    region = pixels[..., top : bottom + 1, left : right + 1].float() / 255
    return cut(region, torch.tensor([[x - left, y - top, side, roll]]), size)[0]


def box_crop(box: torch.Tensor, margin: float) -> torch.Tensor:
    x1, y1, x2, y2 = box.tolist()
    return torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2, max(x2 - x1, y2 - y1) * margin, 0.0])


def empty_crop(picture: dict, size: int) -> torch.Tensor | None:
    """A random square that misses the head, or shows so little of it that it should be found at another scale."""
    height, width = picture["mips"][0].shape[-2:]
    if picture["box"] is not None and picture["source"] == "oxford" and random.random() < 0.25:
        x1, y1, x2, y2 = picture["box"].tolist()
        side = max(x2 - x1, y2 - y1) * random.uniform(0.2, 0.5)
        return torch.tensor([random.uniform(x1, x2), random.uniform(y1, y2), side, random.gauss(0, 0.2)])
    for _ in range(12):
        if len(picture["mistakes"]) and random.random() < 0.6:
            left, top, right, bottom = random.choice(picture["mistakes"]).tolist()
            side = max(right - left, bottom - top) * random.uniform(0.9, 2.0)
            x, y = (left + right) / 2 + random.gauss(0, 0.1) * side, (top + bottom) / 2 + random.gauss(0, 0.1) * side
        else:
            side = min(height, width) * random.uniform(0.15, 0.8 if picture["box"] is not None else 1.2)
            x, y = (random.uniform(min(side, n) / 2, n - min(side, n) / 2) for n in (width, height))
        crop = torch.tensor([x, y, side, random.gauss(0, 0.2)])
        if picture["box"] is None:
            return crop
        x1, y1, x2, y2 = picture["box"].tolist()
        overlap_x = min(x2, x + side / 2) - max(x1, x - side / 2)
        overlap_y = min(y2, y + side / 2) - max(y1, y - side / 2)
        if overlap_x < 0.1 * (x2 - x1) or overlap_y < 0.1 * (y2 - y1):
            return crop
    return None


class Pool:
    """Pictures to draw from at random, each source in its share."""

    def __init__(self, pictures: list[dict], shares: dict[str, float]):
        self.sources = {}
        for picture in pictures:
            source = picture["source"] if picture["source"] in shares else "art"
            self.sources.setdefault(source, []).append(picture)
        self.shares = {source: shares.get(source, 0.0) for source in self.sources}

    def draw(self) -> dict:
        source = random.choices(list(self.shares), self.shares.values())[0]
        return random.choice(self.sources[source])

    @property
    def all(self) -> list[dict]:
        return [picture for pictures in self.sources.values() for picture in pictures]


def random_roll(spread: float) -> float:
    """Radians: mostly upright, one in seven anything up to 50 degrees."""
    return math.radians(random.uniform(-50, 50) if random.random() < 0.15 else random.gauss(0, spread))


# ---------------------------------------------------------------- what a camera and the world do to a picture


def spoil(x: torch.Tensor) -> torch.Tensor:
    """Light, colour, blur, grain, compression and things in the way, at random for each of (B, 3, S, S)."""
    count, _, size, _ = x.shape

    def some(share):
        return torch.rand(count) < share

    def uniform(low, high, *shape):
        return torch.rand(count, *shape) * (high - low) + low

    one = (1, 1, 1)
    x = x * uniform(0.9, 1.1, 3, 1, 1) * uniform(0.65, 1.35, *one)
    x = (x - 0.5) * uniform(0.6, 1.35, *one) + 0.5 + uniform(-0.12, 0.12, *one)
    dark = some(0.12)
    x[dark] = x[dark].clamp(0, 1) ** uniform(1.3, 2.6, *one)[dark] * uniform(0.3, 0.9, *one)[dark]
    bright = some(0.08)
    x[bright] = x[bright].clamp(0, 1) ** uniform(0.35, 0.8, *one)[bright]
    for i in some(0.15).nonzero().flatten().tolist():  # light through leaves, a shadow across
        coarse = torch.rand(1, 1, *(random.randint(2, 9) for _ in range(2)))
        shade = F.interpolate(coarse, size=(size, size), mode="bicubic")[0].clamp(0, 1)
        low = random.uniform(0.35, 0.8)
        x[i] = x[i] * (low + (1.7 - low) * shade ** random.uniform(1, 2.5))
    grey = some(0.15)
    x[grey] = x[grey].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    shuffled = some(0.05)
    x[shuffled] = x[shuffled][:, torch.randperm(3)]
    for i in some(0.25).nonzero().flatten().tolist():
        sigma = random.uniform(0.4, 2.2) * size / 128
        radius = math.ceil(2 * sigma)
        kernel = torch.exp(-(torch.arange(-radius, radius + 1.0) ** 2) / (2 * sigma**2))
        kernel /= kernel.sum()
        if random.random() < 0.3:  # one direction only: a moving head
            kernels = [kernel.view(1, 1, 1, -1)] if random.random() < 0.5 else [kernel.view(1, 1, -1, 1)]
        else:
            kernels = [kernel.view(1, 1, 1, -1), kernel.view(1, 1, -1, 1)]
        y = x[i, :, None]
        for k in kernels:
            y = F.conv2d(F.pad(y, [k.shape[3] // 2] * 2 + [k.shape[2] // 2] * 2, mode="replicate"), k)
        x[i] = y[:, 0]
    for i in some(0.12).nonzero().flatten().tolist():
        small = F.interpolate(x[i : i + 1], scale_factor=random.uniform(0.25, 0.7), mode="area")
        x[i] = F.interpolate(small, size=(size, size), mode="bilinear")[0]
    for i in some(0.3).nonzero().flatten().tolist():  # a patch of another picture, or a flat colour, in front
        for _ in range(random.randint(1, 2)):
            w, h = (int(size * random.uniform(0.08, 0.35)) for _ in range(2))
            left, top = random.randrange(size - w), random.randrange(size - h)
            if random.random() < 0.5:
                x[i, :, top : top + h, left : left + w] = torch.rand(3, 1, 1)
            else:
                x[i, :, top : top + h, left : left + w] = x[random.randrange(count), :, top : top + h, left : left + w]
    x = x + torch.randn_like(x) * uniform(0, 0.05, *one) * some(0.6).view(-1, 1, 1, 1)
    x = x.clamp(0, 1)
    for i in some(0.25).nonzero().flatten().tolist():
        file = io.BytesIO()
        Image.fromarray((x[i] * 255).byte().permute(1, 2, 0).numpy()).save(file, "JPEG", quality=random.randint(12, 70))
        x[i] = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255
    return x


# ---------------------------------------------------------------- detector


def paint_canvas(pool, canvas, left, top, size, faces):
    """Fill one square of the canvas with one picture, or with four smaller squares; append each head to `faces`."""
    if size >= 80 and random.random() < (0.35 if size == CANVAS else 0.3):
        half = size // 2
        for x in (left, left + half):
            for y in (top, top + half):
                paint_canvas(pool, canvas, x, y, half, faces)
        return
    picture = pool.draw()
    region = canvas[:, top : top + size, left : left + size]
    crop = empty_crop(picture, size) if picture["box"] is None or random.random() < 0.15 else None
    if crop is not None:
        region.copy_(cut_picture(picture, crop, size))
        return
    x1, y1, x2, y2 = picture["box"].tolist()
    head = max(x2 - x1, y2 - y1)
    wanted = math.exp(random.uniform(math.log(max(12, size * 0.12)), math.log(size * 1.02)))
    roll, scale = random_roll(12), wanted / head
    slack = max(0.0, size - 0.7 * wanted) / 2
    at = torch.tensor([random.uniform(-slack, slack), random.uniform(-slack, slack)])
    axes = torch.tensor([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
    centre = torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2]) - axes @ at / scale
    pixels = cut_picture(picture, torch.tensor([*centre.tolist(), size / scale, roll]), size)
    if random.random() < 0.5:
        pixels, at = pixels.flip(-1), at * torch.tensor([-1.0, 1.0])
    region.copy_(pixels)
    # an upright box round the turned ellipse of the head
    w, h = (x2 - x1) * scale / 2, (y2 - y1) * scale / 2
    half_w = math.hypot(w * math.cos(roll), h * math.sin(roll))
    half_h = math.hypot(w * math.sin(roll), h * math.cos(roll))
    x, y = (at + size / 2).tolist()
    faces.append(
        (left + x - half_w, top + y - half_h, left + x + half_w, top + y + half_h, picture["species"], left, top, size)
    )


def detector_batch(net, pool, count):
    n = CANVAS // STRIDE
    at = (torch.arange(n) + 0.5) * STRIDE
    canvases, heats, boxes, weights = [], [], [], []
    for _ in range(count):
        canvas, faces = torch.zeros(3, CANVAS, CANVAS), []
        paint_canvas(pool, canvas, 0, 0, CANVAS, faces)
        heat, box, weight = torch.zeros(len(SPECIES), n, n), torch.zeros(4, n, n), torch.zeros(n, n)
        for x1, y1, x2, y2, species, left, top, size in faces:
            # what can be seen of the head is what is boxed
            x1, y1, x2, y2 = max(x1, left), max(y1, top), min(x2, left + size), min(y2, top + size)
            x, y, spread = (x1 + x2) / 2, (y1 + y2) / 2, max(0.5 * STRIDE, 0.11 * max(x2 - x1, y2 - y1))
            i, j = min(n - 1, int(y / STRIDE)), min(n - 1, int(x / STRIDE))
            bump = torch.exp(-((at[None] - at[j]) ** 2 + (at[:, None] - at[i]) ** 2) / (2 * spread**2))
            heat[species] = torch.maximum(heat[species], bump)
            near = bump > torch.maximum(weight, torch.tensor(0.3))
            weight[near] = bump[near]
            box[:, near] = torch.tensor([x1, y1, x2, y2], dtype=torch.float32)[:, None]
        canvases.append(canvas)
        heats.append(heat)
        boxes.append(box)
        weights.append(weight)
    return spoil(torch.stack(canvases)), torch.stack(heats), torch.stack(boxes), torch.stack(weights)


def detector_loss(net, batch):
    x, heat, box, weight = batch
    logits, sides = (y.float() for y in net(x))
    sides = sides.clamp(-4, 5).exp() * STRIDE
    # focal loss of CornerNet / CenterNet
    p = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    peak = (heat > 0.999).float()
    focal = -peak * (1 - p) ** 2 * p.log() - (1 - peak) * (1 - heat) ** 4 * p**2 * (1 - p).log()
    classification = focal.sum() / peak.sum().clamp_min(1)
    # generalised IoU
    at = (torch.arange(heat.shape[-1]) + 0.5) * STRIDE
    x1, y1, x2, y2 = at - sides[:, 0], at[:, None] - sides[:, 1], at + sides[:, 2], at[:, None] + sides[:, 3]
    a1, b1, a2, b2 = box.unbind(1)
    inter = (torch.minimum(x2, a2) - torch.maximum(x1, a1)).clamp_min(0) * (
        torch.minimum(y2, b2) - torch.maximum(y1, b1)
    ).clamp_min(0)
    union = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - inter
    hull = (torch.maximum(x2, a2) - torch.minimum(x1, a1)) * (torch.maximum(y2, b2) - torch.minimum(y1, b1))
    giou = inter / union.clamp_min(1) - (hull - union) / hull.clamp_min(1)
    return classification + 2 * ((1 - giou) * weight).sum() / weight.sum().clamp_min(1)


def detector_score(net, pictures) -> str:
    """Share of held-out heads found as the best box (IoU over 0.5), its mean IoU and score."""
    found = []
    for picture in (p for p in pictures if p["box"] is not None):
        boxes, scores = find_boxes(net, picture["mips"][0][0].permute(1, 2, 0))
        if not len(boxes):
            found.append((0, 0))
            continue
        a, b = boxes[0], picture["box"]
        inter = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp_min(0).prod()
        iou = float(inter / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inter))
        found.append((iou, float(scores[0])))
    found = torch.tensor(found, dtype=torch.float32)
    hit = found[:, 0] > 0.5
    return (
        f"found {100 * hit.float().mean():.1f} %  IoU {found[hit, 0].mean():.3f}  score {found[hit, 1].mean():.2f}  "
        f"elsewhere, over 0.3: {(found[~hit, 1] > 0.3).sum()}"
    )


# ---------------------------------------------------------------- keypoints


def keypoint_batch(net, pool, count):
    is_mouth, order = len(net.points) < 9, list(net.points)
    crops, targets, weights, seen, species = [], [], [], [], []
    for _ in range(count):
        picture = pool.draw()
        points, label = picture["keypoints"], picture["species"]
        crop = None
        if not is_mouth and (picture["box"] is None or random.random() < 0.13):
            crop = empty_crop(picture, net.size)
        if crop is not None:
            label, points = len(SPECIES), None
        elif is_mouth:
            head = box_crop(picture["box"], 1.0)
            side = float(head[2]) * net.margin * math.exp(random.gauss(0, 0.16))
            centre = points[order, :2].mean(0) + torch.randn(2) * 0.045 * head[2]
            roll = float(face_roll(points[None, :, :2])) + math.radians(random.gauss(0, 9))
            crop = torch.tensor([*centre.tolist(), side, roll])
        else:
            head = box_crop(picture["box"], 1.0)
            shift = torch.randn(2) * 0.08 * head[2]
            side = float(head[2]) * net.margin * math.exp(random.gauss(0, 0.17))
            crop = torch.tensor([*(head[:2] + shift).tolist(), side, random_roll(15)])
        pixels = cut_picture(picture, crop, net.size)
        if points is None:
            target, visible = torch.zeros(len(order), 2), torch.zeros(len(order))
        else:
            target, visible = to_crop(points[None, order, :2], crop[None])[0], points[order, 2]
            target[9:] = sides_of_box(box_of_sides(target[None, 9:]))[0] if not is_mouth else target[9:]
        if random.random() < 0.5:
            pixels = pixels.flip(-1)
            target, visible = target[net.mirror] * torch.tensor([-1.0, 1.0]), visible[net.mirror]
        crops.append(pixels)
        targets.append(target)
        weights.append((visible * 0.8 + 0.2) * (points is not None) * torch.tensor(WEIGHTS)[order])
        seen.append(torch.where(torch.tensor(points is None), torch.tensor(-1.0), visible))
        species.append(label)
    crops, targets, weights, seen = (torch.stack(parts) for parts in (crops, targets, weights, seen))
    crops, targets = stretch(crops, targets)
    weights = weights * (targets.abs() < 1).all(-1)
    return spoil(crops), targets, weights, seen, torch.tensor(species)


def stretch(x: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops (B, 3, S, S) and points (B, K, 2) in crop units, a little wider, longer and skewed: other heads."""
    axes = torch.eye(2) + torch.randn(len(x), 2, 2) * 0.07
    grid = F.affine_grid(F.pad(axes, (0, 1)), x.shape, align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    return x, points @ torch.linalg.inv(axes).mT


def keypoint_loss(net, batch):
    x, target, weight, seen, species = batch
    heat, seen_logits, species_logits = (y.float() for y in net(x))
    mean, _ = expected_points(heat)
    cell = 2 / heat.shape[-1]
    distance = F.smooth_l1_loss(mean / cell, target / cell, beta=0.5, reduction="none").sum(-1)
    at = (torch.arange(heat.shape[-1]) + 0.5) * cell - 1
    square = (at[:, None] - target[..., 1, None, None]) ** 2 + (at - target[..., 0, None, None]) ** 2
    bump = torch.exp(-square / (2 * cell**2)).flatten(2)
    cross = -(bump / bump.sum(-1, keepdim=True).clamp_min(1e-6) * heat.flatten(2).log_softmax(-1)).sum(-1)
    points = ((distance + 0.3 * cross) * weight).sum() / weight.sum().clamp_min(1)
    known = seen >= 0
    visible = F.binary_cross_entropy_with_logits(seen_logits[known], seen[known])
    return points + 0.2 * visible + 0.2 * F.cross_entropy(species_logits, species, label_smoothing=0.02)


@torch.no_grad()
def keypoint_errors(net, pictures) -> torch.Tensor:
    """(N, K) distance to the label as a share of the head box, NaN where the label is an estimate."""
    is_mouth, order, errors = len(net.points) < 9, list(net.points), []
    for picture in pictures:
        points, head = picture["keypoints"], box_crop(picture["box"], 1.0)
        if is_mouth:
            x, y = points[order, :2].mean(0).tolist()
            crop = torch.tensor([x, y, float(head[2]) * net.margin, float(face_roll(points[None, :, :2]))])
        else:
            crop = box_crop(picture["box"], net.margin)
        x = cut_picture(picture, crop, net.size)
        mean, _ = place_points(net(torch.stack([x, x.flip(-1)]))[0])
        mean = (mean[0] + mean[1, net.mirror] * torch.tensor([-1.0, 1.0])) / 2
        distance = (to_frame(mean[None], crop[None])[0] - points[order, :2]).norm(dim=-1) / head[2]
        errors.append(torch.where(points[order, 2] > 0, distance, torch.nan))
    return torch.stack(errors)


def keypoint_score(net, pictures) -> str:
    errors = keypoint_errors(net, pictures) * 100
    return f"error {errors[:, :9].nanmean():.2f} %  per point {[round(float(e), 1) for e in errors.nanmean(0)]}"


# ---------------------------------------------------------------- verifier


def verifier_batch(net, pool, count):
    """Crops round heads, and round what is none: two in five of what has an animal in it, and all that has not."""
    crops, is_face = [], []
    for _ in range(count):
        picture = pool.draw()
        crop = empty_crop(picture, net.size) if picture["box"] is None or random.random() < 0.4 else None
        is_face.append(crop is None)
        if crop is None:
            head = box_crop(picture["box"], 1.0)
            shift = torch.randn(2) * 0.08 * head[2]
            crop = torch.tensor([*(head[:2] + shift).tolist(), float(head[2]) * math.exp(random.gauss(0, 0.17)), 0.0])
        # `empty_crop` has 0.9 to 2 times the side of a mistake
        crop[2] *= net.margin / (1 if is_face[-1] else 1.45)
        crop[3] = random_roll(12)
        pixels = cut_picture(picture, crop, net.size)
        crops.append(pixels.flip(-1) if random.random() < 0.5 else pixels)
    crops, _ = stretch(torch.stack(crops), torch.zeros(count, 1, 2))
    return spoil(crops), torch.tensor(is_face).float()


def verifier_loss(net, batch):
    x, is_face = batch
    return F.binary_cross_entropy_with_logits(net(x).float(), 0.98 * is_face + 0.01)


@torch.no_grad()
def verifier_score(net, pictures) -> str:
    """What share of heads, and of mistakes on people, on toys and in pictures of nothing, is taken for a face."""
    taken = {}
    for picture in pictures:
        crops = [box_crop(picture["box"], net.margin)] if picture["box"] is not None else []
        for x1, y1, x2, y2 in picture["mistakes"].tolist() if picture["box"] is None else ():
            crops.append(box_crop(torch.tensor([x1, y1, x2, y2]), net.margin))
        for crop in crops:
            is_face = bool(net(cut_picture(picture, crop, net.size)[None]) > 0)
            taken.setdefault(picture["source"], []).append(is_face)
    return "  ".join(f"{source} {100 * np.mean(some):.1f} % of {len(some)}" for source, some in taken.items())


# ---------------------------------------------------------------- the loop


class Task(NamedTuple):
    """How one network is trained and judged."""

    batch: Callable
    loss: Callable
    score: Callable


KEYPOINTS = Task(keypoint_batch, keypoint_loss, keypoint_score)
TASKS = {
    "faces": Task(detector_batch, detector_loss, detector_score),
    "head": KEYPOINTS,
    "mouth": KEYPOINTS,
    "verifier": Task(verifier_batch, verifier_loss, verifier_score),
}


def can_teach(picture: dict, network: str) -> bool:
    """Heads without keypoints teach where heads are, pictures without heads also what is none."""
    if network in ("head", "mouth") and picture["source"] == "oxford" or network == "mouth":
        return picture["keypoints"] is not None
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=list(TASKS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--more", type=Path, help="what compose.py made")
    parser.add_argument("--minutes", type=float, default=20, help="of processor time")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--encoder-of", type=Path, help="weights of a detector, whose encoder the verifier starts with")
    parser.add_argument("--mistakes-of", type=Path, help="weights of a detector; what it takes for heads is shown more")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    random.seed(args.seed)
    torch.manual_seed(args.seed)

    pictures = load_pictures(args.data, HERE / "labels.json", args.more)
    train = [p for p in pictures if not p["held_out"]]
    if args.mistakes_of:
        net = Detector().faces
        net.load_state_dict(torch.load(args.mistakes_of))
        find_mistakes(net, [p for p in pictures if p["source"] in ("oxford", "nothing", "people", "toys")])
        print(sum(len(p["mistakes"]) for p in train), "mistakes")
    train = [p for p in train if can_teach(p, args.network)]
    if args.network != "faces":
        train += [p for p in train if p["pose"] == "profile" and p["source"] == "oxford"] * 4  # rare, and hardest
    pool = Pool(train, SHARES[args.network])
    judged = {"oxford", "nothing", "people", "toys"} if args.network == "verifier" else {"oxford"}
    held_out = [p for p in pictures if p["held_out"] and p["source"] in judged and can_teach(p, args.network)]
    print({source: len(some) for source, some in pool.sources.items()}, "held out", len(held_out))

    task, net = TASKS[args.network], getattr(Detector(), args.network)
    if args.encoder_of:
        encoder = {k.removeprefix("pyramid."): v for k, v in torch.load(args.encoder_of).items()}
        net.encoder.load_state_dict({k: encoder[k] for k in net.encoder.state_dict()})
    if args.start:
        net.load_state_dict(torch.load(args.start))
    net = net.to(memory_format=torch.channels_last)
    average = deepcopy(net).eval()  # of the weights over the last few hundred steps; the one that ships
    optimizer = torch.optim.AdamW(net.parameters(), args.rate, weight_decay=0.03)

    start, step, shown = time.process_time(), 0, 0
    while (done := (time.process_time() - start) / (60 * args.minutes)) < 1:
        rate = args.rate * min(1, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * done)) + 1e-6
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = task.batch(net, pool, args.batch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = batch[0].contiguous(memory_format=torch.channels_last)
            loss = task.loss(net, (x, *batch[1:]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        keep = min(0.995, (step + 1) / (step + 20))
        with torch.no_grad():
            for a, b in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
                a.lerp_(b, 1 - keep) if a.is_floating_point() else a.copy_(b)
        step += 1
        if done * 10 >= shown + 1 or step == 20:
            shown += step != 20
            score = task.score(average, held_out)
            print(f"{100 * done:3.0f} %  step {step}  loss {loss.item():.3f}  {score}", flush=True)
            torch.save(average.state_dict(), args.out)
    torch.save(average.state_dict(), args.out)


if __name__ == "__main__":
    main()
