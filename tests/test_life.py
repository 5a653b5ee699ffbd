from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync.augmentation import mirror
from animal_lipsync.engine import WarpEngine
from animal_lipsync.image import to_pixels
from animal_lipsync.life import LIFE_CHANNELS, life_field
from animal_lipsync.preservation import Preservation
from animal_lipsync.rig import build_rig
from animal_lipsync.schemas import CHIN, LEFT_EYE, RIGHT_EYE
from tests.animals import FRONT, SIDE, any_faces, make_face, pose, rough_picture, sample_fox, soft_picture

engine = WarpEngine()
WIDTH, HEIGHT = 144, 120


def same(frames, others):
    return bool((frames == others).all())


def a_face(points=FRONT, **options):
    return make_face(points, at=(70, 74), size=14, **options)


def make_life(face, motion):
    """In double precision, so that what the formulas promise can be told from rounding."""
    field = life_field(face, build_rig(face), motion, (0, 0, WIDTH, HEIGHT))
    double = {name: value.double() for name, value in vars(field).items() if torch.is_tensor(value)}
    eyes = tuple(tuple(value.double() for value in eye) for eye in field.eyes)
    return replace(field, eyes=eyes, **double)


def grid(width=WIDTH, height=HEIGHT, count=60):
    steps = torch.linspace(0, 1, count).double()
    x, y = torch.meshgrid(steps * width, steps * height, indexing="xy")
    return x[None], y[None]


def slope(field, x, y):
    """Determinant of the whole bend of head and brow."""
    step = 1e-5

    def source(dx, dy):
        return field.raise_brow(*field.pose(x + dx, y + dy))

    (xx, yx), (xy, yy) = (
        [(a - b) / (2 * step) for a, b in zip(source(*ahead), source(*behind), strict=True)]
        for ahead, behind in (((step, 0), (-step, 0)), ((0, step), (0, -step)))
    )
    return xx * yy - xy * yx


degrees = st.sampled_from([-45.0, 0.0, 45.0]) | st.floats(-45, 45)


@settings(max_examples=40)
@given(any_faces(largest=150), degrees, degrees, degrees, st.sampled_from([0.0, 1.0]))
def test_no_movement_of_the_head_folds_the_picture(face, pitch, yaw, roll, brow):
    motion = pose(head_pitch=pitch, head_yaw=yaw, head_roll=roll, brow=brow, blink_left=1)
    assert slope(make_life(face, motion), *grid()).min() > 0


@settings(max_examples=25)
@given(any_faces(largest=150), degrees, degrees, degrees)
def test_a_moving_head_leaves_the_edge_of_the_picture_where_it_is(face, pitch, yaw, roll):
    field = make_life(face, pose(head_pitch=pitch, head_yaw=yaw, head_roll=roll, brow=1e-9))
    t = torch.linspace(0, 1, 50).double()
    none = torch.zeros(50).double()
    x = torch.cat([t * WIDTH, t * WIDTH, none, none + WIDTH])[None, None]
    y = torch.cat([none, none + HEIGHT, t * HEIGHT, t * HEIGHT])[None, None]
    for moved, still in zip(field.pose(x, y), (x, y), strict=True):
        torch.testing.assert_close(moved, still, atol=1e-9, rtol=0)


@pytest.mark.parametrize("channel, amount", [("head_pitch", 30), ("head_yaw", -30), ("head_roll", 20)])
def test_a_moving_head_moves_the_picture_but_not_its_edge(channel, amount):
    picture = rough_picture(WIDTH, HEIGHT)
    moved = engine(picture, a_face(), pose(**{channel: amount}))
    difference = (moved - picture).abs()
    edge = max(
        float(side.max()) for side in (difference[..., :1, :], difference[..., -1:, :], difference[..., [0, -1]])
    )
    assert edge < 0.03 and difference.mean() > 0.02


def test_a_head_in_a_crop_moves_as_it_does_in_the_whole_picture():
    picture, face, motion = soft_picture(WIDTH, HEIGHT), a_face(), pose(head_yaw=30)
    whole = engine(picture, face, motion)[..., 30:100, 40:110]
    crop, face = picture[..., 30:100, 40:110], face.shifted(40, 30)
    canvas = (-40, -30, WIDTH - 40, HEIGHT - 30)
    inner = (..., slice(5, -5), slice(15, -15))  # the edge lacks what would move into it
    assert (engine(crop, face, motion, canvas=canvas) - whole)[inner].abs().max() < 0.02
    assert (engine(crop, face, motion) - whole)[inner].abs().max() > 0.05


