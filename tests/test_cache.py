import multiprocessing
import os
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from animal_lipsync.cache import FaceCache, face_key
from animal_lipsync.clip import Clip
from animal_lipsync.finding import find_faces
from animal_lipsync.image import write_picture
from animal_lipsync.types import Faces
from tests.animals import make_face
from tests.jobs import keep_and_read

FACES = Faces(64, 48, Fraction(30000, 1001), 3, (make_face(frames=3), make_face(frames=3, species="cat")), (0.9, 0.31))


def same(a: Faces, b: Faces) -> bool:
    rows = all(
        np.array_equal(getattr(x, name), getattr(y, name))
        for x, y in zip(a.tracks, b.tracks, strict=True)
        for name in ("boxes", "keypoints", "score", "visible")
    )
    return rows and a.to_json() == b.to_json()


@pytest.mark.parametrize("faces", [FACES, Faces(9, 9, Fraction(0), 1, (), best_candidate=(0.21, 0))])
def test_what_is_kept_comes_back_bit_for_bit(tmp_path, faces):
    cache = FaceCache(tmp_path / "new" / "folder")
    assert cache.get("key") is None
    cache.put("key", faces)
    assert same(cache.get("key"), faces) and cache.get("other") is None
    assert cache.get("key").best_candidate == faces.best_candidate


@pytest.mark.parametrize("damage", [b"", b"not a zip", "half", "flipped"])
def test_a_damaged_entry_is_no_entry_and_is_made_again(tmp_path, damage, caplog):
    cache = FaceCache(tmp_path)
    cache.put("key", FACES)
    path = tmp_path / "key.npz"
    whole = path.read_bytes()
    middle = len(whole) // 3
    changed = {
        "half": whole[:middle],
        "flipped": whole[:middle] + bytes(255 - b for b in whole[middle:-200]) + whole[-200:],
    }
    path.write_bytes(changed.get(damage, damage))
    assert cache.get("key") is None and "looked for again" in caplog.text
    cache.put("key", FACES)
    assert same(cache.get("key"), FACES)


def test_the_folder_stays_below_its_limit_and_what_was_used_last_stays(tmp_path):
    FaceCache(tmp_path).put("size", FACES)
    size = (tmp_path / "size.npz").stat().st_size
    cache = FaceCache(tmp_path, limit=3 * size + size // 2)
    for age, key in enumerate(["size", "old", "used"]):
        cache.put(key, FACES)
        os.utime(tmp_path / f"{key}.npz", (age, age))
    assert cache.get("size")
    cache.put("new", FACES)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["new", "size", "used"]


def test_many_programs_may_write_at_once(tmp_path):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert all(pool.starmap(keep_and_read, [(tmp_path, FACES)] * 4))
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz"}


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path, caplog):
    (tmp_path / "file").touch()
    cache = FaceCache(tmp_path / "file" / "folder")
    cache.put("key", FACES)
    assert cache.get("key") is None and "not kept for the next run" in caplog.text


def test_a_folder_that_may_not_be_entered_only_costs_time(tmp_path, without_privileges, caplog):
    cache = FaceCache(tmp_path / "mine")
    cache.put("key", FACES)
    cache.folder.chmod(0)
    with without_privileges():
        assert cache.get("key") is None and "Permission denied" in caplog.text
        cache.put("key", FACES)
        assert "not kept for the next run" in caplog.text
    cache.folder.chmod(0o755)
    assert same(cache.get("key"), FACES)


def test_a_key_tells_content_and_settings_apart_but_not_names(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    for name in ("a.png", "b.png"):
        write_picture(tmp_path / name, pixels)
    write_picture(tmp_path / "c.png", 255 - pixels)
    a, b, c = (face_key(Clip.open(tmp_path / name), 0.3) for name in ("a.png", "b.png", "c.png"))
    assert a == b != c and face_key(Clip.open(tmp_path / "a.png"), 0.4) != a
    memory = Clip.from_frames(np.stack([pixels, 255 - pixels]))
    assert face_key(memory) == face_key(Clip.from_frames(np.stack([pixels, 255 - pixels])))
    assert face_key(memory) != face_key(Clip.from_frames(np.stack([255 - pixels, pixels])))
    assert face_key(memory) != face_key(replace(memory, frame_rate=Fraction(24)))


def test_the_second_search_reads_no_frame(tmp_path):
    clip = Clip.from_frames(np.full((30, 240, 320, 3), 90, np.uint8))
    first = find_faces(clip, cache=FaceCache(tmp_path))
    assert same(first, find_faces(clip, cache=FaceCache(tmp_path), frames=iter(())))
