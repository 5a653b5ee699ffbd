"""A folder of clips becomes a dataset: what is cut where and dropped why, and that nothing is done twice or lost."""

import json
import resource
import shutil
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from multiprocessing import active_children

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from animal_lipsync import pet_clips, silences
from animal_lipsync.cli import main
from animal_lipsync.cutting import EVERY, STEP, at_every_frame, cut_source
from animal_lipsync.dataset import CROP, SAMPLE_RATE, PetDataset, piece_path
from animal_lipsync.detection import detect_faces
from animal_lipsync.engine import WarpEngine
from animal_lipsync.identity import ALIKE, SURELY_ALIKE, look_of_heads, look_of_most
from animal_lipsync.image import SUFFIXES, read_picture, to_pixels, write_picture
from animal_lipsync.pet_clips import prepare_clips, sort_out
from animal_lipsync.pet_clips_page import advice, why_dropped
from animal_lipsync.sampling import blur
from animal_lipsync.sharpness import blurriness
from animal_lipsync.sightings import Sightings
from animal_lipsync.types import Audio
from animal_lipsync.video_writer import VideoWriter
from tests.animals import joined, make_face, pose
from tests.pets import sample_pet

SAMPLES = files("animal_lipsync") / "samples"
SILENCES = st.lists(st.floats(0, 120), max_size=12).map(
    lambda times: list(zip(*[iter(sorted(times))] * 2, strict=False))
)


@given(st.floats(0.04, 120), SILENCES)
def test_parts_cover_a_clip_and_have_the_right_length(duration, pauses):
    pauses = [(start, min(end, duration)) for start, end in pauses if start < duration and end - start >= 0.4]
    ends = silences.cut_times(duration, pauses)
    lengths = np.diff([0.0, *ends])
    assert ends[-1] == duration
    assert (lengths <= silences.LONGEST + 1e-9).all()
    assert len(ends) == 1 or (lengths >= silences.SHORTEST - 1e-9).all()


def test_a_pause_is_cut_in_its_middle_and_a_long_one_is_a_part_of_its_own():
    assert silences.cut_times(8.0, [(3.0, 3.6)]) == [3.3, 8.0]
    assert silences.cut_times(8.0, [(3.0, 5.0)]) == [3.25, 4.75, 8.0]
    assert silences.cut_times(8.0, [(0.0, 8.0)]) == [8.0], "silence alone is no reason to cut"
    assert silences.cut_times(21.0) == [5.25, 10.5, 15.75, 21.0]


def test_a_head_is_between_where_it_was_followed():
    track = joined(make_face(at=(40, 60)), make_face(at=(70, 60)), make_face(at=(70, 90)))
    track.visible[:] = True, True, False
    every = at_every_frame(track, 8)
    x = every.keypoints[:, 5, 0]
    assert x[: STEP + 1] == pytest.approx(np.linspace(40, 70, STEP + 1))
    assert every.visible.tolist() == [True] * (STEP + 1) + [False] * (8 - STEP - 1)


def test_a_head_that_turned_away_was_not_seen_since_the_last_search():
    track = joined(*[make_face() for _ in range(3 * EVERY)])
    track.score[2 * EVERY :] = 0.2
    assert at_every_frame(track, 3 * EVERY * STEP).visible.nonzero()[0].tolist() == list(range((EVERY - 1) * STEP + 1))


def write_clip(path, frames, *, sound=None, crf=18):
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width, height, Fraction(25), sample_rate=sound and sound.sample_rate, crf=crf) as video:
        for frame in frames:
            video.write(frame)
        if sound:
            video.write_audio(sound)


def moving(picture: np.ndarray, count: int) -> list[np.ndarray]:
    return [np.roll(picture, round(6 * np.sin(t / 4)), axis=1) for t in range(count)]


@pytest.fixture(scope="module")
def fox():
    return to_pixels(sample_pet()[0])[0]


