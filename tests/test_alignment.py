from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync import alignment, espeak
from animal_lipsync.alignment import (
    _second_opinion,
    align,
    follow_transcript,
    pronounce_words,
    words_of,
    words_of_pocketsphinx,
)
from animal_lipsync.audio import load_audio, resample
from animal_lipsync.hearing import SAMPLE_RATE, Heard, hear
from animal_lipsync.motion import speech_to_motion
from animal_lipsync.types import Audio
from animal_lipsync.visemes import INDEX, PHONES, phones_of

SPEAKS = pytest.mark.skipif(not espeak.available(), reason="eSpeak NG is not installed")
TEXT = "My puppy barked at the big moon, but nobody came to feed him."


@pytest.fixture(scope="module")
def spoken() -> tuple[Audio, list]:
    return espeak.speak(TEXT, "en-us")


def said(text: str, certainty=0.9) -> np.ndarray:
    """(T, 31) log-probabilities of phones heard for 10 ms per letter; `.` is silence."""
    wanted = [INDEX["sil" if letter == "." else letter] for letter in text]
    others = (1 - certainty) / (len(PHONES) - 1)
    return np.log(np.full((len(text), len(PHONES)), others) + (certainty - others) * np.eye(len(PHONES))[wanted])


def times(words) -> list[tuple[str, float, float]]:
    return [(word.text, word.start, word.end) for word in words]


# Words


@pytest.mark.parametrize("text, words", [
    ("It’s <b>3</b> p.m. 🐶, ok?", ["It's", "3", "p", "m", "ok"]),
    ("Grüß Gott, Привет мир", ["Grüß", "Gott", "Привет", "мир"]),
    ("你好 world", ["你", "好", "world"]),
    ("こんにちは", list("こんにちは")),
    ("שלום עולם", ["שלום", "עולם"]),
    ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
    ("🎵 … — <i></i> ''", ["''"]),
    ("", []),
])  # fmt: skip
def test_words_leave_markup_and_emoji(text, words):
    assert words_of(text) == words


@SPEAKS
def test_words_are_pronounced_in_their_language():
    def names(words, language):
        return ["".join(PHONES[index].name for index in sounds) for sounds in pronounce_words(words, language)]

    assert names(["puppy", "moon"], "en-us") == ["pɐpi", "mun"]
    assert names(["Zwölf"], "de")[0].startswith("tsvø")
    with pytest.raises(ValueError, match="no voice called 'nowhere'"):
        pronounce_words(["a"], "nowhere")


def test_without_espeak_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(espeak, "available", lambda: False)
    monkeypatch.setattr(alignment, "_dictionary", dict)
    with pytest.raises(ValueError, match="apt install espeak-ng"):
        pronounce_words(["hello"])


# Alignment


def test_words_are_found_where_they_are():
    phones = said("." * 10 + "mmmaaaaa" + "." * 10 + "pppuuuuu" + "sssiiiii" + "." * 10)
    words, written = align(["ma", "poo", "see"], [phones_of(ipa) for ipa in ("ma", "pu", "si")], phones)
    assert times(words) == [("ma", 0.1, 0.18), ("poo", 0.28, 0.36), ("see", 0.36, 0.44)]
    assert [PHONES[index].name if index >= 0 else "." for index in written] == list(
        "." * 10 + "mmmaaaaa" + "." * 10 + "pppuuuuu" + "sssiiiii" + "." * 10
    )
    assert all(word.confidence > 0.9 for word in words)


def test_what_is_not_said_is_left_out_and_what_is_not_written_is_left_alone():
    phones = said("." * 10 + "mmmmaaaaaa" + "kkkkoooooottttttiiiiii" + "ppppuuuuuusssssiiiiiii" + "." * 10)
    sounds = [phones_of(ipa) for ipa in ("ma", "fɛʃɛ", "ʃɔlɔ", "pusi")]
    words, _ = align(["ma", "feshe", "sholo", "pusi"], sounds, phones)
    assert [word.text for word in words if word.confidence > 0.5] == ["ma", "pusi"]


def test_a_long_voice_is_aligned_in_blocks(monkeypatch):
    syllables = ["ma", "pu", "si", "ko"] * 20
    text = "".join("." * 4 + a * 4 + b * 6 for a, b in syllables)
    sounds = [phones_of(syllable) for syllable in syllables]
    whole, written = align(syllables, sounds, said(text))
    monkeypatch.setattr(alignment, "BLOCK", 200)
    monkeypatch.setattr(alignment, "WORDS", 30)
    blocks, written_in_blocks = align(syllables, sounds, said(text))
    assert times(blocks) == times(whole) and len(whole) == 80
    np.testing.assert_array_equal(written, written_in_blocks)


@settings(max_examples=50)
@given(st.text("mapusi.", max_size=40), st.lists(st.text("mapusiko", min_size=1, max_size=4), min_size=1, max_size=12))
def test_any_words_fit_any_voice(heard, words):
    phones = said("".join(letter * 4 for letter in heard)) if heard else np.zeros((0, len(PHONES)))
    found, written = align(words, [phones_of(word) for word in words], phones)
    assert len(written) == len(phones)
    remaining = iter(words)
    assert all(word.text in remaining for word in found)  # in order
    assert all(before.end <= after.start + 1e-9 for before, after in zip(found[:-1], found[1:], strict=True))


