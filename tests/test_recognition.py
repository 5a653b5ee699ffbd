from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animal_lipsync import recognition
from animal_lipsync.audio import load_audio, resample
from animal_lipsync.hearing import SAMPLE_RATE, Heard, hear
from animal_lipsync.motion import speech_to_motion
from animal_lipsync.recognition import _sentences, follow_recognised, recognise
from animal_lipsync.types import Audio
from animal_lipsync.visemes import PHONES


@pytest.fixture(scope="module")
def pocketsphinx():
    pytest.importorskip("pocketsphinx", reason="PocketSphinx is not installed")


def voice(path) -> Audio:
    return resample(load_audio(path, mono=True), SAMPLE_RATE)


def test_english_is_understood(data, pocketsphinx):
    audio = voice(data / "speech" / "ljspeech" / "LJ001-0020.wav")
    motion = speech_to_motion(audio, Fraction(25), recognise=True)
    assert "being in fact invented in the early middle ages" in motion.visemes.text


def test_another_language_stays_as_heard(data, pocketsphinx):
    audio = voice(data / "speech" / "languages" / "eluosi.wav")
    heard = hear(audio)
    assert recognise(heard, audio)  # words there are, in any voice
    followed, words = follow_recognised(heard, audio)
    assert followed is heard and words == []


def test_without_pocketsphinx_all_stays_as_heard(monkeypatch):
    monkeypatch.setattr(recognition, "_decoder", lambda: None)
    audio = Audio(np.zeros((1, SAMPLE_RATE), np.float32), SAMPLE_RATE)
    heard = hear(audio)
    followed, words = follow_recognised(heard, audio)
    assert followed is heard and words == []


def test_silence_has_no_words(pocketsphinx):
    motion = speech_to_motion(Audio(np.zeros((1, 48000), np.float32), 48000), Fraction(25), recognise=True)
    assert motion.visemes.text is None and not motion.channel("jaw_open").any()


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 2500)), max_size=8))
def test_sentences_hold_all_speech_once_and_are_not_long(stretches):
    speaks = np.concatenate([np.zeros(0, bool), *(np.full(length, speech) for speech, length in stretches)])
    phones = np.full((len(speaks), len(PHONES)), -5.0, np.float32)
    phones[np.arange(len(speaks)), np.where(speaks, 17, 0)] = 0
    covered = np.zeros(len(speaks), int)
    for start, end in _sentences(Heard(phones, np.zeros(len(speaks), np.float32), Fraction(len(speaks), 100))):
        assert 0 < end - start <= recognition.LONGEST
        covered[start:end] += 1
    assert covered.max(initial=0) <= 1 and covered[speaks].all()
