from fractions import Fraction
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animal_lipsync import hearing
from animal_lipsync.audio import load_audio, read_audio
from animal_lipsync.hearing import HOP, SAMPLE_RATE, hear
from animal_lipsync.motion import speech_to_motion, visemes_to_motion
from animal_lipsync.types import Audio, Cue, MouthMotion, VisemeTrack
from animal_lipsync.visemes import INDEX, PHONES, SHAPES, VISEMES, phones_of, viseme_track

VOICE = files("animal_lipsync") / "samples" / "voice.wav"
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def voice() -> Audio:
    return load_audio(VOICE, mono=True)


def said(text: str) -> np.ndarray:
    """(T, 31) log-probabilities of phones heard for 10 ms per letter; `.` is silence."""
    wanted = [INDEX["sil" if letter == "." else letter] for letter in text]
    return np.log(np.full((len(text), len(PHONES)), 0.1 / 30) + 0.9 * np.eye(len(PHONES))[wanted])


# Sounds


def test_every_sound_has_a_viseme_and_a_shape():
    assert len(set(INDEX)) == len(PHONES) == 31
    assert {phone.viseme for phone in PHONES} == set(VISEMES)
    assert SHAPES.shape == (15, 3) and SHAPES.min() >= 0 and SHAPES.max() <= 1
    assert not SHAPES[VISEMES.index("PP")].any() and not SHAPES[VISEMES.index("sil")].any()


@pytest.mark.parametrize("ipa, names", [
    ("həlˈoʊ", "əlou"), ("bˈeɪbi", "peɪpi"), ("tʃ", "tʃ"), ("ɡˈuːtən", "ɡutən"), ("", ""), ("ʔ h", ""), ("ã", "a"),
])  # fmt: skip
def test_ipa_becomes_sounds(ipa, names):
    assert [PHONES[index].name for index in phones_of(ipa)] == list(names)


# Hearing


def test_blocks_of_any_size_are_heard_alike(voice, monkeypatch):
    whole = hear(voice)
    pieces = np.array_split(voice.waveform, 131, axis=1)
    in_blocks = hear(Audio(piece, voice.sample_rate) for piece in pieces)
    np.testing.assert_allclose(in_blocks.phones, whole.phones, atol=1e-2)
    monkeypatch.setattr(hearing, "STRETCH", 74)
    np.testing.assert_allclose(hear(voice).phones, whole.phones, atol=1e-3)


def test_a_row_is_heard_every_10_ms(voice):
    heard = hear(voice)
    assert len(heard.phones) == len(heard.loudness) == round(heard.duration * 100)
    np.testing.assert_allclose(np.exp(heard.phones).sum(axis=1), 1, atol=1e-3)


