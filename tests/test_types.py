import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from animal_lipsync.types import (
    CHANNELS,
    HEAD_LIMIT,
    Audio,
    Cue,
    Faces,
    FaceTrack,
    FormatError,
    MouthMotion,
    VisemeTrack,
)

rates = st.sampled_from([Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(50), Fraction(1)])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["animal9", "25"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def track(frames=3, visible=None, seed=0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-50, 500, (frames, 2))
    return FaceTrack(
        boxes=np.hstack([corner, corner + 100]).astype(np.float32),
        keypoints=rng.uniform(-50, 600, (frames, 9, 2)).astype(np.float32),
        score=rng.uniform(0, 1, (frames, 9)).astype(np.float32),
        visible=np.ones(frames, bool) if visible is None else np.array(visible),
        species="dog",
    )


SOURCE = {"width": 10, "height": 10, "frame_rate": "0", "frames": 3}


def faces_document(**face):
    one = {"frames": [0], "boxes": [[0, 0, 9, 9]], "keypoints": [[[1, 2, 1]] * 9], "schema": "animal9"} | face
    return {"version": 1, "source": SOURCE, "faces": [one]}


def motion_document(**fields):
    return {"version": 1, "frame_rate": "25", "channels": ["jaw_open"], "values": [[0.5], [1]]} | fields


@given(
    visible=hnp.arrays(bool, st.integers(1, 30)).filter(lambda seen: seen.any()),
    rate=rates,
    seed=st.integers(0, 99),
)
def test_faces_survive_json_with_their_gaps(visible, rate, seed):
    original = track(len(visible), visible, seed)
    read = Faces.from_json(Faces(640, 480, rate, len(visible), (original,), (0.5,)).to_json())
    assert (read.width, read.height, read.frame_rate, read.frames) == (640, 480, rate, len(visible))
    (copy,) = read.tracks
    np.testing.assert_array_equal(copy.visible, visible)
    np.testing.assert_allclose(copy.keypoints[visible], original.keypoints[visible], atol=1e-3)
    np.testing.assert_allclose(copy.boxes[visible], original.boxes[visible], atol=1e-2)
    np.testing.assert_allclose(copy.score[visible], original.score[visible], atol=1e-3)
    assert (copy.species, copy.schema, read.scores) == ("dog", "animal9", (0.5,))


def test_frames_between_listed_ones_are_interpolated_and_those_outside_are_not_visible():
    points = [[[x, 0, 1]] * 9 for x in (0, 10)]
    document = faces_document(frames=[1, 3], boxes=[[0, 0, 4, 4], [2, 0, 6, 4]], keypoints=points)
    document["source"] = SOURCE | {"frames": 5}
    (face,) = Faces.from_json(json.dumps(document)).tracks
    assert face.visible.tolist() == [False, True, True, True, False]
    assert face.keypoints[:, 0, 0].tolist() == [0, 0, 5, 10, 10]
    assert face.boxes[2].tolist() == [1, 0, 5, 4]


def test_a_single_listed_frame_stands_for_the_whole_clip():
    (face,) = Faces.from_json(json.dumps(faces_document(frames=[1]))).tracks
    assert face.visible.all() and (face.keypoints == [1, 2]).all()


@given(
    values=hnp.arrays(
        np.float32, st.tuples(st.integers(0, 20), st.just(len(CHANNELS))), elements=st.floats(0, 1, width=16)
    ),
    rate=rates,
    text=st.none() | st.text(max_size=20),
)
def test_motion_survives_json(values, rate, text):
    visemes = VisemeTrack((Cue(0.0, 0.5, "PP"), Cue(0.5, 0.7, "aa")), text)
    read = MouthMotion.from_json(MouthMotion(values, rate, CHANNELS, visemes).to_json())
    np.testing.assert_allclose(read.values, values, atol=1e-4)
    assert (read.frame_rate, read.channels, read.visemes) == (rate, CHANNELS, visemes)


@given(text=st.text(max_size=60) | anything.map(json.dumps))
def test_garbage_is_a_format_error(text):
    for kind in (Faces, MouthMotion):
        with pytest.raises(FormatError):
            kind.from_json(text)


@given(
    name=st.sampled_from(["id", "species", "score", "schema", "frames", "boxes", "keypoints", "hidden"]), value=anything
)
def test_a_damaged_face_is_a_format_error_or_still_a_face(name, value):
    try:
        (face,) = Faces.from_json(json.dumps(faces_document(**{name: value}))).tracks
    except FormatError:
        return
    assert len(face) == 3 and np.isfinite(face.keypoints).all()


@given(name=st.sampled_from(["version", "frame_rate", "channels", "values", "visemes"]), value=anything)
def test_a_damaged_motion_is_a_format_error_or_still_a_motion(name, value):
    try:
        motion = MouthMotion.from_json(json.dumps(motion_document(**{name: value})))
    except FormatError:
        return
    assert np.isfinite(motion.values).all() and motion.frame_rate > 0


@pytest.mark.parametrize(
    "document, named",
    [
        (motion_document(version=2), "version"),
        (motion_document(frame_rate="0"), "frame_rate"),
        (motion_document(frame_rate="1e999999999"), "frame_rate"),
        (motion_document(frame_rate="25/0"), "frame_rate"),
        (motion_document(frame_rate="0.000001"), "frame_rate must lie between 1 and 1000"),
        (motion_document(frame_rate="1", values=[[0.5]] * 90_000), "must last at most"),
        (motion_document(channels=[], values=[]), "channels"),
        (motion_document(channels=["jaw_open", "jaw_open"]), "channels"),
        (motion_document(channels=[["jaw_open"]]), "channels"),
        (motion_document(values=[[1], [2]]), "jaw_open"),
        (motion_document(values=[[1], [1, 1]]), "values"),
        (motion_document(values=[[10**400]]), "values"),
        (motion_document(channels=["head_yaw"], values=[[HEAD_LIMIT + 1]]), "head_yaw"),
        (motion_document(visemes={"cues": [{"start": 0, "end": float("nan"), "viseme": "PP"}]}), "cues.0"),
        (motion_document(visemes={"cues": [{"start": 0, "end": 10**400, "viseme": "PP"}]}), "cues.0"),
        (motion_document(visemes={"text": 5}), "text"),
        (faces_document(frames=[5]), "frames"),
        (faces_document(frames=[]), "boxes|frames"),
        (faces_document(schema=["animal9"]), "schema"),
        (faces_document(keypoints=[[[1, 2, 7]] * 9]), "score"),
        (faces_document(score=10**400), "score"),
        (faces_document(boxes=[[-3e38, -3e38, 3e38, 3e38]]), "boxes must hold finite numbers within a million"),
        (faces_document() | {"faces": [{}] * 3, "source": SOURCE | {"frames": 10**6}}, "faces must be fewer"),
        (faces_document() | {"source": SOURCE | {"frames": 10**12}}, "source.frames"),
    ],
)
def test_the_message_names_the_field(document, named):
    kind = Faces if "faces" in document else MouthMotion
    with pytest.raises(FormatError, match=named):
        kind.from_json(json.dumps(document))


@pytest.mark.parametrize(
    "document, named",
    [
        ({"source": SOURCE, "faces": []}, "faces.version"),
        ({"version": 1, "faces": []}, "faces.source"),
        ({"version": 1, "source": SOURCE}, "faces.faces"),
        (faces_document() | {"source": {"height": 10, "frames": 3}}, "faces.source.width"),
        (faces_document() | {"faces": [{"frames": [0], "boxes": [[0, 0, 9, 9]]}]}, "faces.0..keypoints"),
        ({"version": 1, "channels": ["jaw_open"], "values": []}, "motion.frame_rate"),
        ({"version": 1, "frame_rate": "25", "channels": ["jaw_open"]}, "motion.values"),
    ],
)
def test_a_missing_field_is_called_missing(document, named):
    kind = MouthMotion if named.startswith("motion") else Faces
    with pytest.raises(FormatError, match=f"{named} is missing; save or make the file again"):
        kind.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, '{"version": 1, "frame_rate": ' + "9" * 5000 + "}"])