def test_a_turn_to_the_right_moves_the_nose_right_a_nod_down_and_a_tilt_turns_it():
    x, y = (torch.full((1, 1, 1), value).double() for value in (70.0, 60.0))
    source_x, source_y = make_life(a_face(), pose(head_yaw=10)).pose(x, y)
    assert source_x < x - 1 and source_y == y
    source_x, source_y = make_life(a_face(), pose(head_pitch=10)).pose(x, y)
    assert source_y < y - 1 and source_x == x
    eye_x, eye_y = (torch.full((1, 1, 1), value).double() for value in a_face().keypoints[0, RIGHT_EYE].tolist())
    source_x, source_y = make_life(a_face(), pose(head_roll=10)).pose(eye_x, eye_y)
    assert source_y < eye_y - 1  # positive tilts to the right: the right eye sinks


@pytest.mark.parametrize("name, eye", [("blink_left", LEFT_EYE), ("blink_right", RIGHT_EYE)])
def test_a_blink_covers_its_eye_only(name, eye):
    picture = rough_picture(WIDTH, HEIGHT)
    face = a_face()
    changed = (engine(picture, face, pose(**{name: 1.0})) != picture).any(1)[0]
    rows, columns = changed.nonzero().T
    x, y = face.keypoints[0, eye]
    reach = 0.1 * (face.boxes[0, 2] - face.boxes[0, 0])
    assert changed[int(y), int(x)]
    assert (columns - x).abs().max() < 1.5 * reach and rows.min() > y - 3 * reach and rows.max() < y + 1.5 * reach


@pytest.mark.parametrize("turn", [0, 35, 180])
def test_a_closing_lid_brings_the_skin_above_the_eye_down_over_it(turn):
    face = a_face(turn=turn)
    dark = torch.full((1, 3, HEIGHT, WIDTH), 0.8)
    eyes = face.keypoints[0, [LEFT_EYE, RIGHT_EYE]]
    ys, xs = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    radius = 0.035 * float(face.boxes[0, 2] - face.boxes[0, 0])
    for x, y in eyes.tolist():
        dark[:, :, (xs - x) ** 2 + (ys - y) ** 2 < radius**2] = 0.0
    amounts = [0.0, 0.5, 1.0]
    blinks = engine(dark, face, pose(3, blink_left=amounts, blink_right=amounts))
    black = (blinks[:, 0] < 0.2).sum((1, 2))
    assert black[0] > black[1] > black[2] and black[2] < 0.1 * black[0]


def test_half_closed_lids_do_not_touch_an_eye_that_stays_open():
    picture = rough_picture(WIDTH, HEIGHT)
    both = engine(picture, a_face(), pose(2, blink_left=[0.7, 0.0]))
    assert same(both[1], picture[0]) and not same(both[0], picture[0])


def test_seen_from_the_side_either_blink_closes_the_eye_that_shows():
    picture = rough_picture(WIDTH, HEIGHT)
    face = a_face(SIDE)
    left, right = (engine(picture, face, pose(**{name: 1.0})) for name in ("blink_left", "blink_right"))
    x, y = face.keypoints[0, LEFT_EYE].astype(int)
    assert (left != picture).any(1)[0, y, x] and same(left, right)


@pytest.mark.parametrize("points", [FRONT, SIDE])
def test_the_brow_lifts_the_upper_head_only(points):
    picture = rough_picture(WIDTH, HEIGHT)
    face = a_face(points)
    raised = engine(picture, face, pose(brow=1))
    assert not same(raised, picture)
    lip = int(face.keypoints[0, 5, 1])
    assert same(raised[..., lip:, :], picture[..., lip:, :])
    brow_x, brow_y = face.keypoints[0, 8]
    x, y = (torch.full((1, 1, 1), float(value)).double() for value in (brow_x, brow_y))
    _, source_y = make_life(face, pose(brow=1)).raise_brow(x, y)
    assert source_y > y + 0.5  # what is seen there was lower


