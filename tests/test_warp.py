from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from animal_lipsync.rig import build_rig
from animal_lipsync.warp import LINE_POINTS, LINE_REACH, JawField, jaw_field
from tests.animals import FRONT, SIDE, any_faces, any_poses, joined, make_face, pose

VIEWS = [
    pytest.param(FRONT, "dog", id="front"),
    pytest.param(SIDE, "dog", id="side"),
    pytest.param(SIDE, "parrot", id="beak"),
]


lip_lines = st.none() | st.lists(st.floats(-1, 1), min_size=5, max_size=5)
"""Shares of `LINE_REACH` by which a still's lip line may lie below the curve that the keypoints suggest."""


def make_field(face, motion, line=None) -> JawField:
    """In double precision, so that what the formulas promise can be told from rounding."""
    rig = build_rig(face)
    field = jaw_field(rig, motion, is_side=bool(rig.profile[0] > 0.5))
    tensors = {f.name: getattr(field, f.name) for f in fields(field) if torch.is_tensor(getattr(field, f.name))}
    field = replace(field, **{name: value.double() for name, value in tensors.items()})
    if line is None or float(field.gap) > 0:
        return field
    offsets = np.interp(np.linspace(0, 4, LINE_POINTS), range(5), line) * LINE_REACH
    return replace(field, line=torch.as_tensor(offsets) * field.half_width[0])


def grid_over(field, *, count=24, margin=1.2):
    """x, y of pixels all over what the field moves, and beyond."""
    low, high = (torch.as_tensor(bound[0]).double() for bound in field.extent())
    middle, half = (low + high) / 2, margin * (high - low) / 2
    steps = torch.linspace(-1, 1, count).double()
    return torch.meshgrid(*(middle[i] + half[i] * steps for i in (0, 1)), indexing="xy")


def is_lower(field, x, y):
    """Which pixels show the lower jaw."""
    a, b = field.to_mouth(x[None], y[None])
    upper, lower = field.lips(a)
    return (b > (upper + lower) / 2)[0]


def source_of(field, x, y):
    """Where each pixel comes from, as the jaw it belongs to moves."""
    lower, upper = field.source_of(x[None], y[None])
    below = is_lower(field, x, y)
    return (torch.where(below, lower[i][0], upper[i][0]) for i in (0, 1))


@settings(max_examples=60)
@given(any_faces(), any_poses(), lip_lines)
def test_neither_jaw_folds_whatever_the_keypoints_and_however_wide_the_mouth(face, motion, line):
    field = make_field(face, motion, line)
    x, y = grid_over(field)
    step = 1e-6 * float(x[0, -1] - x[0, 0])
    below = is_lower(field, x, y)
    inside = torch.ones_like(below)
    if field.is_side:  # across the line behind the hinge b jumps from one end of its circle to the other
        inside = (field.to_mouth(x[None], y[None])[1].abs() < 3.1 * field.length)[0]
    for layer, pixels in ((0, below & inside), (1, ~below & inside)):
        if not pixels.any():
            continue
        x1, y1 = (value[pixels][None, None] for value in (x, y))

        def slope(dx, dy, x1=x1, y1=y1, layer=layer):
            ahead = field.source_of(x1 + dx, y1 + dy)[layer]
            behind = field.source_of(x1 - dx, y1 - dy)[layer]
            return [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]

        (xx, yx), (xy, yy) = slope(step, 0), slope(0, step)
        assert (xx * yy - xy * yx).min() > 0.02


@settings(max_examples=40)
@given(any_faces(), any_poses(), lip_lines)
@example(make_face(np.add(FRONT, np.eye(9)[:, 3:5].sum(1)[:, None] * (0, 0.5)), size=40), pose(jaw_open=1), [-1] * 5)
@example(make_face(size=40), pose(jaw_open=1, mouth_wide=1), None)
def test_nothing_moves_beyond_the_extent(face, motion, line):
    field = make_field(face, motion, line)
    x, y = grid_over(field, count=40, margin=1.2)
    low, high = (bound[0] for bound in field.extent())
    outside = (x < low[0]) | (x > high[0]) | (y < low[1]) | (y > high[1])
    source_x, source_y = source_of(field, x, y)
    size = float(x[0, -1] - x[0, 0]) + float(np.abs(face.boxes).max())
    torch.testing.assert_close(source_x[outside], x[outside], atol=1e-6 * size, rtol=0)
    torch.testing.assert_close(source_y[outside], y[outside], atol=1e-6 * size, rtol=0)


