import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animal_lipsync.cues import (
    FROM_MOHO,
    MOHO,
    RHUBARB,
    from_moho,
    from_papagayo,
    from_rhubarb,
    to_moho,
    to_papagayo,
    to_rhubarb,
)
from animal_lipsync.types import Cue, FormatError, VisemeTrack
from animal_lipsync.visemes import VISEMES, long_enough

TRACK = VisemeTrack((Cue(0.0, 0.2, "sil"), Cue(0.2, 0.3, "PP"), Cue(0.3, 0.55, "aa"), Cue(0.55, 0.7, "ou"),
                     Cue(0.7, 0.8, "FF"), Cue(0.8, 1.0, "sil")))  # fmt: skip
PAPAGAYO = """lipsync version 1
hello.wav
24
48
1
\tFox
\tMa, you!|Yes
\t2
\t\tMa, you!
\t\t5
\t\t20
\t\t2
\t\t\tMa, 5 9 2
\t\t\t\t5 MBP
\t\t\t\t7 AI
\t\t\tyou! 14 20 1
\t\t\t\t14 U
\t\tYes
\t\t30
\t\t35
\t\t1
\t\t\tYes 30 35 2
\t\t\t\t30 E
\t\t\t\t34 etc
"""
"""As Papagayo-NG writes it: frames from 0, words of sounds, nothing between them."""


@pytest.mark.parametrize("form", ["tsv", "json", "xml"])
def test_rhubarb_reads_back(form):
    text = to_rhubarb(TRACK, form=form)
    assert [(cue.start, cue.end, cue.viseme) for cue in from_rhubarb(text).cues] == [
        (cue.start, cue.end, cue.viseme) for cue in TRACK.cues
    ]
    assert from_rhubarb("\ufeff" + text.replace("\n", "\r\n")).cues == from_rhubarb(text).cues


def test_rhubarb_tsv_looks_like_rhubarbs():
    assert to_rhubarb(TRACK) == "0.00\tX\n0.20\tA\n0.30\tD\n0.55\tF\n0.70\tG\n0.80\tX\n1.00\tX\n"
    assert json.loads(to_rhubarb(TRACK, form="json"))["mouthCues"][1] == {"start": 0.2, "end": 0.3, "value": "A"}
    assert to_rhubarb(VisemeTrack()) == "0.00\tX\n"


@pytest.mark.parametrize("text, named", [
    ("0.00 A\nhello", "Line 2"), ("0.0\tQ\n1.0\tX", "shape 'Q'"), ("x\tA\n1.0\tX", "time in seconds"),
    ("nan\tA\n1.0\tX", "between 0 and"), ("1.0\tA\n0.5\tX", "must follow"), ("{}", "mouthCues"), ("{", "mouthCues"),
    ('{"a":' * 100_000, "mouthCues"), ("x " * 1000, "as Rhubarb writes them: '.{40}'"), ("<\ud800/>", "XML"),
    ("<a", "XML"), ("<!DOCTYPE a><a/>", "DOCTYPE"), ('{"mouthCues": [{"start": 0, "end": "b", "value": "A"}]}', "time"),
])  # fmt: skip
def test_a_broken_rhubarb_file_is_refused_by_name(text, named):
    with pytest.raises(FormatError, match=named):
        from_rhubarb(text)


def test_moho_switches():
    assert to_moho(TRACK) == "MohoSwitch1\n1 rest\n6 MBP\n8 AI\n14 U\n18 FV\n20 rest\n25 rest\n"
    cues = from_moho(to_moho(TRACK)).cues
    assert [cue.viseme for cue in cues] == [cue.viseme for cue in TRACK.cues]
    assert all(abs(cue.start - known.start) < 0.5 / 24 for cue, known in zip(cues, TRACK.cues, strict=True))
    assert cues[-1].end == 1.0


