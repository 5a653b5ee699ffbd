import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from animal_lipsync.cli import main
from animal_lipsync.engine import WarpEngine
from animal_lipsync.evaluate import evaluate, lag_correlations
from animal_lipsync.image import to_frames, to_pixels
from animal_lipsync.openness import openness
from animal_lipsync.render import render
from animal_lipsync.types import Cue, MouthMotion, VisemeTrack
from tests.animals import sample_fox

RATE = Fraction(25)
SPOKEN = np.clip(np.sin(np.arange(60) * 0.55) + np.sin(np.arange(60) * 0.23), 0, 1) * (np.arange(60) >= 15)
CUES = (Cue(0, 0.6, "sil"), Cue(0.6, 2.4, "aa"))


@pytest.fixture(scope="module")
def fox():
    picture, face = sample_fox()
    return to_pixels(picture)[0], face


@pytest.fixture(scope="module")
def voice():
    return replace(MouthMotion.from_channels(RATE, 60, jaw_open=SPOKEN), visemes=VisemeTrack(CUES))


def spoken(fox, motion: MouthMotion) -> list[np.ndarray]:
    picture, face = fox
    return [frame.pixels.copy() for frame in render([picture] * len(motion), face, motion, WarpEngine())]


def test_a_mouth_is_seen_to_open_as_far_as_it_does(fox):
    picture, face = fox
    amounts = np.linspace(0, 1, 6)
    motion = MouthMotion.from_channels(RATE, 6, jaw_open=amounts)
    seen = openness(to_frames(np.stack(spoken(fox, motion))), face).numpy()
    assert (np.diff(seen) > 0).all() and np.corrcoef(seen, amounts)[0, 1] > 0.98
    assert abs(seen[0]) < 0.2


def test_the_opening_can_be_trained_by(fox):
    picture, face = fox
    frames = to_frames(picture[None]).requires_grad_()
    openness(frames, face).sum().backward()
    assert frames.grad.abs().sum() > 0 and torch.isfinite(frames.grad).all()


def test_a_mouth_that_follows_its_voice_is_told_from_controls(fox, voice):
    picture, face = fox
    result = evaluate(spoken(fox, voice), face, voice, source=[picture] * 60)
    assert result.correlation > 0.95 and abs(result.lag) <= 1 / 25
    assert max(result.turned_round, result.put_off, result.still) < result.correlation - 0.3
    assert result.leak < 0.05
    assert result.changed_outside == 0 and result.flicker == 0 and result.texture == pytest.approx(1)


@pytest.mark.parametrize("late", [-5, 3])
def test_a_late_mouth_is_said_to_be_late(fox, voice, late):
    result = evaluate(spoken(fox, replace(voice, values=np.roll(voice.values, late, axis=0))), fox[1], voice)
    assert result.lag == pytest.approx(late / 25)


def test_lips_that_do_not_meet_at_a_closure_are_counted(fox, voice):
    shut_at = (np.arange(60) > 20) & (np.arange(60) < 25)
    cues = (Cue(0, 0.84, "sil"), Cue(0.84, 0.96, "PP"), Cue(0.96, 1.5, "aa"), Cue(1.5, 1.6, "PP"), Cue(1.6, 2.4, "aa"))
    motion = MouthMotion.from_channels(RATE, 60, jaw_open=np.where(shut_at | (np.arange(60) < 15), 0, 0.8))
    motion = replace(motion, visemes=VisemeTrack(cues))
    assert evaluate(spoken(fox, motion), fox[1], motion).closures == 0.5


def test_a_source_that_never_moves_follows_nothing(fox, voice):
    picture, face = fox
    result = evaluate([picture] * 60, face, voice, source=[picture] * 60)
    assert result.correlation == result.still == 0
    assert result.changed_outside == 0 and result.texture == 1


def test_the_best_lag_is_found_among_noise():
    random = np.random.default_rng(0)
    heard = np.convolve(random.random(200), np.ones(5), "same")
    seen = np.roll(heard, 4) + 0.2 * random.random(200)
    assert np.argmax(lag_correlations(seen, heard, 10)) - 10 == 4


def test_the_command_writes_a_page_that_loads_nothing(fox, voice, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--json"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "talking.mp4", "--html", "report.html", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["videos"]["talking.mp4"]
    assert figures["correlation"] > 0.8 and figures["still"] is None
    page = (tmp_path / "report.html").read_text()
    assert "talking.mp4" in page and "http" not in page
