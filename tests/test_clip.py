from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from animal_lipsync.clip import STILL_RATE, Clip
from animal_lipsync.image import fingerprint, write_picture
from animal_lipsync.types import Faces, FaceTrack
from animal_lipsync.video_writer import VideoWriter
from tests.animals import as_document, make_face


def numbered(count, width=32, height=24):
    """(T, H, W, 3), each frame of one colour that tells its number."""
    return np.array([np.full((height, width, 3), 8 + 20 * t, np.uint8) for t in range(count)])


def number_of(frame):
    return round((float(frame.mean()) - 8) / 20)


def moving(count, **options):
    """A face that is one pixel further right in each frame."""
    face = make_face(frames=count, **options)
    face.keypoints[..., 0] += np.arange(count)[:, None]
    return face


@pytest.fixture
def video(tmp_path):
    with VideoWriter(tmp_path / "clip.mp4", 32, 24, Fraction(10)) as writer:
        for frame in numbered(6):
            writer.write(frame)
    return tmp_path / "clip.mp4"


def test_a_picture_file_is_a_clip_of_one_frame(tmp_path):
    write_picture(tmp_path / "picture.png", numbered(1)[0])
    clip = Clip.open(tmp_path / "picture.png")
    assert (clip.width, clip.height, clip.frames, clip.frame_rate) == (32, 24, 1, STILL_RATE)
    frames = list(clip.read(5))
    assert len(frames) == 5 and all(frame is frames[0] for frame in frames)
    assert Clip.open(tmp_path / "picture.png", frame_rate=Fraction(30000, 1001)).frame_rate == Fraction(30000, 1001)


def test_a_video_file_keeps_its_size_rate_and_length(video):
    clip = Clip.open(video)
    assert (clip.width, clip.height, clip.frames, clip.frame_rate) == (32, 24, 6, 10)
    assert [number_of(frame) for frame in clip.read(6)] == [0, 1, 2, 3, 4, 5]


def test_a_video_at_another_rate_lasts_as_long(video):
    clip = Clip.open(video, frame_rate=Fraction(20))
    assert clip.frames == 12 and clip.frame_rate == 20
    assert [number_of(frame) for frame in clip.read(12)] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_clip_that_is_too_short_plays_forth_and_back(video, kind):
    clip = Clip.open(video) if kind == "file" else Clip.from_frames(numbered(6), frame_rate=Fraction(10))
    assert [number_of(frame) for frame in clip.read(13)] == [0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 1, 2]
    assert [number_of(frame) for frame in clip.read(2)] == [0, 1]


def test_what_is_neither_picture_nor_video_is_refused(tmp_path):
    (tmp_path / "empty.png").touch()
    for name in ("empty.png", "missing.png"):
        with pytest.raises(ValueError, match="."):
            Clip.open(tmp_path / name)
    for name, content in (("notes.md", b"# hello"), ("a.psd", b"8BPS\0\1" + bytes(100)), ("IMG_1.heic", b"hello")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} .*can(not)? be read.*H.264 mp4, .* JPEG or PNG|not a picture"):
            Clip.open(tmp_path / name)


def test_a_folder_is_no_source_but_batch_takes_many(tmp_path):
    with pytest.raises(ValueError, match="is a folder; .*animal-lipsync batch"):
        Clip.open(tmp_path)


def test_a_face_of_the_same_clip_is_taken_as_it_is():
    clip, face = Clip.from_frames(numbered(4)), moving(4)
    assert clip.face(as_document(face, 32, 24, frame_rate=25)) is face


def test_one_set_of_keypoints_stands_for_a_whole_clip():
    assert len(Clip.from_frames(numbered(4)).face(as_document(make_face(), 32, 24))) == 1


