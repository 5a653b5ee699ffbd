from fractions import Fraction

import numpy as np
import pytest

from animal_lipsync.curve import curve_to_motion, motion_at_rest

REST = motion_at_rest(2, Fraction(25))


def test_a_curve_moves_one_channel_from_the_first_frame_to_the_last():
    motion = curve_to_motion(lambda at: at, REST, channel="head_yaw", low=-10, high=20)
    np.testing.assert_allclose(motion.channel("head_yaw"), np.linspace(-10, 20, 50), atol=1e-5)
    assert not motion.channel("jaw_open").any()
    both = curve_to_motion(lambda at: 1 - at, motion)
    assert both.channel("jaw_open")[0] == 1 and both.channel("head_yaw")[-1] == 20


def test_a_repeated_curve_ends_where_the_curve_ends():
    jaw = curve_to_motion(lambda at: at, motion_at_rest(4.04, Fraction(25)), repeat=4).channel("jaw_open")
    assert len(jaw) == 101 and jaw[25] == 0 and jaw[24] > 0.9 and jaw[-1] == 1


def test_what_a_curve_overshoots_is_cut_off():
    assert curve_to_motion(lambda at: 3 * at - 1, REST).channel("jaw_open").max() == 1


@pytest.mark.parametrize("options, named", [
    ({"channel": "ear"}, "no channel 'ear'"), ({"low": -1}, "low must lie between 0 and 1 for jaw_open"),
    ({"channel": "head_roll", "high": 90}, "between -45 and 45"),
])  # fmt: skip
def test_what_a_channel_cannot_be_is_refused(options, named):
    with pytest.raises(ValueError, match=named):
        curve_to_motion(lambda at: at, REST, **options)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), 1e6])
def test_an_impossible_length_is_refused(seconds):
    with pytest.raises(ValueError, match="seconds must lie"):
        motion_at_rest(seconds, Fraction(25))