def test_documents_made_to_hurt_are_format_errors(text):
    for kind in (Faces, MouthMotion):
        with pytest.raises(FormatError):
            kind.from_json(text)


def test_motion_resampled_keeps_its_times_and_ends_at_rest():
    ramp = MouthMotion.from_channels(Fraction(10), 11, jaw_open=np.linspace(0, 1, 11, dtype=np.float32))
    fast = ramp.resampled(Fraction(50), 100)
    np.testing.assert_allclose(fast.channel("jaw_open")[:51], np.arange(51) / 50, atol=1e-6)
    assert not fast.values[56:].any()
    assert ramp.resampled(Fraction(10), 11) is ramp


def test_a_face_moves_and_grows_with_its_frame():
    face = track()
    np.testing.assert_allclose(face.shifted(7, -3).shifted(-7, 3).keypoints, face.keypoints, atol=1e-4)
    np.testing.assert_allclose(face.scaled(4).scaled(0.25).boxes, face.boxes)
    np.testing.assert_allclose(face.shifted(10, 20).boxes, face.boxes - [10, 20, 10, 20])
    assert len(face[1:]) == 2 and len(face[np.array([0, 0, 1, 2, 1])]) == 5


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="score must have shape"):
        FaceTrack(np.zeros((2, 4)), np.zeros((2, 9, 2)), np.zeros((1, 9)), np.ones(2, bool))
    with pytest.raises(ValueError, match="values must have shape"):
        MouthMotion(np.zeros((5, 2)), Fraction(25))
    with pytest.raises(ValueError, match="no channel named jaw"):
        MouthMotion.from_channels(Fraction(25), 3, jaw=1.0)


@pytest.mark.parametrize(
    "waveform, rate, reason",
    [
        (np.zeros(5, np.float32), 8000, "shape"),
        (np.zeros((1, 5), np.float32), 0, "sample_rate"),
        (np.array([[0, np.nan]], np.float32), 8000, "not numbers"),
        (np.array([[0, np.inf]], np.float32), 8000, "not numbers"),
        (np.array([[0, 3e29]], np.float32), 8000, "between -1 and 1, got a sample of 3e.29"),
    ],
)
def test_sound_that_cannot_be_is_refused(waveform, rate, reason):
    with pytest.raises(ValueError, match=reason):
        Audio(waveform, rate)


def test_channels_are_replaced_or_added():
    motion = MouthMotion(np.array([[0.1], [0.2]], np.float32), Fraction(25), ("jaw_open",))
    more = motion.with_channels(head_pitch=np.array([3.0, 4.0]), brow=0.5)
    assert more.channels == ("jaw_open", "head_pitch", "brow") and more.values.dtype == np.float32
    np.testing.assert_allclose(more.values, [[0.1, 3, 0.5], [0.2, 4, 0.5]])
    np.testing.assert_allclose(more.with_channels(jaw_open=1.0).values, [[1, 3, 0.5], [1, 4, 0.5]])
    assert motion.channels == ("jaw_open",)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_motion_that_is_not_of_numbers_is_refused(value):
    with pytest.raises(ValueError, match="not numbers"):
        MouthMotion.from_channels(Fraction(25), 3, jaw_open=[0, value, 0])
