from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animal_lipsync.tracking import Detections, settle, track_faces

WIDTH, HEIGHT, HEAD = 640, 360, 80
FACE = np.array([[-20, -20], [20, -20], [0, 5], [-12, 20], [12, 20], [0, 18], [0, 18], [0, 32], [0, -24]], np.float32)
LOOKS = np.eye(4, dtype=np.float32)


def frame(*animals, before=(), looked=True, scene=0, width=WIDTH):
    """Detections of animals given as (x, y, looks, species, run); those of a run in `before` were followed."""
    points = np.array([FACE + animal[:2] for animal in animals], np.float32).reshape(-1, 9, 2)
    centres = np.array([animal[:2] for animal in animals], np.float32).reshape(-1, 2)
    runs = [animal[4] if len(animal) > 4 else -1 for animal in animals]
    was = {animal[4]: animal[:2] for animal in before if len(animal) > 4}
    moved = [
        np.subtract(a[:2], was[run]) if run in was else (np.nan, np.nan) for a, run in zip(animals, runs, strict=True)
    ]
    return Detections(
        width=width,
        height=HEIGHT,
        boxes=np.concatenate([centres - HEAD / 2, centres + HEAD / 2], axis=1),
        scores=np.full(len(animals), 0.9, np.float32),
        keypoints=points,
        keypoint_scores=np.full((len(animals), 9), 0.8, np.float32),
        species=tuple(animal[3] for animal in animals),
        appearance=np.array([LOOKS[animal[2]] for animal in animals], np.float32).reshape(-1, 4),
        runs=np.array(runs, int),
        moved=np.array(moved, np.float32).reshape(-1, 1, 2).repeat(11, 1),
        placed=np.full(len(animals), looked),
        is_searched=looked,
        scene=scene,
        best_score=0.9 if animals else 0.21,
    )


def followed(frames, every=8, noise=0.0, seed=0):
    """Detections of a clip given as the animals of each frame; looked at every so often, with noise, else followed."""
    rng = np.random.default_rng(seed)
    seen = []
    for t, animals in enumerate(frames):
        now = frame(*animals, before=frames[t - 1] if t else (), looked=t % every == 0)
        shake = noise * rng.normal(size=now.keypoints.shape).astype(np.float32)
        seen.append(replace(now, keypoints=now.keypoints + shake) if now.is_searched else now)
    return seen


def test_four_quarters_turn_faces_back_to_where_they_were():
    seen = frame((100, 80, 0, "dog"), (220, 90, 1, "cat"))
    turned = seen.turned(1)
    assert (turned.width, turned.height) == (HEIGHT, WIDTH)
    assert np.allclose(turned.keypoints[0, 2], (seen.keypoints[0, 2, 1], WIDTH - seen.keypoints[0, 2, 0]))
    assert (turned.boxes[:, 2:] > turned.boxes[:, :2]).all()
    again = turned.turned(3)
    assert np.allclose(again.boxes, seen.boxes) and np.allclose(again.keypoints, seen.keypoints)


def test_one_animal_in_every_frame_is_one_track_of_the_whole_length():
    faces = track_faces(followed([[(100 + 2 * t, 100, 0, "dog", 0)] for t in range(50)]), Fraction(25))
    assert len(faces.tracks) == 1 and len(faces.tracks[0]) == faces.frames == 50
    assert faces.tracks[0].visible.all() and faces.tracks[0].species == "dog"
    assert (faces.width, faces.height, faces.frame_rate) == (WIDTH, HEIGHT, 25)
    assert np.allclose(faces.tracks[0].keypoints[:, 2, 0], 100 + 2 * np.arange(50), atol=0.1)


def test_a_short_gap_is_bridged_and_its_points_have_no_score():
    seen = [frame((100 + 2 * t, 100, 0, "cat")) if not 10 <= t < 14 else frame() for t in range(30)]
    track = track_faces(seen, Fraction(25)).tracks[0]
    assert track.visible.all()
    assert np.allclose(track.keypoints[12, 2], (124, 105), atol=2.0)
    assert (track.score[10:14] == 0).all() and (track.score[9] > 0).all()


def test_an_animal_that_was_long_out_of_sight_is_the_same_one_but_not_visible_in_between():
    seen = [frame((100, 100, 0, "cat")) if not 10 <= t < 28 else frame() for t in range(40)]
    (track,) = track_faces(seen, Fraction(25)).tracks
    assert np.flatnonzero(~track.visible).tolist() == list(range(10, 28))


def test_a_gap_longer_than_max_gap_makes_two_tracks():
    seen = [frame((100, 100, 0, "cat")) if not 10 <= t < 50 else frame() for t in range(60)]
    faces = track_faces(seen, Fraction(25), max_gap=1.0)
    assert [track.visible.sum() for track in faces.tracks] == [10, 10]


def test_frames_before_and_after_an_animal_is_there_are_not_visible():
    seen = [frame((100, 100, 0, "cat")) if 10 <= t < 20 else frame() for t in range(30)]
    track = track_faces(seen, Fraction(25)).tracks[0]
    assert np.flatnonzero(track.visible).tolist() == list(range(10, 20))


