"""Animal faces in pixels: boxes, species and `animal9` keypoints, from three small networks that ship with the pack.

Knows nothing of which face in one frame is which in another (tracking.py). How the weights were made: dev/keypoints.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .schemas import SCHEMAS
from .tracking import Detections, conspicuousness
from .types import Faces

WEIGHTS = Path(__file__).parent / "weights" / "animal_face.safetensors"
SPECIES = ("cat", "dog", "bird", "other")
SCALES = ((320, 160), (640,), (1280,))
"""Longer sides of a still at which the detector looks at it: at the next ones only where no head was `SEEN_WELL`."""
SEEN_WELL = 32
"""Pixels of a head, at the finest scale so far, from which on others like it would have been found too."""
CANDIDATE, CANDIDATES = 0.1, 40
"""In a still, heads of at least this score are looked at more closely, and no more than so many."""
STRIDE = 8
"""Pixels per cell of the detector's output."""
POINTS = len(SCHEMAS["animal9"].mirror)
MIRROR = (*SCHEMAS["animal9"].mirror, POINTS + 1, POINTS, POINTS + 2, POINTS + 3)
"""Of the points that the head network places: `animal9`, then the middles of the box's left, right, top, bottom."""
MOUTH_POINTS = (2, 3, 4, 5, 6, 7)
"""Points of `animal9` that the mouth network places again."""
UPRIGHT = math.radians(15)
"""A head turned further than this in the picture is cut again, upright."""
WELL_CUT = 0.7
"""Overlap of the box a head was cut by with the one then seen, below which it is cut again."""
CUT_DIFFERENCE = 0.15
"""Mean change of a thumbnail from one frame to the next, of full scale, that makes it a new scene."""
SAME_FACE = 0.4
"""Overlap (intersection over union) of two boxes of one face."""


@torch.inference_mode()
def detect_faces(pixels: np.ndarray, *, min_score: float = 0.3, detector: Detector | None = None) -> Faces:
    """The animal faces of a picture, the most conspicuous (score times size) first; none is a fact, not an error.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        min_score: lower it for faces that are small, dark or turned away.
    """
    detector = detector or load_detector()
    frame = load_frame(pixels, detector.device)
    height, width = frame.shape[:2]
    found = Detections.none(width, height)
    for sides in scales_for(frame, SCALES):
        boxes, scores = find_boxes(
            detector.faces, frame, sides=sides, min_score=min(CANDIDATE, min_score), limit=CANDIDATES
        )
        if len(boxes):
            found = found.joined(place_keypoints(frame, boxes, scores, detector, refine=True))
        found = found[suppress_overlaps(*(torch.as_tensor(part) for part in (found.boxes, found.scores))).numpy()]
        found = found[np.flatnonzero(found.scores >= min_score)]
        largest = (found.boxes[:, 2:] - found.boxes[:, :2]).max(initial=0)
        if largest * sides[0] >= SEEN_WELL * max(height, width):
            break
    return found[np.argsort(-conspicuousness(found.boxes, found.scores), kind="stable")].to_faces()


@torch.inference_mode()
def keypoints_in_boxes(
    pixels: np.ndarray, boxes: np.ndarray, *, whole_animals: bool = False, detector: Detector | None = None
) -> Faces:
    """Keypoints of heads whose boxes are known, one face per box, in their order.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        boxes: (N, 4) x1, y1, x2, y2 in pixels.
        whole_animals: the boxes hold whole animals, not heads; the best face inside each is taken, if there is one.
    """
    detector = detector or load_detector()
    frame = load_frame(pixels, detector.device)
    heads = torch.as_tensor(np.asarray(boxes, np.float32), device=detector.device).reshape(-1, 4).clone()
    for box in heads if whole_animals else ():
        x1, y1, x2, y2 = box.int().clamp_min(0).tolist()
        inside, _ = find_boxes(detector.faces, frame[y1:y2, x1:x2])
        if len(inside):
            box.copy_(inside[0] + inside.new_tensor([x1, y1, x1, y1]))
    return place_keypoints(frame, heads, heads.new_ones(len(heads)), detector).to_faces()


