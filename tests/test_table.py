from fractions import Fraction

import numpy as np
import pytest

from animal_lipsync.table import faces_from_csv, faces_to_csv, read_faces
from animal_lipsync.types import Faces, FormatError
from tests.animals import make_face


@pytest.fixture
def faces():
    tracks = make_face(at=(30.25, 40.5), frames=5, species="cat"), make_face(at=(90, 40), frames=5)
    tracks[0].visible[2:4] = False
    tracks[1].score[:, 3] = 0
    return Faces(200, 100, Fraction(30000, 1001), 5, tracks, (0.875, 0.4), "ab" * 64)


def test_a_table_says_what_the_document_says(faces):
    for again in (read_faces(faces_to_csv(faces)), read_faces(faces.to_json())):
        assert (again.width, again.height, again.frame_rate, again.frames) == (200, 100, faces.frame_rate, 5)
        assert again.picture == faces.picture and again.scores == faces.scores
        for track, other in zip(again.tracks, faces.tracks, strict=True):
            assert (track.species, track.schema) == (other.species, other.schema)
            assert np.array_equal(track.visible, other.visible)
            for name in ("boxes", "keypoints", "score"):
                assert np.allclose(getattr(track, name), getattr(other, name), atol=0.01)


def test_no_face_is_a_table_too(faces):
    empty = faces_from_csv(faces_to_csv(Faces(200, 100, Fraction(0), 1, ())))
    assert empty.tracks == () and empty.width == 200


def test_what_a_spreadsheet_of_another_country_saves_is_read(faces):
    text = faces_to_csv(faces).replace(",", ";").replace(".", ",")
    text = text.replace(f"{faces.frame_rate}".replace(".", ","), str(faces.frame_rate))
    again = faces_from_csv("\ufeff" + text.replace("\n", "\r\n"))
    assert np.allclose(again.tracks[0].keypoints, faces.tracks[0].keypoints, atol=0.01)


def test_a_row_that_was_deleted_is_interpolated(faces):
    faces.tracks[1].keypoints[..., 0] += 10 * np.arange(5)[:, None]
    lines = faces_to_csv(faces).splitlines()
    kept = [line for line in lines if not line.startswith("1,dog,0.400,animal9,2,")]
    again = faces_from_csv("\n".join(kept))
    assert len(kept) == len(lines) - 1
    assert np.allclose(again.tracks[1].keypoints, faces.tracks[1].keypoints, atol=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "hello", "faces is not JSON"),
        (lambda text: text.replace("width", "breadth"), "A table of faces begins with source, width"),
        (lambda text: text.replace("visible", "seen"), "no column visible in its third row"),
        (lambda text: text.replace("cat,0.875", "cat,sure", 1), "Row 4.*score is no number"),
        (lambda text: text.replace("animal9", "human68", 1), "Row 4.*schema must be one of animal9"),
        (lambda text: text.replace("1,dog,0.400,animal9,3", "1,dog,0.400,animal9,inf"), "frame is no number"),
        (lambda text: text.replace("animal9,0,1", "animal9,0," + "1" * 200), "visible is no number but '1{40}'"),
        (lambda text: text + "1,dog\n", "schema must be one of animal9"),
        (lambda text: text + '"' + "x" * 200_000, "damaged"),
        (lambda text: text.replace(",200,", "," + "9" * 5000 + ",", 1), "Row 2.*width must be a whole number"),
        (lambda text: text.replace(",200,", ",wide,", 1), "Row 2.*width must be a whole number, got 'wide'"),
        (lambda text: text.replace("1,dog,0.400,animal9,3", "1,dog,0.400,animal9,9"), "frames must be increasing"),
    ],
)
def test_a_mistake_is_named_with_its_row(faces, change, message):
    with pytest.raises(FormatError, match=message):
        read_faces(change(faces_to_csv(faces)))
