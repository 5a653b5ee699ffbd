import logging
from fractions import Fraction

import numpy as np
import pytest

from animal_lipsync.tracking import Detections, NoFaceError, choose_face, smooth_track, track_faces

WIDTH, HEIGHT, HEAD = 640, 360, 80
FACE = np.array([[-20, -20], [20, -20], [0, 5], [-12, 20], [12, 20], [0, 18], [0, 18], [0, 32], [0, -24]], np.float32)
LOOKS = np.eye(4, dtype=np.float32)


def frame(*animals, is_cut=False, width=WIDTH):
    """Detections of animals given as (x, y, looks, species)."""
    points = np.array([FACE + (x, y) for x, y, *_ in animals], np.float32).reshape(-1, 9, 2)
    centres = np.array([(x, y) for x, y, *_ in animals], np.float32).reshape(-1, 2)
    return Detections(
        width=width,
        height=HEIGHT,
        boxes=np.concatenate([centres - HEAD / 2, centres + HEAD / 2], axis=1),
        scores=np.full(len(animals), 0.9, np.float32),
        keypoints=points,
        keypoint_scores=np.full((len(animals), 9), 0.8, np.float32),
        species=tuple(species for *_, species in animals),
        appearance=np.array([LOOKS[looks] for _, _, looks, _ in animals], np.float32).reshape(-1, 4),
        is_cut=is_cut,
        best_score=0.9 if animals else 0.21,
    )


def test_one_animal_in_every_frame_is_one_track_of_the_whole_length():
    faces = track_faces([frame((100 + 2 * t, 100, 0, "dog")) for t in range(50)], Fraction(25))
    assert len(faces.tracks) == 1 and len(faces.tracks[0]) == faces.frames == 50
    assert faces.tracks[0].visible.all() and faces.tracks[0].species == "dog"
    assert (faces.width, faces.height, faces.frame_rate) == (WIDTH, HEIGHT, 25)


def test_a_short_gap_is_interpolated_and_its_points_have_no_score():
    seen = [frame((100 + 2 * t, 100, 0, "cat")) if not 10 <= t < 18 else frame() for t in range(30)]
    track = track_faces(seen, Fraction(25)).tracks[0]
    assert track.visible.all()
    assert np.allclose(track.keypoints[14, 2], (128, 105), atol=1.0)
    assert (track.score[10:18] == 0).all() and (track.score[9] > 0).all()


def test_a_gap_longer_than_max_gap_makes_two_tracks():
    seen = [frame((100, 100, 0, "cat")) if not 10 <= t < 50 else frame() for t in range(60)]
    faces = track_faces(seen, Fraction(25), max_gap=1.0)
    assert len(faces.tracks) == 2
    assert faces.tracks[0].visible.sum() == faces.tracks[1].visible.sum() == 10


def test_frames_before_and_after_an_animal_is_there_are_not_visible():
    seen = [frame((100, 100, 0, "cat")) if 10 <= t < 20 else frame() for t in range(30)]
    track = track_faces(seen, Fraction(25)).tracks[0]
    assert np.flatnonzero(track.visible).tolist() == list(range(10, 20))


def test_two_animals_that_cross_keep_their_numbers():
    crossing = []
    for t in range(60):
        left, right = (100 + 7 * t, 150, 0, "dog"), (520 - 7 * t, 160, 1, "dog")
        # the nearer one hides the other while they overlap
        crossing.append(frame(left) if abs(left[0] - right[0]) < 60 else frame(left, right))
    faces = track_faces(crossing, Fraction(25))
    assert len(faces.tracks) == 2
    ends = sorted((track.keypoints[0, 2, 0], track.keypoints[-1, 2, 0]) for track in faces.tracks)
    assert np.allclose(ends, [(100, 513), (520, 107)], atol=8)


def test_a_new_scene_ends_every_track():
    seen = [frame((100, 100, 0, "dog"), is_cut=t == 20) for t in range(40)]
    faces = track_faces(seen, Fraction(25))
    assert sorted(np.flatnonzero(track.visible)[0] for track in faces.tracks) == [0, 20]


def test_a_flash_of_a_face_is_a_false_alarm_but_a_short_video_is_not():
    seen = [frame((100, 100, 0, "dog")) if t < 2 else frame() for t in range(40)]
    assert not track_faces(seen, Fraction(25)).tracks
    assert len(track_faces(seen[:1], Fraction(25)).tracks) == 1


def test_no_face_is_a_fact_with_the_best_candidate_in_the_log(caplog):
    with caplog.at_level(logging.WARNING):
        faces = track_faces([frame() for _ in range(5)], Fraction(25))
    assert faces.tracks == () and faces.frames == 5
    assert "best candidate 0.21 at frame 0" in caplog.text


def test_smoothing_calms_a_still_head():
    rng = np.random.default_rng(0)
    noisy = [frame((300 + rng.normal(0, 0.4), 150 + rng.normal(0, 0.4), 0, "dog")) for _ in range(200)]
    track = track_faces(noisy, Fraction(25)).tracks[0]
    assert np.diff(track.keypoints[20:-20], axis=0).std() < 0.25 * 0.4 * np.sqrt(2)


def test_smoothing_does_not_lag_behind_a_steady_movement():
    moving = [frame((100 + 6 * t, 150, 0, "dog")) for t in range(60)]
    track = track_faces(moving, Fraction(25)).tracks[0]
    assert np.allclose(track.keypoints[10:-10, 2, 0], 100 + 6 * np.arange(60)[10:-10], atol=0.5)


def test_a_still_track_is_not_moved_by_smoothing():
    track = track_faces([frame((100, 100, 0, "dog"))] * 10, Fraction(25)).tracks[0]
    assert np.allclose(smooth_track(track, Fraction(25)).keypoints, track.keypoints, atol=1e-4)


@pytest.mark.parametrize(
    ("speaker", "expected"),
    [(0, "dog"), (1, "cat"), ("left", "cat"), ("right", "dog"), ("cat", "cat"), ((110, 110), "cat"), ((999, 0), "dog")],
)
def test_choose_face_by_number_side_species_or_point(speaker, expected):
    faces = frame((400, 200, 0, "dog"), (100, 100, 1, "cat")).to_faces()
    assert choose_face(faces, speaker).species == expected


def test_choose_face_says_what_there_is():
    faces = frame((400, 200, 0, "dog"), (100, 100, 1, "cat")).to_faces()
    with pytest.raises(NoFaceError, match="number 2; the faces found are 0: dog, 1: cat"):
        choose_face(faces, 2)
    with pytest.raises(NoFaceError, match="species 'bird'"):
        choose_face(faces, "bird")
    with pytest.raises(NoFaceError, match="by hand"):
        choose_face(frame().to_faces())
