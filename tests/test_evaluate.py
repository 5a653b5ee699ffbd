import json
from base64 import b64decode
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from animal_lipsync.animate import voice_motion
from animal_lipsync.cli import main
from animal_lipsync.clip import Clip
from animal_lipsync.dataset import PetDataset, PieceEntry, piece_path
from animal_lipsync.engine import WarpEngine
from animal_lipsync.evaluate import evaluate, lag_correlations
from animal_lipsync.evaluation_page import compare_clips
from animal_lipsync.image import to_frames, to_pixels, write_picture
from animal_lipsync.motion import speech_to_motion
from animal_lipsync.openness import openness
from animal_lipsync.render import render
from animal_lipsync.types import Cue, Faces, MouthMotion, VisemeTrack
from animal_lipsync.upper_bound import pair_videos
from animal_lipsync.video import probe, read_frames
from animal_lipsync.video_writer import write_video
from tests.animals import sample_fox
from tests.pets import make_piece, sample_pet, sample_voice, speaking_piece

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
    assert result.shuffled < result.correlation - 0.3
    assert result.leak < 0.05 < 0.2 < result.silent
    assert result.changed_outside == 0 and result.flicker < 1e-5 and result.texture == pytest.approx(1)
    assert result.seam < 0.5 and result.identity > 0.9


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


def test_a_source_that_is_played_back_is_looked_at_where_the_animal_is_then(fox):
    picture, face = fox
    moves = np.arange(5) * 9
    boxes = face.boxes + moves[:, None] * np.array([1, 0, 1, 0], np.float32)
    keypoints = face.keypoints + moves[:, None, None] * np.array([1, 0], np.float32)
    track = replace(face[np.zeros(5, int)], boxes=boxes, keypoints=keypoints)
    order = [0, 1, 2, 3, 4, 3, 2, 1]
    frames = [np.roll(picture, moves[t], 1) for t in order]
    motion = MouthMotion.from_channels(RATE, len(order), jaw_open=np.linspace(0, 1, len(order)))
    opening = evaluate(frames, track, motion, source=frames).opening
    np.testing.assert_allclose(opening[5:], opening[[3, 2, 1]], atol=1e-4)


def test_the_best_lag_is_found_among_noise():
    random = np.random.default_rng(0)
    heard = np.convolve(random.random(200), np.ones(5), "same")
    seen = np.roll(heard, 4) + 0.2 * random.random(200)
    assert np.argmax(lag_correlations(seen, heard, 10)) - 10 == 4


