"""Animal faces in pixels: boxes, species and `animal9` keypoints, from four small networks that ship with the pack.

Knows nothing of which face in one frame is which in another (tracking.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .boxes import box_iou, box_of_sides, suppress_overlaps
from .detector import (
    MOUTH_POINTS,
    POINTS,
    SPECIES,
    STRIDE,
    Detector,
    FaceDetector,
    FaceVerifier,
    KeypointNet,
    load_detector,
    place_points,
)
from .head_crops import cut_frame, load_frame, shrink, to_frame
from .tracking import Detections, conspicuousness
from .types import Faces

SCALES = ((320, 160), (640,), (1280,))
"""Longer sides of a frame at which the detector looks at it: at the next ones only where no head was `SEEN_WELL`."""
MORE_PLACES = 4
"""How many times less likely a head is in a still where only a finer scale shows it: there are more places to err."""
TURNED, LIES = 30, 4
"""How many times less likely a head is in a still turned by a quarter or a half, as few animals lie like that; and that
a head that is there lies rather than stands."""
SAME_HEAD = 0.3
"""Overlap of two faces seen in different turns from which on only one of them is there."""
SURE = 0.65
"""Certainty of a face from which on the still is not turned to look for others."""
SEEN_WELL = 32
"""Pixels of a head, at the finest scale so far, from which on others like it would have been found too."""
CANDIDATE, CANDIDATES = 0.1, 40
"""In a still, heads of at least this score are looked at more closely, and no more than so many."""
UPRIGHT = math.radians(15)
"""A head turned further than this in the picture is cut again, upright."""
WELL_CUT = 0.7
"""Overlap of the box a head was cut by with the one then seen, below which it is cut again."""
HEAD_AT, MOUTH_AT, VERIFIED_AT = (1.0, 1.25), (0.65, 0.85), (1.5, 2.0)
"""Sides of the two squares in which each network sees a head, over the head's; the wider one is mirrored."""
SURER = 4
"""Of two looks at a point, one that spreads it twice as far counts two to the power of so much less."""


@torch.inference_mode()
def detect_faces(pixels: np.ndarray, *, min_score: float = 0.3, detector: Detector | None = None) -> Faces:
    """The animal faces of a picture, the most conspicuous (score times size) first; none is a fact, not an error.

    Where none is sure, the picture is looked at on its sides and upside down too.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        min_score: lower it for faces that are small, dark or turned away.
    """
    detector = detector or load_detector()
    frame = load_frame(pixels, detector.device)
    found = search_still(frame, SCALES, min_score, detector)
    if not (found.certainty >= SURE).any():
        certainty = [found.certainty]
        for quarters in (1, 2, 3):
            turned = search_still(torch.rot90(frame, quarters), SCALES[:1], min_score, detector).turned(4 - quarters)
            certainty.append(replace(turned, scores=less_likely(turned.scores, LIES)).certainty)
            found = found.joined(replace(turned, scores=less_likely(turned.scores, TURNED)))
        boxes, certainty = torch.as_tensor(found.boxes), torch.as_tensor(np.concatenate(certainty))
        best = suppress_overlaps(boxes, certainty, max_overlap=SAME_HEAD).numpy()
        found = found[best[found.scores[best] >= min_score]]
    return found[np.argsort(-conspicuousness(found.boxes, found.scores), kind="stable")].to_faces()


def search_still(frame: Tensor, scales: Sequence[tuple[int, ...]], min_score: float, detector: Detector) -> Detections:
    """The faces of `frame` (H, W, 3) uint8, looked at at one of `scales` after the other until one is seen well."""
    height, width = frame.shape[:2]
    found = Detections.none(width, height)
    for sides in scales_for(frame, scales):
        boxes, scores = find_boxes(
            detector.faces, frame, sides=sides, min_score=min(CANDIDATE, min_score), limit=CANDIDATES
        )
        if len(boxes):
            looked = place_keypoints(frame, boxes, scores, detector, refine=True)
            if sides is not SCALES[0]:
                looked = replace(looked, scores=less_likely(looked.scores, MORE_PLACES))
            found = found.joined(looked)
        found = found[suppress_overlaps(*(torch.as_tensor(part) for part in (found.boxes, found.scores))).numpy()]
        found = found[np.flatnonzero(found.scores >= min_score)]
        largest = (found.boxes[:, 2:] - found.boxes[:, :2]).max(initial=0)
        if largest * sides[0] >= SEEN_WELL * max(height, width):
            break
    return found


