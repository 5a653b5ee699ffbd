"""Evaluate Lip-Sync in the real server: what it says of a video that another node made, and where its page lies."""

import json
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "animal_lipsync" / "samples"
KEYPOINTS = (SAMPLES / "fox.faces.json").read_text()


@pytest.fixture
def graph(comfyui):
    return {
        "picture": comfyui.node("LoadImage", image="animal-lipsync-fox.jpg"),
        "voice": comfyui.node("LoadAudio", audio="animal-lipsync-voice.wav"),
        "face": comfyui.node("AnimalLipSync_EditKeypoints", source=["picture", 0], keypoints=KEYPOINTS),
        "talk": comfyui.node(
            "AnimalLipSync_MakeAnimalTalk", source=["picture", 0], voice=["voice", 0], keypoints=["face", 0]
        ),
        "judge": comfyui.node("AnimalLipSync_EvaluateLipSync", video=["talk", 0], voice=["voice", 0]),
        "report": comfyui.node("PreviewAny", source=["judge", 0]),
    }


def test_a_video_and_its_slower_twin_are_judged_beside_each_other(graph, comfyui):
    graph["judge"]["inputs"] |= {"source": ["picture", 0], "face": ["face", 0], "names": "warp, late"}
    graph["judge"]["inputs"] |= {"filename_prefix": "judged/fox", "video_2": ["late", 0]}
    graph["late"] = comfyui.node("Video Slice", video=["talk", 0], start_time=0.2, duration=3.0)
    lines = dict(line.split(": ", 1) for line in comfyui.run(graph)["report"]["text"][0].splitlines()[1:])
    following, lags = (json.loads(f"[{lines[name]}]") for name in ("follows the voice", "lag, s"))
    assert min(following) > 0.8 and lags == [0, pytest.approx(-0.2, abs=0.02)]
    page = Path(lines["report"])
    assert page.parent == comfyui.base / "output" / "judged" and page.name == "fox_00001_.html"
    text = page.read_text()
    assert "<td>seam</td>" in text and "data:video/mp4" in text and "http" not in text
    assert float(lines["outside"].split(",")[0]) < 2 and float(lines["identity"].split(",")[0]) > 0.9


def test_names_must_be_as_many_as_the_videos(graph, comfyui):
    graph["judge"]["inputs"]["names"] = "baseline, LoRA"
    assert "there are 1 videos" in comfyui.fail(graph)


def test_what_a_lora_learned_from_is_judged_beside_the_video(graph, comfyui):
    graph["clips"] = comfyui.node("AnimalLipSync_PreparePetClips", folder="animal-lipsync-my-pet", name="judged")
    graph["judge"]["inputs"] |= {"face": ["face", 0], "dataset": ["clips", 0]}
    head, *lines = comfyui.run(graph)["report"]["text"][0].splitlines()
    assert head == "(of video, warped pairs)", "the sample clip does not open its mouth"
    lines = dict(line.split(": ", 1) for line in lines)
    assert min(json.loads(f"[{lines['follows the voice']}]")) > 0.8
    assert "Upper bound" in Path(lines["report"]).read_text()