def test_papagayo_rests_where_no_word_is():
    track = from_papagayo(PAPAGAYO)
    assert track.text == "Ma, you!\nYes"
    assert [word for *_, word in track.words] == ["Ma,", "you!", "Yes"] and track.words[1][0] == 14 / 24
    assert [(round(cue.start * 24), round(cue.end * 24), cue.viseme) for cue in track.cues] == [
        (0, 5, "sil"), (5, 7, "PP"), (7, 10, "aa"), (10, 14, "sil"), (14, 21, "ou"), (21, 30, "sil"), (30, 34, "E"),
        (34, 36, "DD"), (36, 48, "sil"),
    ]  # fmt: skip


def test_papagayo_is_written_as_it_writes():
    lines = to_papagayo(VisemeTrack(TRACK.cues, "Pa\nphew"), Fraction(24), sound="pa.wav").split("\n")
    assert lines == [
        "lipsync version 1", "pa.wav", "24", "24", "1", "\tVoice 1", "\tPa phew", "\t1", "\t\t...", "\t\t5",
        "\t\t18", "\t\t1", "\t\t\t... 5 18 4", "\t\t\t\t5 MBP", "\t\t\t\t7 AI", "\t\t\t\t13 U", "\t\t\t\t17 FV",
        "",
    ]  # fmt: skip


def test_papagayo_keeps_the_words_that_are_known():
    track = VisemeTrack(TRACK.cues, "Pa phew", ((0.2, 0.6, "Pa"), (0.6, 0.8, "phew")))
    again = from_papagayo(to_papagayo(track, Fraction(100)))
    assert [cue.viseme for cue in again.cues] == [cue.viseme for cue in track.cues]
    assert [(round(start, 2), word) for start, _, word in again.words] == [(0.2, "Pa"), (0.55, "phew")]


@st.composite
def tracks(draw):
    lengths = draw(st.lists(st.tuples(st.integers(8, 60), st.sampled_from(VISEMES)), min_size=1, max_size=20))
    runs, start = [], 0
    for length, viseme in lengths:
        runs.append((start / 100, (start + length) / 100, viseme))
        start += length
    return VisemeTrack(tuple(Cue(*run) for run in long_enough(runs)))


@given(track=tracks(), rate=st.sampled_from([24, 25, 30, 60]))
def test_what_is_written_reads_back_to_the_frame(track, rate):
    rate = Fraction(rate)
    for again in (from_moho(to_moho(track, rate), rate), from_papagayo(to_papagayo(track, rate))):
        ends = [cue.end for cue in again.cues]
        for cue in track.cues:
            middle = (cue.start + cue.end) / 2
            shape = next((a.viseme for a, end in zip(again.cues, ends, strict=True) if end > middle), "sil")
            if cue.end - cue.start > 2 / rate:
                assert shape == FROM_MOHO[MOHO[RHUBARB[cue.viseme]]]
        assert all(before.end == after.start for before, after in zip(again.cues[:-1], again.cues[1:], strict=True))


@pytest.mark.parametrize("read, text, named", [
    (from_moho, "1 rest", "MohoSwitch1"), (from_moho, "MohoSwitch1\n1 grin", "Line 2 has shape 'grin'"),
    (from_moho, "MohoSwitch1\nrest", "Line 2 must be a frame and a shape"),
    (from_moho, "MohoSwitch1\n99999999 rest", "later than"),
    (from_papagayo, "lipsync version 2", "lipsync version 1"), (from_papagayo, "", "version"),
    (from_papagayo, PAPAGAYO[:60], "ends where"), (from_papagayo, PAPAGAYO.replace("24", "fast"), "Line 3"),
    (from_papagayo, PAPAGAYO.replace("24", "0"), "frame rate"), (from_papagayo, PAPAGAYO.replace("AI", "AH"), "'AH'"),
    (from_papagayo, PAPAGAYO.replace("Yes 30", "Yes x"), "a word, its first"),
])  # fmt: skip
def test_a_broken_file_is_refused_by_its_line(read, text, named):
    with pytest.raises(FormatError, match=named):
        read(text)


@given(st.text(max_size=60))
def test_any_text_is_a_track_or_a_format_error(text):
    for read in (from_rhubarb, from_moho, from_papagayo):
        for start in ("", "MohoSwitch1\n", "lipsync version 1\n\n24\n"):
            try:
                read(start + text)
            except FormatError:
                pass