def test_two_animals_that_cross_keep_their_numbers_and_the_hidden_one_is_not_visible():
    crossing = []
    for t in range(60):
        left, right = (100 + 7 * t, 150, 0, "dog"), (520 - 7 * t, 160, 1, "dog")
        # the nearer one hides the other while they overlap
        crossing.append(frame(left) if abs(left[0] - right[0]) < 60 else frame(left, right))
    faces = track_faces(crossing, Fraction(25))
    assert len(faces.tracks) == 2
    ends = [(track.keypoints[0, 2, 0], track.keypoints[-1, 2, 0]) for track in faces.tracks]
    assert np.allclose(ends, [(100, 513), (520, 107)], atol=8)
    assert faces.tracks[0].visible.all() and not faces.tracks[1].visible[29:32].any()


def test_a_head_that_looks_quite_different_after_it_turned_is_the_same_while_it_is_alone():
    turning = [frame((200, 100, int(t >= 20), "cat", int(t >= 20))) for t in range(40)]
    assert len(track_faces(turning, Fraction(25)).tracks) == 1
    watched = [frame((200, 100, int(t >= 20), "cat", int(t >= 20)), (320, 100, 2, "cat", 2)) for t in range(40)]
    assert len(track_faces(watched, Fraction(25)).tracks) == 3
    later = [frame() if 20 <= t < 80 else turning[min(t, 39)] for t in range(100)]
    assert len(track_faces(later, Fraction(25)).tracks) == 2


@pytest.mark.parametrize("sizes, count", [(0.9, 1), (1.2, 2)])
def test_a_head_that_turned_is_the_same_if_it_jumped_by_less_than_its_size(sizes, count):
    turning = [frame((200 + (t >= 20) * sizes * HEAD, 100, int(t >= 20), "cat", int(t >= 20))) for t in range(40)]
    assert len(track_faces(turning, Fraction(25)).tracks) == count


def test_faces_are_numbered_from_left_to_right():
    seen = [frame((400, 100, 0, "dog"), (90, 100, 1, "cat"), (250, 120, 2, "dog")) for _ in range(5)]
    assert [track.boxes[0, 0] for track in track_faces(seen, Fraction(25)).tracks] == [50, 210, 360]


def test_a_new_scene_ends_every_track():
    seen = [frame((100, 100, 0, "dog"), scene=t // 20) for t in range(40)]
    faces = track_faces(seen, Fraction(25))
    assert sorted(np.flatnonzero(track.visible)[0] for track in faces.tracks) == [0, 20]


def test_a_flash_between_two_frames_of_a_scene_ends_nothing():
    seen = [frame(scene=1) if t == 20 else frame((100, 100, 0, "dog")) for t in range(40)]
    assert len(track_faces(seen, Fraction(25)).tracks) == 1


def test_what_one_search_alone_took_for_a_face_is_a_false_alarm_but_a_short_video_is_not():
    seen = [frame((100, 100, 0, "dog")) if t < 1 else frame() for t in range(40)]
    assert not track_faces(seen, Fraction(25)).tracks
    assert len(track_faces(seen[:1], Fraction(25)).tracks) == 1


def test_no_face_is_a_fact_with_the_best_candidate():
    seen = [frame() for _ in range(5)]
    seen[3] = replace(seen[3], best_score=0.25)
    faces = track_faces(seen, Fraction(25))
    assert faces.tracks == () and faces.frames == 5 and faces.best_candidate == (0.25, 3)


def test_a_still_head_does_not_tremble_though_every_look_at_it_differs():
    noise = 0.01 * HEAD
    still = followed([[(300, 150, 0, "dog", 0)]] * 200, noise=noise)
    points = track_faces(still, Fraction(25)).tracks[0].keypoints
    trembling = points - np.apply_along_axis(lambda x: np.convolve(x, np.ones(25) / 25, "same"), 0, points)
    assert trembling[20:-20].std() < 0.0015 * HEAD
    assert np.abs(points.mean(0) - (FACE + (300, 150))).max() < noise


@given(st.floats(-12, 12), st.floats(-6, 6))
def test_a_movement_that_was_followed_is_neither_late_nor_cut_short(right, down):
    path = [[(300 + right * t, 150 + down * t * (25 - t) / 25, 0, "dog", 0)] for t in range(25)]
    points = track_faces(followed(path, noise=0.2), Fraction(25)).tracks[0].keypoints[:, 2]
    expected = np.array([animals[0][:2] for animals in path]) + FACE[2]
    assert np.abs(points - expected).max() < 0.02 * HEAD


def test_what_is_seen_later_corrects_following_that_goes_astray():
    true = np.linspace(0, 2, 49)[:, None, None].repeat(2, 2)
    seen = np.where(np.arange(49)[:, None, None] % 8 == 0, true, np.nan)
    moved = 1.1 * np.diff(true, axis=0, prepend=true[:1])
    path = settle(seen, moved, np.ones((49, 1)), np.ones(49))
    assert np.abs(path - true).max() < 0.03


@pytest.mark.parametrize("count", [1, 2])
def test_settle_takes_any_length(count):
    points = np.random.default_rng(0).random((count, 9, 2))
    path = settle(points, np.full_like(points, np.nan), np.ones((count, 9)), np.ones(count))
    assert path.shape == points.shape and np.abs(path - points).max() < 0.1
