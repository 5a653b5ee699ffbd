import json
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync import espeak
from animal_lipsync.audio import load_audio, resample
from animal_lipsync.edits import (
    FAR,
    REACH,
    SPOKEN,
    Edits,
    apply_edits,
    is_same_voice,
    voice_fingerprint,
)
from animal_lipsync.motion import speech_to_motion
from animal_lipsync.timeline import peaks, timeline_json
from animal_lipsync.types import CHANNELS, Audio, Cue, FormatError, MouthMotion, VisemeTrack
from animal_lipsync.visemes import VISEMES

VOICE = load_audio(files("animal_lipsync") / "samples" / "voice.wav")
HEARD = speech_to_motion(VOICE, Fraction(25))
CUES = HEARD.visemes.cues
AT = np.arange(len(HEARD)) / 25


def retyped(index: int, viseme: str) -> Edits:
    return Edits(cues=(*CUES[:index], replace(CUES[index], viseme=viseme), *CUES[index + 1 :]))


def test_no_edits_change_nothing():
    assert apply_edits(HEARD, Edits.from_json("")) is HEARD
    np.testing.assert_array_equal(apply_edits(HEARD, Edits(cues=CUES)).values, HEARD.values)


@settings(max_examples=30)
@given(index=st.integers(0, len(CUES) - 1), viseme=st.sampled_from(VISEMES))
def test_a_changed_cue_moves_its_own_time_and_nothing_else(index, viseme):
    edited = apply_edits(HEARD, retyped(index, viseme))
    cue = CUES[index]
    away = (AT < cue.start - FAR) | (AT > cue.end + FAR)
    np.testing.assert_array_equal(edited.values[away], HEARD.values[away])
    assert edited.visemes.cues[index].viseme == viseme
    assert edited.values.min() >= 0 and edited.values.max() <= 1


def test_lips_meet_where_a_cue_says_so_and_open_where_it_says_that():
    index = max(range(len(CUES)), key=lambda index: CUES[index].end - CUES[index].start if index else 0)
    middle = round((CUES[index].start + CUES[index].end) / 2 * 25)
    assert apply_edits(HEARD, retyped(index, "PP")).channel("mouth_close")[middle] > 0.9
    assert apply_edits(HEARD, retyped(index, "aa")).channel("jaw_open")[middle] > 0.6


@settings(max_examples=30)
@given(
    keys=st.dictionaries(
        st.integers(0, len(HEARD) - 1).map(lambda frame: frame / 25), st.floats(0, 1), min_size=1, max_size=12
    ),
    name=st.sampled_from(["jaw_open", "blink_left"]),
)
def test_a_curve_runs_through_its_keyframes_and_returns_to_what_is_heard(keys, name):
    edited = apply_edits(HEARD, Edits(curves={name: tuple(sorted(keys.items()))}))
    for time, value in keys.items():
        assert edited.channel(name)[round(time * 25)] == pytest.approx(value, abs=1e-6)
    away = np.min([np.abs(AT - time) for time in keys], axis=0) > REACH
    np.testing.assert_array_equal(edited.channel(name)[away], HEARD.channel(name)[away])
    others = [index for index, channel in enumerate(CHANNELS) if channel != name]
    np.testing.assert_array_equal(edited.values[:, others], HEARD.values[:, others])


def test_near_keyframes_are_joined_without_what_was_heard():
    keys = tuple((time, 0.5) for time in np.arange(1, 3, REACH))
    jaw = apply_edits(HEARD, Edits(curves={"jaw_open": keys})).channel("jaw_open")
    np.testing.assert_allclose(jaw[(AT >= 1) & (AT <= keys[-1][0])], 0.5, atol=1e-6)


cues = st.builds(Cue, st.floats(0, 20), st.floats(0, 20), st.sampled_from(VISEMES))
edits = st.builds(
    Edits,
    cues=st.none() | st.lists(cues, max_size=20).map(tuple),
    curves=st.dictionaries(
        st.sampled_from(CHANNELS[:5]), st.lists(st.tuples(st.floats(0, 20), st.floats(0, 1)), min_size=1).map(tuple)
    ),
    voice=st.text(),
)


@given(edits)
def test_whatever_is_read_is_in_order_survives_writing_and_can_be_applied(edits):
    read = Edits.from_json(edits.to_json())
    assert Edits.from_json(read.to_json()) == read
    for before, after in zip((read.cues or ())[:-1], (read.cues or ())[1:], strict=True):
        assert before.start < before.end <= after.start
    motion = apply_edits(HEARD, read)
    assert len(motion) == len(HEARD) and np.isfinite(motion.values).all()


