import json
from fractions import Fraction

import numpy as np
import pytest

from animal_lipsync.articulation import Mouth
from animal_lipsync.motion import visemes_to_motion
from animal_lipsync.performance import ARKIT, from_arkit, from_ovr, landmarks_to_motion, to_arkit, to_ovr
from animal_lipsync.types import Cue, FormatError, VisemeTrack

TRACK = VisemeTrack((Cue(0.0, 0.2, "sil"), Cue(0.2, 0.3, "PP"), Cue(0.3, 0.55, "aa"), Cue(0.55, 0.7, "ou"),
                     Cue(0.7, 0.8, "FF"), Cue(0.8, 1.0, "sil")))  # fmt: skip
RATE = Fraction(25)


def opening(motion):
    return motion.channel("jaw_open") * (1 - motion.channel("mouth_close"))


def test_arkit_reads_back():
    motion = visemes_to_motion(TRACK, Fraction(30)).with_channels(head_yaw=12, blink_left=0.5)
    again = from_arkit(to_arkit(motion), Fraction(30))
    np.testing.assert_allclose(opening(again), opening(motion), atol=0.03)
    for name in ("jaw_open", "mouth_pucker", "mouth_wide", "tongue_out", "blink_left", "head_yaw"):
        np.testing.assert_allclose(again.channel(name), motion.channel(name), atol=1e-4)
    header, first = to_arkit(motion).splitlines()[:2]
    assert header.startswith("Timecode,BlendshapeCount,JawOpen") and first.startswith("00:00:00:00.000,")
    assert header.count(",") == sum(map(len, ARKIT.values())) + 3 + 1


def test_a_performance_keeps_its_range():
    text = "JawOpen,HeadPitch,mouthFunnel\n1.5,0.1,0.2\n-0.1,9,0.9\n"
    motion = from_arkit(text, Fraction(60))
    np.testing.assert_allclose(motion.channel("jaw_open"), [1, 0])
    np.testing.assert_allclose(motion.channel("head_pitch"), [np.degrees(0.1), 45], atol=1e-4)
    np.testing.assert_allclose(motion.channel("mouth_pucker"), [0.2, 0.9], atol=1e-6)
    stronger = from_arkit(text, Fraction(60), strength=2)
    assert stronger.channel("mouth_pucker")[0] == pytest.approx(0.36) and stronger.channel("jaw_open").max() == 1
    with pytest.raises(FormatError, match="JawOpen"):
        from_arkit("JawOpen\nwide\n", RATE)
    with pytest.raises(FormatError, match="names no blendshape"):
        from_arkit("a,b\n1,2\n", RATE)
    with pytest.raises(FormatError, match="comma-separated"):
        from_arkit("x" * 200_000, RATE)


def test_lips_meet_where_arkit_takes_back_all_that_the_jaw_opens():
    motion = from_arkit("JawOpen,MouthClose\n0.5,0\n0.5,0.25\n0.5,0.5\n0.01,0.0\n", RATE)
    np.testing.assert_allclose(opening(motion), [0.5, 0.25, 0, 0.01], atol=1e-6)


def test_ovr_reads_back():
    text = to_ovr(TRACK)
    document = json.loads(text)
    assert document["length"] == 1.0 and len(document["entries"]) == 100
    np.testing.assert_allclose([sum(entry["Visemes"]) for entry in document["entries"]], 1, atol=1e-3)
    again = from_ovr(text, Fraction(50), mouth=Mouth())
    assert [cue.viseme for cue in again.visemes.cues] == [cue.viseme for cue in TRACK.cues]
    motion = visemes_to_motion(TRACK, Fraction(50))
    assert np.corrcoef(opening(again), opening(motion))[0, 1] > 0.97
    assert opening(again)[12] < 0.02  # the closure


