from fractions import Fraction

import numpy as np
import pytest

from animal_lipsync.speaker import NoFaceError, choose_face, face_at, rank_faces
from animal_lipsync.types import Faces
from tests.animals import joined, make_face

WIDTH, HEIGHT = 640, 360


def herd(*animals, scores=()):
    """Faces of animals given as (x, y, size of the head, species), in that order."""
    tracks = tuple(make_face(at=(x, y), size=size / 6, species=species) for x, y, size, species in animals)
    return Faces(WIDTH, HEIGHT, Fraction(0), 1, tracks, scores or (0.9,) * len(tracks))


DOG, CAT, PUPPY = (120, 300, 90, "dog"), (330, 190, 60, "cat"), (560, 150, 50, "dog")


@pytest.mark.parametrize(
    ("speaker", "order"),
    [
        ("prominent", [0, 1, 2]),
        ("largest", [0, 1, 2]),
        ("central", [1, 0, 2]),
        ("leftmost", [0, 1, 2]),
        ("rightmost", [2, 1, 0]),
        ("dog", [0, 2]),
        ("cat", [1]),
    ],
)
def test_each_rule_counts_in_its_own_order(speaker, order):
    assert rank_faces(herd(DOG, CAT, PUPPY), speaker) == order
    assert [choose_face(herd(DOG, CAT, PUPPY), n, speaker) for n in range(len(order))] == order


def test_a_large_face_that_is_hardly_one_is_not_the_most_prominent():
    faces = herd(DOG, CAT, PUPPY, scores=(0.35, 0.95, 0.9))
    assert choose_face(faces) == 1 and choose_face(faces, speaker="largest") == 0


@pytest.mark.parametrize(("point", "expected"), [((125, 290), 0), ((340, 200), 1), ((639, 0), 2), ((0, 0), 0)])
def test_a_click_chooses_the_face_under_it_or_the_nearest(point, expected):
    assert face_at(herd(DOG, CAT, PUPPY), point) == expected


def test_a_click_means_the_animal_that_was_there_in_that_frame():
    away, here = make_face(at=(500, 200)), make_face(at=(100, 200))
    faces = Faces(WIDTH, HEIGHT, Fraction(25), 2, (joined(away, here), joined(here, away)))
    assert face_at(faces, (100, 200), 0) == 1 and face_at(faces, (100, 200), 1) == 0
    faces.tracks[0].visible[1] = faces.tracks[1].visible[1] = False
    with pytest.raises(NoFaceError, match="frame 1"):
        face_at(faces, (100, 200), 1)


def test_what_is_not_there_is_answered_with_what_is():
    faces = herd(DOG, CAT)
    with pytest.raises(NoFaceError, match="number 2; the faces found, from left to right, are 0: dog, 1: cat"):
        choose_face(faces, 2)
    for speaker in ("parrot", ""):
        with pytest.raises(NoFaceError, match=f"No face is a '{speaker}', nor .* rules prominent, .* are 0: dog"):
            choose_face(faces, 0, speaker)
    with pytest.raises(NoFaceError, match="cat number 1"):
        choose_face(faces, 1, "cat")


def test_no_face_at_all_is_answered_with_the_best_candidate_and_the_remedy():
    nothing = Faces(WIDTH, HEIGHT, Fraction(25), 250, (), best_candidate=(0.21, 17))
    with pytest.raises(NoFaceError, match="250 frames; best candidate 0.21 at frame 17; draw a box with Choose Face"):
        choose_face(nothing)
    with pytest.raises(NoFaceError, match="best candidate 0.21 at frame 17"):
        face_at(Faces.from_json(nothing.to_json()), (0, 0))


def test_a_head_may_be_cut_by_the_frame_but_not_lie_in_another_world():
    cut = herd((-20, 350, 300, "dog"), (650, -10, 300, "cat"))
    assert [choose_face(cut, 0, speaker) for speaker in ("dog", "cat")] == [0, 1]
    for spot in ((-WIDTH - 1, 100), (100, HEIGHT + WIDTH + 1)):
        faces = herd(CAT, DOG)
        faces.tracks[1].keypoints[0, 3] = spot
        assert choose_face(faces, 0, "cat") == 0
        with pytest.raises(NoFaceError, match="Face 1 has a point at {}, {}, .* of 640 x 360 pixels".format(*spot)):
            choose_face(faces, 0, "dog")


def test_only_frames_in_which_a_face_is_seen_count():
    away = make_face(at=(9000, 200))
    faces = Faces(WIDTH, HEIGHT, Fraction(25), 2, (joined(make_face(), away),))
    faces.tracks[0].visible[1] = False
    assert choose_face(faces) == 0
    faces.tracks[0].visible[0] = False
    with pytest.raises(NoFaceError, match="Face 0 is hidden in every frame, so nothing would move; empty"):
        choose_face(faces)


def test_a_face_that_is_never_visible_can_still_be_ranked():
    faces = herd(DOG, CAT)
    faces.tracks[0].visible[:] = False
    assert sorted(rank_faces(faces, "central")) == [0, 1] and np.isfinite(faces.tracks[0].boxes).all()
