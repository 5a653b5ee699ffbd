import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync.augmentation import mirror
from animal_lipsync.rig import BIRDS, SHUT_GAP, build_rig
from animal_lipsync.schemas import LOWER_LIP, SCHEMAS, UPPER_LIP
from tests.animals import FRONT, SIDE, any_faces, joined, make_face

LENGTHS = ("left", "right", "left_drop", "right_drop", "jaw", "nose", "gap", "half_width", "reach")
"""Fields of a rig that are pixels and have no direction."""

plausible = st.sampled_from([FRONT, SIDE])
angles = st.floats(0, 360)


def turned(vectors, degrees):
    angle = np.radians(degrees)
    return vectors @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def assert_same(rig, other, *, factor=1.0, tolerance=1e-3):
    for name in LENGTHS:
        np.testing.assert_allclose(getattr(other, name), factor * getattr(rig, name), atol=tolerance, err_msg=name)
    np.testing.assert_allclose(other.profile, rig.profile, atol=tolerance)
    if rig.profile > 0.5:  # from the front neither end is free
        assert other.facing == rig.facing


def test_a_mouth_from_the_front_is_measured_from_the_upper_lip():
    rig = build_rig(make_face(FRONT, at=(100, 80), size=20))
    np.testing.assert_allclose(rig.origin, [[100, 80]])
    np.testing.assert_allclose(rig.across, [[1, 0]])
    np.testing.assert_allclose(rig.down, [[0, 1]])
    np.testing.assert_allclose([rig.left, rig.right], [[20], [20]], rtol=1e-5)
    np.testing.assert_allclose([rig.left_drop, rig.right_drop], [[-5], [-5]], rtol=1e-5)
    np.testing.assert_allclose([rig.jaw, rig.nose], [[19], [16]], rtol=1e-5)
    assert rig.gap == 0 and rig.profile == 0 and not rig.beak


def test_a_mouth_from_the_side_hinges_at_its_corners_and_is_free_at_its_lips():
    right = build_rig(make_face(SIDE, size=50))
    assert right.profile == 1 and right.facing == 1
    np.testing.assert_allclose(right.left, 47.5, rtol=0.01)
    left = build_rig(mirror(make_face(SIDE, size=50), 128))
    assert left.profile == 1 and left.facing == -1
    np.testing.assert_allclose(left.right, right.left)


def test_lips_apart_give_a_gap_that_the_jaw_does_not_contain():
    shut, open_ = (build_rig(make_face(FRONT, size=20, gap=gap)) for gap in (0, 0.5))
    np.testing.assert_allclose(open_.gap, 10, rtol=1e-5)
    np.testing.assert_allclose(open_.jaw, shut.jaw, rtol=1e-5)


@pytest.mark.parametrize("points", [FRONT, SIDE])
def test_lips_apart_by_labelling_noise_count_as_shut(points):
    half = float(build_rig(make_face(points, size=20)).half_width[0])
    assert build_rig(make_face(points, size=20, gap=0.9 * SHUT_GAP * half / 20)).gap == 0
    assert build_rig(make_face(points, size=20, gap=1.1 * SHUT_GAP * half / 20)).gap > 0


@pytest.mark.parametrize("species", [*sorted(BIRDS), "Parrot"])
def test_a_beak_parts_at_the_tip_of_its_lower_bill(species):
    face = make_face(SIDE, species=species)
    face.keypoints[:, UPPER_LIP] += (1, 6)  # the hook
    rig = build_rig(face)
    assert rig.beak and rig.gap == 0
    np.testing.assert_array_equal(rig.origin, face.keypoints[:, LOWER_LIP])


@given(any_faces(largest=1e6))
def test_any_keypoints_give_a_regular_mouth(face):
    rig = build_rig(face)
    for name in rig.__dataclass_fields__:
        assert np.isfinite(getattr(rig, name)).all(), name
    across, down = rig.across[0], rig.down[0]
    np.testing.assert_allclose([across @ across, down @ down, across @ down], [1, 1, 0], atol=1e-5)
    np.testing.assert_allclose([-across[1], across[0]], down, atol=1e-6)  # right-handed, so nothing is mirrored
    assert min(rig.left, rig.right, rig.jaw, rig.nose, rig.reach) > 0 and rig.gap >= 0
    assert 0.2 < rig.left / rig.right < 5
    assert max(abs(rig.left_drop), abs(rig.right_drop)) <= 0.81 * rig.half_width
    assert max(rig.jaw, rig.nose, rig.gap) <= 2.01 * rig.half_width
    assert rig.reach < 2 * rig.half_width
    assert 0 <= rig.profile <= 1 and abs(rig.facing) == 1


@given(plausible, angles, st.sampled_from([0.0, 0.4]), st.sampled_from(["dog", "parrot"]))
def test_a_turned_face_has_the_same_mouth_turned(points, degrees, gap, species):
    face = make_face(points, size=30, gap=gap, species=species)
    rig, other = build_rig(face), build_rig(make_face(points, size=30, gap=gap, species=species, turn=degrees))
    assert_same(rig, other)
    np.testing.assert_allclose(other.across, turned(rig.across, degrees), atol=1e-4)
    np.testing.assert_allclose(other.down, turned(rig.down, degrees), atol=1e-4)


@given(plausible, st.floats(0.5, 50), st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_a_face_twice_as_large_elsewhere_has_the_same_mouth_twice_as_large(points, factor, x, y):
    rig = build_rig(make_face(points, at=(0, 0), size=10))
    other = build_rig(make_face(points, at=(x, y), size=10 * factor))
    assert_same(rig, other, factor=factor, tolerance=0.02 * factor)
    np.testing.assert_allclose(other.origin, [[x, y]], atol=1e-3)


@given(plausible, angles, st.sampled_from([0.0, 0.4]), st.sampled_from(["dog", "parrot"]))
def test_a_mirrored_face_has_the_mirrored_mouth(points, degrees, gap, species):
    face = make_face(points, size=30, gap=gap, species=species, turn=degrees)
    rig, other = build_rig(face), build_rig(mirror(face, 128))
    twins = {"left": "right", "left_drop": "right_drop"}
    for name, twin in {**twins, "jaw": "jaw", "nose": "nose", "gap": "gap"}.items():
        np.testing.assert_allclose(getattr(other, name), getattr(rig, twin), atol=1e-3, err_msg=name)
    np.testing.assert_allclose(other.down, rig.down * (-1, 1), atol=1e-4)
    if rig.profile > 0.5:
        assert other.facing == -rig.facing


@settings(max_examples=30)
@given(st.lists(any_faces(), min_size=2, max_size=4))
def test_frames_do_not_influence_each_other(faces):
    faces = [make_face(face.keypoints[0], at=(0, 0), size=1) for face in faces]  # of one species
    together = build_rig(joined(*faces))
    for row, face in enumerate(faces):
        alone = build_rig(face)
        for name in alone.__dataclass_fields__:
            np.testing.assert_array_equal(np.atleast_1d(getattr(together[[row]], name)), getattr(alone, name))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("point", [*range(len(SCHEMAS["animal9"].names)), "box"])
def test_keypoints_that_are_not_numbers_are_refused_with_the_remedy(point, value):
    face = make_face()
    if point == "box":
        face.boxes[0, 2] = value
    else:
        face.keypoints[0, point, 1] = value
    with pytest.raises(ValueError, match="Edit Keypoints"):
        build_rig(face)
