"""Videos with one known fault each: the figure named after the fault tells it, and the others do not."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from animal_lipsync.image import read_picture, to_pixels
from animal_lipsync.preservation import Preservation
from animal_lipsync.schemas import NOSE
from animal_lipsync.types import Faces
from tests.animals import sample_fox

FRAMES = 26
"""One more than are looked at together."""


@pytest.fixture(scope="module")
def fox():
    picture, face = sample_fox()
    return to_pixels(picture)[0], face


def figures(frames, sources, face) -> dict[str, float]:
    rest = Preservation()
    for start in range(0, len(frames), 25):
        rows = face if len(face) == 1 else face[start : start + 25]
        rest.add(np.stack(frames[start : start + 25]), np.stack(sources[start : start + 25]), rows)
    return rest.figures()


def below_nose(face) -> tuple[slice, slice]:
    x1, _, x2, y2 = face.boxes[0].astype(int)
    width = x2 - x1
    return slice(int(face.keypoints[0, NOSE, 1]), y2), slice(x1 + width // 8, x2 - width // 8)


def test_what_was_left_alone_is_as_it_was(fox):
    picture, face = fox
    same = figures([picture] * FRAMES, [picture] * FRAMES, face)
    assert same.pop("identity") == pytest.approx(1, abs=1e-4)
    assert same == {"changed_outside": 0, "texture": 1, "flicker": 0, "mouth_flicker": 0, "seam": 0}


def test_a_patch_of_another_brightness_leaves_a_seam_and_a_feathered_one_less(fox):
    picture, face = fox
    rows, columns = below_nose(face)
    weight = np.zeros((*picture.shape[:2], 1), np.float32)
    weight[rows, columns] = 1
    feathered = weight.copy()
    feathered[rows, columns] *= np.hanning(rows.stop - rows.start)[:, None, None]
    feathered[rows, columns] *= np.hanning(columns.stop - columns.start)[:, None]
    seen = [
        figures([np.clip(picture + 12 * share, 0, 255).astype(np.uint8)] * 3, [picture] * 3, face)
        for share in (weight, feathered)
    ]
    assert seen[0]["seam"] > 1 > 3 * seen[1]["seam"]
    assert seen[0]["mouth_flicker"] == 0


def test_a_seam_is_found_on_a_head_that_moves(fox):
    picture, face = fox
    patched = picture.copy()
    patched[below_nose(face)] += np.minimum(255 - patched[below_nose(face)], 16)
    moves = [(3 * t, -2 * t) for t in range(6)]
    track = replace(face[np.zeros(6, int)])
    boxes = track.boxes + np.array([[x, y, x, y] for x, y in moves], np.float32)
    track = replace(track, boxes=boxes, keypoints=track.keypoints + np.array(moves, np.float32)[:, None])
    still, made = ([np.roll(one, (y, x), (0, 1)) for x, y in moves] for one in (picture, patched))
    assert figures(made, still, track)["seam"] > 1 > 10 * figures(still, still, track)["seam"]


@pytest.mark.parametrize("where, fault", [("below", "mouth_flicker"), ("above", "flicker")])
def test_a_face_painted_anew_each_frame_flickers(fox, where, fault):
    picture, face = fox
    rows, columns = below_nose(face)
    if where == "above":
        rows = slice(int(face.boxes[0, 1]), rows.start)
    gains = np.random.default_rng(0).normal(1, 0.05, FRAMES)
    frames = [picture.copy() for _ in gains]
    for frame, gain in zip(frames, gains, strict=True):
        frame[rows, columns] = np.clip(frame[rows, columns] * gain, 0, 255)
    found = figures(frames, [picture] * FRAMES, face)
    assert found[fault] > 2
    assert found["flicker" if where == "below" else "mouth_flicker"] < 0.2 and found["seam"] < 1


def test_flicker_of_the_source_is_not_the_engine_s(fox):
    picture, face = fox
    noise = np.random.default_rng(0).integers(-9, 10, (6, *picture.shape), np.int16)
    sources = list(np.clip(picture + noise, 0, 255).astype(np.uint8))
    found = figures(sources, sources, face)
    assert found["flicker"] == found["mouth_flicker"] == 0


def test_another_fox_in_its_place_is_told(fox):
    picture, face = fox
    samples = files("animal_lipsync") / "samples"
    stranger = Faces.from_json((samples / "pair.faces.json").read_text()).tracks[1]
    x1, y1, x2, y2 = face.boxes[0].astype(int)
    head = Image.fromarray(read_picture(samples / "pair.jpg")).crop(stranger.boxes[0].astype(int).tolist())
    other = picture.copy()
    other[y1:y2, x1:x2] = head.resize((x2 - x1, y2 - y1))
    assert figures([other], [picture], face)["identity"] < 0.8


def test_a_blurred_face_has_lost_its_texture_and_a_changed_background_is_told(fox):
    picture, face = fox
    soft = (picture.astype(np.uint16) + np.roll(picture, 1, 0) + np.roll(picture, 1, 1)) // 3
    assert figures([soft.astype(np.uint8)], [picture], face)["texture"] < 0.7
    touched = picture.copy()
    touched[:4] ^= 255
    assert figures([touched], [picture], face)["changed_outside"] > 1
