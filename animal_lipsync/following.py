"""The faces of a video's frames: looked for now and then, followed in between by how their pixels move.

Frame by frame in constant memory. Which run of frames shows which animal: tracking.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from .detection import (
    CUT_DIFFERENCE,
    SAME_FACE,
    Detector,
    box_iou,
    cut_frame,
    find_boxes,
    load_detector,
    load_frame,
    place_keypoints,
    to_crop,
    to_frame,
)
from .flow import apply_motion, fit_motion, follow_points
from .tracking import Detections

EVERY = 8
"""Frames from one search of the whole picture to the next."""
CROP = 96
"""Pixels along the side of the cut in which a head is followed."""
MARGIN = 1.3
"""Side of that cut over the larger side of the head's box."""
ALIKE = 0.5
"""How alike the patches of a head must stay from one frame to the next; below it the head is lost."""
FORGET = 0.7
"""What is left of a face's score when a search does not find it where it was followed to."""
STRAY = 0.05
"""Of the cut's side: how far the mouth of a head may move on its own from one frame to the next."""


@torch.inference_mode()
def follow_faces(
    frames: Iterable[np.ndarray], *, min_score: float = 0.3, every: int = EVERY, detector: Detector | None = None
) -> Iterator[Detections]:
    """The faces of each frame, `every` frames after it was read.

    The whole picture is searched every so many frames, at a new scene, and when a face is lost; in between, faces are
    followed. A face that is found later than it appeared is followed backwards too.

    Args:
        frames: (H, W, 3) uint8 RGB each, all of one size.
    """
    detector = detector or load_detector()
    recent: deque[tuple[Tensor, Detections]] = deque()
    thumbnail, search_at, runs = None, 0, 0
    for index, pixels in enumerate(frames):
        frame = load_frame(pixels, detector.device)
        last, thumbnail = thumbnail, pixels[:: -(-len(pixels) // 24), :: -(-pixels.shape[1] // 32)].astype(np.int16)
        is_cut = last is not None and np.abs(thumbnail - last).mean() > 255 * CUT_DIFFERENCE
        if is_cut:
            yield from (seen for _, seen in recent)
            recent.clear()
        known = follow(recent[-1][1], recent[-1][0], frame) if recent else Detections.none(*pixels.shape[1::-1])
        lost = (known.alike < ALIKE).any()
        if not recent or index >= search_at or lost:
            now = search(frame, known[np.flatnonzero(known.alike >= ALIKE)], detector, min_score)
            fresh = np.flatnonzero(now.runs < 0)
            now.runs[fresh] = runs + np.arange(len(fresh))
            runs += len(fresh)
            if len(fresh) and recent:
                now = _follow_back(now, fresh, frame, recent)
            # a new face is looked at again soon: what was taken for one seldom is twice
            search_at = index + (2 if len(fresh) else every)
        else:
            now = known
        recent.append((frame, replace(now, is_cut=is_cut)))
        if len(recent) > every:
            yield recent.popleft()[1]
    yield from (seen for _, seen in recent)


def search(frame: Tensor, known: Detections, detector: Detector, min_score: float) -> Detections:
    """Look at the whole picture: the known faces that are still there, then new ones, whose run is -1."""
    boxes, scores = find_boxes(detector.faces, frame)
    best = float(scores.max()) if len(scores) else 0.0
    boxes, scores = boxes[scores >= min_score], scores[scores >= min_score]
    is_new = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    old_boxes, old_scores = torch.as_tensor(known.boxes).to(boxes), FORGET * torch.as_tensor(known.scores).to(boxes)
    for i, overlap in enumerate(box_iou(old_boxes, boxes)):
        same = overlap > SAME_FACE
        if same.any():
            # a quarter of the way to where it is found now: enough to follow, too little to jump
            old_boxes[i].lerp_(boxes[overlap.argmax()], 0.25)
            old_scores[i] = scores[overlap.argmax()]
            is_new &= ~same
    now = place_keypoints(
        frame, torch.cat([old_boxes, boxes[is_new]]), torch.cat([old_scores, scores[is_new]]), detector
    )
    count = len(known)
    blank = np.full((len(now) - count, *known.moved.shape[1:]), np.nan, np.float32)
    now = replace(
        now,
        runs=np.concatenate([known.runs, np.full(len(now) - count, -1)]),
        moved=np.concatenate([known.moved, blank]),
        alike=np.concatenate([known.alike, np.ones(len(now) - count, np.float32)]),
        placed=np.ones(len(now), bool),
        is_searched=True,
        best_score=best,
    )
    looks = (known.appearance * now.appearance[:count]).sum(1) if count else np.zeros(0)
    stays = now.scores >= min_score
    overlap = box_iou(torch.as_tensor(now.boxes[:count]), torch.as_tensor(now.boxes[:count])).numpy()
    for i, k in zip(*np.nonzero(np.triu(overlap > SAME_FACE, 1)), strict=True):
        # one head went behind another and its points stuck to what hides it
        stays[i if looks[i] < looks[k] else k] = False
    if count:
        blended = 0.9 * known.appearance + 0.1 * now.appearance[:count]
        now.appearance[:count] = blended / np.linalg.norm(blended, axis=1, keepdims=True)
    return now[np.flatnonzero(stays)]


def follow(known: Detections, before: Tensor, after: Tensor) -> Detections:
    """The same faces in the next frame, moved as their pixels moved; how alike they look says whether to believe it."""
    if not len(known):
        return replace(known, is_cut=False, is_searched=False, best_score=0.0)
    points, boxes = (torch.as_tensor(array, device=before.device) for array in (known.keypoints, known.boxes))
    centre, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    crops = torch.cat([centre, MARGIN * sides.amax(1, keepdim=True), 0 * sides[:, :1]], 1)
    motion, moved, alike = measure(before, crops, after, crops, points)
    side = crops[:, 2:3] / 2
    shift = (apply_motion(motion, torch.zeros_like(points[:, :1])) * side[:, None])[:, 0]
    grown = torch.linalg.det(motion[:, :, :2]).clamp(0.8, 1.25).sqrt()[:, None]
    new_boxes = torch.cat([centre + shift - sides / 2 * grown, centre + shift + sides / 2 * grown], 1)
    went = torch.cat([moved - points, (new_boxes - boxes).unflatten(1, (2, 2))], 1)
    return replace(
        known,
        boxes=new_boxes.cpu().numpy(),
        keypoints=moved.cpu().numpy(),
        moved=went.cpu().numpy(),
        alike=alike.cpu().numpy(),
        placed=np.zeros(len(known), bool),
        is_cut=False,
        is_searched=False,
        best_score=0.0,
    )


def measure(before: Tensor, crops: Tensor, after: Tensor, after_crops: Tensor, points: Tensor):
    """How heads moved between two frames, each seen through its own cut.

    Args:
        crops, after_crops: (N, 4) the cuts, as `detection.cut` takes them.
        points: (N, K, 2) pixels of `before`.

    Returns:
        (N, 2, 3) motion of the head from cut to cut, in units of which a cut spans [-1, 1]; (N, K, 2) where the points
        lie in `after`; (N,) how alike the head looks.
    """
    first, second = (
        cut_frame(frame, at, CROP).mean(1, keepdim=True) for frame, at in ((before, crops), (after, after_crops))
    )
    at = torch.linspace(-0.7, 0.7, 6, device=points.device)
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1).reshape(1, -1, 2).expand(len(crops), -1, -1)
    half = CROP / 2
    flow = follow_points(first, second, (grid + 1) * half)
    motion = fit_motion(grid, flow.points / half - 1, flow.alike.clamp_min(0) * flow.grip + 1e-6)
    inside = to_crop(points, crops)
    expected = apply_motion(motion, inside)
    own = follow_points(first, second, (inside + 1) * half, expected=(expected + 1) * half, hold=0.05, levels=1)
    stray = (own.points / half - 1 - expected) * (own.alike > ALIKE)[..., None]
    stray = stray * (2 * STRAY / stray.norm(dim=-1, keepdim=True).clamp_min(2 * STRAY))
    return motion, to_frame(expected + stray, after_crops), flow.alike.mean(1)


def _follow_back(now: Detections, fresh: np.ndarray, frame: Tensor, recent: deque[tuple[Tensor, Detections]]):
    """Give new faces of `now` a place in the frames just read, as far back as they can be followed."""
    chain, later = now[fresh], frame
    came = np.full_like(now.moved[fresh], np.nan)
    for k in range(len(recent) - 1, -1, -1):
        earlier, seen = recent[k]
        chain = follow(chain, later, earlier)
        taken = box_iou(torch.as_tensor(chain.boxes), torch.as_tensor(seen.boxes)).numpy().max(1, initial=0) > 0.1
        stays = np.flatnonzero((chain.alike >= ALIKE) & ~taken)
        if k == len(recent) - 1:
            came[stays] = -chain.moved[stays]
        else:
            for i, run in enumerate(chain.runs):
                if i in stays:
                    after = recent[k + 1][1]
                    after.moved[np.flatnonzero(after.runs == run)] = -chain.moved[i]
        chain = chain[stays]
        if not len(chain):
            break
        recent[k] = earlier, seen.joined(replace(chain, moved=np.full_like(chain.moved, np.nan)))
        later = earlier
    moved = now.moved.copy()
    moved[fresh] = came
    return replace(now, moved=moved)