def less_likely(scores: np.ndarray, times: float) -> np.ndarray:
    """Probabilities with `times` smaller odds."""
    return scores / (scores + times * (1 - scores))


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
    return place_any_way_up(frame, heads, heads.new_ones(len(heads)), detector).to_faces()


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
    points, score = head.points[:, :POINTS].clone(), point_scores(detector.head, head)[:, :POINTS]
    features = face_features(scores, head.species, score, verify_faces(frame, boxes, detector.verifier))
    scores = face_scores(detector.trust, features)
    if (likely := scores >= enough).any():
        mouth, rows = look_at_mouths(frame, boxes[likely], points[likely], detector.mouth), likely.nonzero()
        points[rows, MOUTH_POINTS], score[rows, MOUTH_POINTS] = mouth.points, point_scores(detector.mouth, mouth)
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


def place_any_way_up(frame: Tensor, boxes: Tensor, scores: Tensor, detector: Detector) -> Detections:
    """`place_keypoints` of heads of which some may lie on their side or stand on their head."""
    placed = place_keypoints(frame, boxes, scores, detector)
    doubtful = np.flatnonzero(placed.certainty < SURE)
    for quarters in (1, 2, 3) if len(doubtful) else ():
        turned_boxes = torch.as_tensor(placed[doubtful].turned(quarters).boxes, device=frame.device)
        turned = place_keypoints(torch.rot90(frame, quarters), turned_boxes, scores[doubtful], detector)
        turned = replace(turned, scores=less_likely(turned.scores, LIES)).turned(4 - quarters)
        is_better = turned.certainty > placed.certainty[doubtful]
        best = np.arange(len(placed))
        best[doubtful[is_better]] = len(placed) + np.flatnonzero(is_better)
        placed = placed.joined(turned)[best]
    return placed


def look_at_heads(frame: Tensor, boxes: Tensor, net: KeypointNet, *, refine: bool) -> tuple[Look, Tensor]:
    """What the head network sees in `boxes` (N, 4), and these, or where it sees them.

    A head cut badly, or not upright, is cut again; the cut that leaves less doubt counts, as a head in profile looks
    like one that is turned in the picture.
    """
    limits = boxes.new_tensor(frame.shape[1::-1] * 2)

    head = look(net, frame, crops_round(boxes), HEAD_AT)
    seen = box_of_sides(head.points[:, POINTS:]).clamp_min(0).minimum(limits)
    roll = face_roll(head.points)
    roll = torch.where(roll.abs() > UPRIGHT, roll, 0)
    is_off = (box_iou(boxes, seen).diagonal() < WELL_CUT) & refine
    if len(doubtful := (is_off | (roll != 0)).nonzero()[:, 0]):
        boxes_again = torch.where(is_off[:, None], seen, boxes)[doubtful]
        again = look(net, frame, crops_round(boxes_again, roll=roll[doubtful]), HEAD_AT)
        is_surer = again.doubt[:, :POINTS].mean(1) < head.doubt[doubtful, :POINTS].mean(1)
        for part, better in zip(head, again, strict=True):
            part[doubtful[is_surer]] = better[is_surer]
        seen = box_of_sides(head.points[:, POINTS:]).clamp_min(0).minimum(limits)
    return head, seen if refine else boxes


def look_at_mouths(frame: Tensor, boxes: Tensor, points: Tensor, net: KeypointNet) -> Look:
    """What the mouth network sees of the heads in `boxes` (N, 4), their `points` (N, 9, 2) known roughly."""
    crops = crops_round(boxes, roll=face_roll(points))
    crops[:, :2] = points[:, MOUTH_POINTS].mean(1)
    return look(net, frame, crops, MOUTH_AT)


def crops_round(boxes: Tensor, margin: float = 1.0, roll: Tensor | float = 0.0) -> Tensor:
    """(N, 4) squares about the middles of boxes (N, 4), of `margin` times the larger side, turned by `roll` (N,)."""
    side = margin * (boxes[:, 2:] - boxes[:, :2]).amax(1).clamp_min(1)
    return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, torch.stack([side, torch.zeros_like(side) + roll], 1)], 1)


