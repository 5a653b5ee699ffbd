import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync.types import Audio
from animal_lipsync.voice import shift_pitch


@pytest.mark.parametrize("semitones", [-12, -5, -0.5, 0.5, 4, 7, 12])
@pytest.mark.parametrize("sample_rate", [8_000, 22_050, 48_000])
def test_the_pitch_moves_by_as_many_semitones(sample_rate, semitones):
    time = np.arange(2 * sample_rate) / sample_rate
    tone = 0.5 * np.sin(2 * np.pi * 220 * time).astype(np.float32)[None]
    shifted = shift_pitch(Audio(tone, sample_rate), semitones).waveform[0, sample_rate // 2 :][:sample_rate]
    heard = np.abs(np.fft.rfft(shifted * np.hanning(sample_rate))).argmax()
    assert heard == pytest.approx(220 * 2 ** (semitones / 12), abs=1.5)
    assert 0.4 < np.abs(shifted).max() < 0.6


@pytest.mark.parametrize("semitones", [-12, -3, 3, 12])
def test_words_stay_where_they_are(semitones):
    rate = 48_000
    loud = np.arange(5 * rate) // (rate // 2) % 2  # half seconds of sound and of silence
    voice = (0.5 * loud * np.sin(np.arange(5 * rate) * 0.03)).astype(np.float32)[None]
    shifted = shift_pitch(Audio(voice, rate), semitones).waveform[0]
    middle = rate // 4 + rate // 2 * np.arange(10)
    level = [np.abs(shifted[at - 7000 : at + 7000]).max() for at in middle]
    assert max(level[0::2]) < 0.05 and min(level[1::2]) > 0.4


@settings(max_examples=20)
@given(
    samples=st.integers(0, 20_000),
    channels=st.integers(1, 2),
    semitones=st.floats(-12, 12),
    rate=st.sampled_from([8_000, 44_100, 192_000]),
)
def test_as_many_samples_leave_as_came(samples, channels, semitones, rate):
    shifted = shift_pitch(Audio(np.full((channels, samples), 0.1, np.float32), rate), semitones)
    assert shifted.waveform.shape == (channels, samples) and shifted.waveform.dtype == np.float32
    assert shifted.sample_rate == rate


def test_many_channels_become_one():
    said = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 4000)).astype(np.float32)
    many, one = (shift_pitch(Audio(voice, 16_000), 4.0).waveform for voice in (said, said.mean(0, keepdims=True)))
    np.testing.assert_allclose(many, one, atol=1e-5)


def test_no_shift_is_the_same_sound():
    audio = Audio(np.zeros((1, 100), np.float32), 8_000)
    assert shift_pitch(audio, 0) is audio


def test_more_than_an_octave_is_refused():
    for semitones in (-13, 12.5, float("nan")):
        with pytest.raises(ValueError, match="between -12 and 12"):
            shift_pitch(Audio(np.zeros((1, 100), np.float32), 8_000), semitones)
