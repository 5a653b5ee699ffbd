import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animal_lipsync.dialogue import mix_audio, take_turns
from animal_lipsync.types import Audio


def tone(seconds, rate=16000, channels=1, hertz=220.0, level=0.5):
    wave = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return Audio(np.tile(wave.astype(np.float32), (channels, 1)), rate)


def speaks(audio, second):
    at = round(second * audio.sample_rate)
    return bool(np.abs(audio.waveform[:, at : at + audio.sample_rate // 50]).max() > 0.1)


def test_each_speaks_in_its_turn_and_all_are_of_one_length():
    first, second, third = take_turns([tone(1.0), tone(2.0, 44100, 2), tone(0.5, 8000)], pause=0.25)
    assert first.duration == second.duration == third.duration == 4.0
    assert [[speaks(voice, at) for voice in (first, second, third)] for at in (0.5, 1.1, 2.0, 3.4, 3.7)] == [
        [True, False, False],
        [False, False, False],
        [False, True, False],
        [False, False, False],
        [False, False, True],
    ]


def test_a_pause_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="pause must be a number of seconds, got nan"):
        take_turns([Audio(np.zeros((1, 8), np.float32), 8)] * 2, pause=float("nan"))


def test_a_negative_pause_interrupts():
    first, second = take_turns([tone(1.0), tone(1.0)], pause=-0.5)
    assert first.duration == second.duration == 1.5 and speaks(first, 0.75) and speaks(second, 0.75)


@given(
    st.lists(st.tuples(st.floats(0.01, 2), st.sampled_from([8000, 22050, 44100, 48000])), min_size=1, max_size=4),
    st.floats(-3, 3),
)
def test_no_sample_of_any_voice_is_lost(voices, pause):
    voices = [tone(seconds, rate) for seconds, rate in voices]
    for before, after in zip(voices, take_turns(voices, pause=pause), strict=True):
        assert np.isclose(np.square(before.waveform).sum(), np.square(after.waveform).sum(), rtol=1e-4)


@pytest.mark.parametrize("rate", [16000, 48000])
def test_mixing_keeps_both_sounds_and_the_longer_length(rate):
    mixed = mix_audio(tone(1.0, hertz=220), tone(2.0, rate, channels=2, hertz=1000))
    assert mixed.sample_rate == max(16000, rate) and len(mixed.waveform) == 2 and abs(mixed.duration - 2) < 1e-3
    for start, expected in ((0, {220, 1000}), (1, {1000})):
        part = mixed.waveform[0, start * mixed.sample_rate :][: mixed.sample_rate]
        loudest = np.argsort(np.abs(np.fft.rfft(part)))[::-1][: len(expected)]
        assert {round(float(k)) for k in loudest} == expected


def test_a_mix_is_only_softer_when_it_would_be_clipped():
    quiet = mix_audio(tone(0.5, level=0.3), tone(0.5, level=0.3))
    loud = mix_audio(tone(0.5, level=0.9), tone(0.5, level=0.9))
    assert np.isclose(np.abs(quiet.waveform).max(), 0.6, atol=0.01) and np.abs(loud.waveform).max() <= 1.0
