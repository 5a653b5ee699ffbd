from fractions import Fraction

import numpy as np
import pytest

from animal_lipsync.head import nod
from animal_lipsync.types import CHANNELS, MouthMotion

HEAD = ("head_pitch", "head_yaw", "head_roll")


def phrases(rate=Fraction(25), seconds=12):
    """Four syllables a second, two seconds long, then a second of rest, over and over."""
    at = np.arange(seconds * int(rate)) / float(rate)
    jaw = np.clip(np.sin(8 * np.pi * at), 0.2, 1) * (0.4 + 0.5 * (at % 1 < 0.3)) * (at % 3 < 2)
    return MouthMotion.from_channels(rate, len(at), jaw_open=jaw)


def test_nods_come_with_stress_and_stay_within_their_degrees():
    motion = phrases()
    nodding = nod(motion, 4.0)
    pitch = nodding.channel("head_pitch")
    assert 1.5 < pitch.max() <= 4.0 and pitch.min() >= 0
    others = [index for index, name in enumerate(CHANNELS) if name not in HEAD]
    np.testing.assert_array_equal(nodding.values[:, others], motion.values[:, others])
    np.testing.assert_array_equal(nod(motion, 0.0).values, motion.values)


def test_a_silent_head_stays_still():
    assert not nod(MouthMotion.from_channels(Fraction(25), 50), 4.0).values.any()
    assert not len(nod(MouthMotion.from_channels(Fraction(25), 0), 4.0))


def test_the_head_drifts_in_pauses_only_and_ends_where_it_began():
    motion = phrases(seconds=15)
    yaw = nod(motion, 4.0).channel("head_yaw")
    assert not yaw[:49].any() and yaw[-1] == pytest.approx(0, abs=0.05)
    speaking = np.arange(len(yaw)) % 75 < 45
    assert np.ptp(yaw) > 0.5 and np.abs(yaw).max() <= 2.0
    assert np.abs(np.diff(yaw))[speaking[1:] & speaking[:-1]].max() < 1e-6


def test_a_head_moves_smoothly():
    nodding = nod(phrases(), 4.0)
    for name in HEAD:
        assert np.abs(np.diff(nodding.channel(name))).max() < 1.5


def test_another_variation_is_another_drift_and_the_same_one_the_same():
    one, again, other = (nod(phrases(), 4.0, variation=number).values for number in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.1


def test_two_frame_rates_show_the_same_head():
    slow, fast = (nod(phrases(Fraction(rate)), 4.0) for rate in (25, 50))
    for name in HEAD:
        np.testing.assert_allclose(slow.channel(name), fast.channel(name)[::2], atol=0.5)


@pytest.mark.parametrize("degrees", [46, -46, float("nan")])
def test_an_impossible_nod_is_refused(degrees):
    with pytest.raises(ValueError, match="nod must lie between -45 and 45"):
        nod(phrases(), degrees)