def scales_for(frame: Tensor, scales: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The first of `scales`, and those that show more of `frame` (H, W, 3) without enlarging it."""
    return [sides for sides in scales if sides is scales[0] or sides[0] <= max(frame.shape)]


def find_boxes(
    net: FaceDetector,
    frame: Tensor,
    *,
    sides: tuple[int, ...] = SCALES[0],
    min_score: float = 0.05,
    limit: int = 32,
) -> tuple[Tensor, Tensor]:
    """Head boxes (N, 4) and scores (N,) in `frame` (H, W, 3) uint8, best first; looked at with so long `sides`."""
    height, width = frame.shape[:2]
    boxes, scores = [], []
    for longer in sides:
        scale = longer / max(height, width)
        size = [max(1, round(side * scale)) for side in (height, width)]
        image = shrink(frame, size)
        heat, reach = net(F.pad(image, [0, -size[1] % 32, 0, -size[0] % 32], mode="replicate"))
        heat = (net.calibration[0] + net.calibration[1] * heat[0].max(0).values).sigmoid()
        is_peak = heat == F.max_pool2d(heat[None], 3, 1, 1)[0]
        row, column = torch.nonzero(is_peak & (heat >= min_score), as_tuple=True)
        reach = reach[0, :, row, column].clamp(-4, 5).exp() * STRIDE
        x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
        found = torch.stack([x - reach[0], y - reach[1], x + reach[2], y + reach[3]], -1) / scale
        boxes.append(found.clamp_min(0).minimum(found.new_tensor([width, height, width, height])))
        scores.append(heat[row, column])
    boxes, scores = torch.cat(boxes), torch.cat(scores)
    keep = suppress_overlaps(boxes, scores)[:limit]
    return boxes[keep], scores[keep]


def place_keypoints(
    frame: Tensor,
    boxes: Tensor,
    scores: Tensor,
    detector: Detector,
    *,
    refine: bool = False,
    enough: Tensor | float = 0.0,
) -> Detections:
    """The keypoints of the heads in `boxes` of `frame` (H, W, 3) uint8, and how sure it is now that these are heads.

    Args:
        scores: (N,) how sure it was before.
        refine: put the boxes where the head network sees the head, too.
        enough: (N,) or for all, how sure it must be now for a closer look at the mouth.
    """
    height, width = frame.shape[:2]
    if not len(boxes):
        return Detections.none(width, height)
    head, boxes = look_at_heads(frame, boxes, detector.head, refine=refine)
    points, score = head.points[:, :POINTS].clone(), head.score[:, :POINTS].clone()
    scores = (detector.trust[0] + detector.trust[1:] @ face_features(head, scores)).sigmoid()
    if (likely := scores >= enough).any():
        side = (boxes[likely, 2:] - boxes[likely, :2]).amax(1).clamp_min(1)
        middle, roll = points[likely][:, MOUTH_POINTS].mean(1), face_roll(points[likely])
        crops = torch.cat([middle, torch.stack([detector.mouth.margin * side, roll], 1)], 1)
        mouth, rows = look(detector.mouth, frame, crops), likely.nonzero()
        points[rows, MOUTH_POINTS], score[rows, MOUTH_POINTS] = mouth.points, mouth.score
    appearance = F.normalize(F.adaptive_avg_pool2d(head.pixels, 4).flatten(1) - 0.4, dim=1)
    return Detections(
        width=width,
        height=height,
        boxes=boxes.cpu().numpy(),
        scores=scores.cpu().numpy(),
        keypoints=points.cpu().numpy(),
        keypoint_scores=score.cpu().numpy(),
        species=tuple(SPECIES[kind] for kind in head.species[:, : len(SPECIES)].argmax(1).tolist()),
        appearance=appearance.cpu().numpy(),
    )


def look_at_heads(frame: Tensor, boxes: Tensor, net: KeypointNet, *, refine: bool) -> tuple[Look, Tensor]:
    """What the head network sees in `boxes` (N, 4), and these, or where it sees them: a head cut badly is cut again."""
    limits = boxes.new_tensor(frame.shape[1::-1] * 2)

    def crops_of(boxes: Tensor, roll: Tensor) -> Tensor:
        side = net.margin * (boxes[:, 2:] - boxes[:, :2]).amax(1).clamp_min(1)
        return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, torch.stack([side, roll], 1)], 1)

    head = look(net, frame, crops_of(boxes, torch.zeros_like(boxes[:, 0])))
    seen = box_of_sides(head.points[:, POINTS:]).clamp_min(0).minimum(limits)
    roll = face_roll(head.points)
    roll = torch.where(roll.abs() > UPRIGHT, roll, 0)
    is_off = (box_iou(boxes, seen).diagonal() < WELL_CUT) & refine
    if is_off.any() or roll.any():
        head = look(net, frame, crops_of(torch.where(is_off[:, None], seen, boxes), roll))
        seen = box_of_sides(head.points[:, POINTS:]).clamp_min(0).minimum(limits)
    return head, seen if refine else boxes


class Look(NamedTuple):
    """What a keypoint network sees in N crops, each looked at as it is and mirrored."""

    points: Tensor
    """(N, K, 2) pixels of the frame."""
    score: Tensor
    """(N, K) in [0, 1]: that the point can be seen and lies within 5 % of the head's size."""
    doubt: Tensor
    """(N, K) how far the point might be off, over the head's size; what the score is made of."""
    species: Tensor
    """(N, 5) probabilities of `SPECIES`; the last is that there is no face."""
    pixels: Tensor
    """(N, 3, S, S) in [0, 1], the crops."""


def look(net: KeypointNet, frame: Tensor, crops: Tensor) -> Look:
    """Cut `crops` (N, 4) out of `frame` (H, W, 3) uint8 and place the keypoints."""
    pixels = cut_frame(frame, crops, net.size)
    heat, seen, species = net(torch.cat([pixels, pixels.flip(-1)]))
    (plain, mirrored), spread = (part.unflatten(0, (2, -1)) for part in expected_points(heat))
    mirrored = mirrored[:, net.mirror] * mirrored.new_tensor([-1, 1])
    spread = (spread[0] + spread[1][:, net.mirror]) / 2
    doubt = (spread + (plain - mirrored).norm(dim=-1) / 2) * net.margin / 2
    seen = seen.unflatten(0, (2, -1))
    seen = ((seen[0] + seen[1][:, net.mirror]) / 2).sigmoid()
    offset, slope = net.calibration
    score = seen * (offset + slope * doubt.log()).sigmoid()
    species = species.softmax(-1).unflatten(0, (2, -1)).mean(0)
    return Look(to_frame((plain + mirrored) / 2, crops), score, doubt, species, pixels)


def face_features(head: Look, scores: Tensor) -> Tensor:
    """(3, N) what tells a face from something else: log odds that one was found, is seen, and has its points right."""
    is_face, is_right = -torch.logit(head.species[:, -1], 1e-3), torch.logit(head.score[:, :POINTS], 1e-3).mean(1)
    return torch.stack([torch.logit(scores, 1e-2), is_face, is_right])


def box_of_sides(sides: Tensor) -> Tensor:
    """(N, 4) upright boxes around ellipses that touch the middles (N, 4, 2) of the left, right, top and bottom sides of
    boxes at any angle."""
    left, right, top, bottom = sides.unbind(1)
    reach = torch.hypot(right - left, bottom - top) / 2
    middle = sides.mean(1)
    return torch.cat([middle - reach, middle + reach], 1)


def sides_of_box(boxes: Tensor) -> Tensor:
    """(N, 4, 2) middles of the left, right, top and bottom sides of upright boxes (N, 4)."""
    x1, y1, x2, y2 = boxes.unbind(1)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return torch.stack([torch.stack(side, 1) for side in ((x1, y), (x2, y), (x, y1), (x, y2))], 1)


class Detector(nn.Module):
    """The three networks together."""

    def __init__(self):
        super().__init__()
        self.faces = FaceDetector()
        self.head = KeypointNet(tuple(range(len(MIRROR))), size=128, margin=1.25)
        self.mouth = KeypointNet(MOUTH_POINTS, size=96, margin=0.75, deepest=96)
        # log odds that there is a face, from its `face_features`; fitted on what is found in held-out pictures
        self.register_buffer("trust", torch.tensor([0.0, 1.0, 0.0, 0.0]))

    @property
    def device(self) -> torch.device:
        return self.faces.heat.weight.device


@functools.cache
def load_detector(device: str = "cpu") -> Detector:
    """The networks with their shipped weights, ready on `device`; read once per device. They cannot be trained on."""
    detector = Detector()
    detector.load_state_dict(load_file(WEIGHTS))
    return fold_norms(detector.float().eval()).to(device, memory_format=torch.channels_last)


def fold_norms(network: nn.Module) -> nn.Module:
    """The same network with every norm made part of the convolution before it."""
    for part in list(network.modules()):
        if isinstance(part, Block):
            part.conv1, part.norm1 = fuse_conv_bn_eval(part.conv1, part.norm1), nn.Identity()
            part.conv2, part.norm2 = fuse_conv_bn_eval(part.conv2, part.norm2), nn.Identity()
        elif isinstance(part, Pyramid):
            part.stem[0], part.stem[1] = fuse_conv_bn_eval(part.stem[0], part.stem[1]), nn.Identity()
    return network


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        same = channels_in == channels and stride == 1
        self.skip = nn.Identity() if same else nn.Conv2d(channels_in, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.skip(x) + self.norm2(self.conv2(y)))


class Pyramid(nn.Module):
    """Features at a quarter, an eighth, ... of the input, each informed by all coarser ones."""

    def __init__(self, channels: tuple[int, int, int, int]):
        super().__init__()
        a, b, c, d = channels
        self.stem = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU())
        self.down4 = Block(24, a, 2)
        self.down8 = Block(a, b, 2)
        self.down16 = nn.Sequential(Block(b, c, 2), Block(c, c))
        self.down32 = nn.Sequential(Block(c, d, 2), Block(d, d))
        self.up16 = nn.Conv2d(d, c, 1)
        self.fuse16 = Block(c, c)
        self.up8 = nn.Conv2d(c, b, 1)
        self.fuse8 = Block(b, b)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`x` (B, 3, H, W) in [0, 1], sides multiples of 32 -> features at 1/4, 1/8 and 1/32."""
        quarter = self.down4(self.stem((x - 0.45) / 0.25))
        eighth = self.down8(quarter)
        sixteenth = self.down16(eighth)
        deep = self.down32(sixteenth)
        sixteenth = self.fuse16(sixteenth + F.interpolate(self.up16(deep), scale_factor=2))
        eighth = self.fuse8(eighth + F.interpolate(self.up8(sixteenth), scale_factor=2))
        return quarter, eighth, deep


class FaceDetector(nn.Module):
    """Where heads are, how large, and which species; one anchor-free cell per 8 x 8 pixels."""

    def __init__(self):
        super().__init__()
        self.pyramid = Pyramid((24, 48, 96, 128))
        self.heat = nn.Conv2d(48, len(SPECIES), 1)
        self.sides = nn.Conv2d(48, 4, 1)
        nn.init.constant_(self.heat.bias, -4.0)
        # log odds that a peak is a face, linear in the network's own; fitted on held-out pictures
        self.register_buffer("calibration", torch.tensor([0.0, 1.0]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`x` (B, 3, H, W) in [0, 1] -> logits (B, species, h, w); log cells to the left, top, right, bottom side."""
        _, features, _ = self.pyramid(x)
        return self.heat(features), self.sides(features)


