"""Keypoint schemas as data: what each point is called and which points are each other's mirror image."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schema:
    names: tuple[str, ...]
    mirror: tuple[int, ...]
    """Index of the point that takes each point's place when the picture is flipped left to right."""


SCHEMAS = {
    # left and right are the viewer's
    "animal9": Schema(
        names=(
            "left_eye",
            "right_eye",
            "nose",
            "mouth_left",
            "mouth_right",
            "upper_lip",
            "lower_lip",
            "chin",
            "brow",
        ),
        mirror=(1, 0, 2, 4, 3, 5, 6, 7, 8),
    ),
}

LEFT_EYE, RIGHT_EYE, NOSE, MOUTH_LEFT, MOUTH_RIGHT, UPPER_LIP, LOWER_LIP, CHIN, BROW = range(9)
