from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync.appearance import LUMA
from animal_lipsync.augmentation import mirror
from animal_lipsync.engine import WarpEngine
from animal_lipsync.inside import OpenMouth
from animal_lipsync.rig import build_rig
from animal_lipsync.types import CHANNELS
from tests.animals import (
    FRONT,
    SIDE,
    any_faces,
    any_poses,
    joined,
    make_face,
    pose,
    rough_picture,
    sample_fox,
    soft_picture,
)

VIEWS = [
    pytest.param(FRONT, "dog", id="front"),
    pytest.param(SIDE, "fox", id="side"),
    pytest.param(SIDE, "parrot", id="beak"),
]
views = pytest.mark.parametrize("points, species", VIEWS)
engine = WarpEngine()


def same(frames, others):
    """Whether two tensors are equal bit for bit; `torch.equal`, but a failure does not print them."""
    return bool((frames == others).all())


def luma(frames):
    return (frames * torch.tensor(LUMA).reshape(1, 3, 1, 1)).sum(1)


def inside_box(frames, box):
    x1, y1, x2, y2 = box
    mask = torch.zeros(frames.shape[2:], dtype=torch.bool)
    mask[y1:y2, x1:x2] = True
    return mask


@pytest.fixture(scope="module")
def fox():
    return sample_fox()


# ---- at rest, and where nothing moves --------------------------------------------------------------------------------


@settings(max_examples=40)
@given(any_faces(largest=200), st.integers(1, 70), st.integers(1, 70))
def test_a_shut_mouth_at_rest_returns_the_picture_bit_for_bit(face, width, height):
    if build_rig(face).gap[0] > 0:
        return
    picture = rough_picture(width, height)
    assert same(engine(picture, face, pose(2)), picture.expand(2, -1, -1, -1))


@views
@pytest.mark.parametrize("turn", [0, 33])
@pytest.mark.parametrize("width, height", [(4096, 12), (12, 4096)])
def test_at_rest_rounding_moves_nothing_in_the_largest_picture(points, species, turn, width, height):
    picture = rough_picture(width, height)
    face = make_face(points, at=(0.9 * width, 0.9 * height), size=600, turn=turn, species=species)
    assert same(engine(picture, face, pose()), picture)


@settings(max_examples=25)
@given(any_faces(largest=100), any_poses())
def test_outside_the_region_pixels_are_neither_changed_nor_read(face, motion):
    picture = rough_picture(90, 70)
    box = engine.region(face, motion, 90, 70)
    assert 0 <= box[0] <= box[2] <= 90 and 0 <= box[1] <= box[3] <= 70
    region = inside_box(picture, box)
    spoken = engine(picture, face, motion)
    assert same(torch.where(region, 0, spoken), torch.where(region, 0, picture))
    other = torch.where(region, picture, rough_picture(90, 70, seed=1))
    assert same(torch.where(region, engine(other, face, motion), 0), torch.where(region, spoken, 0))


@views
@pytest.mark.parametrize("size, channels", [(24, {}), (7, {}), (14, {"head_yaw": [0, 30, -20], "blink_right": 1})])
def test_the_crop_of_the_region_is_animated_as_the_whole_picture_is(points, species, size, channels):
    picture = soft_picture(210, 190)
    face = make_face(points, at=(115, 100), size=size, species=species)
    motion = pose(3, jaw_open=[0.0, 0.5, 1.0], mouth_wide=[0.0, 1.0, 0.5], **channels)
    x1, y1, x2, y2 = engine.region(face, motion, 210, 190)
    assert x1 > 0 and y1 > 0 and x2 < 210 and y2 < 190
    whole = engine(picture, face, motion)
    canvas = (-x1, -y1, 210 - x1, 190 - y1)
    crop = engine(picture[..., y1:y2, x1:x2], face.shifted(x1, y1), motion, canvas=canvas)
    difference = (crop - whole[..., y1:y2, x1:x2]).abs()
    assert difference.max() < 0.05 and difference.mean() < 1e-3


@views
@pytest.mark.parametrize("turn", [0, 50])
def test_the_region_of_a_large_mouth_holds_all_that_moves(points, species, turn):
    picture = rough_picture(230, 230)
    face = make_face(points, at=(115, 105), size=36, turn=turn, species=species)
    motion = pose(2, jaw_open=1, mouth_wide=[0, 1])
    region = inside_box(picture, engine.region(face, motion, 230, 230))
    assert region.float().mean() < 0.9
    assert same(torch.where(region, 0, engine(picture, face, motion)), torch.where(region, 0, picture))


