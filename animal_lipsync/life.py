"""Small signs of life besides the mouth: nod, turn and tilt of the head, raised brow and ears, blinking eyes.

Maps are written target -> source in closed form, like `warp`'s, and are at rest wherever their channel is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .rig import MouthRig
from .schemas import BROW, LEFT_EYE, RIGHT_EYE
from .types import HEAD_LIMIT, FaceTrack, MouthMotion
from .warp import smoothstep

EYE_SIZE = {"cat": 0.24, "camelid": 0.11}
"""Radius of an eye as a share of the distance between both; 0.16 of other species."""
UPPER_LID, LOWER_LID = 2.6, 1.9
"""Eye radii above and below the eye's centre from which skin is drawn over it."""
LID_SPAN = 2.2
"""Eye radii to either side within which lids move."""
EYE_REACH = 3.5
"""Eye radii within which all of that happens, whichever way the head is turned."""
CLOSED_EYE = 0.07
"""Share of an eye's height that is left of it when it is shut: its own dark rims then look like lashes."""
LOW_LID = 0.3
"""Eye radii below the eye's centre at which the lids meet."""


@dataclass(frozen=True, eq=False)
class LifeField:
    """Head and eyes of N frames; tensors of shape (N, 1, 1), pixels unless said otherwise."""

    centre_x: Tensor
    centre_y: Tensor
    radius: Tensor
    """Of the head; what moves with it dies away from 0.7 to 1.6 times this."""
    pitch: Tensor
    yaw: Tensor
    roll: Tensor
    """Radians."""
    brow_x: Tensor
    brow_y: Tensor
    brow: Tensor
    eyes: tuple[tuple[Tensor, Tensor, Tensor], ...]
    """x, y and blink (0 to 1) of either eye."""
    eye_radius: Tensor
    down_x: Tensor
    down_y: Tensor
    canvas: tuple[float, float, float, float]
    """x1, y1, x2, y2 of the whole picture, at whose edges nothing may move."""

    @property
    def moves_head(self) -> bool:
        return any(bool(channel.any()) for channel in (self.pitch, self.yaw, self.roll))

    def pose(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Undo the head's movement: pixels of the target -> pixels of the unmoved head."""
        reach_x, reach_y = (x - self.centre_x) / self.radius, (y - self.centre_y) / self.radius
        distance = torch.sqrt(reach_x**2 + reach_y**2)
        share = smoothstep((1.6 - distance) / 0.9)
        x1, y1, x2, y2 = self.canvas
        margin = torch.minimum(torch.minimum(x - x1, x2 - x), torch.minimum(y - y1, y2 - y))
        travel = torch.sqrt(self.pitch**2 + self.yaw**2) + 1.6 * self.radius * self.roll.abs()
        share = share * smoothstep(margin / torch.maximum(0.25 * self.radius, 3.2 * travel))
        angle = -self.roll * share
        turned_x = (x - self.centre_x) * torch.cos(angle) - (y - self.centre_y) * torch.sin(angle)
        turned_y = (x - self.centre_x) * torch.sin(angle) + (y - self.centre_y) * torch.cos(angle)
        return (
            self.centre_x + turned_x - share * self.yaw,
            self.centre_y + turned_y - share * self.pitch,
        )

    def raise_brow(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Undo the brow's rise."""
        distance = torch.sqrt((x - self.brow_x) ** 2 + (y - self.brow_y) ** 2) / (0.75 * self.radius)
        amount = self.brow * smoothstep(1 - distance)
        return x + amount * self.down_x, y + amount * self.down_y

    def close_eye(self, eye: int, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Undo the lids' way over one eye: they draw the skin above and below over it until a thin line is left of it.

        Monotone along `down`: the slope is 0.2 or more.

        Returns:
            x, y of the source and the darkness [0, 1] of the lashes.
        """
        eye_x, eye_y, blink = self.eyes[eye]
        across = ((x - eye_x) * self.down_y - (y - eye_y) * self.down_x) / self.eye_radius
        down = ((x - eye_x) * self.down_x + (y - eye_y) * self.down_y) / self.eye_radius
        shut = blink * smoothstep((LID_SPAN - across.abs()) / (0.5 * LID_SPAN))
        left_open, middle = 1 - (1 - CLOSED_EYE) * shut, LOW_LID * shut
        upper, lower = middle - left_open, middle + left_open
        over = (-1 - upper) * smoothstep((down + UPPER_LID) / (upper + UPPER_LID))
        under = (1 - lower) * smoothstep((LOWER_LID - down) / (LOWER_LID - lower))
        within = (down - middle) / left_open - down
        shift = torch.where(down < upper, over, torch.where(down > lower, under, within)) * self.eye_radius
        lash = torch.exp(-(((down - middle) / 0.12) ** 2)) * shut**3 * smoothstep((1.2 - across.abs()) / 0.6)
        return x + shift * self.down_x, y + shift * self.down_y, lash

    def eye_box(self, eye: int, height: int, width: int) -> tuple[int, int, int, int] | None:
        """x1, y1, x2, y2 of the pixels a lid can touch in any frame; None when that eye never blinks."""
        eye_x, eye_y, blink = self.eyes[eye]
        if not bool((blink > 0).any()):
            return None
        reach = EYE_REACH * self.eye_radius + torch.sqrt(self.pitch**2 + self.yaw**2) + self.brow
        reach = reach + self.roll.abs() * self.radius
        x1, y1 = (max(int((c - reach).min()), 0) for c in (eye_x, eye_y))
        x2, y2 = min(int((eye_x + reach).max()) + 1, width), min(int((eye_y + reach).max()) + 1, height)
        return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None

    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest x, y that head, brow or eyes move; (N, 2), or (1, 2) for all."""
        spots = []
        if self.moves_head:
            spots.append((self.centre_x, self.centre_y, 1.6 * self.radius))
        if bool(self.brow.any()):
            spots.append((self.brow_x, self.brow_y, 0.75 * self.radius))
        for x, y, blink in self.eyes:
            if bool(blink.any()):
                spots.append((x, y, EYE_REACH * self.eye_radius))
        bounds = [torch.cat([x + side * reach, y + side * reach], 2) for side in (-1, 1) for x, y, reach in spots]
        low, high = torch.stack(bounds).aminmax(dim=0)
        return low[:, 0].cpu().numpy(), high[:, 0].cpu().numpy()


LIFE_CHANNELS = ("head_pitch", "head_yaw", "head_roll", "blink_left", "blink_right", "brow")


def life_field(
    face: FaceTrack,
    rig: MouthRig,
    motion: MouthMotion,
    canvas: tuple[float, float, float, float],
    *,
    device: torch.device | str = "cpu",
) -> LifeField | None:
    """The life in `motion` on `face`; None where all its channels rest."""
    if not any(motion.channel(name).any() for name in LIFE_CHANNELS):
        return None

    def column(values: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values, np.float32), device=device).reshape(-1, 1, 1)

    size = np.maximum((face.boxes[:, 2:] - face.boxes[:, :2]).max(1), 8.0)
    centre = (face.boxes[:, :2] + face.boxes[:, 2:]) / 2
    radius = 0.60 * size
    points = face.keypoints
    between = np.linalg.norm(points[:, RIGHT_EYE] - points[:, LEFT_EYE], axis=1)
    eye_radius = np.clip(EYE_SIZE.get(face.species, 0.16) * between, 0.035 * size, 0.11 * size)
    # a quarter turn would carry the middle of the head by its radius; as a flat picture it goes a part of that
    travel = 0.30 / HEAD_LIMIT * radius
    # from the side both eyes lie on one spot: one of them is the far, hidden one
    near = np.where(between < 0.12 * size, 0.0, 1.0)
    left, right = motion.channel("blink_left"), motion.channel("blink_right")
    both = np.maximum(left, right)
    return LifeField(
        column(centre[:, 0]),
        column(centre[:, 1]),
        column(radius),
        column(motion.channel("head_pitch") * travel),
        column(motion.channel("head_yaw") * travel),
        column(np.radians(motion.channel("head_roll"))),
        column(points[:, BROW, 0] + -0.15 * size * rig.down[:, 0]),
        column(points[:, BROW, 1] + -0.15 * size * rig.down[:, 1]),
        column(motion.channel("brow") * 0.045 * size),
        (
            (column(points[:, LEFT_EYE, 0]), column(points[:, LEFT_EYE, 1]), column(np.where(near > 0, left, both))),
            (column(points[:, RIGHT_EYE, 0]), column(points[:, RIGHT_EYE, 1]), column(right * near)),
        ),
        column(eye_radius),
        column(rig.down[:, 0]),
        column(rig.down[:, 1]),
        canvas,
    )
