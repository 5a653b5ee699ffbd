"""Where the inpaint engine works: on any animal, however it holds its head."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync.augmentation import mirror
from animal_lipsync.lower_face import calm, lower_face_mask, place_lower_face
from animal_lipsync.schemas import CHIN, LEFT_EYE, MOUTH_LEFT, MOUTH_RIGHT, NOSE, RIGHT_EYE, UPPER_LIP
from animal_lipsync.types import FaceTrack
from tests.animals import joined, make_face


def in_square(face: FaceTrack) -> np.ndarray:
    """(N, 9, 2) the face's keypoints in sides of its square."""
    return place_lower_face(face).to_crop(face.keypoints.astype(float)) / 256


@given(st.floats(-180, 180), st.floats(4, 400))
def test_a_turned_head_is_upright_with_its_chin_near_the_bottom(turn, size):
    (points,) = in_square(make_face(at=(500, 400), size=size, turn=turn))
    assert points[LEFT_EYE, 1] == pytest.approx(points[RIGHT_EYE, 1], abs=1e-3)
    assert points[LEFT_EYE, 0] < 0.5 < points[RIGHT_EYE, 0]
    assert points[NOSE, 1] > 0.5 > points[LEFT_EYE, 1]
    assert 0.94 < points[CHIN, 1] < 0.99


@given(st.floats(-180, 180))
def test_a_mirrored_head_has_a_mirrored_square(turn):
    face = make_face(at=(300, 300), size=40, turn=turn)
    a, b = in_square(face)[0], in_square(mirror(face, 640))[0]
    order = [1, 0, 2, 4, 3, 5, 6, 7, 8]
    assert np.allclose(a * (1, 1), (1, 0) + b[order] * (-1, 1), atol=1e-3)


@settings(max_examples=20)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_head_that_moves_by_a_part_of_a_pixel_takes_its_square_along(x, y):
    a, b = (place_lower_face(make_face(at=at, size=30, turn=9)) for at in ((90, 80), (90 + x, 80 + y)))
    assert np.allclose(b.centre - a.centre, (x, y), atol=1e-3) and np.allclose(a.side, b.side, rtol=1e-4)


def test_trembling_keypoints_make_a_calm_square():
    rng = np.random.default_rng(0)
    trembling = make_face(at=(200, 200), size=50, frames=50)
    trembling.keypoints[:] += rng.normal(0, 1.5, trembling.keypoints.shape)
    shaking, steady = (place_lower_face(face) for face in (trembling, calm(trembling, Fraction(25))))
    for raw, smooth in ((shaking.centre, steady.centre), (shaking.side[:, None], steady.side[:, None])):
        assert np.diff(smooth, axis=0).std() < 0.25 * np.diff(raw, axis=0).std()


@pytest.mark.parametrize("hidden", [(), (20, 21)])
def test_a_head_on_its_way_is_not_held_back(hidden):
    face = joined(*(make_face(at=(100 + 4 * t, 150 - t), size=40) for t in range(40)))
    face.visible[list(hidden)] = False
    assert np.allclose(calm(face, Fraction(25)).keypoints[face.visible], face.keypoints[face.visible], atol=1e-2)


def test_one_frame_is_calm():
    face = make_face()
    assert np.allclose(calm(face, Fraction(25)).keypoints, face.keypoints)


def test_with_room_for_an_open_mouth_the_square_reaches_lower():
    face = make_face(at=(200, 200), size=50)
    shut, opened = place_lower_face(face), place_lower_face(face, drop=0.6)
    assert opened.side > 1.1 * shut.side
    assert np.allclose(shut.to_crop(shut.centre[:, None]), opened.to_crop(opened.centre[:, None]))


def test_on_real_animals_of_every_shape_the_mask_holds_the_mouth_and_not_the_eyes(data):
    """Long muzzles, flat faces and beaks, from the front and the side, as labelled by hand."""
    pictures = json.loads((data / "pictures" / "keypoints.json").read_text())
    labels = [label for faces in pictures.values() for label in faces]
    corners = []
    assert len(labels) >= 15
    for label in labels:
        points, species = np.array([label["keypoints"]], np.float32), label["species"]
        box = np.array([label["box"]], np.float32)
        face = FaceTrack(box, points[..., :2], points[..., 2], np.ones(1, bool), species)
        (places,), (mask,) = in_square(face), lower_face_mask(place_lower_face(face)).numpy()

        def cover(index, places=places, mask=mask):
            x, y = (places[index] * 256).astype(int)
            return mask[y, x] if 0 <= x < 256 and 0 <= y < 256 else 0

        assert mask.max() == 1
        assert cover(UPPER_LIP) > 0.2 or cover(6) > 0.2, species
        corners.append(cover(MOUTH_LEFT) + cover(MOUTH_RIGHT) > 0)
        assert cover(LEFT_EYE) == cover(RIGHT_EYE) == 0, species
    assert np.mean(corners) > 0.85, "corners that run up the cheeks past the nose stay as they are"