def test_the_picture_given_is_left_as_it_was():
    picture, face = rough_picture(90, 70), make_face(at=(45, 40), size=12, gap=0.5)
    before = picture.clone()
    engine(picture, face, pose(2, jaw_open=1, blink_left=1, brow=1, head_yaw=9, tongue_out=1))
    assert same(picture, before)


def test_frames_in_which_the_face_is_not_seen_pass_through_untouched():
    frames = rough_picture(90, 70, frames=4)
    seen = np.array([True, False, True, False])
    face = replace(make_face(at=(45, 40), size=12, gap=0.5, frames=4), visible=seen)
    spoken = engine(frames, face, pose(4, jaw_open=1, blink_left=1))
    for row in range(4):
        assert same(spoken[row], frames[row]) == (not seen[row])
    still = replace(face[:1], visible=np.zeros(1, bool))
    assert same(engine(frames[:1], still, pose(3, jaw_open=1)), frames[:1].expand(3, -1, -1, -1))


# ---- bad input -------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(any_faces(largest=150), any_poses(), st.floats(-45, 45), st.sampled_from([(64, 48), (31, 33), (2, 90), (1, 1)]))
def test_no_keypoints_and_no_pose_give_anything_but_a_picture(face, motion, degrees, size):
    values = motion.values.copy()
    values[:, 5:] = degrees, -degrees, degrees, 1, 0.5, 1
    motion = replace(motion, values=values)
    spoken = engine(rough_picture(*size), face, motion)
    assert spoken.shape == (1, 3, size[1], size[0]) and spoken.dtype == torch.float32
    assert torch.isfinite(spoken).all() and spoken.min() >= 0 and spoken.max() <= 1


@pytest.mark.parametrize("magnitude", [1e6, 1e12, 1e30])
@pytest.mark.parametrize("points", [FRONT, SIDE])
def test_keypoints_out_of_all_bounds_leave_a_picture(points, magnitude):
    picture = rough_picture(40, 40)
    for face in (make_face(points, at=(magnitude, -magnitude)), make_face(points, size=magnitude)):
        x1, y1, x2, y2 = engine.region(face, pose(jaw_open=1), 40, 40)
        assert 0 <= x1 <= x2 <= 40 and 0 <= y1 <= y2 <= 40
        assert torch.isfinite(engine(picture, face, pose(jaw_open=1, mouth_wide=1))).all()


def test_keypoints_that_are_not_numbers_are_refused_with_the_remedy():
    face = make_face()
    face.keypoints[0, 3] = np.nan
    for call in (lambda: engine(rough_picture(64, 64), face, pose()), lambda: engine.region(face, pose(), 64, 64)):
        with pytest.raises(ValueError, match="Edit Keypoints"):
            call()


def test_lengths_that_do_not_match_are_refused():
    frames = rough_picture(64, 64, frames=3)
    for face, motion in ((make_face(frames=2), pose(3)), (make_face(frames=3), pose(4)), (make_face(), pose(3))):
        with pytest.raises(ValueError, match="do not match"):
            engine(frames, face, motion)


# ---- one frame does not know of the others ---------------------------------------------------------------------------


def moving(points, species, count=8):
    """Frames, faces and a motion that differ from frame to frame."""
    frames = torch.cat([soft_picture(120, 110, seed=seed) for seed in range(count)])
    faces = [
        make_face(points, at=(62 + t, 60 - t), size=20 + 0.2 * t, turn=3 * t, species=species) for t in range(count)
    ]
    amounts = np.linspace(0, 1, count)
    motion = pose(count, jaw_open=amounts, mouth_pucker=amounts[::-1], blink_left=amounts, head_yaw=9 * amounts)
    return frames, joined(*faces), motion


@views
def test_a_batch_of_eight_is_eight_batches_of_one(points, species):
    frames, faces, motion = moving(points, species)
    together = engine(frames, faces, motion)
    for row in range(8):
        rows = slice(row, row + 1)
        difference = (engine(frames[rows], faces[rows], motion[rows]) - together[rows]).abs()
        assert difference.max() < 0.06 and difference.mean() < 6e-4