def test_a_click_is_heard_where_it_is():
    samples = np.zeros(SAMPLE_RATE, np.float32)
    samples[50 * HOP + HOP // 2] = 1
    bands = np.concatenate(list(hearing.log_mel([Audio(samples[None], SAMPLE_RATE)])))
    assert bands.shape == (100, 40) and bands.sum(axis=1).argmax() == 50


@pytest.mark.parametrize("samples", [
    np.zeros(0), np.zeros(1), np.zeros(16000), np.full(16000, 0.5), 1e-5 * RNG.standard_normal(16000),
    0.1 * RNG.standard_normal(48000),
], ids=["nothing", "one sample", "silence", "dc", "faint hiss", "hiss"])  # fmt: skip
def test_where_nobody_speaks_the_mouth_stays_shut(samples):
    motion = speech_to_motion(Audio(samples[None].astype(np.float32), 16000), Fraction(25))
    assert len(motion) == max(1, round(len(samples) / 640))
    opening = motion.channel("jaw_open") * (1 - motion.channel("mouth_close"))
    assert opening[3:-3].max(initial=0) < 0.15
    assert {cue.viseme for cue in motion.visemes.cues} <= {"sil", "PP"}


def test_when_the_music_stops_the_mouth_is_shut():
    at = np.arange(16000 * 2) / 16000
    chord = sum(0.1 * np.sign(np.sin(2 * np.pi * hertz * at)) for hertz in (220, 277, 330))
    motion = speech_to_motion(Audio(np.concatenate([chord, 0 * at])[None].astype(np.float32), 16000), Fraction(25))
    assert np.isfinite(motion.values).all() and not motion.channel("jaw_open")[60:].any()


@pytest.mark.parametrize("samples", [1.0, 1e6], ids=["full scale", "120 dB too loud"])
def test_clipping_is_survived(voice, samples):
    clipped = np.clip(voice.waveform * samples * 50, -1, 1).astype(np.float32)
    motion = speech_to_motion(Audio(clipped, voice.sample_rate), Fraction(25))
    assert np.isfinite(motion.values).all() and 0 < motion.channel("jaw_open").mean() < 0.6


# Cues


def test_cues_follow_each_other_without_gaps(voice):
    heard = hear(voice)
    cues = viseme_track(heard.phones).cues
    assert cues[0].start == 0 and cues[-1].end == pytest.approx(float(heard.duration), abs=0.011)
    for cue, following in zip(cues[:-1], cues[1:], strict=True):
        assert cue.end == following.start and cue.viseme != following.viseme
    assert all(cue.end - cue.start >= 0.03 - 1e-9 for cue in cues)
    assert all(cue.end - cue.start >= 0.05 - 1e-9 for cue in cues if cue.viseme == "PP")


def test_what_is_said_is_what_is_cued():
    track = viseme_track(said("." * 20 + "m" * 8 + "a" * 15 + "p" * 6 + "u" * 12 + "." * 20))
    assert [cue.viseme for cue in track.cues] == ["sil", "PP", "aa", "PP", "ou", "sil"]
    assert [cue.start for cue in track.cues] == pytest.approx([0, 0.2, 0.28, 0.43, 0.49, 0.61])


def test_a_short_closure_is_made_long_enough_and_other_blips_are_dropped():
    track = viseme_track(said("a" * 20 + "ppp" + "a" * 20))
    closure = track.cues[1]
    assert closure.viseme == "PP" and closure.end - closure.start == pytest.approx(0.05)
    assert (closure.start + closure.end) / 2 == pytest.approx(0.215)
    assert [cue.viseme for cue in viseme_track(said("a" * 20 + "p" + "a" * 20)).cues] == ["aa"]
    assert [cue.viseme for cue in viseme_track(said("a" * 20 + "ss" + "a" * 20)).cues] == ["aa"]
    assert [cue.viseme for cue in viseme_track(said("a" * 20 + "." * 6 + "a" * 20)).cues] == ["aa"]


@given(st.lists(st.tuples(st.sampled_from("pmatsufθ."), st.integers(1, 30)), max_size=30))
def test_any_speech_makes_cues_in_order(syllables):
    text = "".join(letter * count for letter, count in syllables)
    cues = viseme_track(said(text)).cues if text else viseme_track(np.zeros((0, 31))).cues
    assert all(cue.end > cue.start for cue in cues)
    assert all(cue.end == pytest.approx(after.start) for cue, after in zip(cues[:-1], cues[1:], strict=True))
    assert not cues or (cues[0].start == 0 and cues[-1].end == pytest.approx(len(text) / 100))


# Motion


@pytest.mark.parametrize("rate", [Fraction(8), Fraction(12), Fraction(25), Fraction(30000, 1001), Fraction(120)])
@pytest.mark.parametrize("offset", [0.0, 0.007, 0.019, 0.031])
def test_every_closure_is_seen_at_any_frame_rate(rate, offset):
    cues = [Cue(0.0, 0.3 + offset, "aa")]
    for index in range(4):
        start = cues[-1].end
        cues += [Cue(start, start + 0.05, "PP"), Cue(start + 0.05, start + 0.3 + 0.01 * index, "aa")]
    motion = visemes_to_motion(VisemeTrack(tuple(cues)), rate)
    opening = motion.channel("jaw_open") * (1 - motion.channel("mouth_close"))
    frames = np.arange(len(motion)) / float(rate)
    for cue in cues:
        if cue.viseme == "PP":
            near = np.abs(frames - (cue.start + cue.end) / 2) <= max(0.5 / float(rate), 0.025) + 1e-9
            assert opening[near].min() < 0.02
    assert opening.max() > 0.5


def test_the_motion_carries_its_visemes_and_they_make_the_same_mouth(voice):
    motion = speech_to_motion(voice, Fraction(50))
    assert motion.visemes.cues and motion.visemes.text is None
    again = visemes_to_motion(motion.visemes, Fraction(50))
    length = min(len(motion), len(again))
    jaw, from_cues = (m.channel("jaw_open")[:length] * (1 - m.channel("mouth_close")[:length]) for m in (motion, again))
    assert np.corrcoef(jaw, from_cues)[0, 1] > 0.75
    assert MouthMotion.from_json(motion.to_json()).visemes == motion.visemes


def test_frames_of_two_rates_agree(voice):
    slow, fast = (speech_to_motion(voice, Fraction(rate)) for rate in (25, 100))
    for name in ("jaw_open", "mouth_wide", "mouth_pucker"):
        np.testing.assert_allclose(slow.channel(name), fast.channel(name)[::4][: len(slow)], atol=1e-6)


def test_nothing_flaps(voice):
    jaw = speech_to_motion(voice, Fraction(100)).channel("jaw_open")
    spectrum = np.abs(np.fft.rfft(jaw - jaw.mean())) ** 2
    above = np.fft.rfftfreq(len(jaw), 0.01) > 12
    assert spectrum[above].sum() < 0.03 * spectrum.sum()


def test_an_unknown_viseme_is_refused_by_name():
    with pytest.raises(ValueError, match="no viseme 'ah'"):
        visemes_to_motion(VisemeTrack((Cue(0, 1, "ah"),)), Fraction(25))


def test_it_hears_what_is_said(data):
    """Share of 10 ms rows whose viseme is that of the labelled phone, over sentences the network never heard."""
    expected = {"P": "PP", "B": "PP", "M": "PP", "F": "FF", "V": "FF", "sil": "sil", "AA1": "aa", "S": "SS",
                "UW1": "ou", "IY1": "ih", "W": "ou", "AO1": "oh", "EH1": "E", "SH": "CH", "N": "nn"}  # fmt: skip
    right = {viseme: [] for viseme in expected.values()}
    for path in sorted((data / "speech" / "ljspeech").glob("*.phn"))[16:]:
        cues = speech_to_motion(read_audio(path.with_suffix(".wav")), Fraction(25)).visemes.cues
        starts = np.array([cue.start for cue in cues])
        for line in path.read_text().splitlines():
            start, end, phone = line.split()
            viseme = expected.get(phone.upper() if phone != "sil" else phone)
            if viseme:
                at = np.arange(float(start) + 0.01, float(end) - 0.01, 0.01)
                heard = [cues[index].viseme for index in np.searchsorted(starts, at, side="right") - 1]
                right[viseme] += [name == viseme for name in heard]
    shares = {viseme: np.mean(hits) for viseme, hits in right.items() if hits}
    assert np.mean(list(shares.values())) > 0.6, shares
