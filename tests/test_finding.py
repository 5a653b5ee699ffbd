from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from animal_lipsync.finding import describe
from animal_lipsync.schemas import LOWER_LIP, UPPER_LIP
from animal_lipsync.types import Faces
from tests.animals import make_face


def told(*mouths, scores=None, hidden=()):
    """Faces whose lips have these scores, one a frame."""
    tracks = []
    for lips in mouths:
        face = make_face(frames=len(lips))
        score, visible = face.score.copy(), face.visible.copy()
        score[:, [UPPER_LIP, LOWER_LIP]] = np.array(lips)[:, None]
        visible[list(hidden)] = False
        tracks.append(replace(face, score=score, visible=visible))
    frames = len(mouths[0])
    return Faces(128, 128, Fraction(25 if frames > 1 else 0), frames, tuple(tracks), scores or (0.9,) * len(tracks))


def test_a_mouth_that_is_hard_to_see_is_told_of():
    assert len(describe(told([0.9]))) == 1
    assert describe(told([0.5])) == [
        "Not sure where the mouth of face 0 is (0.50): look at its points.",
        "Face 0 dog (0.90).",
    ]


def test_of_a_video_the_frame_with_the_least_sure_mouth_is_told():
    (line,) = describe(told([0.9, 0.4, 0.3, 0.9, 0.1], hidden=[4]))[:1]
    assert "in 2 of 5 frames, least in frame 2 (0.30)" in line


@pytest.mark.parametrize(("speaker", "named"), [(None, [1, 2]), (0, []), (1, [1]), (2, [2])])
def test_only_who_speaks_is_doubted_and_once(speaker, named):
    lines = describe(told([0.9], [0.5], [0.5], scores=(0.9, 0.9, 0.3)), speaker)
    doubts = [line for line in lines if line.startswith("Not sure")]
    assert [f"face {i}" in line for i, line in zip(named, doubts, strict=True)] == [True] * len(named)


def test_a_mouth_outside_the_picture_is_told_of():
    faces = replace(told([0.9]), tracks=(make_face(at=(64, 132)),))
    assert "where the mouth of face 0 is (0.00)" in describe(faces)[0]
    assert len(describe(replace(faces, height=200))) == 1


def test_points_set_by_hand_are_not_doubted():
    assert len(describe(replace(told([0.2]), scores=()))) == 1