@settings(max_examples=20)
@given(
    st.sampled_from([FRONT, SIDE]),
    st.sets(st.sampled_from(["frames", "place", "size", "gap", *CHANNELS])),
    st.booleans(),
)
def test_whatever_differs_from_frame_to_frame_may_differ(points, differs, is_still):
    """What is the same in all frames is solved once, so every mixture of same and different has its own shapes."""
    varies = {name: np.array([0.2, 0.9]) if name in differs else 0.5 for name in ("place", "size", "gap", *CHANNELS)}
    frames = torch.cat([soft_picture(70, 60, seed=int("frames" in differs) * row) for row in range(2)])
    at = [np.broadcast_to(varies[name], 2) for name in ("place", "size", "gap")]
    rows = [make_face(points, at=(35 + x, 30), size=12 + size, gap=gap) for x, size, gap in zip(*at, strict=True)]
    face = joined(*rows)
    motion = pose(2, **{name: varies[name] for name in CHANNELS})
    if is_still:
        frames, face = frames[:1], face[:1]
    together = engine(frames, face, motion)
    for row in range(2):
        source = slice(0, 1) if is_still else slice(row, row + 1)
        alone = engine(frames[source], face[source], motion[row : row + 1])
        assert (alone - together[row]).abs().mean() < 2e-3


@views
def test_the_order_of_frames_does_not_matter(points, species):
    frames, faces, motion = moving(points, species)
    order = np.array([3, 0, 7, 1, 6, 2, 5, 4])
    torch.testing.assert_close(engine(frames[order], faces[order], motion[order]), engine(frames, faces, motion)[order])
    still, face = frames[:1], faces[:1]
    torch.testing.assert_close(engine(still, face, motion[order]), engine(still, face, motion)[order])


@views
def test_a_still_is_the_same_frame_over_and_over(points, species):
    frames, faces, motion = moving(points, species)
    same = np.zeros(8, int)
    torch.testing.assert_close(engine(frames[:1], faces[:1], motion), engine(frames[same], faces[same], motion))


def test_heads_that_turn_from_front_to_side_share_a_batch():
    faces = [make_face(points, at=(60, 55), size=20) for points in (FRONT, SIDE, FRONT, SIDE)]
    frames = soft_picture(120, 110).expand(4, -1, -1, -1)
    motion = pose(4, jaw_open=[0.2, 0.4, 0.7, 0.9])
    together = engine(frames, joined(*faces), motion)
    for row, face in enumerate(faces):
        alone = engine(frames[:1], face, motion[row : row + 1])
        assert (together[row] - alone[0]).abs().max() < 0.06
    assert (together[0] - together[1]).abs().max() > 0.1


@pytest.mark.parametrize("towards", [1, -1])
def test_a_head_that_turns_to_the_side_does_not_jump(towards):
    front, side = np.array(FRONT), np.array(SIDE) * [towards, 1]
    turn = [front + (side - front) * share for share in np.linspace(0, 1, 33)]
    faces = joined(*(make_face(points, at=(80, 75), size=15) for points in turn))
    profile = build_rig(faces).profile
    assert np.abs(np.diff(profile)).max() > 0.5, "the views themselves do jump"
    out = engine(soft_picture(160, 160).expand(33, -1, -1, -1), faces, pose(33, jaw_open=0.6))
    steps = (out[1:] - out[:-1]).abs().mean((1, 2, 3))
    assert steps.max() < 1.5 * steps[:8].max(), "from view to view hardly more than the mouth moves anyway"


# ---- the mouth opens -------------------------------------------------------------------------------------------------


@views
@pytest.mark.parametrize("turn", [0, -40])
def test_a_mirrored_picture_speaks_with_a_mirrored_mouth(points, species, turn):
    picture = soft_picture(129, 113)
    face = make_face(points, at=(70, 60), size=22, turn=turn, species=species)
    motion = pose(jaw_open=0.8, mouth_wide=0.5, head_yaw=0, brow=1)
    spoken = engine(picture, face, motion)
    twin = engine(picture.flip(3), mirror(face, 129), motion).flip(3)
    assert (spoken - picture).abs().max() > 0.1
    # but for the tongue's highlights and the grain, which are not symmetric
    assert (spoken - twin).abs().mean() < 2e-3 and ((spoken - twin).abs().amax(1) > 0.03).float().mean() < 0.02


