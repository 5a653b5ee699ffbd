from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from animal_lipsync.draw import JAW, LOWER, POINT, UPPER, draw_landmarks
from animal_lipsync.schemas import CHIN, LEFT_EYE, LOWER_LIP, MOUTH_LEFT, NOSE, RIGHT_EYE, UPPER_LIP
from tests.animals import FRONT, SIDE, any_faces, make_face

GREY = np.full((200, 220, 3), 128, np.uint8)
views = pytest.mark.parametrize("points", [FRONT, SIDE], ids=["front", "side"])


def a_face(points=FRONT, **options):
    return make_face(points, at=(120, 110), size=40, **options)


def is_coloured(pixels, colour):
    return (np.abs(pixels.astype(int) - colour) <= 2).all(-1)


@views
def test_every_point_is_drawn_in_the_colour_of_its_part(points):
    face = a_face(points, gap=0.4)
    drawn = draw_landmarks(GREY, face)
    parts = {LEFT_EYE: POINT, RIGHT_EYE: POINT, NOSE: POINT, UPPER_LIP: UPPER, LOWER_LIP: LOWER, CHIN: JAW}
    for index, colour in {**parts, MOUTH_LEFT: UPPER}.items():
        x, y = face.keypoints[0, index].astype(int)
        assert is_coloured(drawn[y - 1 : y + 2, x - 1 : x + 2], colour).any(), index


@views
def test_upper_and_lower_lip_have_their_own_colours(points):
    drawn = draw_landmarks(GREY, a_face(points, gap=0.5))
    above, below = (np.flatnonzero(is_coloured(drawn, colour).any(1)).max() for colour in (UPPER, LOWER))
    assert below > above


def test_the_picture_given_is_left_as_it_was_and_only_the_face_is_drawn_on():
    before = GREY.copy()
    face = a_face()
    drawn = draw_landmarks(GREY, face)
    np.testing.assert_array_equal(GREY, before)
    assert drawn.shape == GREY.shape and drawn.dtype == np.uint8 and (drawn != GREY).any()
    left, top, right, bottom = (int(value) for value in face.boxes[0])
    drawn[max(top - 3, 0) : bottom + 4, max(left - 3, 0) : right + 4] = 128
    np.testing.assert_array_equal(drawn, GREY)


def test_an_estimated_point_is_hollow():
    face = a_face()
    estimated = replace(face, score=np.zeros((1, 9), np.float32))
    x, y = face.keypoints[0, NOSE].astype(int)
    assert is_coloured(draw_landmarks(GREY, face)[y, x], POINT)
    assert (draw_landmarks(GREY, estimated)[y, x] == 128).all()


def test_a_face_that_is_not_visible_is_not_drawn():
    hidden = replace(a_face(), visible=np.zeros(1, bool))
    drawn = draw_landmarks(GREY, hidden)
    np.testing.assert_array_equal(drawn, GREY)
    assert drawn is not GREY


@settings(max_examples=40)
@given(any_faces(largest=1e6))
def test_any_keypoints_can_be_drawn(face):
    assert draw_landmarks(GREY[:50, :60], face).shape == (50, 60, 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1)])
def test_the_smallest_pictures_can_be_drawn_on(shape):
    assert draw_landmarks(np.zeros((*shape, 3), np.uint8), a_face()).shape == (*shape, 3)


def test_a_line_ends_at_the_corners_of_the_mouth():
    face = a_face()
    rows, columns = np.nonzero(is_coloured(draw_landmarks(GREY, face), UPPER))
    corners = face.keypoints[0, [3, 4], 0]
    assert abs(columns.min() - corners[0]) < 6 and abs(columns.max() - corners[1]) < 6