@pytest.mark.parametrize("text, named", [
    ("{}", "entries"), ("[]", "entries"), ('{"length": 1, "entries": [{"Visemes": [1, 2]}]}', "entries.Visemes"),
    ('{"length": 0, "entries": [{"Visemes": [1,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}]}', "length"),
    (f'{{"length": {10**400}, "entries": []}}', "length"),
    ('{"length": 1, "entries": []}', "length"), ('{"length": "x", "entries": []}', "length"),
])  # fmt: skip
def test_a_broken_sequence_is_refused_by_its_field(text, named):
    with pytest.raises(FormatError, match=named):
        from_ovr(text, RATE, mouth=Mouth())


# Faces as core's MediaPipe node sees them


def performer(jaw=0.0, x=100.0, size=80.0, yaw=0.0, pitch=0.0, roll=0.0, **shapes):
    """Angles in degrees; x right, y up, z towards the camera."""
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    around_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    around_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    around_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    matrix = np.eye(4)
    matrix[:3, :3] = 3 * np.array(around_y) @ np.array(around_x) @ np.array(around_z)
    return {
        "bbox_xyxy": np.array([x, 50, x + size, 50 + size], np.float32),
        "blendshapes": {"_neutral": 0.0, "jawOpen": jaw, "mouthClose": 0.0, **shapes},
        "transformation_matrix": matrix,
    }


def test_a_filmed_mouth_opens_the_animals():
    frames = [[performer(jaw=jaw, mouthPucker=0.5)] for jaw in (0.0, 0.2, 0.4, 0.2, 0.0)]
    motion = landmarks_to_motion(frames, RATE)
    np.testing.assert_allclose(motion.channel("jaw_open"), [0, 0.2, 0.4, 0.2, 0], atol=1e-6)
    np.testing.assert_allclose(motion.channel("mouth_pucker"), 0.5, atol=1e-6)
    stronger = landmarks_to_motion(frames, RATE, strength=2).channel("jaw_open")
    assert stronger.max() == pytest.approx(0.64, abs=1e-5) and stronger[0] == 0


@pytest.mark.parametrize("channel, way", [("pitch", 1), ("yaw", 1), ("roll", -1)])
def test_the_head_turns_as_the_performers_does_from_the_pose_it_holds(channel, way):
    """Nose down, to the picture's right and clockwise are positive; MediaPipe's z axis turns the other way."""
    angles = np.array([10.0] * 40 + [25.0] * 20)
    frames = [[performer(**{channel: angle})] for angle in angles]
    turned = landmarks_to_motion(frames, RATE).channel(f"head_{channel}")
    assert turned[20] == pytest.approx(0, abs=0.01) and turned[50] == pytest.approx(15 * way, abs=0.5)


def test_one_performer_is_followed_among_several():
    large = [performer(jaw=0.5, x=400 - 2 * i, size=120) for i in range(20)]
    small = [performer(jaw=0.1, x=50 + 2 * i) for i in range(20)]
    frames = [[a, b] if i % 2 else [b, a] for i, (a, b) in enumerate(zip(large, small, strict=True))]
    np.testing.assert_allclose(landmarks_to_motion(frames, RATE).channel("jaw_open"), 0.5, atol=1e-6)
    np.testing.assert_allclose(landmarks_to_motion(frames, RATE, face=1).channel("jaw_open"), 0.1, atol=1e-6)


def test_a_short_loss_is_bridged_and_a_long_one_rests():
    shown = [performer(jaw=0.6)]
    frames = [shown] * 10 + [[]] * 4 + [shown] * 10 + [[]] * 40 + [shown] * 10
    jaw = landmarks_to_motion(frames, RATE).channel("jaw_open")
    np.testing.assert_allclose(jaw[:24], 0.6, atol=1e-6)
    assert jaw[30:57].max() == 0 and np.abs(np.diff(jaw)).max() < 0.15
    np.testing.assert_allclose(jaw[64:], 0.6, atol=1e-6)


def test_a_film_without_faces_is_refused():
    with pytest.raises(ValueError, match="None of the 5 frames"):
        landmarks_to_motion([[]] * 5, RATE)
    with pytest.raises(ValueError, match="shows 2 face"):
        landmarks_to_motion([[performer()]] * 5, RATE, face=1)