def test_a_cue_far_behind_the_voice_takes_neither_time_nor_memory():
    assert len(apply_edits(HEARD, Edits(cues=(*CUES, Cue(9e5, 1e6, "aa"))))) == len(HEARD)


@pytest.mark.parametrize(
    "text, named",
    [
        ("{", "edits is not JSON"),
        ('{"version": 2}', "edits.version must be 1"),
        ('{"version": 1, "cues": [{"start": 0, "end": 1, "viseme": "XX"}]}', "edits.cues[0]"),
        ('{"version": 1, "cues": [{"start": 0, "end": "1", "viseme": "aa"}]}', "edits.cues[0].end"),
        ('{"version": 1, "cues": 3}', "edits.cues"),
        ('{"version": 1, "curves": {"jaw": []}}', "names 'jaw'"),
        ('{"version": 1, "curves": {"jaw_open": [[0, 2]]}}', "edits.curves.jaw_open[0]"),
        ('{"version": 1, "voice": 5}', "edits.voice"),
    ],
)
def test_edits_that_cannot_be_read_are_refused_by_name(text, named):
    with pytest.raises(FormatError) as refused:
        Edits.from_json(text)
    assert named in str(refused.value)


@settings(max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["version", "cues", "curves", "voice", "track", "jaw_open", "start"]), inner
            )
        ),
    ).map(lambda value: json.dumps(value | {"version": 1}) if isinstance(value, dict) else json.dumps(value))
)
def test_garbage_is_read_or_refused_never_worse(text):
    try:
        Edits.from_json(text)
    except FormatError:
        pass


def test_edits_know_their_voice_however_it_is_encoded():
    edits = Edits(cues=CUES, voice=voice_fingerprint(VOICE))
    noise = np.random.default_rng(0).normal(0, 1e-4, VOICE.waveform.shape).astype(np.float32)
    for same in (VOICE, resample(VOICE, 16000), Audio(0.5 * VOICE.waveform + noise, VOICE.sample_rate)):
        assert edits.suit(same)
    cut = VOICE.waveform[:, : VOICE.waveform.shape[1] * 2 // 3]
    for other in (Audio(cut, VOICE.sample_rate), Audio(VOICE.waveform[:, ::-1].copy(), VOICE.sample_rate)):
        assert not edits.suit(other)
    assert Edits(cues=CUES).suit(VOICE) and not is_same_voice("a fox", voice_fingerprint(VOICE))


def test_edits_know_the_track_they_were_made_for():
    document = json.loads(timeline_json(VOICE, HEARD, given=True))
    edits = Edits(track=document["track"])
    assert edits.suit(VOICE, HEARD.visemes) and edits.suit(VOICE)
    assert not edits.suit(VOICE, VisemeTrack(tuple(replace(cue, viseme="aa") for cue in CUES)))


def test_the_editor_is_told_the_voice_and_its_mouth():
    document = json.loads(timeline_json(VOICE, HEARD))
    assert MouthMotion.from_json(json.dumps(document["motion"])).visemes == HEARD.visemes
    assert document["duration"] == VOICE.duration and document["track"] == ""
    loud = peaks(VOICE)
    assert len(loud) == int(np.ceil(VOICE.duration * 100)) and loud.max() == int(255 * np.abs(VOICE.waveform).max())
    for samples in (0, 1, 48510, 48511):  # 2.2 s and a sample more; 2.2 * 100 is a little above 220 in floats
        assert len(peaks(Audio(np.zeros((1, samples), np.float32), 22050))) == int(
            np.ceil(Fraction(samples * 100, 22050))
        )


def test_the_editor_in_the_browser_moves_the_mouth_alike():
    """What tests/js/timeline_motion.test.mjs holds the browser to is still about what is made here."""
    shared = json.loads((Path(__file__).parent / "data" / "timeline.json").read_text())
    heard = MouthMotion.from_json(json.dumps(shared["heard"]))
    for case in shared["cases"]:
        edited = apply_edits(heard, Edits.from_json(json.dumps(case["edits"])))
        for name in SPOKEN:
            assert np.abs(edited.channel(name) - case["expected"][name]).mean() < 0.01


@pytest.mark.skipif(not espeak.available(), reason="no eSpeak NG")
def test_the_editor_is_told_the_words_of_a_transcript():
    text = (files("animal_lipsync") / "samples" / "voice.txt").read_text()
    motion = speech_to_motion(VOICE, Fraction(25), transcript=text)
    assert MouthMotion.from_json(motion.to_json()).visemes == motion.visemes
    words = json.loads(timeline_json(VOICE, motion))["motion"]["visemes"]["words"]
    assert len(words) >= 0.8 * len(text.split())
    assert all(0 <= word["start"] < word["end"] <= VOICE.duration + 0.02 for word in words)