@settings(max_examples=40)
@given(any_faces(), any_poses())
def test_a_profile_does_not_tear_behind_its_hinge(face, motion):
    field = make_field(face, motion)
    if not field.is_side:
        return
    length = field.length
    radius = torch.linspace(0.05, 1, 20).double().reshape(1, 1, -1) * field.front * length
    x, y = field.to_frame(radius, 3.14159 * length)
    lower, _ = field.source_of(x, y)
    for moved, still in zip(lower, (x, y), strict=True):
        assert ((moved - still).abs() < 1e-3 * length).all()


@settings(max_examples=40)
@given(any_faces(), any_poses())
def test_beyond_the_corners_both_jaws_move_as_one(face, motion):
    field = replace(make_field(face, motion), gap=torch.zeros(1, 1, 1).double())
    if field.is_side:
        return
    share = torch.tensor([-1.7, -1.3, -1.01, 1.01, 1.3, 1.7]).double().reshape(1, 1, -1)
    a = share * torch.where(share < 0, field.left, field.right) * (1 + field.stretch.clamp(min=0))
    upper, lower = field.source_of(*field.to_frame(a, field.seam(a)))
    for one, other in zip(upper, lower, strict=True):
        assert ((one - other).abs() < 1e-5 * field.half_width).all()


@settings(max_examples=40)
@given(any_faces())
def test_a_shut_mouth_at_rest_moves_nothing(face):
    field = replace(make_field(face, pose()), gap=torch.zeros(1, 1, 1).double())
    x, y = grid_over(field)
    for layer in field.source_of(x[None], y[None]):
        for moved, still in zip(layer, (x, y), strict=True):
            torch.testing.assert_close(moved[0], still, atol=1e-6 * float(np.abs(face.boxes).max() + 1e4), rtol=0)


@settings(max_examples=40)
@given(any_faces(), any_poses())
def test_mouth_coordinates_lead_back_to_the_pixel(face, motion):
    field = make_field(face, motion)
    x, y = grid_over(field)
    back = field.to_frame(*field.to_mouth(x[None], y[None]))
    for value, expected in zip(back, (x, y), strict=True):
        torch.testing.assert_close(value[0], expected, atol=1e-6 * float(np.abs(face.boxes).max() + 1e4), rtol=0)