class KeypointNet(nn.Module):
    """Where some keypoints lie in a square crop, whether they can be seen, and what animal it is.

    Args:
        points: indices into `animal9`, the middles of the box's sides after it.
        size: pixels along one side of the crop.
        margin: side of the crop over the larger side of the head box.
        deepest: channels of the coarsest features.
    """

    def __init__(self, points: tuple[int, ...], *, size: int, margin: float, deepest: int = 192):
        super().__init__()
        self.points, self.size, self.margin = points, size, margin
        self.mirror = [points.index(MIRROR[point]) for point in points]
        self.pyramid = Pyramid((32, 64, 128, deepest))
        self.up4 = nn.Conv2d(64, 48, 1)
        self.side4 = nn.Conv2d(32, 48, 1)
        self.fuse4 = Block(48, 48)
        self.heat = nn.Conv2d(48, len(points), 1)
        self.seen = nn.Linear(deepest, len(points))
        self.species = nn.Linear(deepest, len(SPECIES) + 1)
        # log odds that a point lies within 5 % of the head, linear in the log of its spread; fitted on held-out heads
        self.register_buffer("calibration", torch.tensor([-4.0, -2.0]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`x` (B, 3, S, S) in [0, 1] -> heatmap logits (B, K, S/4, S/4), seen logits (B, K), species logits (B, 5: last
        is "no face")."""
        quarter, eighth, deep = self.pyramid(x)
        y = self.fuse4(self.side4(quarter) + F.interpolate(self.up4(eighth), scale_factor=2))
        pooled = deep.mean((2, 3))
        return self.heat(y), self.seen(pooled), self.species(pooled)


def expected_points(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (B, K, 2) and spread (B, K) of each heatmap's distribution, in crop units: the crop spans [-1, 1]."""
    n = heat.shape[-1]
    weight = heat.flatten(2).softmax(-1).unflatten(2, (n, n))
    at = (torch.arange(n, device=heat.device) + 0.5) * (2 / n) - 1
    across, down = weight.sum(2), weight.sum(3)
    mean = torch.stack([(across * at).sum(-1), (down * at).sum(-1)], -1)
    square = (across * at**2).sum(-1) + (down * at**2).sum(-1) - mean.square().sum(-1)
    return mean, square.clamp_min(1e-6).sqrt()


def crop_axes(crops: Tensor) -> Tensor:
    """(N, 2, 2) matrices that turn crop units into pixels.

    A crop is (x, y of its centre, side, roll): pixels and radians; it spans [-1, 1] in crop units.
    """
    half, roll = crops[:, 2] / 2, crops[:, 3]
    cos, sin = half * roll.cos(), half * roll.sin()
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def to_frame(points: Tensor, crops: Tensor) -> Tensor:
    """Crop units (N, K, 2) -> pixels of the frame."""
    return points @ crop_axes(crops).mT + crops[:, None, :2]


def to_crop(points: Tensor, crops: Tensor) -> Tensor:
    """Pixels of the frame (N, K, 2) -> crop units; the inverse of `to_frame`."""
    return (points - crops[:, None, :2]) @ crop_axes(crops) / (crops[:, 2, None, None] / 2).square()


def cut(images: Tensor, crops: Tensor, size: int) -> Tensor:
    """The pixels under each crop: (N, 3, H, W) float -> (N, 3, size, size); outside the image its border goes on."""
    height, width = images.shape[-2:]
    at = (torch.arange(size, device=images.device) + 0.5) * (2 / size) - 1
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1).reshape(1, -1, 2).expand(len(crops), -1, -1)
    pixels = to_frame(grid, crops).unflatten(1, (size, size))
    normal = pixels * pixels.new_tensor([2 / width, 2 / height]) - 1
    return F.grid_sample(images, normal, padding_mode="border", align_corners=False)


def face_roll(points: Tensor) -> Tensor:
    """(N,) radians by which the heads of `animal9` points (N, 9, 2) are turned clockwise in the picture."""
    across = points[:, 1] - points[:, 0]
    down = points[:, (2, 5, 7)].mean(1) - points[:, :2].mean(1)
    return torch.atan2(across[:, 1] - down[:, 0], across[:, 0] + down[:, 1])


def load_frame(pixels: np.ndarray, device: torch.device) -> Tensor:
    """(H, W, 3) uint8 on `device`."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"a frame must be (height, width, 3) uint8 RGB, got {pixels.shape} {pixels.dtype}.")
    return torch.from_numpy(np.require(pixels, requirements="CW")).to(device)


def shrink(frame: Tensor, size: list[int]) -> Tensor:
    """(1, 3, h, w) float in [0, 1] of `frame` (H, W, 3) uint8 without aliasing."""
    image = frame.permute(2, 0, 1)[None]
    if size != list(frame.shape[:2]):
        if image.is_cuda:  # only the CPU resizes uint8
            image = image.float()
        image = F.interpolate(image, size=size, mode="bilinear", antialias=True, align_corners=False)
    return image.float() / 255


def cut_frame(frame: Tensor, crops: Tensor, size: int) -> Tensor:
    """The pixels (N, 3, size, size) under each crop of `frame` (H, W, 3) uint8, shrunk without aliasing."""
    height, width = frame.shape[:2]
    at = (torch.arange(size, dtype=crops.dtype, device=crops.device) + 0.5) * (2 / size) - 1
    grid = at.new_empty(1, size, size, 2)
    cuts = []
    for x, y, side, roll in crops.tolist():
        across, down = side / 2 * math.cos(roll), side / 2 * math.sin(roll)
        reach = abs(across) + abs(down) + 2
        left, right = (min(max(int(edge), 0), width - 1) for edge in (x - reach, x + reach))
        top, bottom = (min(max(int(edge), 0), height - 1) for edge in (y - reach, y + reach))
        region = frame[top : bottom + 1, left : right + 1]
        factor = min(1.0, size / side)
        image = shrink(region, [max(1, round(length * factor)) for length in region.shape[:2]])
        # in units in which the region spans [-1, 1], shrunk or not; four times as fast as affine_grid
        w, h = (right - left + 1) / 2, (bottom - top + 1) / 2
        torch.sub(at * (across / w) + ((x - left) / w - 1), (at * (down / w))[:, None], out=grid[0, ..., 0])
        torch.add(at * (down / h) + ((y - top) / h - 1), (at * (across / h))[:, None], out=grid[0, ..., 1])
        cuts.append(F.grid_sample(image, grid, padding_mode="border", align_corners=False))
    return torch.cat(cuts)


def suppress_overlaps(boxes: Tensor, scores: Tensor, *, max_overlap: float = 0.45) -> Tensor:
    """Indices, best first, of boxes that no better one covers by more than `max_overlap`, nor holds, nor lies inside.

    Two heads side by side overlap little; a box inside another is an eye or an ear taken for a head.
    """
    order = scores.argsort(descending=True)
    boxes = boxes[order]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    inside = box_intersection(boxes, boxes) / torch.minimum(area[:, None], area).clamp_min(1e-6)
    is_same = (box_iou(boxes, boxes) > max_overlap) | (inside > 0.75)
    keep: list[int] = []
    for i in range(len(boxes)):
        if not is_same[i, keep].any():
            keep.append(i)
    return order[keep]


def box_intersection(a: Tensor, b: Tensor) -> Tensor:
    """(N, M) common area of boxes (N, 4) and (M, 4)."""
    return (torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])).clamp_min(0).prod(-1)


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4)."""
    inter = box_intersection(a, b)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(-1), (b[:, 2:] - b[:, :2]).prod(-1)
    return inter / (area_a[:, None] + area_b - inter).clamp_min(1e-6)
