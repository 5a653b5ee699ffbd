import json
import random

import numpy as np
import pytest

from animal_lipsync.cli import main
from animal_lipsync.study import bradley_terry, make_study, read_answers, standings


@pytest.fixture
def systems(tmp_path):
    folders = {}
    for name in ("warp", "base", "lora"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        for clip in ("a.mp4", "b.mp4"):
            (folders[name] / clip).write_text(f"{name} {clip}")
    return folders


def answers_of(study, prefer) -> str:
    """What the page saves when every pair is answered and the system that `prefer` ranks higher always wins."""
    key = json.loads((study / "key.json").read_text())
    page = (study / "index.html").read_text()
    pairs = json.loads(page.split("const settings = ")[1].splitlines()[0])["pairs"]
    answers = []
    for clips in pairs:
        clips = random.Random(str(clips)).sample(clips, 2)
        rank = [prefer.index(key[clip]) for clip in clips]
        ratings = [{"realism": 5 - r, "sync": 4 - r} for r in rank]
        answers.append({"clips": clips, "ratings": ratings, "preferred": int(rank[1] < rank[0])})
    return json.dumps({"version": 1, "answers": answers})


def test_a_study_ranks_what_raters_preferred_without_telling_them_whose_it_is(systems, tmp_path, capsys):
    study = tmp_path / "study"
    assert main(["study", *(f"{name}={folder}" for name, folder in systems.items()), "-o", str(study), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 6
    shown = (study / "index.html").read_text() + " ".join(path.name for path in (study / "clips").iterdir())
    assert not any(name in shown for name in systems) and "http" not in shown

    (tmp_path / "one.json").write_text(answers_of(study, ["lora", "warp", "base"]))
    assert main(["study", "-o", str(study), "--results", str(tmp_path / "one.json"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["videos"]
    assert list(found) == ["lora", "warp", "base"]
    value, low, high = found["lora"]["preferred"]
    assert low <= value <= high and value > 0.5 > found["base"]["preferred"][0]
    assert found["warp"]["realism"][0] == 4


def test_strengths_are_those_that_made_the_answers():
    chance, truth = np.random.default_rng(1), np.array([0.5, 1.0, 4.0])
    answers = []
    for _ in range(3000):
        one, other = chance.choice(3, 2, replace=False)
        wins = chance.random() < truth[one] / (truth[one] + truth[other])
        answers.append({"systems": ("abc"[one], "abc"[other]), "preferred": 0 if wins else 1})
    truth /= np.exp(np.log(truth).mean())
    np.testing.assert_allclose(bradley_terry(list("abc"), answers), truth / (1 + truth), atol=0.03)


def test_ties_leave_systems_equal():
    answers = [{"systems": ("a", "b"), "preferred": None, "ratings": [{"realism": 3, "sync": 3}] * 2}] * 5
    one, other = standings(answers)
    assert one.strength.value == other.strength.value == 0.5 and one.ratings["sync"].low == 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"answers": [{}]}', '{"answers": [{"clips": ["x.mp4", "y.mp4"]}]}'])
def test_results_of_something_else_are_refused(text):
    with pytest.raises(ValueError, match="number 1"):
        read_answers({"z.mp4": "a"}, [text])


def test_a_torn_key_is_told_by_name(tmp_path, capsys):
    for name in ("key.json", "answers.json"):
        (tmp_path / name).write_text("{")
    assert main(["study", "-o", str(tmp_path), "--results", str(tmp_path / "answers.json")]) == 1
    assert "key.json is not what study wrote" in capsys.readouterr().err


def test_ratings_off_the_scale_are_refused():
    answer = {"clips": ["x", "y"], "ratings": [{"realism": 9, "sync": 1}] * 2, "preferred": 0}
    with pytest.raises(ValueError, match="number 1"):
        read_answers({"x": "a", "y": "b"}, [json.dumps({"answers": [answer]})])


def test_a_study_needs_clips_to_compare_and_a_folder_of_its_own(systems, tmp_path):
    with pytest.raises(ValueError, match="two systems"):
        make_study({"warp": systems["warp"]}, tmp_path / "study")
    with pytest.raises(ValueError, match="not empty"):
        make_study(systems, systems["warp"])
    for clip in systems["base"].iterdir():
        clip.rename(clip.with_name(f"other-{clip.name}"))
    with pytest.raises(ValueError, match="same name"):
        make_study({name: systems[name] for name in ("warp", "base")}, tmp_path / "study")
    assert not (tmp_path / "study").exists()
