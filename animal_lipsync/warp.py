"""The bend of the face: where each pixel of a face with an opened mouth comes from.

All maps are solved target -> source, in the frame of reference of `rig.MouthRig`. A jaw moves along one coordinate
only: down, for a mouth seen from the front; round the hinge, for one seen from the side. Along that coordinate each
map is written in closed form and monotone at any opening, so nothing folds. Knows nothing of colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .rig import MouthRig

LINE_POINTS = 33
"""Points of a lip line found in a picture, from the left corner to the right one (side: from hinge to tip)."""
LINE_REACH = 0.30
"""Half widths of the mouth by which such a line may lie above or below the curve that the keypoints suggest."""
PRESS = 0.05
"""Share of the mouth's half width by which pressed lips overlap."""


class Profile(NamedTuple):
    """A mouth at some a along it, whatever the b."""

    seam: Tensor
    """b of the shut mouth's lip line."""
    lips: Tensor
    """Share of the opening by which the lower lip drops."""
    jaw: Tensor
    """The same below the lips, where cheeks and chin follow the jaw; never less than `lips`."""


@dataclass(frozen=True, eq=False)
class JawField:
    """A `MouthRig` and its opening as tensors of shape (N, 1, 1), ready to be evaluated at any pixels."""

    origin_x: Tensor
    origin_y: Tensor
    across_x: Tensor
    across_y: Tensor
    down_x: Tensor
    down_y: Tensor
    left: Tensor
    right: Tensor
    left_drop: Tensor
    right_drop: Tensor
    jaw: Tensor
    nose: Tensor
    gap: Tensor
    facing: Tensor
    narrow: Tensor
    """Share of the mouth's width that opens: less than 1 where flews hang over the jaw."""
    opening: Tensor
    """Pixels the chin drops (front) or the tip of the jaw travels (side)."""
    stretch: Tensor
    """Corners move out by this share of their distance (< 0: in)."""
    tongue: Tensor
    """Pixels the tongue hangs over the lower lip."""
    is_side: bool
    beak: bool
    line: Tensor | None = None
    """(1, LINE_POINTS) pixels by which the lip line of a still lies below the curve that the keypoints suggest."""

    # ---- coordinates -------------------------------------------------------------------------------------------

    def to_mouth(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels of the frame -> (a, b): across and down from the front; radius and arc length from the side."""
        x, y = x - self.origin_x, y - self.origin_y
        across, down = x * self.across_x + y * self.across_y, x * self.down_x + y * self.down_y
        if not self.is_side:
            return across, down
        x, y = (across * self.facing + self.length), down - self.hinge_drop
        x, y = x * self._seam_cos + y * self._seam_sin, y * self._seam_cos - x * self._seam_sin
        return torch.sqrt(x * x + y * y), torch.atan2(y, x) * self.length

    def to_frame(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Inverse of `to_mouth`."""
        if self.is_side:
            angle = b / self.length
            x, y = a * torch.cos(angle), a * torch.sin(angle)
            x, y = x * self._seam_cos - y * self._seam_sin, y * self._seam_cos + x * self._seam_sin
            a, b = (x - self.length) * self.facing, y + self.hinge_drop
        return (
            self.origin_x + a * self.across_x + b * self.down_x,
            self.origin_y + a * self.across_y + b * self.down_y,
        )

    @property
    def length(self) -> Tensor:
        """From the hinge to the lips, of a mouth seen from the side."""
        return torch.where(self.facing > 0, self.left, self.right)

    @property
    def hinge_drop(self) -> Tensor:
        return torch.where(self.facing > 0, self.left_drop, self.right_drop)

    @property
    def _seam_cos(self) -> Tensor:
        return self.length / torch.sqrt(self.length**2 + self.hinge_drop**2)

    @property
    def _seam_sin(self) -> Tensor:
        return -self.hinge_drop / torch.sqrt(self.length**2 + self.hinge_drop**2)

    @property
    def front(self) -> float:
        """Share of `length` from the hinge at which, seen from the side, nothing moves any more."""
        return 1.1 if self.beak else 1.4

    @property
    def half_width(self) -> Tensor:
        return (self.left + self.right) / 2

    # ---- the lips ----------------------------------------------------------------------------------------------

    def across_share(self, a: Tensor) -> Tensor:
        """-1 at the left corner, 0 under the nose, 1 at the right corner (side: 0 at the hinge, 1 at the tip)."""
        if self.is_side:
            return a / self.length
        grown = 1 + self.stretch
        return torch.where(a < 0, a / (self.left * grown), a / (self.right * grown))

    def seam(self, a: Tensor) -> Tensor:
        """b of the shut mouth's lip line."""
        share = self.across_share(a).clamp(0 if self.is_side else -1, 1)
        if self.is_side:
            seam, at = torch.zeros_like(a), share
        else:
            seam, at = torch.where(a < 0, self.left_drop, self.right_drop) * smoothstep(share.abs()), (share + 1) / 2
        if self.line is None:
            return seam
        at = at * (LINE_POINTS - 1)
        below = at.detach().floor().clamp(max=LINE_POINTS - 2)
        index = below.long()
        line = self.line[0]
        return seam + torch.lerp(line[index], line[index + 1], at - below)

    def lip_profile(self, a: Tensor) -> Tensor:
        """Share of the opening by which the lower lip drops at a: 1 in the middle, 0 at the hinge."""
        if self.is_side:
            share = self.across_share(a)
            return smoothstep(share / 0.30) * smoothstep((self.front - share) / (self.front - 1.04))
        share = (self.across_share(a).abs() / self.narrow).clamp(max=1)
        root = (1 - share**2 * share.sqrt()).sqrt()
        return root * root.sqrt()

    def profile(self, a: Tensor) -> Profile:
        lips = self.lip_profile(a)
        if self.is_side:
            return Profile(self.seam(a), lips, lips)
        share = self.across_share(a).abs()
        return Profile(self.seam(a), lips, torch.maximum(smoothstep((1.85 - share) / 1.45), lips))

    # ---- the jaw -----------------------------------------------------------------------------------------------

    @property
    def chin(self) -> Tensor:
        """b down to which the shut jaw is rigid."""
        if self.is_side:
            return torch.atan2(self.jaw, 0.75 * self.length) * self.length
        return 0.9 * self.jaw

    @property
    def neck(self) -> Tensor:
        """Length of b below the opened chin in which the drop dies away."""
        if self.is_side:
            room = 2.8 * self.length - self.chin - self.opening
            return torch.minimum(torch.maximum(1.2 * self.jaw, 1.5 * self.opening), room)
        return torch.maximum(1.4 * self.jaw, 1.5 * self.opening)

    @property
    def reopened_neck(self) -> Tensor:
        """The same below the chin of the picture, whose mouth stands open by `gap`."""
        length = torch.maximum(1.4 * self.jaw, 2.4 * self.gap)
        return torch.minimum(length, 2.8 * self.length - self.chin) if self.is_side else length

    def shut_jaw(self, at: Profile, b: Tensor) -> Tensor:
        """b of the opened lower jaw -> b when it was shut. Above the lower lip it goes on smoothly.

        The slope over b is 1 - 1.5 / 2.2 or more, so no two pixels swap places.
        """
        gain = at.jaw - at.lips
        deep = b - at.seam - self.opening * at.lips
        deep = _ramp(deep, torch.maximum(0.85 * self.jaw, 2.2 * self.opening * gain))
        gone = _ramp(b - self.chin - self.opening, self.neck)
        return b - self.opening * (at.lips + gain * deep) * (1 - gone)

    def reopen_jaw(self, at: Profile, b: Tensor) -> Tensor:
        """b of the shut lower jaw -> b in the picture, where the mouth stands open by `gap`."""
        if not self.gap.any():
            return b
        deep = _ramp(b - at.seam, 0.85 * self.jaw)
        gone = _ramp(b - self.chin, self.reopened_neck)
        return b + self.gap * (at.lips + (at.jaw - at.lips) * deep) * (1 - gone)

    def lift(self, at: Profile, b: Tensor) -> Tensor:
        """Inverse for the upper lip, which rises a little as the jaw drops: b of the target -> b of the source."""
        if self.is_side:
            return b
        height = self._upper_rise(at.lips)
        reach = 0.9 * self.nose
        return b + height * (1 - _ramp(at.seam - height - b, reach))

    def _upper_rise(self, lips: Tensor) -> Tensor:
        """How far the upper lip rises where the lower one drops by `lips`, in units of b."""
        if self.is_side:
            return torch.zeros_like(lips)
        return torch.minimum(0.10 * self.opening, 0.3 * self.nose) * lips

    # ---- the corners -------------------------------------------------------------------------------------------

    def relax_corners(self, a: Tensor, b: Tensor) -> Tensor:
        """Inverse of the corners' way out or in: a of the target -> a of the source."""
        if self.is_side:
            return a
        wide = torch.where(a < 0, self.left, self.right)
        fade_b = 1 - _ramp((b - 0.3 * self.jaw).abs() - 0.7 * self.jaw, 0.8 * self.half_width + 0.3 * self.jaw)
        amount = self.stretch * fade_b
        source = a / (1 + amount)
        for _ in range(3):
            share = source.abs() / wide
            source = a / (1 + amount * (1 - smoothstep((share - 0.95) / 1.05)))
        return source

    # ---- all of it ---------------------------------------------------------------------------------------------

    def source_of(self, x: Tensor, y: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Pixels of the target -> pixels of the source, once as part of the lower jaw, once as part of the upper.

        Args:
            x, y: (N or 1, h, w) pixel centres of the frame.

        Returns:
            (x, y) for the lower layer and (x, y) for the upper one, each (N, h, w).
        """
        a, b = self.to_mouth(x, y)
        at = self.profile(a)
        lower = self.reopen_jaw(at, self.shut_jaw(at, b))
        upper = self.lift(at, b)
        return (
            self.to_frame(self.relax_corners(a, lower), lower),
            self.to_frame(self.relax_corners(a, upper), upper),
        )

    def lips(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """b of the upper and of the lower lip's edge in the target."""
        seam, drop = self.seam(a), self.lip_profile(a)
        return seam - self._upper_rise(drop), seam + self.opening * drop

    def front_edge(self, v: Tensor) -> Tensor:
        """Share of `length` at which the inside of a mouth seen from the side ends: it curves back between the tips."""
        return 0.99 - 0.80 * (self.opening / self.length) * v * (1 - v)

    def ahead_of_tips(self, a: Tensor, b: Tensor, upper: Tensor, lower: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What shows between the parted tips of a mouth seen from the side.

        That is background, drawn in from further ahead; in a parrot's case the upper bill's hook, which stays.

        Returns:
            x, y in the source, and where that holds.
        """
        share = a / self.length
        edge = self.front_edge(((b - upper) / (lower - upper).clamp(min=1e-3)).clamp(0, 1))
        ahead = share if self.beak else 1.04 + (share - edge) / (self.front - edge) * (self.front - 1.04)
        return *self.to_frame(ahead * self.length, b), (b > upper) & (b < lower) & (share > edge)

    def tongue_over_lip(self) -> Tensor:
        """Share of the tongue's tip that is out; a tongue that only rises behind the teeth stays painted inside."""
        return smoothstep((self.tongue / self.half_width - 0.12) / 0.15)

    def along_tongue(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Across (-1 to 1) and along (0 to 1) a tongue that hangs out of a mouth seen from the front."""
        start = self.seam(a * 0) + 0.55 * self.opening
        length = self.tongue + 0.45 * self.opening
        along = (b - start) / length.clamp(min=1e-3)
        width = self.half_width * self.narrow * (0.50 + 0.06 * smoothstep(along))
        return a / width, along

    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, 2) lowest and highest x, y of the frame that any of these maps moves."""
        if self.is_side:
            radius = (self.front + 0.03) * self.length
            centre = self.to_frame(torch.zeros_like(self.length), torch.zeros_like(self.length))
            low = torch.cat([c - radius for c in centre], 2)
            high = torch.cat([c + radius for c in centre], 2)
        else:
            is_stretched = self.stretch != 0
            grown = torch.where(is_stretched, (1.87 * (1 + self.stretch)).clamp(min=2.02), 1.87)
            up = 0.9 * self.nose - torch.minimum(self.left_drop, self.right_drop).clamp(max=0)
            up = up + LINE_REACH * self.half_width
            up = torch.where(is_stretched, torch.maximum(up, 0.8 * self.half_width + 0.7 * self.jaw), up)
            down = self.chin + torch.maximum(self.neck, self.reopened_neck)
            down = torch.where(is_stretched, torch.maximum(down, 0.8 * self.half_width + 1.3 * self.jaw), down)
            up, down = up + 0.1 * self.opening.clamp(min=0), down + self.opening.clamp(min=0)
            corners = [self.to_frame(a * grown, b) for a in (-self.left, self.right) for b in (-up, down)]
            low = torch.stack([torch.cat(torch.broadcast_tensors(*c), 2) for c in corners]).amin(0)
            high = torch.stack([torch.cat(torch.broadcast_tensors(*c), 2) for c in corners]).amax(0)
        return low[:, 0].cpu().numpy(), high[:, 0].cpu().numpy()


def jaw_field(rig: MouthRig, motion, *, is_side: bool, device: torch.device | str = "cpu") -> JawField:
    """The field of `motion` (N frames, or rig of 1 frame for a still) on the mouths of `rig`."""

    def shared(values: np.ndarray) -> np.ndarray:
        """What is the same in all frames is solved once."""
        return values[:1] if (values == values[:1]).all() else values

    def column(values: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values, np.float32), device=device).reshape(-1, 1, 1)

    if all(len(shared(value)) == 1 for name, value in vars(rig).items() if name != "beak"):
        rig = rig[:1]
    wide = motion.channel("mouth_wide")
    pucker = motion.channel("mouth_pucker")
    close = motion.channel("mouth_close")
    tongue = motion.channel("tongue_out")
    jaw_open = np.maximum(motion.channel("jaw_open") * (1 - close), 0.30 * np.minimum(2 * tongue, 1))
    # pressed lips overlap a little
    opening = jaw_open * rig.reach - PRESS * close * (1 - np.minimum(jaw_open, 1)) * rig.half_width
    flews = np.maximum(rig.left_drop, rig.right_drop) / rig.half_width
    return JawField(
        *(column(rig.origin[:, i]) for i in (0, 1)),
        *(column(rig.across[:, i]) for i in (0, 1)),
        *(column(rig.down[:, i]) for i in (0, 1)),
        *(column(getattr(rig, name)) for name in ("left", "right", "left_drop", "right_drop", "jaw", "nose", "gap")),
        facing=column(rig.facing),
        narrow=column(0.9 - 0.4 * np.clip(flews, 0, 0.8)),
        opening=column(shared(opening)),
        stretch=column(shared(0.16 * wide - 0.26 * pucker)),
        tongue=column(shared(tongue * (0.7 * rig.jaw + 0.3 * rig.half_width))),
        is_side=is_side,
        beak=rig.beak,
    )


def smoothstep(t: Tensor) -> Tensor:
    t = t.clamp(0, 1)
    return t * t * (3 - 2 * t)


def _ramp(b: Tensor, length: Tensor) -> Tensor:
    """Smoothstep from 0 at b = 0 to 1 at b = length; its slope is at most 1.5 / length."""
    return smoothstep(b / length)
