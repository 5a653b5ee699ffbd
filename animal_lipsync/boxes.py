"""Upright boxes (N, 4) of x1, y1, x2, y2 in pixels."""

from __future__ import annotations

import torch
from torch import Tensor


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
