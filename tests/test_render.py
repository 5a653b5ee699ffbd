import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
import pytest
import torch

from animal_lipsync import render as rendering
from animal_lipsync.engine import WarpEngine
from animal_lipsync.image import to_pixels
from animal_lipsync.render import render
from tests.animals import FRONT, SIDE, joined, make_face, pose, rough_picture, sample_fox, soft_picture

WIDTH, HEIGHT = 151, 133


@pytest.fixture
def picture():
    return to_pixels(rough_picture(WIDTH, HEIGHT))[0]


def a_face(**options):
    return make_face(at=(80, 70), size=14, **options)


def clip(count, seed=1):
    return list(to_pixels(rough_picture(WIDTH, HEIGHT, frames=count, seed=seed)))


def rendered(frames, face, motion, engine=None):
    """Copies of what `render` yields, as (T, H, W, 3), and the boxes it says have changed."""
    frames = [(frame.pixels.copy(), frame.changed) for frame in render(frames, face, motion, engine or WarpEngine())]
    return np.array([pixels for pixels, _ in frames]), [changed for _, changed in frames]


def talk(count, **channels):
    return pose(count, jaw_open=0.5 - 0.5 * np.cos(np.arange(count) / 3), **channels)


@pytest.fixture(params=["batches of 1", "batches of 3", "one batch"])
def batch_size(request, monkeypatch):
    pixels = {"batches of 1": 1, "batches of 3": 3 * 8000, "one batch": 10**9}[request.param]
    monkeypatch.setattr(rendering, "BATCH_PIXELS", pixels)


@pytest.mark.parametrize("count", [1, 2, 9, 40])
def test_as_many_frames_leave_as_the_motion_has(picture, count, batch_size):
    assert len(rendered(repeat(picture), a_face(), talk(count))[0]) == count
    assert len(rendered(clip(count), a_face(frames=count), talk(count))[0]) == count


def test_no_motion_gives_no_frames(picture):
    assert len(rendered(repeat(picture), a_face(), pose(0))[0]) == 0


def test_frames_at_rest_are_those_of_the_source_bit_for_bit(batch_size):
    frames = clip(8)
    np.testing.assert_array_equal(rendered(frames, a_face(frames=8), pose(8))[0], frames)
    np.testing.assert_array_equal(rendered(frames, a_face(), pose(8))[0], frames)
    np.testing.assert_array_equal(rendered(repeat(frames[0]), a_face(), pose(3))[0], [frames[0]] * 3)


def test_outside_the_region_every_frame_is_its_own_source(batch_size):
    """Whether the face is given once or per frame, and also where pictures repeat, as in a clip of a slow rate."""
    frames = clip(4)
    frames = [frames[index] for index in (0, 1, 1, 2, 2, 2, 3, 3, 0, 0)]
    motion = talk(10)
    for face in (a_face(), a_face(frames=10)):
        x1, y1, x2, y2 = WarpEngine().region(face, motion, WIDTH, HEIGHT)
        outside = np.ones((HEIGHT, WIDTH), bool)
        outside[y1:y2, x1:x2] = False
        assert outside.mean() > 0.3
        pixels, _ = rendered(frames, face, motion)
        for frame, source in zip(pixels, frames, strict=True):
            np.testing.assert_array_equal(frame[outside], source[outside])


def test_a_still_is_a_clip_of_the_same_frame(batch_size):
    picture, motion = to_pixels(soft_picture(WIDTH, HEIGHT))[0], talk(12, blink_left=np.arange(12) % 2)
    still, _ = rendered(repeat(picture), a_face(), motion)
    copies = [picture.copy() for _ in range(12)]
    for face in (a_face(), a_face(frames=12)):
        difference = np.abs(still.astype(int) - rendered(copies, face, motion)[0])
        assert difference.max() <= 1


def test_each_frame_follows_its_own_face_and_motion(batch_size):
    frames, motion = [to_pixels(soft_picture(WIDTH, HEIGHT, seed=seed))[0] for seed in range(7)], talk(7)
    faces = joined(*(make_face(FRONT if t % 2 else SIDE, at=(70 + 2 * t, 70), size=18 + t) for t in range(7)))
    pixels, _ = rendered(frames, faces, motion)
    for t in range(7):
        alone, _ = rendered(frames[t : t + 1], faces[t : t + 1], motion[t : t + 1])
        assert np.abs(pixels[t].astype(int) - alone[0]).mean() < 0.2


def test_all_frames_of_a_clip_part_their_lips_alike(batch_size):
    picture, face = sample_fox()
    frames = [to_pixels(picture)[0] for _ in range(5)]
    pixels, _ = rendered(frames, face[np.zeros(5, int)], pose(5, jaw_open=0.6))
    assert np.abs(pixels[1:].astype(int) - pixels[0]).max() <= 1


