import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from animal_lipsync.correction import correct_track
from animal_lipsync.types import Faces, FaceTrack

T = 20


def moving_face(start=(0.0, 0.0)) -> FaceTrack:
    """A face that wanders, turns and comes nearer."""
    shape = np.array([[30, 40], [70, 40], [50, 60], [38, 72], [62, 72], [50, 70], [50, 70], [50, 88], [50, 30]])
    angle, size = np.linspace(0, 0.6, T), np.linspace(1, 2, T)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(T, 2, 2)
    points = size[:, None, None] * np.einsum("tij,kj->tki", turn, shape - 50.0)
    points += 200 + np.array(start) + np.linspace(0, 100, T)[:, None, None]
    boxes = np.concatenate([points.min(1) - 10, points.max(1) + 10], axis=1)
    score = np.full((T, 9), 0.8)
    return FaceTrack(*(a.astype(np.float32) for a in (boxes, points, score)), np.ones(T, bool), "dog")


def pushed(face: FaceTrack, shift) -> FaceTrack:
    """With its left corner moved, as far as the head has grown and turned."""
    eyes = face.keypoints[:, 1] - face.keypoints[:, 0]
    along = eyes / np.linalg.norm(eyes[0])
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    keypoints = face.keypoints.copy()
    keypoints[:, 3] += shift[0] * along + shift[1] * across
    return replace(face, keypoints=keypoints)


def test_one_corrected_frame_corrects_all_as_the_head_turns_and_grows():
    found = moving_face()
    wanted = pushed(found, (-6, 4))
    for anchor in (0, 7, T - 1):
        hand = replace(wanted, keypoints=np.repeat(wanted.keypoints[anchor : anchor + 1], T, axis=0))
        np.testing.assert_allclose(correct_track(hand, [anchor], [found]).keypoints, wanted.keypoints, atol=1e-3)


def test_a_set_frame_is_kept_and_the_correction_goes_over_to_the_next():
    found = moving_face()
    first, last = pushed(found, (-6, 4)), pushed(found, (2, 8))
    keypoints = found.keypoints.copy()
    keypoints[4], keypoints[14] = first.keypoints[4], last.keypoints[14]
    track = correct_track(replace(found, keypoints=keypoints), [4, 14], [found])
    np.testing.assert_allclose(track.keypoints[[4, 14]], keypoints[[4, 14]], atol=1e-3)
    np.testing.assert_allclose(track.keypoints[9], (first.keypoints[9] + last.keypoints[9]) / 2, atol=1e-3)
    np.testing.assert_allclose(track.keypoints[:5], first.keypoints[:5], atol=1e-3)
    assert (track.keypoints[:, :3] == found.keypoints[:, :3]).all()


def test_the_animal_under_the_points_is_followed():
    near, far = moving_face(), moving_face(start=(150.0, 0.0))
    wanted = pushed(near, (-6, 4))
    track = correct_track(wanted, [3], [far, near])
    np.testing.assert_allclose(track.keypoints, wanted.keypoints, atol=1e-3)


def test_where_no_animal_is_found_the_hand_set_points_stay():
    hand = moving_face()
    lost = moving_face(start=(900.0, 0.0))
    for found in ([], [lost], [replace(hand, visible=np.zeros(T, bool))]):
        assert correct_track(hand, [3], found) is hand


def test_an_animal_is_seen_where_it_is_found_or_lies_between_frames_set_by_hand():
    found = replace(moving_face(), visible=np.arange(T) < 5)
    track = correct_track(pushed(moving_face(), (1, 1)), [3, 10], [found])
    assert track.visible.tolist() == [t <= 10 for t in range(T)]


def test_anchors_survive_json():
    faces = Faces(640, 480, Fraction(25), T, (moving_face(), moving_face((50, 0))), anchors=((3, 12), ()))
    again = Faces.from_json(faces.to_json())
    assert again.anchors == ((3, 12), ())
    assert again.tracks[0].visible.all()
    np.testing.assert_allclose(again.tracks[0].keypoints[[3, 12]], faces.tracks[0].keypoints[[3, 12]], atol=1e-3)
    assert Faces.from_json(again.to_json()).to_json() == again.to_json()


def test_the_browser_corrects_alike():
    """tests/js/faces.test.mjs asserts the same of the same file."""
    example = json.loads((Path(__file__).parent / "data" / "correction.json").read_text())
    boxes, keypoints = (np.array(example["found"][name], np.float32) for name in ("boxes", "keypoints"))
    found = FaceTrack(boxes, keypoints, np.ones(keypoints.shape[:2], np.float32), np.ones(len(boxes), bool))
    hand = replace(found, keypoints=found.keypoints.copy())
    hand.keypoints[example["anchors"]] = example["set"]
    track = correct_track(hand, example["anchors"], [found])
    np.testing.assert_allclose(track.keypoints, example["corrected"], atol=2e-3)