@pytest.mark.parametrize("index", [-1, 1, 7])
def test_a_face_that_is_not_there_is_refused_with_those_that_are(index):
    clip = Clip.from_picture(numbered(1)[0])
    with pytest.raises(ValueError, match=f"no face {index}.*faces 0 to 0"):
        clip.face(as_document(make_face(), 32, 24), index)
    with pytest.raises(ValueError, match="no face at all"):
        clip.face(Faces(32, 24, Fraction(0), 1, ()))


@pytest.mark.parametrize("width, height", [(24, 32), (32, 32), (64, 24), (1, 1000)])
def test_keypoints_of_a_picture_of_another_shape_are_refused(width, height):
    with pytest.raises(ValueError, match=f"{width} x {height} pixels.*32 x 24.*same picture"):
        Clip.from_picture(numbered(1)[0]).face(as_document(make_face(), width, height))


@given(st.sampled_from([1, 2, 3, 0.5, 7.5]))
def test_keypoints_set_on_the_same_picture_at_another_size_are_scaled(factor):
    clip = Clip.from_picture(np.zeros((240, 320, 3), np.uint8))
    face = make_face(at=(100 * factor, 120 * factor), size=30 * factor)
    scaled = clip.face(as_document(face, int(320 * factor), int(240 * factor)))
    expected = make_face(at=(100, 120), size=30)
    np.testing.assert_allclose(scaled.keypoints, expected.keypoints, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(scaled.boxes, expected.boxes, rtol=1e-4, atol=1e-3)


def test_a_size_rounded_by_a_pixel_is_the_same_picture():
    clip = Clip.from_picture(np.zeros((720, 1281, 3), np.uint8))
    assert clip.face(as_document(make_face(), 1920, 1080))


def test_keypoints_of_a_clip_do_not_fit_a_still():
    with pytest.raises(ValueError, match="cover 3 frames but the source is a still"):
        Clip.from_picture(numbered(1)[0]).face(as_document(make_face(frames=3), 32, 24, frame_rate=25))


@pytest.mark.parametrize("frames, rate", [(100, 25), (30, 25), (75, 5)])
def test_keypoints_of_a_clip_of_another_length_are_refused(frames, rate):
    clip = Clip.from_frames(np.zeros((75, 24, 32, 3), np.uint8), frame_rate=Fraction(25))
    with pytest.raises(ValueError, match=f"cover {frames} frames.*lasts 3.0 s.*same clip"):
        clip.face(as_document(make_face(frames=frames), 32, 24, frame_rate=rate))


@pytest.mark.parametrize("rate, frames", [(25, 30), (50, 60), ("30000/1001", 36), (12, 14)])
def test_keypoints_at_another_rate_are_read_at_the_time_of_each_frame(rate, frames):
    clip = Clip.from_frames(np.zeros((30, 24, 32, 3), np.uint8), frame_rate=Fraction(25))
    face = moving(frames)
    track = clip.face(as_document(face, 32, 24, frame_rate=rate))
    assert isinstance(track, FaceTrack) and len(track) == 30
    at = track.keypoints[:, 5, 0] - face.keypoints[0, 5, 0]
    expected = np.minimum(np.arange(30) / 25 * float(Fraction(rate)), frames - 1)
    assert np.abs(at - expected).max() <= 1


def test_keypoints_know_the_picture_they_were_set_on_however_it_is_stored(tmp_path):
    random = np.random.default_rng(0)
    pixels = np.kron(random.integers(0, 255, (8, 8, 3), np.uint8), np.ones((20, 20, 1), np.uint8))
    mark = fingerprint(pixels)
    path = tmp_path / "picture.jpg"
    Image.fromarray(pixels).resize((80, 80)).save(path, quality=70)
    stored = Clip.open(path)
    faces = Faces(160, 160, Fraction(0), 1, (), picture=mark)
    assert stored.shows(faces) and stored.shows(replace(faces, picture=""))
    assert Faces.from_json(faces.to_json()).picture == mark
    assert not Clip.from_picture(pixels[::-1]).shows(faces)
    assert not stored.shows(replace(faces, picture="no fingerprint"))