@pytest.mark.parametrize("count", [1, 24])
@pytest.mark.parametrize("degrees", [0, 8])
def test_a_part_of_a_clip_is_drawn_as_in_the_whole(count, degrees):
    size = np.geomspace(20, 38, count)
    faces = [make_face(at=(120 + i, 130), size=size[i], gap=0.2) for i in range(count)]
    face, motion = joined(*faces), talk(24, head_pitch=degrees)
    frames = [to_pixels(soft_picture(270, 260))[0]] * 24
    whole, _ = rendered(frames, face, motion)
    part, _ = rendered(frames[7:], face[7:] if count > 1 else face, motion[7:])
    assert np.abs(whole[7:].astype(int) - part).max() <= 1


def test_what_a_frame_says_has_changed_is_all_that_has(picture, batch_size):
    frames = clip(3)
    sources = [picture] * 5 + [frames[0], frames[0], frames[1]] + [picture] * 4
    pixels, boxes = rendered(sources, a_face(), talk(12, brow=[0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0]))
    assert boxes[0] is None and [box is None for box in boxes[1:5]] == [False] * 4
    for before, after, box in zip(pixels[:-1], pixels[1:], boxes[1:], strict=True):
        if box is not None:
            x1, y1, x2, y2 = box
            outside = np.ones((HEIGHT, WIDTH), bool)
            outside[y1:y2, x1:x2] = False
            np.testing.assert_array_equal(before[outside], after[outside])


def test_a_still_is_drawn_into_the_same_array_and_leaves_the_picture_alone(picture):
    before = picture.copy()
    frames = [frame.pixels for frame in render(repeat(picture), a_face(), talk(5), WarpEngine())]
    assert all(frame is frames[0] for frame in frames) and frames[0] is not picture
    np.testing.assert_array_equal(picture, before)


def test_frames_without_the_face_are_untouched(batch_size):
    frames, face = clip(6), a_face(frames=6)
    face.visible[[0, 3, 5]] = False
    pixels, _ = rendered(frames, face, pose(6, jaw_open=1))
    same = [bool((frame == source).all()) for frame, source in zip(pixels, frames, strict=True)]
    assert same == [True, False, False, True, False, True]


def test_a_face_beyond_the_picture_changes_nothing(picture):
    face = make_face(at=(-500, 9000), size=14)
    np.testing.assert_array_equal(rendered(repeat(picture), face, talk(3))[0], [picture] * 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (2, 3), (37, 1)])
def test_the_smallest_pictures_are_rendered(shape):
    tiny = np.full((*shape, 3), 90, np.uint8)
    assert rendered(repeat(tiny), make_face(at=(1, 1), size=3), talk(3))[0].shape == (3, *shape, 3)


def test_closing_early_leaves_no_thread_and_reads_no_further():
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    threads = set(threading.enumerate())
    frames = render(endless(), a_face(), talk(1000), WarpEngine())
    next(frames)
    frames.close()
    assert set(threading.enumerate()) == threads
    assert len(taken) < 200
    with pytest.raises(StopIteration):
        next(frames)


def test_a_generator_never_started_leaves_no_thread(picture):
    threads = set(threading.enumerate())
    render(repeat(picture), a_face(), talk(9), WarpEngine()).close()
    assert set(threading.enumerate()) == threads


def test_an_error_in_the_source_or_the_engine_arrives_and_leaves_no_thread(picture):
    def broken():
        yield picture
        raise ValueError("the clip is damaged")

    threads = set(threading.enumerate())
    with pytest.raises(ValueError, match="damaged"):
        rendered(broken(), a_face(), talk(9))
    face = a_face()
    face.keypoints[0, 2] = np.nan
    with pytest.raises(ValueError, match="Edit Keypoints"):
        rendered(repeat(picture), face, talk(9))
    assert set(threading.enumerate()) == threads


def test_the_number_of_torch_threads_stays_what_it_was(picture):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        frames = render(repeat(picture), a_face(), talk(3), WarpEngine())
        next(frames)
        assert torch.get_num_threads() == 2
        frames.close()
        with ThreadPoolExecutor(1) as pool:  # new threads take over the number set last, in whatever thread
            assert torch.get_num_threads() == pool.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


def test_any_engine_with_the_same_signature_is_run():
    class Stamp:
        """Paints its region white."""

        def region(self, face, motion, width, height):
            return 3, 4, 10, 12

        def __call__(self, frames, face, motion, *, canvas, is_still):
            assert canvas == (-3, -4, WIDTH - 3, HEIGHT - 4)
            assert face.keypoints[0, 5].tolist() == [77, 66]
            return torch.ones(len(motion), 3, 8, 7)

    frames = clip(3)
    pixels, _ = rendered(frames, a_face(), talk(3), Stamp())
    assert (pixels[:, 4:12, 3:10] == 255).all()
    np.testing.assert_array_equal(pixels[:, 12:], np.array(frames)[:, 12:])
