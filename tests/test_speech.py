from fractions import Fraction

import numpy as np
import pytest

from animal_lipsync import espeak
from animal_lipsync.motion import speech_to_motion
from animal_lipsync.speech import speak_text

pytestmark = pytest.mark.skipif(not espeak.available(), reason="eSpeak NG is not installed")


@pytest.mark.parametrize("text, language", [
    ("My puppy barks at the big moon.", "en-us"), ("Papa mag Bananen.", "de"), ("パパ", "ja"), ("Мама мыла раму", "ru"),
])  # fmt: skip
def test_the_mouth_says_the_text(text, language):
    audio, motion = speak_text(text, Fraction(25), language=language)
    assert len(motion) == round(audio.duration * 25) and motion.visemes.text == text
    cues = motion.visemes.cues
    assert cues[0].start == 0 and cues[-1].end == pytest.approx(audio.duration)
    assert all(before.end == after.start for before, after in zip(cues[:-1], cues[1:], strict=True))
    opening = motion.channel("jaw_open") * (1 - motion.channel("mouth_close"))
    assert opening.max() > 0.4 and opening[0] == 0 and opening[-1] < 0.01
    for cue in cues:
        if cue.viseme == "PP":
            assert opening[round((cue.start + cue.end) / 2 * 25)] < 0.02


def test_what_is_known_and_what_is_heard_agree():
    audio, motion = speak_text("The old brown fox may jump over a lazy dog, but nobody saw.", Fraction(100))
    heard = speech_to_motion(audio, Fraction(100))
    jaws = [m.channel("jaw_open") * (1 - m.channel("mouth_close")) for m in (motion, heard)]
    assert np.corrcoef(*jaws)[0, 1] > 0.75
    assert sum(cue.viseme == "PP" for cue in motion.visemes.cues) == 5


def test_lips_are_shut_while_the_voice_is_held_back():
    """In these words the voice falls silent, or hums, for each p and b; that is where the lips meet."""
    audio, motion = speak_text("my puppy barks", Fraction(100))
    loud = np.array([np.sqrt(np.mean(part**2)) for part in np.array_split(audio.waveform[0], len(motion))])
    closures = [cue for cue in motion.visemes.cues if cue.viseme == "PP"]
    assert len(closures) == 4
    for cue in closures[1:]:
        within = loud[round(cue.start * 100) + 1 : round(cue.end * 100) - 1]
        after = loud[round(cue.end * 100) : round(cue.end * 100) + 6]
        assert within.mean() < 0.4 * after.max()


def test_a_faster_voice_is_shorter():
    slow, fast = (speak_text("One, two, three.", Fraction(25), words_per_minute=rate)[0] for rate in (100, 300))
    assert fast.duration < 0.7 * slow.duration


def test_half_a_letter_is_not_said():
    said, _ = speak_text("hello\udcff", Fraction(25))
    assert said.duration == pytest.approx(speak_text("hello", Fraction(25))[0].duration, abs=0.1)
    with pytest.raises(ValueError, match="no voice"):
        speak_text("hello", Fraction(25), language="d\udce9")


@pytest.mark.parametrize("options, named", [
    ({"text": ""}, "nothing to say"), ({"text": " … "}, "nothing to say"), ({"language": "nowhere"}, "no voice"),
    ({"text": "ha " * 20000}, "60000 letters"),
    ({"words_per_minute": 20}, "words_per_minute"), ({"pitch": 100}, "pitch"), ({"frame_rate": Fraction(0)}, "above 0"),
])  # fmt: skip
def test_what_cannot_be_said_is_refused(options, named):
    with pytest.raises(ValueError, match=named):
        speak_text(**({"text": "hello", "frame_rate": Fraction(25)} | options))