@pytest.fixture(scope="module")
def stranger(fox):
    """A black and broad one."""
    grey = (fox.mean(2, keepdims=True).clip(60) - 60) / 2
    return np.asarray(Image.fromarray(grey.repeat(3, 2).astype(np.uint8)).resize((820, 420)))


def test_a_clip_is_cut_where_its_animal_is_gone_and_where_the_scene_changes(fox, tmp_path):
    """And a mouth that opens is measured, and each piece has the sound of its own time."""
    picture, face = sample_pet()
    opened = to_pixels(WarpEngine()(picture, face, pose(jaw_open=0.9)))[0]
    grey, dark = np.full_like(fox, 128), (255 - fox[:, ::-1]) // 3
    frames = [*moving(fox, 30), *[grey] * 30, *moving(opened, 30), *[dark] * 30]
    rng = np.random.default_rng(0)
    sound = Audio((rng.standard_normal((1, SAMPLE_RATE * len(frames) // 25)) * 0.1).astype(np.float32), SAMPLE_RATE)
    write_clip(tmp_path / "fox.mp4", frames, sound=sound)
    found = [finding for finding, _ in cut_source(tmp_path / "fox.mp4", "fox.mp4") if finding]
    pieces = sorted((one for one in found if one.piece), key=lambda one: one.start)
    seen = [one for one in pieces if one.start < 3.5]
    assert [(one.start, one.end) for one in seen] == [
        (0.0, pytest.approx(1.2, abs=0.2)),
        (pytest.approx(2.4, abs=0.2), pytest.approx(3.6, abs=0.2)),
    ]
    assert any(one.reason.startswith("no animal") and 1.0 < one.start < 1.5 for one in found)
    shut, wide = (np.median(one.piece.opening) for one in seen)
    assert wide > shut + 0.25
    for one in seen:
        assert len(one.piece) == one.frames == len(one.piece.opening) == round((one.end - one.start) * 25)
        assert one.piece.sound.waveform.shape[1] == one.frames * SAMPLE_RATE // 25
        assert one.piece.crop(0).shape == (3, CROP, CROP)


def test_a_small_head_and_a_blurred_one_are_dropped_and_say_so(fox, tmp_path):
    small = np.full_like(fox, 90)
    small[50:130, 50:130] = np.asarray(Image.fromarray(fox).resize((80, 80)))
    write_picture(tmp_path / "small.png", np.kron(small, np.ones((2, 2, 1), np.uint8))[:300, :300][::2, ::2])
    write_picture(tmp_path / "blurred.png", np.asarray(Image.fromarray(fox).filter(ImageFilter.GaussianBlur(5))))
    reasons = {}
    for name in ("small.png", "blurred.png"):
        reasons[name] = {finding.reason.split(":")[0] for finding, _ in cut_source(tmp_path / name, name)}
    assert reasons["small.png"] <= {"the head is too small", "no animal is seen well enough"}
    assert reasons["blurred.png"] <= {"blurred", "no animal is seen well enough", "hardly like a head (0.3)"}


def test_blur_is_told_whatever_the_contrast():
    picture, _ = sample_pet()
    for frames in (picture, 0.4 + 0.2 * picture):
        soft = [float(blurriness(blur(frames, torch.full((1, 1, 1), by)))) for by in (0.5, 1.0, 2.0, 4.0)]
        assert soft == sorted(soft) and soft[-1] > soft[0] + 0.3


def looks_of(pixels: np.ndarray) -> np.ndarray:
    return look_of_heads(pixels, detect_faces(pixels).tracks[0].boxes)[0]


def test_an_animal_is_like_itself_in_another_light_and_unlike_another(fox, stranger):
    one, other = map(looks_of, (fox, stranger))
    for again in (fox[:, ::-1], (fox * 0.7).astype(np.uint8), fox[::2, ::2]):
        assert one @ looks_of(np.ascontiguousarray(again)) > SURELY_ALIKE
    assert one @ other < ALIKE


def test_most_means_the_longest_not_the_largest_number():
    rng = np.random.default_rng(1)
    animals = np.linalg.qr(rng.standard_normal((128, 2)))[0].T
    looks = animals[[0, 0, 0, 1, 1]] + 0.02 * rng.standard_normal((5, 128))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    assert look_of_most(looks, np.array([1, 1, 1, 5, 5])) @ animals[1] > 0.9


@pytest.fixture(scope="module")
def clips(fox, stranger, tmp_path_factory):
    """A folder as an artist without pillow-heif might have it."""
    folder = tmp_path_factory.mktemp("clips") / "my <b>fox"
    (folder / "phone").mkdir(parents=True)
    write_clip(folder / "phone" / "<i>one.mp4", moving(fox, 40))
    shutil.copy(folder / "phone" / "<i>one.mp4", folder / "phone" / "copy.mp4")
    write_clip(folder / "again.mp4", moving(fox, 40), crf=30)
    write_picture(folder / "stranger.png", stranger)
    whole = (folder / "again.mp4").read_bytes()
    (folder / "torn.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.mp4").touch()
    (folder / "notes.txt").write_text("hello")
    (folder / "IMG_0001.HEIC").write_text("hello")
    (folder / ".hidden.mp4").write_text("hello")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pet_clips, "READABLE", SUFFIXES)
        yield folder


def contents(folder) -> dict:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def prepare(*folders, **options) -> list:
    return list(prepare_clips(*folders, **{"workers": 1} | options))


@pytest.fixture(scope="module")
def prepared(clips, tmp_path_factory):
    before, output = contents(clips), tmp_path_factory.mktemp("datasets") / "fox"
    shares = [step.share for step in prepare(clips, output)]
    assert contents(clips) == before, "the originals are only read"
    assert shares == sorted(shares) and shares[-1] == 1
    return output


def test_a_folder_becomes_a_dataset(clips, prepared):
    dataset = PetDataset.open(prepared)
    assert {entry.origin for entry in dataset.kept} == {"again.mp4"}
    assert [entry.origin for entry in dataset.pieces] == sorted(entry.origin for entry in dataset.pieces)
    for entry in dataset.kept:
        piece = dataset.load(entry)
        assert piece.origin == entry.origin and len(piece) == entry.frames
        assert float(piece.opening.max()) == pytest.approx(entry.opening[0], abs=0.01)
    reasons = {entry.origin: entry.reason for entry in dataset.pieces if entry.reason}
    assert reasons["phone/copy.mp4"] == "the same file as phone/<i>one.mp4"
    assert reasons["phone/<i>one.mp4"] == "shows the same as another piece"
    assert reasons["stranger.png"] == "another animal"
    assert "damaged" in reasons["torn.mp4"] and "empty" in reasons["empty.mp4"]
    assert ".hidden.mp4" not in reasons


def test_the_report_names_everything_and_loads_nothing(clips, prepared):
    page = (prepared / "report.html").read_text()
    for entry in PetDataset.open(prepared).pieces:
        assert entry.origin.replace("<", "&lt;").replace(">", "&gt;") in page
    assert "pip install pillow-heif" in page and why_dropped(PetDataset.open(prepared)) == (
        "5 dropped: damaged or not to be read (2), shows the same as another piece (1), the same file twice (1), "
        "another animal (1)."
    )
    assert "<i>" not in page and "<b>fox" not in page and "&lt;b&gt;fox" in page
    assert "notes.txt" in page and "data:image/jpeg" in page
    assert "http" not in page


def test_what_is_cut_stays_cut_and_a_new_clip_joins_it(clips, prepared, fox, tmp_path):
    before = contents(prepared)
    prepare(clips, prepared)
    assert contents(prepared / "pieces") == {
        name.removeprefix("pieces/"): value for name, value in before.items() if name.startswith("pieces/")
    }
    assert (prepared / "dataset.json").read_bytes() == before["dataset.json"][0]
    more, output = tmp_path / "clips", tmp_path / "dataset"
    shutil.copytree(clips, more)
    shutil.copytree(prepared, output)
    (more / "again.mp4").unlink()
    prepare(more, output)
    dataset = PetDataset.open(output)
    assert "again.mp4" not in {entry.origin for entry in dataset.pieces}
    assert {path.stem for path in (output / "pieces").iterdir()} == {entry.name for entry in dataset.pieces} - {""}
    assert {entry.origin for entry in dataset.kept} == {"phone/<i>one.mp4"}


def test_a_run_that_was_ended_anywhere_is_gone_on_with(clips, prepared, tmp_path):
    """Ended after every step, and with what a machine that dies may leave: a torn record, a piece that is gone."""
    output = tmp_path / "dataset"
    for stop in (2, 4, 6):
        with closing(prepare_clips(clips, output, workers=1)) as steps:
            for _ in range(stop):
                next(steps)
    record = next((output / "sources").iterdir())
    record.write_bytes(record.read_bytes()[:50])
    for piece in list((output / "pieces").iterdir())[:1]:
        piece.unlink()
    prepare(clips, output)
    assert (output / "dataset.json").read_bytes() == (prepared / "dataset.json").read_bytes()
    assert contents(output / "pieces").keys() == contents(prepared / "pieces").keys()


def test_processes_make_the_same_dataset(clips, prepared, tmp_path):
    prepare(clips, tmp_path / "dataset", workers=2)
    told = [json.loads((folder / "dataset.json").read_text()) for folder in (prepared, tmp_path / "dataset")]
    assert told[0] == told[1]


def test_a_reference_picture_says_which_animal_is_meant(clips, prepared, stranger, tmp_path):
    output = tmp_path / "dataset"
    shutil.copytree(prepared, output)
    prepare(clips, output, reference=np.ascontiguousarray(stranger[:, ::-1]))
    assert {entry.origin for entry in PetDataset.open(output).kept} == {"stranger.png"}
    with pytest.raises(ValueError, match="reference picture"):
        prepare(clips, output, reference=np.full((300, 300, 3), 90, np.uint8))


def test_advice_names_what_is_missing(prepared):
    lines = " ".join(advice(PetDataset.open(prepared)))
    assert "30 s" in lines and "yawns" in lines


def refusals():
    def empty(folder):
        return folder, folder / "out", "no clip"

    def missing(folder):
        return folder / "nowhere", folder / "out", "There is no folder"

    def only_text(folder):
        (folder / "a.txt").touch()
        return folder, folder / "out", "1 other files"

    def itself(folder):
        (folder / "a.mp4").touch()
        return folder, folder, "in which the clips lie"

    def foreign(folder):
        (folder / "out").mkdir()
        (folder / "out" / "thesis.doc").touch()
        return folder, folder / "out", "thesis.doc"

    def a_file(folder):
        (folder / "out").touch()
        return folder, folder / "out", "no folder"

    def no_animal(folder):
        write_picture(folder / "wall.png", np.full((300, 300, 3), 90, np.uint8))
        return folder, folder / "out", "no animal is seen"

    def all_damaged(folder):
        (folder / "a.mp4").write_bytes(b"rubbish" * 100)
        return folder, folder / "out", "damaged"

    return [empty, missing, only_text, itself, foreign, a_file, no_animal, all_damaged]


@pytest.mark.parametrize("make", refusals(), ids=lambda make: make.__name__)
def test_a_folder_of_no_use_is_refused_with_a_remedy(make, tmp_path):
    clips, output, words = make(tmp_path)
    with pytest.raises(ValueError, match=words) as refusal:
        prepare(clips, output)
    assert any(word in str(refusal.value) for word in ("check", "put", "name", "choose", "use"))
    assert not (tmp_path / "out" / "thesis.doc").exists() or (tmp_path / "out" / "thesis.doc").stat().st_size == 0


def test_a_dataset_within_the_clips_is_no_clip(fox, tmp_path):
    write_picture(tmp_path / "fox.png", fox)
    prepare(tmp_path, tmp_path / "dataset")
    (tmp_path / "dataset" / "runs").mkdir()
    write_picture(tmp_path / "dataset" / "runs" / "preview.png", fox)
    prepare(tmp_path, tmp_path / "dataset")
    assert {entry.origin for entry in PetDataset.open(tmp_path / "dataset").pieces} == {"fox.png"}


def test_a_full_disk_is_told_and_loses_nothing(clips, prepared, fox, tmp_path):
    folder, output = tmp_path / "clips", tmp_path / "dataset"
    folder.mkdir()
    write_clip(folder / "fox.mp4", moving(fox, 40))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match="free space"):
            prepare(folder, output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list((output / "pieces").glob("*.safetensors"))
    prepare(folder, output)
    assert PetDataset.open(output).kept


def test_pieces_of_a_show_are_told_from_pieces_of_a_still_animal_with_another_mouth(prepared):
    records = [Sightings.load(path) for path in sorted((prepared / "sources").iterdir())]
    one = next(seen for record in records for seen in record.seen if record.origin == "again.mp4" and seen.name)
    barks = replace(one, opening=one.opening + 0.3 * (np.arange(len(one.opening)) % 8 > 3))
    assert sort_out([one, one]) == ["", "shows the same as another piece"]
    assert sort_out([one, barks]) == ["", ""]


def test_real_animals_are_told_apart(data):
    """Two pictures of each are its own and itself turned over in dim light; each is to be most like itself."""
    plain, changed = [], []
    for name, faces in json.loads((data / "pictures" / "keypoints.json").read_text()).items():
        pixels, boxes = read_picture(data / "pictures" / name), np.array([face["box"] for face in faces], np.float32)
        plain += [*look_of_heads(pixels, boxes)]
        mirrored = boxes[:, [2, 1, 0, 3]]
        mirrored[:, [0, 2]] = pixels.shape[1] - mirrored[:, [0, 2]]
        changed += [*look_of_heads((pixels[:, ::-1] * 0.7).astype(np.uint8), mirrored)]
    likeness = np.array(plain) @ np.array(changed).T
    itself = np.eye(len(plain), dtype=bool)
    assert len(plain) == 19
    assert likeness[itself].min() > SURELY_ALIKE
    assert (likeness.argmax(1) == np.arange(19)).all()
    assert (likeness[~itself] < ALIKE).mean() >= 0.9


def test_a_piece_is_named_by_its_file(prepared):
    dataset = PetDataset.open(prepared)
    assert all(piece_path(prepared, name).is_file() for name in dataset.names)


def test_the_command_tells_what_became_of_the_clips(fox, tmp_path, capsys):
    folder, output = tmp_path / "clips", tmp_path / "dataset"
    folder.mkdir()
    write_picture(folder / "fox.png", fox)
    assert main(["prepare-clips", str(folder), "-o", str(output), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["kept"] == told["pictures"] == 1 and told["dropped"] == 0
    assert told["report"] == str(output / "report.html") and "yawns" in told["advice"]
    reference = tmp_path / "reference.png"
    write_picture(reference, np.full((300, 300, 3), 90, np.uint8))
    again = ["prepare-clips", str(folder), "-o", str(output)]
    assert main([*again, "--reference", str(reference)]) == 1
    assert "from the front" in capsys.readouterr().err
    assert main([*again, "--workers", "0"]) == 2


def test_a_process_that_dies_costs_its_file_alone(clips, prepared, tmp_path):
    killed = False
    for _ in prepare_clips(clips, tmp_path / "dataset", workers=2):
        if not killed and active_children():
            active_children()[0].kill()
            killed = True
    lost = [entry for entry in PetDataset.open(tmp_path / "dataset").pieces if "process died" in entry.reason]
    assert len(lost) == 1
    prepare(clips, tmp_path / "dataset")
    assert (tmp_path / "dataset" / "dataset.json").read_bytes() == (prepared / "dataset.json").read_bytes()