@pytest.mark.parametrize("points, species", VIEWS)
def test_the_edges_of_the_lips_show_the_lip_line_of_the_picture(points, species):
    field = make_field(make_face(points, size=40, species=species, turn=20), pose(jaw_open=0.8))
    share = torch.linspace(0, 0.9, 7).double().reshape(1, 1, -1)
    a = share * torch.where(field.facing > 0, field.left, field.right) if field.is_side else share * field.right
    line = field.to_frame(a, field.seam(a))
    upper, lower = field.lips(a)
    for edge, layer in ((lower, 0), (upper, 1)):
        for found, expected in zip(field.source_of(*field.to_frame(a, edge))[layer], line, strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("points, species", VIEWS)
def test_the_wider_the_jaw_opens_the_lower_the_lip_and_the_larger_the_gap(points, species):
    amounts = np.linspace(0, 1, 11)
    field = make_field(make_face(points, size=40, species=species), pose(11, jaw_open=amounts))
    a = (torch.linspace(-0.8, 0.8, 9).double() * 40).reshape(1, 1, -1)
    if field.is_side:
        a = a.abs() + 5
    upper, lower = field.lips(a)
    assert (lower.diff(dim=0)[:, 0, 3:6] > 0).all() and (lower.diff(dim=0) >= 0).all()
    assert ((lower - upper).sum(2).diff(dim=0) > 0).all()
    assert (lower[0] == upper[0]).all()


@pytest.mark.parametrize("points, species", VIEWS)
def test_a_small_opening_is_small(points, species):
    field = make_field(make_face(points, size=40, species=species), pose(jaw_open=1e-4))
    x, y = grid_over(field)
    moved = source_of(field, x, y)
    assert all((value - still).abs().max() < 0.01 for value, still in zip(moved, (x, y), strict=True))


def test_from_the_front_the_chin_drops_by_the_opening_and_the_nose_stays():
    face = make_face(FRONT, size=40, at=(0, 0))
    rig = build_rig(face)
    field = make_field(face, pose(jaw_open=1))
    chin = torch.tensor([[[38.0]]]).double() * 0.85
    _, y = field.source_of(0 * chin, chin + float(rig.reach[0]))[0]
    torch.testing.assert_close(y, chin)
    nose = torch.tensor([[[-38.0]]]).double()
    assert field.source_of(0 * nose, nose)[1][1] == nose


@pytest.mark.parametrize("degrees", [0, 130])
@pytest.mark.parametrize("species", ["dog", "parrot"])
def test_from_the_side_the_jaw_turns_round_the_hinge_as_a_whole(species, degrees):
    face = make_face(SIDE, size=100, at=(0, 0), species=species, turn=degrees)
    rig = build_rig(face)
    field = make_field(face, pose(jaw_open=0.7))
    hinge = complex(*face.keypoints[0, 3:5].mean(0))
    lip = complex(*rig.origin[0])
    spin = np.exp(1j * 0.7 * rig.reach[0] / abs(lip - hinge))
    for along in (0.4, 0.7, 1.0):
        for down in (0.02, 0.1):
            source = hinge + along * (lip - hinge) * (1 + 1j * down)
            target = hinge + (source - hinge) * spin
            x, y = (torch.tensor([[[part]]]).double() for part in (target.real, target.imag))
            found = complex(*(float(value) for value in field.source_of(x, y)[0]))
            assert abs(found - source) < 0.05 * abs(source - target)


@pytest.mark.parametrize("points", [FRONT, SIDE])
def test_every_pixel_of_a_batch_moves_as_it_does_alone(points):
    """The tensors against one frame and one pixel at a time, in single precision."""
    faces = [make_face(points, size=size, turn=turn, gap=gap) for size, turn, gap in ((20, 0, 0), (30, 50, 0.5))]
    motion = pose(2, jaw_open=[0.4, 1.0], mouth_wide=[0.0, 1.0], mouth_close=[0.3, 0.0])
    rig = build_rig(joined(*faces))
    is_side = bool(rig.profile[0] > 0.5)
    xs, ys = torch.linspace(20, 110, 7), torch.linspace(30, 120, 7)
    batch = jaw_field(rig, motion, is_side=is_side).source_of(xs.reshape(1, 1, -1), ys.reshape(1, -1, 1))
    for row in range(2):
        alone = jaw_field(rig[[row]], motion[row : row + 1], is_side=is_side)
        for i, y in enumerate(ys):
            for j, x in enumerate(xs):
                pixel = alone.source_of(x.reshape(1, 1, 1), y.reshape(1, 1, 1))
                for layer in (0, 1):
                    found = [float(batch[layer][axis][row, i, j]) for axis in (0, 1)]
                    np.testing.assert_allclose(found, [float(value) for value in pixel[layer]], atol=1e-3)


@settings(max_examples=40)
@given(st.sampled_from([FRONT, SIDE]), any_poses(), st.floats(0.5, 8))
def test_a_picture_twice_as_large_moves_twice_as_far(points, motion, factor):
    small = make_field(make_face(points, at=(0, 0), size=20), motion)
    large = make_field(make_face(points, at=(0, 0), size=20 * factor), motion)
    x, y = grid_over(small)
    for one, other in zip(source_of(small, x, y), source_of(large, x * factor, y * factor), strict=True):
        assert ((factor * one - other).abs() > 1e-3 * factor).float().mean() < 0.01  # the lips' edge may round


def test_wide_corners_move_out_and_puckered_ones_in():
    corner = torch.tensor([[[40.0]]]).double()
    for name, sign in (("mouth_wide", 1), ("mouth_pucker", -1)):
        field = make_field(make_face(FRONT, at=(0, 0), size=40), pose(**{name: 1.0}))
        x = field.source_of(corner, -10 + 0 * corner)[1][0]
        assert sign * float(corner - x) > 2


def test_a_closed_mouth_stays_shut_however_far_the_jaw_would_open():
    field = make_field(make_face(FRONT, size=40), pose(jaw_open=1, mouth_close=1))
    upper, lower = field.lips(torch.zeros(1, 1, 1).double())
    assert (lower <= upper).all()


def test_a_tongue_that_hangs_out_needs_an_open_mouth():
    field = make_field(make_face(FRONT, size=40), pose(tongue_out=1))
    upper, lower = field.lips(torch.zeros(1, 1, 1).double())
    assert (lower - upper > 4).all() and (field.tongue > 0).all()


@pytest.mark.parametrize("points", [FRONT, SIDE])
def test_lips_apart_in_the_picture_meet_at_rest(points):
    face = make_face(points, at=(0, 0), size=40, gap=0.4)
    field = make_field(face, pose())
    a = torch.tensor([[[0.0]]]).double() if not field.is_side else field.length
    upper, lower = field.lips(a)
    assert (upper == lower).all()
    x, y = field.source_of(*field.to_frame(a, lower))[0]
    lip = face.keypoints[0, 6]
    swing = np.hypot(float(x) - lip[0], float(y) - lip[1])  # of a jaw seen from the side; the gap is straight
    assert swing < 0.25 * 0.4 * 40