@views
def test_the_wider_the_jaw_opens_the_more_of_the_inside_shows(points, species):
    white = torch.full((1, 3, 128, 128), 0.9)
    face = make_face(points, at=(64, 56), size=24, species=species)
    spoken = engine(white, face, pose(9, jaw_open=np.linspace(0, 1, 9)))
    area = (luma(spoken) < 0.6).sum((1, 2))
    assert area[0] == 0 and area[1] > 5 and (area.diff() > 0).all()
    lowest = [int(rows.nonzero().max()) for rows in (luma(spoken)[1:] < 0.6).any(2)]
    assert lowest == sorted(lowest) and lowest[-1] > lowest[0] + 5


@views
def test_skin_of_one_colour_keeps_it(points, species):
    """What is not the inside of the mouth is bent, never painted."""
    skin = torch.tensor([0.7, 0.6, 0.5]).reshape(1, 3, 1, 1).expand(-1, -1, 128, 128)
    face = make_face(points, at=(64, 56), size=24, species=species)
    spoken = engine(skin, face, pose(jaw_open=0.6, mouth_wide=1))
    changed = ((spoken - skin).abs() > 1e-4).any(1)[0]
    rows, columns = changed.nonzero().T
    half = 24 * (1.05 if points is FRONT else 1.3)
    assert changed.any() and rows.min() > 56 - 12 and rows.max() < 56 + 24 and (columns - 64).abs().max() < half + 6


def test_the_sample_fox_visibly_opens_its_mouth_from_a_tenth_on(fox):
    picture, face = fox
    amounts = [0.0, 0.1, 0.25, 0.5, 1.0]
    spoken = engine(picture, face, pose(5, jaw_open=amounts))
    assert same(spoken[0], picture[0])
    rig = build_rig(face)
    x, y = (int(value) for value in rig.origin[0])
    half = int(rig.half_width[0] / 2)
    before, after = (luma(frames)[:, y - 6 : y + 80, x - half : x + half] for frames in (picture, spoken))
    dark = ((before - after > 0.1) & (after < 0.4)).sum((1, 2))
    assert dark[1] > 20 and (dark.diff() > 0).all()


def test_the_chin_of_the_sample_fox_moves_down(fox):
    picture, face = fox
    spoken = engine(picture, face, pose(jaw_open=1))
    chin_x, chin_y = (int(value) for value in face.keypoints[0, 7])
    drop = int(build_rig(face).reach[0])
    chin = picture[0, :, chin_y - 10 : chin_y, chin_x - 8 : chin_x + 8]
    moved = [
        float((spoken[0, :, chin_y - 10 + d : chin_y + d, chin_x - 8 : chin_x + 8] - chin).abs().mean())
        for d in range(drop + 10)
    ]
    assert abs(int(np.argmin(moved)) - drop) < 0.35 * drop


def test_a_tongue_that_is_out_hangs_over_the_lower_lip():
    grey = torch.full((1, 3, 128, 128), 0.6)
    face = make_face(FRONT, at=(64, 56), size=24)
    inside, out = engine(grey, face, pose(2, jaw_open=0.5, tongue_out=[0.0, 1.0]))
    pink = [(frame[0] > 1.3 * frame[2]) & (frame[0] > 0.4) for frame in (inside, out)]
    lowest = [int(rows.nonzero().max()) for rows in (pink[0].any(1), pink[1].any(1))]
    assert lowest[1] > lowest[0] + 8


@pytest.mark.parametrize("species", ["fox", "parrot"])
def test_seen_from_the_side_what_lies_above_the_lips_stays(species):
    picture = rough_picture(128, 128)
    face = make_face(SIDE, at=(84, 64), size=40, species=species)
    spoken = engine(picture, face, pose(jaw_open=1))
    assert same(spoken[..., :60, :82], picture[..., :60, :82])
    assert not same(spoken[..., 68:, :82], picture[..., 68:, :82])


# ---- mouths that stand open in the picture ---------------------------------------------------------------------------


