"""The faces of a video's frames: looked for now and then, followed in between by how their pixels move.

Frame by frame in constant memory. Which run of frames shows which animal: tracking.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .boxes import box_intersection, box_iou, suppress_overlaps
from .clip import Clip
from .detection import SCALES, SEEN_WELL, find_boxes, place_keypoints, scales_for
from .detector import Detector, load_detector
from .flow import apply_motion, fit_motion, follow_points
from .found_heads import Finder, Found, believe
from .head_crops import cut_frame, load_frame, to_crop, to_frame
from .tracking import Detections
from .types import FaceTrack

CUT_DIFFERENCE = 0.15
"""Mean change of a thumbnail from one frame to the next, of full scale, that makes it a new scene."""
SAME_FACE = 0.4
"""Overlap (intersection over union) of two boxes of one face."""
EVERY = 8
"""Frames from one search of the whole picture to the next."""
CROP = 96
"""Pixels along the side of the cut in which a head is followed."""
MARGIN = 1.3
"""Side of that cut over the larger side of the head's box."""
INNER = 0.45
"""Of that cut: the part in the middle that is head and not what is behind it."""
ALIKE = 0.5
"""How alike the patches of a head must stay from one frame to the next; below it the head is lost."""
WITHIN = 0.75
"""Share of the smaller box in the larger one that makes them one head."""
FORGET = 0.7
"""What is left of a face's score when a search does not find it where it was followed to."""
GLANCE, RESEMBLES = 16, 0.4
"""Pixels along the side of a head seen at a glance, and how much it must stay like itself between two searches."""
PATIENCE = 25
"""Frames without a trace of a head, or of a scene, after which it is not expected back."""
CHUNK = 32
"""Frames that are held at once when a clip is read backwards."""
LENIENCE = 0.6
"""Share of `min_score` at which a face that is known already still counts: heads turn."""
CANDIDATE, CANDIDATES = 0.15, 12
"""Heads of at least this score are looked at more closely in a search, and no more than so many."""
LIKELY = 0.5
"""Score by the detector alone from which on a search need not look closer."""
STRAY = 0.05
"""Of the cut's side: how far the mouth of a head may move on its own from one frame to the next."""


