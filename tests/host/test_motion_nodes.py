"""Where a motion comes from, through the real server: texts, other programs' files, curves and films."""

import json

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from animal_lipsync import espeak
from animal_lipsync.clip import Clip

spoken = pytest.mark.skipif(not espeak.available(), reason="eSpeak NG is not installed")
TSV = "0.00\tX\n0.20\tA\n0.30\tD\n0.55\tF\n0.80\tX\n1.00\tX\n"
SAW = {"points": [[0, 0], [1, 1]], "interpolation": "linear"}


def motion_of(comfyui, name: str, prompt: dict, output: int = 0) -> dict:
    """MOTION.json of a node's motion, as Preview as Text shows it."""
    show = comfyui.node("PreviewAny", source=[name, output])
    return json.loads(comfyui.run(prompt | {"show": show})["show"]["text"][0])


def channel(motion: dict, name: str) -> np.ndarray:
    return np.array(motion["values"])[:, motion["channels"].index(name)]


@spoken
def test_a_text_becomes_a_voice_its_motion_and_a_chart(comfyui):
    say = comfyui.node(
        "AnimalLipSync_SpeakText", text="My puppy barks.", language="en-us+f3", style="cartoon", blinks=40
    )
    face = comfyui.node("AnimalLipSync_MakeAnimalTalk", source=["picture", 0], voice=["say", 0], motion=["say", 1])
    prompt = {
        "say": say,
        "picture": comfyui.node("LoadImage", image="animal-lipsync-fox.jpg"),
        "talk": face,
        "chart": comfyui.node("AnimalLipSync_VisemesPreview", visemes=["say", 2], motion=["say", 1], voice=["say", 0]),
    }
    outputs = comfyui.run(prompt)
    talking = Clip.open(comfyui.path(outputs["talk"]["images"][0]))
    assert 20 < talking.frames < 60
    with Image.open(comfyui.path(outputs["chart"]["images"][0])) as chart:
        assert chart.size == (1600, 800) and np.ptp(np.asarray(chart)) > 200
    motion = motion_of(comfyui, "say", {"say": say}, 1)
    assert sum(cue["viseme"] == "PP" for cue in motion["visemes"]["cues"]) == 4
    assert channel(motion, "jaw_open").max() > 0.7 and channel(motion, "blink_left").max() > 0.5


@spoken
def test_a_text_that_cannot_be_said_names_the_remedy(comfyui):
    for inputs, message in (({"text": " "}, "nothing to say"), ({"language": "nowhere"}, "no voice called 'nowhere'")):
        say = comfyui.node("AnimalLipSync_SpeakText", **inputs)
        assert message in comfyui.fail({"say": say, "save": comfyui.node("PreviewAny", source=["say", 1])})


@pytest.fixture
def cues(comfyui):
    path = comfyui.base / "input" / "fox cues.tsv"
    path.write_text(TSV)
    yield path
    path.unlink()


def test_cues_of_rhubarb_are_loaded_and_read_anew_when_they_change(comfyui, cues):
    assert "fox cues.tsv" in str(comfyui.get("/object_info/AnimalLipSync_LoadMouthMotion"))
    load = comfyui.node("AnimalLipSync_LoadMouthMotion", file="fox cues.tsv")
    motion = motion_of(comfyui, "load", {"load": load})
    assert len(motion["values"]) == 25 and [cue["viseme"] for cue in motion["visemes"]["cues"]][:2] == ["sil", "PP"]
    cues.write_text(TSV + "2.00\tX\n")
    assert len(motion_of(comfyui, "load", {"load": load})["values"]) == 50
    cues.write_text("0.0\tQ\n1.0\tX\n")
    message = comfyui.fail({"load": load, "show": comfyui.node("PreviewAny", source=["load", 0])})
    assert message.startswith("fox cues.tsv: Cue 1 has shape 'Q'")


def test_a_curve_moves_one_channel_after_another(comfyui):
    drawn = comfyui.node("CurveEditor", curve=SAW)
    jaw = comfyui.node("AnimalLipSync_MotionFromCurve", curve=["drawn", 0], seconds=1.0)
    yaw = comfyui.node(
        "AnimalLipSync_MotionFromCurve", curve=SAW, channel="head_yaw", low=-10.0, high=10.0, motion=["jaw", 0]
    )
    motion = motion_of(comfyui, "yaw", {"drawn": drawn, "jaw": jaw, "yaw": yaw})
    np.testing.assert_allclose(channel(motion, "jaw_open"), np.linspace(0, 1, 25), atol=1e-3)
    np.testing.assert_allclose(channel(motion, "head_yaw"), np.linspace(-10, 10, 25), atol=1e-3)
    jaw["inputs"]["low"] = -3
    message = comfyui.fail({"drawn": drawn, "jaw": jaw, "show": comfyui.node("PreviewAny", source=["jaw", 0])})
    assert "low must lie between 0 and 1 for jaw_open, got -3" in message


def test_a_film_in_which_core_finds_no_face_says_so(comfyui):
    """Through core's own detector, whose weights here know nothing: what arrives is the real FACE_LANDMARKS."""
    parts = ("face_oval", "left_eye", "right_eye", "left_eyebrow", "right_eyebrow", "lips", "irises", "nose")
    weights = {f"topology.{part}": np.array([[0, 1]], np.int32) for part in parts}
    weights |= {
        "canonical_vertices": np.zeros((468, 3), np.float32),
        "procrustes_indices": np.arange(4, dtype=np.int64),
        "procrustes_weights": np.ones(4, np.float32),
    }
    folder = comfyui.base / "models" / "detection"
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "blind.safetensors")
    prompt = {
        "picture": comfyui.node("LoadImage", image="animal-lipsync-fox.jpg"),
        "model": comfyui.node("LoadMediaPipeFaceLandmarker", model_name="blind.safetensors"),
        "faces": comfyui.node(
            "MediaPipeFaceLandmarker", face_detection_model=["model", 0], image=["picture", 0], min_confidence=1.0
        ),
        "motion": comfyui.node("AnimalLipSync_MotionFromPerformance", face_landmarks=["faces", 0]),
        "show": comfyui.node("PreviewAny", source=["motion", 0]),
    }
    assert "None of the 1 frames shows 1 face" in comfyui.fail(prompt)
