import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from animal_lipsync.audio import load_audio
from animal_lipsync.clip import Clip
from animal_lipsync.crop import place_crop
from animal_lipsync.types import Faces

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "animal_lipsync" / "samples"
SCREENSHOTS = ROOT / ".cache" / "screenshots"
SOURCES = {
    "picture_talks": ("fox.jpg", "fox.faces.json"),
    "video_talks": ("fox-clip.mp4", "fox-clip.faces.json"),
    "crop_and_stitch": ("fox.jpg", "fox.faces.json"),
}
"""What each workflow starts from as it ships."""


def test_every_workflow_is_tested_and_has_a_thumbnail():
    shipped = {path.stem for path in (ROOT / "workflows").glob("*.json")}
    assert shipped == set(SOURCES)
    assert shipped == {path.stem for path in (ROOT / "workflows").glob("*.jpg")}


@pytest.mark.parametrize("name", SOURCES)
def test_a_workflow_runs_as_it_ships(name, page, comfyui):
    page.open(json.loads((ROOT / "workflows" / f"{name}.json").read_text()))
    assert page.red_nodes() == []

    entry = comfyui.wait(page.press_run())
    assert entry["status"]["status_str"] == "success"
    page.page.wait_for_timeout(3000)
    page.screenshot(SCREENSHOTS / f"{name}-{page.renderer}.png")
    assert page.red_nodes() == []

    nodes = {node["class_type"]: entry["outputs"].get(id) for id, node in entry["prompt"][2].items()}
    for kind in ("AnimalLipSync_MakeAnimalTalk", "AnimalLipSync_AnimateMouthWarp"):
        if kind in nodes:
            assert comfyui.path(nodes[kind]["images"][0]).is_file(), "the node shows its result"
    assert_talks(comfyui.path(nodes["SaveVideo"]["images"][0]), *(SAMPLES / file for file in SOURCES[name]))


@pytest.mark.parametrize("name", SOURCES)
def test_saving_and_opening_a_workflow_changes_nothing(name, page):
    page.open(json.loads((ROOT / "workflows" / f"{name}.json").read_text()))
    prompt = page.prompt()
    page.open(page.workflow())
    assert page.prompt() == prompt


def assert_talks(video: Path, source: Path, keypoints: Path):
    """The file plays, is as long as the voice, and moves its mouth with it and nothing far from it."""
    voice = load_audio(SAMPLES / "voice.wav", mono=True)
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
    face = clip.face(Faces.from_json(keypoints.read_text()))
    mouth, away = [], []
    for index, (before, after) in enumerate(zip(clip.read(talking.frames), talking.read(talking.frames), strict=True)):
        crop = place_crop(face[:1] if len(face) == 1 else face[[clip_frame(index, len(face))]])
        (x, y), side = crop.centre[0].astype(int), int(crop.side[0] / 4)
        change = np.abs(before.astype(int) - after).mean(axis=2)
        mouth.append(change[y - side : y + side, x - side : x + side].mean())
        away.append(change[:, : clip.width // 12].mean())
    loudness = [np.sqrt((part**2).mean()) for part in np.array_split(voice.waveform[0], len(mouth))]
    assert np.max(away) < 2.5, "only compression changes what is far from the mouth"
    assert np.ptp(mouth) > 5, "the mouth moves"
    assert np.corrcoef(mouth, loudness)[0, 1] > 0.4, "the mouth moves with the voice"


def clip_frame(index: int, frames: int) -> int:
    last = frames - 1
    return last - abs(last - index % (2 * last))
