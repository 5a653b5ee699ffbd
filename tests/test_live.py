from fractions import Fraction
from importlib.resources import files

import numpy as np
import pytest

from animal_lipsync.audio import load_audio, resample
from animal_lipsync.live import DELAY, live_motion
from animal_lipsync.motion import speech_to_motion
from animal_lipsync.types import Audio


@pytest.fixture(scope="module")
def voice() -> Audio:
    return resample(load_audio(files("animal_lipsync") / "samples" / "voice.wav", mono=True), 16_000)


def blocks(audio: Audio, size: int):
    for start in range(0, audio.waveform.shape[1], size):
        yield Audio(audio.waveform[:, start : start + size], audio.sample_rate)


def values(motions) -> np.ndarray:
    return np.concatenate([motion.values for motion in motions])


@pytest.mark.parametrize("size", [37, 160, 1000, 16_000, 10**9])
def test_how_the_voice_is_cut_changes_nothing(voice, size):
    expected = values(live_motion(blocks(voice, 4096), Fraction(25)))
    np.testing.assert_allclose(values(live_motion(blocks(voice, size), Fraction(25))), expected, atol=1e-4)
    assert abs(len(expected) - voice.duration * 25) <= 1.5


def test_frames_come_within_the_delay(voice):
    spoken = [0.0]

    def speaking():
        for block in blocks(voice, 160):
            spoken[0] += 0.01
            yield block

    shown = 0
    for motion in live_motion(speaking(), Fraction(50)):
        if spoken[0] < voice.duration - 0.1:
            assert spoken[0] - (shown + len(motion) - 1) / 50 <= DELAY + 0.03
        shown += len(motion)
    assert DELAY < 0.13


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(100)])
def test_live_and_from_a_file_the_mouth_moves_alike(voice, rate):
    live = values(live_motion(blocks(voice, 512), rate))
    whole = speech_to_motion(voice, rate)
    length = min(len(live), len(whole))
    column = whole.channels.index("jaw_open")
    assert np.corrcoef(live[:length, column], whole.channel("jaw_open")[:length])[0, 1] > 0.9


def test_silence_and_nothing_stay_shut():
    silence = Audio(np.zeros((1, 32_000), np.float32), 16_000)
    motion = values(live_motion(blocks(silence, 500), Fraction(25)))
    assert abs(len(motion) - 50) <= 1 and motion.max() < 0.05
    assert sum(len(motion) for motion in live_motion([], Fraction(25))) <= 2


def test_other_rates_and_stereo(voice):
    stereo = resample(voice, 48_000)
    stereo = Audio(np.concatenate([stereo.waveform] * 2), 48_000)
    mono = values(live_motion(blocks(voice, 512), Fraction(25)))
    both = values(live_motion(blocks(stereo, 1536), Fraction(25)))
    length = min(len(mono), len(both))
    assert np.corrcoef(mono[:length, 0], both[:length, 0])[0, 1] > 0.97


def test_no_frame_rate_is_refused():
    with pytest.raises(ValueError, match="frame_rate"):
        next(live_motion([], Fraction(0)))
