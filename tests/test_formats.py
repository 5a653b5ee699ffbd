from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animal_lipsync.cues import to_moho, to_papagayo, to_rhubarb
from animal_lipsync.formats import read_motion
from animal_lipsync.motion import visemes_to_motion
from animal_lipsync.performance import to_arkit, to_ovr
from animal_lipsync.types import Cue, FormatError, MouthMotion, VisemeTrack

RATE = Fraction(25)
TRACK = VisemeTrack((Cue(0.0, 0.2, "sil"), Cue(0.2, 0.32, "PP"), Cue(0.32, 0.6, "aa"), Cue(0.6, 0.8, "sil")))
MOTION = visemes_to_motion(TRACK, RATE)
FILES = {
    "ours": MOTION.to_json(),
    "rhubarb tsv": to_rhubarb(TRACK),
    "rhubarb json": to_rhubarb(TRACK, form="json"),
    "rhubarb xml": to_rhubarb(TRACK, form="xml"),
    "moho": to_moho(TRACK, RATE),
    "papagayo": to_papagayo(TRACK, RATE),
    "ovr": to_ovr(TRACK),
    "arkit": to_arkit(MOTION),
}


@pytest.mark.parametrize("program", FILES)
def test_the_same_mouth_comes_out_of_every_file(program):
    for text in (FILES[program], "\ufeff" + FILES[program].replace("\n", "\r\n")):
        motion = read_motion(text, RATE)
        jaws = [m.channel("jaw_open") * (1 - m.channel("mouth_close")) for m in (motion, MOTION)]
        assert len(motion) == len(MOTION) and motion.frame_rate == RATE
        assert np.corrcoef(*jaws)[0, 1] > 0.95


def test_keyframes_are_a_motion_too():
    text = '{"version": 1, "frame_rate": "50", "keyframes": [{"time": 0, "jaw_open": 1}, {"time": 1, "jaw_open": 0}]}'
    assert read_motion(text, RATE).frame_rate == 50


@pytest.mark.parametrize("text, named", [
    ("Dear reader,\nhello", "names no blendshape"), ("hello", "begins with 'hello'"), ("{", "not whole JSON"),
    ('{"cues": []}', "holds cues"), ("MohoSwitch1\n1 smile", "Line 2"), ("MohoSwitch1", "no mouth shape"),
    ("", "begins"),
    ('{"version": 1, "frame_rate": "25", "channels": ["ear"], "values": []}', "channels must be"),
])  # fmt: skip
def test_a_file_of_something_else_is_refused_by_name(text, named):
    with pytest.raises(FormatError, match=named):
        read_motion(text, RATE)


@given(st.sampled_from(list(FILES)), st.integers(0, 400), st.text(max_size=5))
def test_a_damaged_file_is_a_motion_or_a_format_error(program, at, inserted):
    text = FILES[program]
    try:
        motion = read_motion(text[:at] + inserted + text[at + len(inserted) :], RATE)
    except FormatError:
        return
    assert isinstance(motion, MouthMotion) and np.isfinite(motion.values).all()