def test_the_command_sets_videos_side_by_side_on_a_page_that_loads_nothing(fox, voice, tmp_path, monkeypatch, capsys):
    picture, face = fox
    monkeypatch.chdir(tmp_path)
    write_picture("fox.png", picture)
    Path("fox.faces.json").write_text(Faces(*picture.shape[1::-1], Fraction(0), 1, (face,)).to_json())
    sample = files("animal_lipsync") / "samples" / "voice.wav"
    heard = voice_motion(sample, RATE)
    for name, late in (("prompt.mp4", 0), ("late.mp4", 4)):
        motion = replace(heard, values=np.roll(heard.values, late, axis=0))
        list(write_video(name, spoken(fox, motion), *picture.shape[1::-1], RATE, sound=sample))
    command = "evaluate prompt.mp4 late.mp4 --names now <late> --source fox.png --keypoints fox.faces.json --json"
    assert main([*command.split(), "--html", "report.html"]) == 0
    figures = json.loads(capsys.readouterr().out)["videos"]
    assert (figures["now"]["lag"], figures["<late>"]["lag"]) == (0, 0.16)
    assert min(one["correlation"] for one in figures.values()) > 0.9
    page = Path("report.html").read_text()
    assert "&lt;late&gt;" in page and "<late>" not in page and "http" not in page and 'src="data:video/mp4' in page
    row = page.split("<td>lag, s</td>")[1].split("</tr>")[0]
    assert row == "<td class=best>0.00</td><td>0.16</td>"

    start = page.index("base64,") + len("base64,")
    Path("both.mp4").write_bytes(b64decode(page[start : page.index('"', start)]))
    both = probe("both.mp4")
    assert (both.width, both.height, both.has_audio) == (3 * 256, 256, True)
    assert both.frames == len(heard)

    assert main(["evaluate", "prompt.mp4", "--html", "report.html", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["videos"]["prompt.mp4"]
    assert figures["correlation"] > 0.8 and figures["still"] is figures["seam"] is None
    page = Path("report.html").read_text()
    assert "prompt.mp4" in page and "http" not in page


def test_videos_that_cannot_be_told_apart_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "a.mp4", "b.mp4", "--names", "one"]) == 2
    assert main(["evaluate", "a.mp4", "a.mp4"]) == 2
    assert main(["evaluate", "a.mp4", "b.mp4", "--names", "a", "warped pairs"]) == 2
    assert "warped pairs" in capsys.readouterr().err


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Of a fox that speaks for a second and a picture of it."""
    folder = tmp_path_factory.mktemp("dataset")
    (folder / "pieces").mkdir()
    pieces = [
        speaking_piece("fox", 0, sample_voice(), frames=30),
        make_piece(*sample_pet(), frame_rate=0, origin="fox.jpg"),
    ]
    for index, piece in enumerate(pieces):
        piece.save(piece_path(folder, str(index)))
    entries = tuple(PieceEntry(str(index), one.origin, 0.0, 1.0, len(one)) for index, one in enumerate(pieces))
    PetDataset(folder, "fox", entries).save()
    return PetDataset.open(folder)


def test_what_a_training_learns_from_says_a_voice_it_never_heard(dataset):
    pieces = [dataset.load(entry) for entry in dataset.kept]
    unheard = speech_to_motion(sample_voice("answer"), RATE)
    videos = pair_videos(pieces, unheard)
    assert list(videos) == ["matched pairs", "warped pairs"]
    for video in videos.values():
        assert video.clip.frames == len(unheard)
        result = evaluate(video.clip.read(video.clip.frames), video.face, unheard)
        assert result.correlation > 0.8 and abs(result.lag) <= 1 / 25
        assert max(result.turned_round, result.put_off, result.shuffled) < result.correlation - 0.3
    assert list(pair_videos(pieces[1:], unheard)) == ["warped pairs"], "a picture cannot be put in another order"


def test_the_command_sets_what_was_learned_from_beside_the_videos(fox, dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sample = files("animal_lipsync") / "samples" / "voice.wav"
    picture, face = fox
    Path("fox.json").write_text(Faces(*picture.shape[1::-1], RATE, 1, (face,)).to_json())
    list(write_video("a.mp4", [picture] * 50, *picture.shape[1::-1], RATE, sound=sample))
    command = "evaluate a.mp4 --names baseline --keypoints fox.json --html report.html --json --dataset"
    assert main([*command.split(), str(dataset.folder)]) == 0
    figures = json.loads(capsys.readouterr().out)["videos"]
    assert list(figures) == ["baseline", "matched pairs", "warped pairs"]
    assert figures["baseline"]["correlation"] < 0.5 < 0.8 < figures["warped pairs"]["correlation"]
    page = Path("report.html").read_text()
    assert page.count("warped pairs") == 4 and "class=best" not in page, "nobody competes with what was learned from"
    assert main(["evaluate", "a.mp4", "--dataset", str(tmp_path)]) == 1
    assert "Prepare Pet Clips" in capsys.readouterr().err


def test_many_videos_lie_in_rows_where_the_page_says(tmp_path):
    sizes = {"source": (64, 48), "baseline": (96, 48), "LoRA": (48, 96), "matched": (48, 48), "warped": (48, 48)}
    clips = {
        name: Clip.from_frames(np.full((8, height, width, 3), 40 * index, np.uint8), frame_rate=Fraction(10 + index))
        for index, (name, (width, height)) in enumerate(sizes.items())
    }
    both = compare_clips(clips, None)
    assert both.corners == {
        "source": (0, 0),
        "baseline": (64, 0),
        "LoRA": (160, 0),
        "matched": (0, 48),
        "warped": (48, 48),
    }
    (tmp_path / "both.mp4").write_bytes(both.video)
    frame = next(read_frames(tmp_path / "both.mp4"))
    assert frame.shape == (both.height, both.width, 3) == (96, 184, 3)
    for index, (x, y) in enumerate(both.corners.values()):
        assert np.abs(frame[y + 20, x + 10].astype(int) - 40 * index).max() < 8
