"""A blind rating study: a page that shows clips of several systems in random pairs, and what the answers say.

Preferences are ranked by Bradley and Terry's model (Hunter 2004, "MM algorithms for generalized Bradley-Terry models"),
ratings are mean opinion scores; both with confidence intervals by resampling the raters' answers.
"""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass
from importlib.resources import files
from itertools import combinations
from pathlib import Path

import numpy as np

from .files import make_folder, write_text

PAIRS = 20
"""A rater is shown at most."""
QUESTIONS = ("realism", "sync")
"""Rated from 1 to 5."""
RESAMPLED = 1000
COVERED = 95
"""Percent that a confidence interval covers."""
KEY = "key.json"
"""Which clip is whose; it stays with whoever runs the study."""


@dataclass(frozen=True)
class Score:
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Standing:
    """One system in a study."""

    system: str
    strength: Score
    """Bradley-Terry: the chance to be preferred to an average system, 0 to 1."""
    ratings: dict[str, Score]
    """Mean opinion scores by question."""
    answers: int


def make_study(systems: dict[str, Path], output: Path, *, seed: int = 0) -> int:
    """Write a folder with a page to be opened by raters, and the key to it; the number of pairs in it.

    Args:
        systems: folder of clips of each system; clips of one name in several folders are compared.
        output: must be empty or not exist.

    Raises:
        ValueError: less than two systems, or no clip that two of them have.
    """
    if len(systems) < 2:
        raise ValueError("A study compares two systems or more; give each as NAME=FOLDER.")
    if output.exists() and any(output.iterdir()):
        raise ValueError(f"{output} is not empty; name a new folder for the study.")
    clips = {
        name: {path.name: path for path in sorted(folder.glob("*.mp4")) if path.is_file()}
        for name, folder in systems.items()
    }
    pairs = [
        (one, other, clip) for one, other in combinations(clips, 2) for clip in sorted(clips[one].keys() & clips[other])
    ]
    if not pairs:
        found = ", ".join(f"{len(names)} in {systems[name]}" for name, names in clips.items())
        raise ValueError(f"No two folders hold an .mp4 of the same name ({found}); name the clips of one voice alike.")
    chance = random.Random(seed)
    chance.shuffle(pairs)
    make_folder(output / "clips")
    blind, key = {}, {}
    for pair in pairs:
        for name in pair[:2]:
            if (name, pair[2]) not in blind:
                alias = f"{chance.getrandbits(48):012x}.mp4"
                blind[name, pair[2]], key[alias] = alias, name
                shutil.copyfile(clips[name][pair[2]], output / "clips" / alias)
    shown = [[blind[one, clip], blind[other, clip]] for one, other, clip in pairs]
    page = (files(__package__) / "study.html").read_text(encoding="utf-8")
    settings = {"pairs": shown, "shown": PAIRS, "questions": QUESTIONS}
    write_text(output / "index.html", page.replace("/*SETTINGS*/{}", json.dumps(settings)))
    write_text(output / KEY, json.dumps(key, indent=1))
    return len(pairs)


def read_answers(key: dict[str, str], texts: list[str]) -> list[dict]:
    """Answers of all raters, with the systems' names in place of the clips'.

    Raises:
        ValueError: a text is not what the page saves, or belongs to another study.
    """
    answers = []
    for index, text in enumerate(texts, 1):
        try:
            found = json.loads(text)["answers"]
            for answer in found:
                one, other = (key[clip] for clip in answer["clips"])
                ratings = [{name: int(side[name]) for name in QUESTIONS} for side in answer["ratings"]]
                preferred = {0: 0, 1: 1, None: None}[answer["preferred"]]
                if len(ratings) != 2 or any(not 1 <= value <= 5 for side in ratings for value in side.values()):
                    raise ValueError
                answers.append({"systems": (one, other), "ratings": ratings, "preferred": preferred})
        except (ValueError, KeyError, TypeError, OverflowError):
            raise ValueError(f"The results file number {index} is none that this study's page saved.") from None
    if not answers:
        raise ValueError("The results hold no answers yet.")
    return answers


def standings(answers: list[dict], *, seed: int = 0) -> list[Standing]:
    """Every system, the most preferred first."""
    systems = sorted({name for answer in answers for name in answer["systems"]})
    chance = np.random.default_rng(seed)
    draws = [[answers[i] for i in chance.integers(len(answers), size=len(answers))] for _ in range(RESAMPLED)]
    strengths = np.array([bradley_terry(systems, some) for some in (answers, *draws)])
    ratings = {
        question: np.array([_means(systems, some, question) for some in (answers, *draws)]) for question in QUESTIONS
    }
    found = [
        Standing(
            system,
            _score(strengths[:, index]),
            {question: _score(values[:, index]) for question, values in ratings.items()},
            sum(system in answer["systems"] for answer in answers),
        )
        for index, system in enumerate(systems)
    ]
    return sorted(found, key=lambda standing: -standing.strength.value)


def bradley_terry(systems: list[str], answers: list[dict]) -> np.ndarray:
    """(S,) chance of each system to be preferred to one of average strength; a tie is half a win for both."""
    wins = np.full((len(systems), len(systems)), 0.1)  # keeps a system that never won or lost finite
    np.fill_diagonal(wins, 0)
    for answer in answers:
        one, other = (systems.index(name) for name in answer["systems"])
        share = 0.5 if answer["preferred"] is None else 1.0 - answer["preferred"]
        wins[one, other] += share
        wins[other, one] += 1 - share
    strength = np.ones(len(systems))
    for _ in range(200):
        met = (wins + wins.T) / (strength[:, None] + strength)
        strength = wins.sum(1) / met.sum(1)
        strength /= np.exp(np.log(strength).mean())
    return strength / (1 + strength)


def _means(systems: list[str], answers: list[dict], question: str) -> np.ndarray:
    given = {name: [] for name in systems}
    for answer in answers:
        for name, side in zip(answer["systems"], answer["ratings"], strict=True):
            given[name].append(side[question])
    return np.array([np.mean(values) if values else np.nan for values in given.values()])


def _score(values: np.ndarray) -> Score:
    low, high = np.nanpercentile(values[1:], [(100 - COVERED) / 2, (100 + COVERED) / 2])
    return Score(*(round(float(value), 4) for value in (values[0], low, high)))
