from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from PIL import ImageColor

from animal_lipsync.chart import COLOURS, CUES, CURVES, LEFT, MOUTHS, RIGHT, SIZE, WAVE, draw_chart
from animal_lipsync.motion import visemes_to_motion
from animal_lipsync.types import Audio, Cue, MouthMotion, VisemeTrack
from animal_lipsync.visemes import VISEMES

TRACK = VisemeTrack((Cue(0, 0.5, "sil"), Cue(0.5, 1.0, "aa"), Cue(1.0, 1.5, "PP"), Cue(1.5, 2.0, "ou")), "Ah, boo!")
MOTION = visemes_to_motion(TRACK, Fraction(25))


def middle(row, time, seconds=2.0, start=0.0):
    return round(LEFT + (time - start) / seconds * (RIGHT - LEFT)), round(sum(row) / 2)


def test_every_viseme_has_a_colour():
    assert COLOURS.keys() == set(VISEMES)


def test_cues_lie_at_their_times_in_their_colours():
    for start in (0.0, 0.4):
        picture = draw_chart(MOTION, start=start)
        assert picture.shape == (SIZE[1], SIZE[0], 3) and picture.dtype == np.uint8
        for cue in TRACK.cues:
            x, _ = middle(CUES, max(cue.start, start) + 0.05, 2.0 - start, start)
            np.testing.assert_allclose(picture[CUES[0] + 6, x], ImageColor.getrgb(COLOURS[cue.viseme]), atol=2)


def test_the_waveform_is_as_high_as_the_voice_is_loud():
    samples = np.where(np.arange(16000) < 8000, 0.1, 0.8) * np.where(np.arange(16000) % 20 < 10, 1, -1)
    picture = draw_chart(MOTION, Audio(samples[None].astype(np.float32), 8000)).astype(int)
    blue = (picture[WAVE[0] : WAVE[1], LEFT:RIGHT, 2] > 200).sum(axis=0)
    assert 5 < np.median(blue[100:600]) < 20 and np.median(blue[800:]) > 90


def test_words_stand_below_the_wave():
    silent, spoken = (
        draw_chart(replace(MOTION, visemes=VisemeTrack(TRACK.cues, "Ah", words))).astype(int)
        for words in ((), ((0.5, 1.0, "Ah"),))
    )
    x, _ = middle(WAVE, 0.75)
    assert np.abs(silent - spoken)[WAVE[1] - 24 : WAVE[1], x - 20 : x + 20].max() > 100


def test_mouths_and_curves_move():
    still = draw_chart(MouthMotion.from_channels(Fraction(25), 50)).astype(int)
    moved = draw_chart(MouthMotion.from_channels(Fraction(25), 50, jaw_open=0.7, mouth_pucker=0.4)).astype(int)
    changed = np.abs(still - moved).max(axis=2) > 40
    assert changed[MOUTHS[0] : MOUTHS[1]].mean() > 0.02 and changed[CURVES[0] : CURVES[1]].mean() > 0.1
    assert not changed[: MOUTHS[0]].any()


def test_a_long_text_an_hour_and_a_single_frame_are_drawn():
    hour = MouthMotion.from_channels(Fraction(25), 90_000, jaw_open=0.5)
    assert draw_chart(hour, seconds=3600).any()
    assert draw_chart(MouthMotion.from_channels(Fraction(25), 1, head_pitch=3)).any()
    long = visemes_to_motion(VisemeTrack(TRACK.cues, "Ääh " * 500), Fraction(25))
    right = draw_chart(long)[30:46, 1250:1300].astype(int)
    assert np.ptp(right) < 10


@pytest.mark.parametrize("start", [2.0, -1.0, float("nan")])
def test_a_time_beyond_the_motion_is_refused(start):
    with pytest.raises(ValueError, match="lasts 2.00 s"):
        draw_chart(MOTION, start=start)
