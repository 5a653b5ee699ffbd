import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animal_lipsync.loss_curve import LossCurve, Row, mean_of


def curve_of(losses: list[float], limit: int) -> LossCurve:
    curve = LossCurve(limit=limit)
    for step, loss in enumerate(losses, 1):
        curve.add(step, {"total": loss})
    return curve


@given(st.lists(st.floats(0, 10), min_size=1, max_size=400), st.sampled_from([2, 16, 64]))
def test_however_long_it_is_it_stays_short_and_keeps_its_mean(losses, limit):
    rows = curve_of(losses, limit).rows
    assert len(rows) <= limit
    assert sum(row.steps for row in rows) == rows[-1].step == len(losses)
    assert all(a.step < b.step for a, b in zip(rows, rows[1:], strict=False))
    assert mean_of(rows).losses["total"] == pytest.approx(sum(losses) / len(losses))


def test_a_hundred_thousand_steps_still_show_where_they_fell():
    curve = LossCurve(limit=200)
    for step in range(1, 100_001):
        curve.add(step, {"total": 1.0 if step <= 40_000 else 0.25})
    halves = {row.losses["total"] for row in curve.rows if not 39_000 < row.step < 41_000}
    assert halves == {1.0, 0.25} and 100 <= len(curve.rows) <= 200


@given(st.integers(1, 100), st.sampled_from([8, 512]))
def test_a_resumed_training_goes_on_where_it_is_resumed(at, limit):
    curve = curve_of([1.0] * 100, limit)
    resumed = LossCurve.from_columns(json.loads(json.dumps(curve.columns())), limit=limit)
    resumed.add(at, {"total": 9.0})
    last = resumed.rows[-1]
    assert last.step == at and last.losses["total"] > 1.0
    assert all(row.losses["total"] == 1.0 for row in resumed.rows[:-1])


def test_losses_that_are_missing_or_no_number_are_none():
    curve = LossCurve([Row(1, 1, {"total": math.nan}), Row(2, 1, {"total": 1.0, "pixel": 0.5})])
    assert curve.columns()["losses"] == {"total": [None, 1.0], "pixel": [None, 0.5]}
    assert mean_of(curve.rows).losses["pixel"] == 0.5