# A voice and its transcript


@SPEAKS
def test_words_are_heard_when_they_are_spoken(spoken):
    audio, phonemes = spoken
    _, words = follow_transcript(hear(audio), TEXT)
    assert [word.text for word in words] == words_of(TEXT)
    puppy = next(start for start, _, name in phonemes if name == "p")
    assert abs(words[1].start - puppy) < 0.1
    assert np.mean([word.confidence for word in words]) > 0.6


@SPEAKS
@pytest.mark.parametrize(
    "text",
    ["Quarterly zebra figures exceeded foreign judicial estimates.", "🐶", "<b></b>", "!", "שלום עולם, מה שלומך",
     "مرحبا بالعالم", "\x00\u202e abc", "a" * 5000],
)  # fmt: skip
def test_a_wrong_transcript_changes_little(spoken, text):
    audio, _ = spoken
    alone, misled = (speech_to_motion(audio, Fraction(25), transcript=t) for t in (None, text))
    assert np.abs(alone.channel("jaw_open") - misled.channel("jaw_open")).mean() < 0.06
    assert misled.visemes.text == text


@SPEAKS
def test_a_transcript_of_half_the_voice_leaves_the_rest_alone(spoken):
    audio, _ = spoken
    alone, helped = (speech_to_motion(audio, Fraction(100), transcript=t) for t in (None, TEXT.split(",")[0]))
    half = int(len(alone) * 0.62)
    assert np.corrcoef(alone.channel("jaw_open")[half:], helped.channel("jaw_open")[half:])[0, 1] > 0.9


@SPEAKS
def test_fifty_thousand_words_on_a_short_voice(spoken):
    audio, _ = spoken
    _, words = follow_transcript(hear(audio), TEXT + " and so on" * 17_000)
    assert [word.text for word in words[:12]] == words_of(TEXT)[:12]


def test_a_transcript_of_silence_is_not_heard():
    motion = speech_to_motion(Audio(np.zeros((1, 16000), np.float32), 16000), Fraction(25), transcript="Hello there")
    assert not motion.channel("jaw_open").any()


@SPEAKS
def test_closures_are_found_with_the_transcript(data):
    """Share of the labelled p, b and m of real speech during which the lips are shut."""
    hits = []
    for path in sorted((data / "speech" / "ljspeech").glob("*.phn"))[16:24]:
        grid = path.with_suffix(".TextGrid").read_text()
        tier = grid[grid.index('"words"') : grid.index('"phones"')]
        text = " ".join(line.split('"')[1] for line in tier.splitlines() if "text =" in line).replace("<unk>", "")
        heard, _ = follow_transcript(hear(load_audio(path.with_suffix(".wav"), mono=True)), text)
        closed = np.exp(heard.phones[:, [INDEX["p"], INDEX["m"]]]).sum(axis=1) > 0.5
        for line in path.read_text().splitlines():
            start, end, phone = line.split()
            if phone in "pbm":
                hits.append(closed[int(float(start) * 100) - 3 : int(float(end) * 100) + 3].any())
    assert np.mean(hits) > 0.85


def test_heard_is_not_changed_in_place():
    heard = Heard(said("mmmaaa" * 5), np.zeros(30, np.float32), Fraction(3, 10))
    before = heard.phones.copy()
    if espeak.available():
        follow_transcript(heard, "mama mama")
    np.testing.assert_array_equal(heard.phones, before)


# PocketSphinx


@pytest.fixture(scope="module")
def decoder():
    pytest.importorskip("pocketsphinx", reason="PocketSphinx is not installed")
    return alignment._decoder()


@SPEAKS
def test_pocketsphinx_times_the_sounds_of_words_it_does_not_know(data, decoder):
    """Names are in no dictionary: their sounds come from eSpeak NG."""
    audio = resample(load_audio(data / "speech" / "ljspeech" / "LJ001-0022.wav", mono=True), SAMPLE_RATE)
    words = words_of("of the more formal ecclesiastical writing which obtained at that time")
    sounds = pronounce_words(words)
    found, _ = align(words, sounds, hear(audio).phones)
    named = [replace(word, text="xqzw") if word.text == "formal" else word for word in found]
    formal = named[3]
    assert formal.text == "xqzw" and decoder.lookup_word("xqzw") is None
    opinion = list(_second_opinion(decoder, audio, named, sounds))
    times = {phone: start / 100 for start, _, phone in opinion if formal.start - 0.1 < start / 100 < formal.end}
    assert times[INDEX["f"]] < times[INDEX["m"]]
    assert len(opinion) > 30


def test_words_that_are_not_said_have_no_sounds_and_no_error(decoder):
    silence = np.zeros(SAMPLE_RATE, np.int16)
    assert len(words_of_pocketsphinx(decoder, silence, ["quarterly", "zebra", "figures", "exceeded"])) <= 4
    assert words_of_pocketsphinx(decoder, silence[:160], ["puppy"]) == []
