"""The losses of a training by step, kept short enough to draw however long it runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ROWS = 2000


@dataclass(frozen=True)
class Row:
    """The mean of neighbouring steps."""

    step: int
    """The last of them."""
    steps: int
    """How many they are."""
    losses: Mapping[str, float]


def mean_of(rows: Iterable[Row]) -> Row:
    """One row in place of neighbours; each loss by the steps that have it."""
    rows = list(rows)
    losses = {}
    for name in dict.fromkeys(name for row in rows for name in row.losses):
        having = [row for row in rows if name in row.losses]
        losses[name] = sum(row.losses[name] * row.steps for row in having) / sum(row.steps for row in having)
    return Row(rows[-1].step, sum(row.steps for row in rows), losses)


class LossCurve:
    """At most `limit` rows; when there are more, neighbours become one."""

    def __init__(self, rows: Iterable[Row] = (), *, limit: int = ROWS):
        self.rows = list(rows)
        self._limit = limit
        self._stride = max((row.steps for row in self.rows), default=1)

    def add(self, step: int, losses: Mapping[str, float]) -> None:
        """A step that was there before, because a training is resumed, takes the place of what followed it."""
        rows = self.rows
        if rows and step <= rows[-1].step:
            rows = [row for row in rows if row.step < step]
        row = Row(step, 1, losses)
        if rows and rows[-1].steps < self._stride:
            rows = [*rows[:-1], mean_of([rows[-1], row])]
        else:
            rows = [*rows, row]
        if len(rows) > self._limit:
            self._stride *= 2
            rows = [mean_of(rows[i : i + 2]) for i in range(0, len(rows), 2)]
        self.rows = rows

    def columns(self) -> dict:
        """For JSON: `step` and `steps` of each row, and `losses` by name; None where a loss is missing or no number."""
        rows = self.rows
        names = dict.fromkeys(name for row in rows for name in row.losses)
        return {
            "step": [row.step for row in rows],
            "steps": [row.steps for row in rows],
            "losses": {name: [finite(row.losses.get(name)) for row in rows] for name in names},
        }

    @classmethod
    def from_columns(cls, columns: Mapping, *, limit: int = ROWS) -> LossCurve:
        named = columns["losses"]
        rows = [
            Row(step, steps, {name: named[name][i] for name in named if named[name][i] is not None})
            for i, (step, steps) in enumerate(zip(columns["step"], columns["steps"], strict=True))
        ]
        return cls(rows, limit=limit)


def finite(value: float | None) -> float | None:
    """What JSON can hold of a number; a browser reads neither NaN nor Infinity."""
    return value if value is not None and math.isfinite(value) else None