class Scenes:
    """Numbers the scenes of a video; one that goes on after a flash or damaged frames keeps its number."""

    def __init__(self):
        self._count = 0
        self._ends: dict[int, tuple[int, np.ndarray]] = {}

    def of(self, frame: int, pixels: np.ndarray) -> int:
        """The scene of a frame, (H, W, 3) uint8; frames come in order."""
        small = pixels[:: -(-len(pixels) // 24), :: -(-pixels.shape[1] // 32)].astype(np.int16)
        self._ends = {scene: end for scene, end in self._ends.items() if frame - end[0] <= PATIENCE}
        alike = [scene for scene, (_, end) in self._ends.items() if np.abs(small - end).mean() <= 255 * CUT_DIFFERENCE]
        scene = max(alike, key=lambda scene: self._ends[scene][0], default=self._count)
        self._count = max(self._count, scene + 1)
        self._ends[scene] = frame, small
        return scene


@torch.inference_mode()
def follow_faces(
    frames: Iterable[np.ndarray],
    *,
    min_score: float = 0.3,
    every: int = EVERY,
    scales: Sequence[tuple[int, ...]] = SCALES,
    finder: Finder | None = None,
    detector: Detector | None = None,
) -> Iterator[Detections]:
    """The faces of each frame, `every` frames after it was read.

    The whole picture is searched every so many frames, at a new scene, and when a face is lost; in between, faces are
    followed. A face that is found later than it appeared is followed backwards too.

    Args:
        frames: (H, W, 3) uint8 RGB each, all of one size.
        scales: at which the whole picture is searched, as `detection.SCALES`.
        finder: looks for heads instead; what it finds is a face, even if the networks cannot tell what it is.
    """
    detector = detector or load_detector()
    recent: deque[tuple[Tensor, Detections]] = deque()
    scenes, search_at, runs = Scenes(), 0, 0
    for index, pixels in enumerate(frames):
        frame = load_frame(pixels, detector.device)
        scene = scenes.of(index, pixels)
        if recent and scene != recent[-1][1].scene:
            yield from (seen for _, seen in recent)
            recent.clear()
        known = follow(recent[-1][1], recent[-1][0], frame) if recent else Detections.none(*pixels.shape[1::-1])
        lost = (known.alike < ALIKE).any()
        if not recent or index >= search_at or lost:
            known = known[np.flatnonzero(known.alike >= ALIKE)]
            if finder:
                now = search(frame, known, detector, finder(index, pixels), 0.0)
            else:
                now = search(frame, known, detector, _heads(frame, known.boxes, detector, scales), min_score)
            fresh = np.flatnonzero(now.runs < 0)
            now.runs[fresh] = runs + np.arange(len(fresh))
            runs += len(fresh)
            if len(fresh) and recent:
                now = _follow_back(now, fresh, frame, recent)
            # a new face is looked at again soon: what was taken for one seldom is twice
            search_at = index + (2 if len(fresh) else every)
        else:
            now = known
        recent.append((frame, replace(now, scene=scene)))
        if len(recent) > every:
            yield recent.popleft()[1]
    yield from (seen for _, seen in recent)


def search(frame: Tensor, known: Detections, detector: Detector, found: Found, min_score: float) -> Detections:
    """The faces of a frame: the known ones that are still there, then new ones out of `found`, whose run is -1.

    Args:
        min_score: of faces to believe; with 0 everything found is one, known to the networks or not.
    """
    enough = np.flatnonzero(found.scores >= min(CANDIDATE, min_score))
    enough = enough[:CANDIDATES] if min_score else enough
    boxes = torch.as_tensor(found.boxes[enough]).reshape(-1, 4).float()
    scores, is_new = found.scores[enough], np.ones(len(enough), bool)
    old_boxes, old_scores = torch.as_tensor(known.boxes).clone(), FORGET * known.scores
    species = list(known.species)
    overlaps, common = box_iou(old_boxes, boxes).numpy(), box_intersection(old_boxes, boxes).numpy()
    sizes, old_sizes = ((b[:, 2:] - b[:, :2]).prod(1).numpy() for b in (boxes, old_boxes))
    for i in range(len(known)):
        same = (overlaps[i] > SAME_FACE) | (common[i] > WITHIN * np.minimum(sizes, old_sizes[i]))
        if same.any():
            best = int((overlaps[i] * same).argmax())
            # a quarter of the way to where it is found now: enough to follow, too little to jump
            old_boxes[i].lerp_(boxes[best], 0.25)
            old_scores[i] = scores[best]
            is_new &= ~same
    species += [found.species[i] for i in enough[is_new]]
    heads, scores = torch.cat([old_boxes, boxes[is_new]]), np.concatenate([old_scores, scores[is_new]])
    enough = min_score * np.where(np.arange(len(heads)) < len(known), LENIENCE, 1)
    scores, enough = (torch.as_tensor(row).float().to(frame.device) for row in (scores, enough))
    now = place_keypoints(frame, heads.to(frame.device), scores, detector, enough=enough)
    if not min_score:
        now = believe(now, species)
    count = len(known)
    blank = np.full((len(now) - count, *known.moved.shape[1:]), np.nan, np.float32)
    now = replace(
        now,
        runs=np.concatenate([known.runs, np.full(len(now) - count, -1)]),
        moved=np.concatenate([known.moved, blank]),
        alike=np.concatenate([known.alike, np.ones(len(now) - count, np.float32)]),
        placed=np.ones(len(now), bool),
        is_searched=True,
        best_score=float(max(now.scores.max(initial=0), found.scores.max(initial=0, where=found.scores < CANDIDATE))),
    )
    places = torch.as_tensor(now.boxes).to(frame.device)
    now = replace(now, glance=_glance(frame, places).cpu().numpy(), appearance=_looks(frame, places).cpu().numpy())
    looks = (known.appearance * now.appearance[:count]).sum(1) if count else np.zeros(0)
    stays = now.scores >= enough.cpu().numpy()
    overlap = box_iou(torch.as_tensor(now.boxes[:count]), torch.as_tensor(now.boxes[:count])).numpy()
    for i, k in zip(*np.nonzero(np.triu(overlap > SAME_FACE, 1)), strict=True):
        # one head went behind another and its points stuck to what hides it
        stays[i if looks[i] < looks[k] else k] = False
    if count:
        blended = 0.9 * known.appearance + 0.1 * now.appearance[:count]
        now.appearance[:count] = blended / np.linalg.norm(blended, axis=1, keepdims=True)
    return now[np.flatnonzero(stays)]


def _heads(frame: Tensor, known: np.ndarray, detector: Detector, scales: Sequence[tuple[int, ...]]) -> Found:
    """What might be a head, at one scale after the other until a likely or a `known` one (N, 4) is seen well."""
    boxes, scores = torch.zeros(0, 4, device=frame.device), torch.zeros(0, device=frame.device)
    for sides in scales_for(frame, scales):
        more = find_boxes(detector.faces, frame, sides=sides)
        boxes, scores = torch.cat([boxes, more[0]]), torch.cat([scores, more[1]])
        likely = np.concatenate([known, boxes[scores >= LIKELY].cpu().numpy()])
        if (likely[:, 2:] - likely[:, :2]).max(initial=0) * sides[0] >= SEEN_WELL * max(frame.shape):
            break
    best = suppress_overlaps(boxes, scores)
    return Found(boxes[best].cpu().numpy(), scores[best].cpu().numpy(), ("",) * len(best))


def follow(known: Detections, before: Tensor, after: Tensor) -> Detections:
    """The same faces in the next frame, moved as their pixels moved; how alike they look says whether to believe it."""
    if not len(known):
        return replace(known, is_searched=False, best_score=0.0)
    points, boxes = (torch.as_tensor(array, device=before.device) for array in (known.keypoints, known.boxes))
    centre, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    crops = torch.cat([centre, MARGIN * sides.amax(1, keepdim=True), 0 * sides[:, :1]], 1)
    motion, moved, alike = measure(before, crops, after, crops, points)
    side = crops[:, 2:3] / 2
    shift = (apply_motion(motion, torch.zeros_like(points[:, :1])) * side[:, None])[:, 0]
    grown = torch.linalg.det(motion[:, :, :2]).clamp(0.8, 1.25).sqrt()[:, None]
    new_boxes = torch.cat([centre + shift - sides / 2 * grown, centre + shift + sides / 2 * grown], 1)
    went = torch.cat([moved - points, (new_boxes - boxes).unflatten(1, (2, 2))], 1)
    stays = (torch.as_tensor(known.glance, device=before.device) * _glance(after, new_boxes)).sum(1) > RESEMBLES
    alike = alike * (stays & _is_inside(centre + shift, after))
    return replace(
        known,
        boxes=new_boxes.cpu().numpy(),
        keypoints=moved.cpu().numpy(),
        moved=went.cpu().numpy(),
        alike=alike.cpu().numpy(),
        placed=np.zeros(len(known), bool),
        is_searched=False,
        best_score=0.0,
    )


def measure(before: Tensor, crops: Tensor, after: Tensor, after_crops: Tensor, points: Tensor):
    """How heads moved between two frames, each seen through its own cut.

    Args:
        crops, after_crops: (N, 4) the cuts, as `head_crops` defines them.
        points: (N, K, 2) pixels of `before`.

    Returns:
        (N, 2, 3) motion of the head from cut to cut, in units of which a cut spans [-1, 1]; (N, K, 2) where the points
        lie in `after`; (N,) how alike the head looks.
    """
    first, second = (
        cut_frame(frame, at, CROP).mean(1, keepdim=True) for frame, at in ((before, crops), (after, after_crops))
    )
    at = torch.linspace(-INNER, INNER, 6, device=points.device)
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


@torch.inference_mode()
def follow_face(
    clip: Clip, face: FaceTrack, frame: int = 0, *, frames: Iterable[np.ndarray] | None = None, device: str = "cpu"
) -> FaceTrack:
    """One face through a clip, of any animal, from the points that it has in one frame, both ways in time.

    Every frame is compared with that one as well, so that the points do not creep. Where the head cannot be recognised
    it is not visible; after `PATIENCE` frames of that it is given up.

    Args:
        face: of length 1, in the clip's pixels.
        frames: `out_and_back(clip, frame)`, when something counts them as they are read.
    """
    count = clip.frames
    points, box = torch.from_numpy(face.keypoints).to(device), torch.from_numpy(face.boxes).to(device)
    sides = box[:, 2:] - box[:, :2]
    start = torch.cat([(box[:, :2] + box[:, 2:]) / 2, MARGIN * sides.amax(1, keepdim=True), 0 * sides[:, :1]], 1)
    path = np.full((count, points.shape[1] + 2, 2), np.nan)
    alike, visible = np.zeros(count), np.zeros(count, bool)
    reference = before = None
    for k, pixels in enumerate(out_and_back(clip, frame) if frames is None else frames):
        t = frame + k if k < count - frame else count - 1 - k
        now = load_frame(pixels, torch.device(device))
        if k == 0 or t == frame - 1:
            reference = now if k == 0 else reference
            before, crop, at, lost = reference, start, points, 0
        if k == 0:
            likeness = torch.ones(1)
        elif lost > PATIENCE:
            continue
        else:
            motion, guess, likeness = measure(before, crop, now, crop, at)
            guess_crop = _moved_crop(crop, motion) if likeness > ALIKE else crop
            motion, again, anchored = measure(reference, start, now, guess_crop, points)
            if anchored > ALIKE:
                crop, at = _moved_crop(guess_crop, motion), again
            elif likeness > ALIKE:
                crop, at = guess_crop, guess
            is_seen = (max(likeness, anchored) > ALIKE) & _is_inside(crop[:, :2], now)
            lost = 0 if is_seen else lost + 1
            likeness = torch.maximum(likeness, anchored)
        before = now
        if not lost:
            visible[t], alike[t] = True, float(likeness)
            size = sides * crop[:, 2:3] / start[:, 2:3]
            path[t] = torch.cat([at[0], crop[:, :2] - size / 2, crop[:, :2] + size / 2]).cpu().numpy()
    seen = np.flatnonzero(visible)
    rows = np.stack([np.interp(np.arange(count), seen, column[seen]) for column in path.reshape(count, -1).T], 1)
    rows = rows.reshape(path.shape).astype(np.float32)
    score = face.score * alike[:, None].clip(0, 1).astype(np.float32)
    return FaceTrack(rows[:, -2:].reshape(count, 4), rows[:, :-2], score, visible, face.species, face.schema)


def out_and_back(clip: Clip, frame: int) -> Iterator[np.ndarray]:
    """Every frame of a clip once: from `frame` to the end, then from the one before it to the first."""
    yield from clip.read_from(frame)
    for start in reversed(range(0, frame, CHUNK)):
        yield from reversed(list(islice(clip.read_from(start), min(CHUNK, frame - start))))


def _glance(frame: Tensor, boxes: Tensor) -> Tensor:
    """(N, P) the heads in boxes (N, 4) as small grey pictures of mean 0 and length 1."""
    if not len(boxes):
        return boxes.new_zeros(0, GLANCE**2)
    side = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True)
    crops = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, side, 0 * side], 1)
    small = cut_frame(frame, crops, GLANCE).mean(1).flatten(1)
    return F.normalize(small - small.mean(1, keepdim=True), dim=1, eps=1e-3)


