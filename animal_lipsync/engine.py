"""The warp engine: frames, a face and a motion in, frames of a speaking animal out.

Runs on whatever device the frames are on. What lies outside `WarpEngine.region` is never read or changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .appearance import film_grain, measure_appearance
from .inside import OpenMouth, fill_mouth, muzzle, muzzle_boxes
from .life import LifeField, life_field
from .lipline import find_lip_line
from .mouth import paint_tongue_out
from .rig import build_rig
from .sampling import blur
from .types import FaceTrack, MouthMotion
from .warp import JawField, jaw_field

NODES = 24
"""Nodes across half a mouth at which the bend is solved, roughly; between them it is interpolated."""
STILL = 2e-3
"""Pixels; a displacement below it leaves the pixel as it is, bit for bit. Rounding stays below it up to 8K."""


@dataclass(frozen=True, eq=False)
class WarpEngine:
    """Opens the mouth by bending the picture: the `MouthEngine` driven by a `MouthMotion`.

    A frame comes out alike in whatever batch it is drawn, so a clip may be drawn in parts.
    """

    reference: OpenMouth | None = None

    def region(self, face: FaceTrack, motion: MouthMotion, width: int, height: int) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 of the part of a `width` x `height` frame that these frames may change; may be empty."""
        seen = np.broadcast_to(face.visible, len(motion))
        lows, highs, stride = [], [], 1
        for rows, is_side, rig, size, _ in (view for blended in (False, True) for view in _views(face, seen, blended)):
            some = slice(None) if len(face) == 1 else rows
            jaw = jaw_field(rig[some], motion[rows], is_side=is_side)
            life = life_field(face[some], rig[some], motion[rows], (0, 0, width, height))
            for low, high in (field.extent() for field in (jaw, life) if field):
                lows.append(np.floor(low.min(0)) - 2)
                highs.append(np.ceil(high.max(0)) + 2)
            stride = max(stride, _stride(size))
            measured = muzzle_boxes(jaw, size, width, height)
            lows.append(measured[:, :2].min(0))
            highs.append(measured[:, 2:].max(0))
        if not lows:
            return 0, 0, 0, 0
        # the nodes of a frame's bend lie at the same pixels in every region
        x1, y1 = (np.clip(np.min(lows, 0), 0, (width, height)) // stride * stride).astype(int).tolist()
        x2, y2 = np.clip(np.max(highs, 0), 0, (width, height)).astype(int).tolist()
        return x1, y1, max(x2, x1), max(y2, y1)

    @torch.no_grad()
    def __call__(
        self,
        frames: Tensor,
        face: FaceTrack,
        motion: MouthMotion,
        *,
        canvas: tuple[float, float, float, float] | None = None,
        is_still: bool = True,
    ) -> Tensor:
        """Frames in which the animal's mouth follows `motion`.

        Args:
            frames: (N, 3, H, W) float32 sRGB in [0, 1]; N = 1 is a still that stands for every frame.
            face: N frames in the same pixels; those not visible pass through untouched.
            motion: the frames to make; its length is N unless N is 1.
            canvas: x1, y1, x2, y2 of the whole picture where `frames` are a crop of it; head movements die away
                before its edges.
            is_still: whether a single frame is a still; False where it is one of a clip, whose lip line is not traced.

        Returns:
            (len(motion), 3, H, W). Where the motion is at rest and the mouth was shut, `frames` bit for bit.
        """
        if len(face) != len(frames) or len(frames) not in (1, len(motion)):
            raise ValueError(
                f"{len(frames)} frames, {len(face)} faces and {len(motion)} frames of motion do not match."
            )
        height, width = frames.shape[2:]
        seen = np.broadcast_to(face.visible, len(motion))
        out = frames.expand(len(motion), -1, -1, -1)
        if min(height, width) < 2 or not seen.any():
            return out.clone()
        parts = []
        # a reference picture shows one view only
        blended = self.reference is None and not (is_still and len(frames) == 1)
        for rows, is_side, rig, size, share in _views(face, seen, blended):
            some = slice(None) if len(frames) == 1 else rows
            jaw = jaw_field(rig[some], motion[rows], is_side=is_side, device=frames.device)
            if is_still and len(frames) == 1 and not rig.gap[0]:
                rest = jaw_field(rig, MouthMotion.from_channels(1, 1), is_side=is_side, device=frames.device)
                jaw = replace(jaw, line=find_lip_line(frames, rest))
            whole = canvas or (0, 0, width, height)
            life = life_field(face[some], rig[some], motion[rows], whole, device=frames.device)
            parts.append((rows, share, self._pose(frames[some], jaw, life, size, whole, face.species)))
        if len(parts) == 1 and len(parts[0][2]) == len(motion):
            return parts[0][2]
        out = out.clone()
        for rows, share, posed in parts:
            out[rows] = torch.lerp(out[rows], posed, torch.tensor(share, device=out.device).reshape(-1, 1, 1, 1))
        return out

    def _pose(
        self, frames: Tensor, jaw: JawField, life: LifeField | None, size: float, canvas: tuple, species: str
    ) -> Tensor:
        height, width = frames.shape[2:]
        # 1. Solve the bend at the nodes
        stride = _stride(size)
        nodes_y, nodes_x = (torch.arange(0, n + stride, stride, device=frames.device) + 0.5 for n in (height, width))
        x, y = nodes_x.reshape(1, 1, -1), nodes_y.reshape(1, -1, 1)
        lower, upper, bend = _bend(x, y, jaw, life)
        move = _upsample(bend, stride)[..., :height, :width]

        # 2. Between the lips both halves of the bend are needed at every pixel
        box = _mouth_box(jaw, life, height, width)
        if box is not None:
            (left, right), (top, bottom) = ((box[i] // stride, -(-box[i + 2] // stride)) for i in (0, 1))
            rows = slice(top * stride, min(bottom * stride + 1, height))
            columns = slice(left * stride, min(right * stride + 1, width))
            box_size = rows.stop - rows.start, columns.stop - columns.start
            lower, upper = (
                _upsample(half[..., top : bottom + 1, left : right + 1], stride)[..., : box_size[0], : box_size[1]]
                for half in (lower, upper)
            )
            ys = torch.arange(rows.start, rows.stop, device=frames.device).reshape(1, -1, 1) + 0.5
            xs = torch.arange(columns.start, columns.stop, device=frames.device).reshape(1, 1, -1) + 0.5
            a, b = jaw.to_mouth(*(life.pose(xs, ys) if life else (xs, ys)))
            lips = jaw.lips(a)
            parted = torch.where((b > (lips[0] + lips[1]) / 2)[:, None], lower, upper)
            if jaw.is_side:
                ahead = jaw.ahead_of_tips(a, b, *lips)
                parted = torch.where(ahead[2][:, None], torch.stack([ahead[0] - xs, ahead[1] - ys], 1), parted)
            move[..., rows, columns] = parted

        # 3. Lids slide over the eyes
        lashes = []
        if life:
            move = move.expand(len(life.eyes[0][2]), -1, -1, -1).contiguous()
            for eye in (0, 1):
                lid = life.eye_box(eye, height, width)
                if lid:
                    lashes.append(_close_eye(move, lid, eye, life))

        # 4. Bend the picture and paint what was hidden
        out = _sample(frames, move, sharp=bool(life and life.moves_head))
        if len(out) < len(jaw.tongue):  # nothing but the tongue differs from frame to frame
            out = out.repeat(len(jaw.tongue), 1, 1, 1)
        for area, darkness in lashes:
            out[..., area[0], area[1]] *= 1 - 0.55 * darkness[:, None]
        if box is not None:
            across = torch.cat([jaw.across_x, jaw.across_y], 2)[:, 0]
            look = measure_appearance(muzzle(frames, jaw, size), across)
            part = out[..., rows, columns]
            x, y = columns.start - round(canvas[0]), rows.start - round(canvas[1])
            grain = film_grain(x, y, *part.shape[:1:-1]).to(out.device)
            colour, cover = fill_mouth(
                frames, jaw, look, a, b, lips, size=size, grain=grain, species=species, reference=self.reference
            )
            part += (colour - part) * cover[:, None]
            out_share = jaw.tongue_over_lip()
            if bool((out_share > 0).any()) and not jaw.is_side:
                u, s = jaw.along_tongue(a, b)
                colour, cover = paint_tongue_out(u, s, light=look.light, slant=look.slant)
                part += (blur(colour, look.softness) - part) * (cover * out_share)[:, None]
        return out


def _views(face: FaceTrack, seen: np.ndarray, blended: bool):
    """Of the visible frames seen from the front and then of those seen from the side, alike in size: row numbers, which
    it is, the rig of all frames, half a mouth's width to half an octave, and how much each row counts over what was
    drawn before.

    Blended, a head on its way from one view to the other is seen as both.
    """
    rig = build_rig(face)
    for is_side in (False, True):
        view = build_rig(face, is_side=is_side) if blended else rig
        if blended:
            share = rig.turned if is_side else np.float32(rig.turned < 1)
        else:
            share = np.float32((rig.profile > 0.5) == is_side)
        share = np.broadcast_to(share, len(seen))
        sizes = np.broadcast_to(NODES * 2 ** (np.floor(2 * np.log2(view.half_width / NODES)) / 2), len(seen))
        wanted = seen & (share > 0)
        for size in np.unique(sizes[wanted]):
            rows = np.flatnonzero(wanted & (sizes == size))
            yield rows, is_side, view, float(size), share[rows]


def _stride(size: float) -> int:
    """Pixels from node to node of the bend of a mouth half as wide as `size`."""
    return 2 ** int(np.clip(np.log2(size / NODES), 1, 4))


def _bend(x: Tensor, y: Tensor, jaw: JawField, life: LifeField | None) -> tuple[Tensor, Tensor, Tensor]:
    """Displacements (N, 2, h, w) of the lower jaw, of the upper one, and of whichever a pixel belongs to."""
    posed = life.pose(x, y) if life else (x, y)
    halves = jaw.source_of(*posed)
    if life:
        halves = [life.raise_brow(*half) for half in halves]
    lower, upper = (torch.stack([half[0] - x, half[1] - y], 1) for half in halves)
    a, b = jaw.to_mouth(*posed)
    lip_up, lip_low = jaw.lips(a)
    return lower, upper, torch.where((b > (lip_up + lip_low) / 2)[:, None], lower, upper)


def _close_eye(move: Tensor, box: tuple[int, int, int, int], eye: int, life: LifeField):
    """Write one eye's lid into `move`; rows and columns of it and the darkness of the lid's edge."""
    area = slice(box[1], box[3]), slice(box[0], box[2])
    xs = torch.arange(box[0], box[2], device=move.device).reshape(1, 1, -1) + 0.5
    ys = torch.arange(box[1], box[3], device=move.device).reshape(1, -1, 1) + 0.5
    posed_x, posed_y = life.raise_brow(*life.pose(xs, ys))
    x, y, lash = life.close_eye(eye, posed_x, posed_y)
    lid = (x != posed_x) | (y != posed_y)  # the other eye's lid may reach into this one's corner of the picture
    part = move[..., area[0], area[1]]
    move[..., area[0], area[1]] = torch.where(lid[:, None], torch.stack([x - xs, y - ys], 1), part)
    return area, lash


def _mouth_box(jaw: JawField, life: LifeField | None, height: int, width: int) -> tuple[int, int, int, int] | None:
    """x1, y1, x2, y2 of the pixels between the lips in any of the frames."""
    share = torch.linspace(-1, 1, 33, device=jaw.left.device).reshape(1, 1, -1)
    if jaw.is_side:
        a = (share + 1) / 2 * jaw.front * jaw.length
    else:
        a = share * torch.where(share < 0, jaw.left, jaw.right) * (1 + jaw.stretch.clamp(min=0))
    upper, lower = jaw.lips(a)
    edges = [jaw.to_frame(a, b) for b in (upper, torch.maximum(lower, lower + jaw.tongue))]
    margin = 6.0
    if life:
        travel = torch.sqrt(life.pitch**2 + life.yaw**2) + life.roll.abs() * life.radius
        margin += float(travel.max())
    x, y = (torch.cat([edge[axis] for edge in edges]) for axis in (0, 1))
    x1, y1 = max(int(x.min() - margin), 0), max(int(y.min() - margin), 0)
    x2, y2 = min(int(x.max() + margin) + 1, width), min(int(y.max() + margin) + 1, height)
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _upsample(nodes: Tensor, stride: int) -> Tensor:
    size = [(n - 1) * stride + 1 for n in nodes.shape[2:]]
    return F.interpolate(nodes, size=size, mode="bilinear", align_corners=True)


def _sample(frames: Tensor, move: Tensor, *, sharp: bool) -> Tensor:
    """Each pixel of the result from `move` (N, 2, H, W) pixels away; not moved, it is the pixel itself, bit for bit.

    Uses up `move`.

    Args:
        sharp: between pixels by cubic curves, which keep most of the detail that straight lines lose, and cost half as
            much again.
    """
    height, width = frames.shape[2:]
    rests = (move.abs() < STILL).all(1, keepdim=True)
    move[:, 0].mul_(2 / width).add_(torch.linspace(-1 + 1 / width, 1 - 1 / width, width, device=frames.device))
    rows = torch.linspace(-1 + 1 / height, 1 - 1 / height, height, device=frames.device)
    move[:, 1].mul_(2 / height).add_(rows[:, None])
    count = max(len(frames), len(move))
    source, move = frames.expand(count, -1, -1, -1), move.expand(count, -1, -1, -1)
    mode = "bicubic" if sharp else "bilinear"
    bent = F.grid_sample(source, move.permute(0, 2, 3, 1), mode=mode, padding_mode="border", align_corners=False)
    if sharp:  # a cubic curve overshoots beside edges
        bent = bent.clamp_(0, 1)
    return torch.where(rests, source, bent, out=bent)