class Look(NamedTuple):
    """What a keypoint network sees of N heads, each looked at from near and, mirrored, with more round it."""

    points: Tensor
    """(N, K, 2) pixels of the frame."""
    doubt: Tensor
    """(N, K) how far the point might be off, over the head's size."""
    seen: Tensor
    """(N, K) probability that the point can be seen."""
    species: Tensor
    """(N, 5) probabilities of `SPECIES`; the last is that there is no face."""
    pixels: Tensor
    """(N, 3, S, S) in [0, 1], the wider squares."""


def look(net: KeypointNet, frame: Tensor, crops: Tensor, at: tuple[float, float]) -> Look:
    """Place the keypoints in squares `at` times as large as `crops` (N, 4), the heads in `frame` (H, W, 3) uint8."""
    near, wide = (crops * crops.new_tensor([1, 1, side, 1]) for side in at)
    near_pixels, wide_pixels = (cut_frame(frame, squares, net.size) for squares in (near, wide))
    heat, seen, species = net(torch.cat([near_pixels, wide_pixels.flip(-1)]))
    (plain, mirrored), spread = (part.unflatten(0, (2, -1)) for part in place_points(heat))
    mirrored = mirrored[:, net.mirror] * mirrored.new_tensor([-1, 1])
    places = torch.stack([to_frame(plain, near), to_frame(mirrored, wide)])
    spread = torch.stack([at[0] / 2 * spread[0], at[1] / 2 * spread[1][:, net.mirror]])
    weight = weigh(spread)
    points = (weight[..., None] * places).sum(0)
    apart = (places - points).norm(dim=-1) / crops[:, 2, None]
    seen = seen.unflatten(0, (2, -1))
    seen = ((seen[0] + seen[1][:, net.mirror]) / 2).sigmoid()
    species = species.softmax(-1).unflatten(0, (2, -1)).mean(0)
    return Look(points, (weight * (spread + apart)).sum(0), seen, species, wide_pixels)


def weigh(spread: Tensor) -> Tensor:
    """How much each of two looks counts for a point, (2, N, K) that sum to 1, by how far it spreads it (2, N, K)."""
    weight = (spread.amin(0) / spread) ** SURER
    return weight / weight.sum(0)


def point_scores(net: KeypointNet, looked: Look) -> Tensor:
    """(N, K) probabilities that the points can be seen and lie within 5 % of the head's size."""
    offset, slope = net.calibration
    return looked.seen * (offset + slope * looked.doubt.log()).sigmoid()


def verify_faces(frame: Tensor, boxes: Tensor, net: FaceVerifier) -> Tensor:
    """(N,) log odds that `boxes` (N, 4) of `frame` (H, W, 3) uint8 hold faces of animals."""
    near, wide = (cut_frame(frame, crops_round(boxes, margin), net.size) for margin in VERIFIED_AT)
    return net(torch.cat([near, wide.flip(-1)])).unflatten(0, (2, -1)).mean(0)


def face_features(scores: Tensor, species: Tensor, sure: Tensor, verified: Tensor) -> Tensor:
    """(4, N) what tells a face from something else: log odds that one was found, is seen, has its points right, and is
    an animal's with what is round it."""
    is_face, is_right = -torch.logit(species[:, -1], 1e-3), torch.logit(sure, 1e-3).mean(1)
    return torch.stack([torch.logit(scores, 1e-2), is_face, is_right, verified.clamp(-7, 7)])


def face_scores(trust: Tensor, features: Tensor) -> Tensor:
    """(N,) probabilities of a face, of `face_features` (4, N)."""
    return (trust[0] + trust[1:] @ features).sigmoid()


def face_roll(points: Tensor) -> Tensor:
    """(N,) radians by which the heads of `animal9` points (N, 9, 2) are turned clockwise in the picture."""
    across = points[:, 1] - points[:, 0]
    down = points[:, (2, 5, 7)].mean(1) - points[:, :2].mean(1)
    return torch.atan2(across[:, 1] - down[:, 0], across[:, 0] + down[:, 1])