def _looks(frame: Tensor, boxes: Tensor) -> Tensor:
    """(N, 27) colours of the middle of the heads in boxes (N, 4), of length 1: what tells one animal from another."""
    if not len(boxes):
        return boxes.new_zeros(0, 27)
    side = 0.6 * (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True)
    crops = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, side, 0 * side], 1)
    colours = F.adaptive_avg_pool2d(cut_frame(frame, crops, 24), 3).flatten(1)
    return F.normalize(colours - 0.4, dim=1)


def _is_inside(points: Tensor, frame: Tensor) -> Tensor:
    """(N,) bool: whether points (N, 2) lie in a frame (H, W, 3)."""
    return ((points >= 0) & (points < points.new_tensor([frame.shape[1], frame.shape[0]]))).all(1)


def _moved_crop(crop: Tensor, motion: Tensor) -> Tensor:
    """The cut that shows a head where `measure` says it went, as the cut it was measured in showed it before."""
    centre = to_frame(motion[:, None, :, 2], crop)[:, 0]
    grown = torch.linalg.det(motion[:, :, :2]).clamp(0.8, 1.25).sqrt()
    turned = torch.atan2(motion[:, 1, 0], motion[:, 0, 0])
    return torch.cat([centre, torch.stack([crop[:, 2] * grown, crop[:, 3] + turned], 1)], 1)
