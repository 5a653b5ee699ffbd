"""What a dataset keeps, and what it says of folders that are none."""

import json

import numpy as np
import pytest
from torch.nn.functional import interpolate

from animal_lipsync.cutting import hold_head
from animal_lipsync.dataset import CROP, FramePart, PetDataset, Piece, PieceEntry, cut_faces, piece_path, place_face
from animal_lipsync.image import to_pixels
from animal_lipsync.schemas import LEFT_EYE, RIGHT_EYE
from animal_lipsync.types import FormatError
from tests.pets import make_piece, sample_pet, sample_voice


@pytest.fixture(scope="module")
def piece():
    picture, face = sample_pet()
    return make_piece(picture.repeat(3, 1, 1, 1), face, sound=sample_voice())


def test_a_piece_is_read_as_it_was_written(piece, tmp_path):
    piece.save(tmp_path / "a.safetensors")
    again = Piece.load(tmp_path / "a.safetensors")
    assert again.pictures == piece.pictures
    assert (again.origin, again.start, again.frame_rate) == (piece.origin, piece.start, piece.frame_rate)
    assert np.array_equal(again.opening, piece.opening)
    assert np.array_equal(again.sound.waveform, piece.sound.waveform)
    assert np.abs(again.face.keypoints - piece.face.keypoints).max() < 0.01
    assert again.crop(1).shape == (3, CROP, CROP)


def test_what_is_no_piece_is_refused_with_a_remedy(piece, tmp_path):
    whole = tmp_path / "a.safetensors"
    piece.save(whole)
    torn = tmp_path / "torn.safetensors"
    for content in (whole.read_bytes()[:-100], b"", b"{}" * 50):
        torn.write_bytes(content)
        with pytest.raises(FormatError, match="prepare the clips again"):
            Piece.load(torn)
    with pytest.raises(FormatError, match="prepare the clips again"):
        Piece.load(tmp_path / "missing.safetensors")


def test_a_face_is_where_its_crop_shows_it():
    picture, face = sample_pet()
    frame = to_pixels(picture)[0]
    for point in (LEFT_EYE, RIGHT_EYE, 7):
        x, y = face.keypoints[0, point].astype(int)
        frame[y - 2 : y + 3, x - 2 : x + 3] = (0, 0, 255)
    crop, inside = place_face(face)
    (cut,) = cut_faces([FramePart(frame)], crop)
    assert abs(inside.keypoints[0, LEFT_EYE, 1] - inside.keypoints[0, RIGHT_EYE, 1]) < 1, "upright by the eyes"
    for point in (LEFT_EYE, RIGHT_EYE, 7):
        x, y = inside.keypoints[0, point].astype(int)
        assert cut[y, x, 2] > 200 > 100 > cut[y, x, 0]


@pytest.mark.parametrize("grown", [0.8, 2.5])
def test_what_is_held_of_a_frame_gives_the_same_crop_as_the_frame(grown):
    picture, face = sample_pet()
    frame = to_pixels(interpolate(picture, scale_factor=grown, mode="bilinear"))[0]
    face = face.scaled(grown)
    crop, _ = place_face(face)
    (whole,) = cut_faces([FramePart(frame)], crop)
    held = hold_head(frame, face.boxes[0])
    assert held.pixels.nbytes < 1.6e6
    (part,) = cut_faces([held], crop)
    assert np.abs(whole.astype(int) - part).mean() < 4 * (grown > 1) + 0.01


ENTRIES = (
    PieceEntry("a-000", "a.mp4", 0.0, 2.5, 62, "", True, (0.5, 0.25)),
    PieceEntry("", "b.mp4", 0.0, 1.0, 25, "blurred"),
)


@pytest.fixture
def dataset(piece, tmp_path):
    (tmp_path / "pieces").mkdir()
    piece.save(piece_path(tmp_path, "a-000"))
    PetDataset(tmp_path, "fox", ENTRIES).save()
    return tmp_path


def test_a_dataset_is_read_as_it_was_written(dataset, piece):
    again = PetDataset.open(dataset)
    assert again.pieces == ENTRIES and again.species == "fox"
    assert again.kept == ENTRIES[:1] and again.names == ("a-000",)
    assert len(again.load(again.kept[0])) == len(piece)


def changed(told: dict, **fields) -> dict:
    return told | {"pieces": [told["pieces"][0] | fields]}


@pytest.mark.parametrize(
    "change",
    [
        lambda told: [],
        lambda told: told | {"version": 2},
        lambda told: told | {"pieces": 5},
        lambda told: told | {"pieces": [None]},
        lambda told: changed(told, name="../../etc/passwd"),
        lambda told: changed(told, opening="wide"),
        lambda told: changed(told, start=float("nan")),
        lambda told: changed(told, frames="62"),
        lambda told: changed(told, name="gone"),
    ],
)
def test_a_damaged_dataset_is_refused_with_a_remedy(dataset, change):
    told = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps(change(told)))
    with pytest.raises(FormatError, match="prepare the clips again"):
        PetDataset.open(dataset)


def test_a_folder_without_a_dataset_says_how_one_is_made(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FormatError, match="Prepare Pet Clips"):
            PetDataset.open(folder)
