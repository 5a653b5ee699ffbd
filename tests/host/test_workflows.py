import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from animal_lipsync import espeak
from animal_lipsync.audio import load_audio
from animal_lipsync.clip import Clip
from animal_lipsync.crop import place_crop
from animal_lipsync.dialogue import take_turns
from animal_lipsync.types import Audio, Faces
from animal_lipsync.video import pingpong_indices

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "animal_lipsync" / "samples"
SCREENSHOTS = ROOT / ".cache" / "screenshots"
SOURCES = {
    "picture_talks": ("fox.jpg", "fox.faces.json"),
    "video_talks": ("fox-clip.mp4", "fox-clip.faces.json"),
    "crop_and_stitch": ("fox.jpg", "fox.faces.json"),
    "evaluate": ("fox.jpg", "fox.faces.json"),
    "text_talks": ("fox.jpg", "fox.faces.json"),
    "two_animals_dialogue": ("pair.jpg", "pair.faces.json"),
}
"""What each workflow starts from as it ships."""
PAINTED = {"picture_talks_inpaint", "video_talks_inpaint", "warp_then_inpaint"}
"""Those that need weights: test_inpaint.py."""
TRAINED = {"prepare_and_train", "use_pet_lora"}
"""And these: test_training.py."""


def test_every_workflow_is_tested_and_has_a_thumbnail():
    shipped = {path.stem for path in (ROOT / "workflows").glob("*.json")}
    assert shipped == set(SOURCES) | PAINTED | TRAINED
    assert shipped == {path.stem for path in (ROOT / "workflows").glob("*.jpg")}


@pytest.mark.parametrize(
    "page, name",
    [("classic", "picture_talks"), *(("nodes-2.0", name) for name in SOURCES)],
    indirect=["page"],
    scope="module",
)
def test_a_workflow_runs_as_it_ships(name, page, comfyui):
    if name == "text_talks" and not espeak.available():
        pytest.skip("eSpeak NG is not installed; its voice is not part of the pack")
    page.open(json.loads((ROOT / "workflows" / f"{name}.json").read_text()))
    assert page.red_nodes() == []

    if name == "picture_talks":
        comfyui.post("/free", {"free_memory": True})  # forget the other renderer's run: both see progress pictures
    entry = comfyui.wait(page.press_run())
    assert entry["status"]["status_str"] == "success"
    nodes = {node["class_type"]: entry["outputs"].get(id) for id, node in entry["prompt"][2].items()}
    shown = [result["filename"] for output in nodes.values() for result in (output or {}).get("images", ())]
    for video in filter(lambda name: name.endswith(".mp4"), shown):
        page.wait_for_video(video)
    page.screenshot(SCREENSHOTS / f"{name}-{page.renderer}.png")
    assert page.red_nodes() == []
    video = comfyui.path(nodes["SaveVideo"]["images"][0])
    voices = [load_audio(video if name == "text_talks" else SAMPLES / "voice.wav", mono=True)]
    if name == "two_animals_dialogue":
        voices = take_turns([*voices, load_audio(SAMPLES / "answer.wav", mono=True)], pause=0.0)
    for face, voice in enumerate(voices):
        assert_talks(video, *(SAMPLES / file for file in SOURCES[name]), voice, face)


@pytest.mark.parametrize("name", SOURCES)
def test_saving_and_opening_a_workflow_changes_nothing(name, page):
    page.open(json.loads((ROOT / "workflows" / f"{name}.json").read_text()))
    assert page.red_nodes() == []
    prompt = page.prompt()
    page.open(page.workflow())
    assert page.prompt() == prompt


def assert_talks(video: Path, source: Path, keypoints: Path, voice: Audio, face: int = 0):
    """The file plays, is as long as the voice, and moves its mouth with it and nothing far from it."""
    clip = Clip.open(source)
    with av.open(video) as container:
        (picture,), (sound,) = container.streams.video, container.streams.audio
        assert (picture.codec_context.name, picture.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (picture.width, picture.height) == (clip.width, clip.height)
        assert picture.average_rate == clip.frame_rate
        assert sound.codec_context.name == "aac"
        assert abs(picture.duration * picture.time_base - Fraction(voice.duration)) <= 1 / clip.frame_rate
        assert abs(sound.duration * sound.time_base - Fraction(voice.duration)) <= 1 / clip.frame_rate

    talking = Clip.open(video)
    track = clip.face(Faces.from_json(keypoints.read_text()), face)
    crops = place_crop(track)[pingpong_indices(len(track), talking.frames)]
    edge = np.s_[:, : clip.width // 12]
    mouth, away = [], []
    for index, (before, after) in enumerate(zip(clip.read(talking.frames), talking.read(talking.frames), strict=True)):
        (x, y), side = crops.centre[index].astype(int), int(crops.side[index] / 4)
        middle = np.s_[y - side : y + side, x - side : x + side]
        mouth.append(np.abs(before[middle].astype(int) - after[middle]).mean())
        away.append(np.abs(before[edge].astype(int) - after[edge]).mean())
    loudness = [np.sqrt((part**2).mean()) for part in np.array_split(voice.waveform[0], len(mouth))]
    assert np.max(away) < 4, "only compression changes what is far from the mouth"
    assert np.ptp(mouth) > 5, "the mouth moves"
    assert np.corrcoef(mouth, loudness)[0, 1] > 0.4, "the mouth moves with the voice"
