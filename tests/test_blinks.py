from fractions import Fraction

import numpy as np
import pytest

from animal_lipsync.blinks import add_blinks
from animal_lipsync.types import MouthMotion


def test_eyes_shut_fully_about_as_often_as_asked_and_mostly_stay_open():
    rate = Fraction(25)
    shut = add_blinks(MouthMotion.from_channels(rate, 25 * 600), 12).channel("blink_left")
    blinks = np.count_nonzero((shut[1:] > 0.9) & (shut[:-1] <= 0.9))
    assert 100 <= blinks <= 140
    assert np.mean(shut > 0) < 0.1


def test_no_blinks_is_the_same_motion_and_own_blinks_stay():
    motion = MouthMotion.from_channels(Fraction(25), 50, blink_right=0.7)
    assert add_blinks(motion, 0) is motion
    assert add_blinks(motion, 12).channel("blink_right").min() >= np.float32(0.7)


def test_a_single_frame_can_be_given():
    assert len(add_blinks(MouthMotion.from_channels(Fraction(25), 1), 40)) == 1


@pytest.mark.parametrize("per_minute", [-1, 41, float("nan")])
def test_an_impossible_rate_is_refused(per_minute):
    with pytest.raises(ValueError, match="blinks must lie between 0 and 40"):
        add_blinks(MouthMotion.from_channels(Fraction(25), 10), per_minute)


def test_another_variation_blinks_at_other_times_and_the_same_one_at_the_same():
    motion = MouthMotion.from_channels(Fraction(25), 25 * 60)
    one, again, other = (add_blinks(motion, 15, variation=number).channel("blink_left") for number in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() == 1