def test_the_chin_nods_with_the_head():
    picture, face = soft_picture(WIDTH, HEIGHT), a_face()
    x, y = (int(value) for value in face.keypoints[0, CHIN])
    assert (engine(picture, face, pose(head_pitch=20)) - picture)[
        ..., y - 3 : y + 3, x - 3 : x + 3
    ].abs().mean() > 0.005


def test_a_head_that_moves_and_speaks_does_both():
    picture, face = soft_picture(WIDTH, HEIGHT), a_face()
    turned = engine(picture, face, pose(head_yaw=25))
    both = engine(picture, face, pose(head_yaw=25, jaw_open=1))
    changed = ((both - turned).abs().amax(1) > 0.05)[0]
    rows, columns = changed.nonzero().T
    travel = 0.3 * 25 / 45 * 0.6 * float(face.boxes[0, 2] - face.boxes[0, 0])
    mouth = float(columns.double().mean())
    assert abs(mouth - (70 + travel)) < 3  # the mouth opens where the head has turned to
    assert rows.min() > 74 - 20


@pytest.mark.parametrize("channel", LIFE_CHANNELS)
def test_life_at_rest_is_no_work_at_all(channel):
    face = a_face()
    assert life_field(face, build_rig(face), pose(3), (0, 0, WIDTH, HEIGHT)) is None
    assert life_field(face, build_rig(face), pose(3, **{channel: [0, 0, 1]}), (0, 0, WIDTH, HEIGHT)) is not None
    picture = rough_picture(WIDTH, HEIGHT)
    resting = engine(picture, face, pose(2, **{channel: [0, 1]}))
    assert same(resting[0], picture[0]) and not same(resting[1], picture[0])


@pytest.mark.parametrize("turn", [0, 25])
def test_life_in_a_mirrored_picture_is_mirrored(turn):
    picture, face = soft_picture(145, 121), a_face(turn=turn)
    motion = pose(head_yaw=20, head_roll=10, head_pitch=5, blink_left=1, brow=0.5)
    other = pose(head_yaw=-20, head_roll=-10, head_pitch=5, blink_right=1, brow=0.5)
    moved = engine(picture, face, motion)
    twin = engine(picture.flip(3), mirror(face, 145), other).flip(3)
    assert (moved - picture).abs().max() > 0.05
    assert (moved - twin).abs().max() < 0.02


@settings(max_examples=30)
@given(
    st.sampled_from([FRONT, SIDE]),
    st.sampled_from([4, 9, 14, 25]),
    st.floats(0, 360),
    st.sets(st.sampled_from(LIFE_CHANNELS), min_size=1, max_size=3),
)
def test_nothing_moves_beyond_the_region(points, size, turn, channels):
    face = make_face(points, at=(70, 60), size=size, turn=turn)
    motion = pose(**{name: 40.0 if name.startswith("head") else 1.0 for name in channels})
    x1, y1, x2, y2 = engine.region(face, motion, WIDTH, HEIGHT)
    picture = rough_picture(WIDTH, HEIGHT)
    region = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    region[y1:y2, x1:x2] = True
    assert same(torch.where(region, 0, engine(picture, face, motion)), torch.where(region, 0, picture))


def test_a_head_that_moves_keeps_its_fur():
    picture, face = sample_fox()
    moved = engine(picture, face, pose(6, head_pitch=np.linspace(0.5, 3, 6), head_yaw=np.linspace(1, 0, 6)))
    kept = Preservation()
    kept.add(to_pixels(moved), to_pixels(picture.expand(6, -1, -1, -1)), face)
    assert kept.figures()["texture"] > 0.75


def test_the_brow_field_is_still_below_the_head():
    field = make_life(a_face(), pose(brow=1))
    x, y = grid()
    moved = field.raise_brow(x, y)[1] - y
    assert (moved >= 0).all() and moved.max() > 1
    assert (moved[0][y[0] > 100] == 0).all()


def test_every_frame_has_its_own_life():
    picture, face = soft_picture(WIDTH, HEIGHT), a_face()
    motion = pose(3, head_yaw=[0, 10, -20], blink_left=[1, 0, 0.5], brow=[0, 1, 0.3])
    together = engine(picture, face, motion)
    for row in range(3):
        alone = engine(picture, face, motion[row : row + 1])
        np.testing.assert_allclose(alone[0], together[row], atol=0.02)