def open_picture(points=FRONT, *, gap=0.8, colour=(1.0, 0.0, 0.0)):
    """Grey skin and an inside of one colour between the lips, (1, 3, 128, 128), and the face."""
    face = make_face(points, at=(64, 50), size=24, gap=gap)
    picture = torch.full((1, 3, 128, 128), 0.5)
    ys, xs = torch.meshgrid(torch.arange(128) + 0.5, torch.arange(128) + 0.5, indexing="ij")
    rig = build_rig(face)
    share = ((xs - 64) / float(rig.half_width[0])).abs().clamp(max=1)
    seam = float(rig.left_drop[0]) * share**2 * (3 - 2 * share)
    low = float(rig.gap[0]) * 0.75 * (1 - (share / 0.9).clamp(max=1) ** 2) ** 1.5
    between = (ys - 50 > seam + 2) & (ys - 50 < seam + low)
    return torch.where(between, torch.tensor(colour).reshape(1, 3, 1, 1), picture), face


def red(frames):
    return ((frames[:, 0] - frames[:, 2]) > 0.3).sum((1, 2))


def test_a_mouth_open_in_the_picture_is_shut_at_rest():
    picture, face = open_picture()
    assert red(picture) > 200
    assert red(engine(picture, face, pose())) < 0.1 * red(picture)


def test_a_mouth_open_in_the_picture_shows_its_own_inside_when_it_speaks():
    picture, face = open_picture(colour=(0.0, 1.0, 0.0))
    green = (engine(picture, face, pose(jaw_open=0.8))[:, 1] > 0.8).sum()
    assert green > 100


def test_a_reference_with_its_mouth_open_lends_its_inside():
    reference, its_face = open_picture(colour=(0.0, 0.0, 1.0))
    picture, face = torch.full((1, 3, 128, 128), 0.5), make_face(FRONT, at=(64, 56), size=20)
    lent = WarpEngine(OpenMouth(reference, its_face))(picture, face, pose(jaw_open=0.9))
    own = engine(picture, face, pose(jaw_open=0.9))
    assert ((lent[:, 2] - lent[:, 0]) > 0.3).sum() > 100 and ((own[:, 2] - own[:, 0]) > 0.1).sum() == 0
    assert same(WarpEngine(OpenMouth(reference, its_face))(picture, face, pose()), picture)


def test_a_reference_with_its_mouth_shut_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match="mouth is shut.*mouth open"):
        OpenMouth(rough_picture(64, 64), make_face())


def test_a_reference_seen_from_another_side_is_refused():
    reference = OpenMouth(*open_picture())
    with pytest.raises(ValueError, match="from the front, the source from the side"):
        WarpEngine(reference)(rough_picture(128, 128), make_face(SIDE, size=40), pose(jaw_open=0.5))


# ---- no folds in the picture itself ----------------------------------------------------------------------------------


@settings(max_examples=10)
@given(
    st.floats(0, 360),
    st.floats(6, 30),
    st.lists(st.floats(-0.15, 0.15), min_size=18, max_size=18),
    any_poses(),
)
def test_pixels_of_a_face_from_the_front_never_swap_places(turn, size, scatter, motion):
    """A picture that holds its own coordinates tells where each pixel came from."""
    points = np.array(FRONT) + np.reshape(scatter, (9, 2))
    points[6] = points[5]
    face = make_face(points, at=(80, 80), size=size, turn=turn)
    ys, xs = torch.meshgrid(torch.arange(160) + 0.5, torch.arange(160) + 0.5, indexing="ij")
    flat = torch.full_like(xs, 0.5)
    motion = replace(motion, values=motion.values * (1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1))
    spoken = engine(torch.stack([xs / 160, ys / 160, flat])[None], face, motion)[0].double()
    x, y = spoken[0] * 160, spoken[1] * 160
    area = x.diff(dim=1)[:-1] * y.diff(dim=0)[:, :-1] - x.diff(dim=0)[:, :-1] * y.diff(dim=1)[:-1]
    # but for the mouth: what is painted, and the line where the lips part
    rig = build_rig(face)
    across, down = (torch.as_tensor(axis[0]) for axis in (rig.across, rig.down))
    a = (xs - 80) * across[0] + (ys - 80) * across[1]
    b = (xs - 80) * down[0] + (ys - 80) * down[1]
    opened = float(rig.reach[0]) + 4
    mouth = (a.abs() < float(rig.half_width[0]) * 1.6) & (b > -0.8 * size - 4) & (b < 0.8 * size + opened)
    lips = (a > -float(rig.left[0]) * 1.3 - 3) & (a < float(rig.right[0]) * 1.3 + 3)
    outside = ~(mouth & lips)[:-1, :-1]
    edge = torch.zeros_like(outside)
    edge[2:-2, 2:-2] = True
    assert area[outside & edge].min() > 0
