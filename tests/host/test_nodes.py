"""The nodes through the real server's API: what they make, what they refuse, how they stop."""

import json
import struct
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
import websocket
from PIL import Image

from animal_lipsync.audio import load_audio
from animal_lipsync.clip import Clip
from animal_lipsync.image import read_picture, write_picture

SAMPLES = Path(__file__).parents[2] / "animal_lipsync" / "samples"
KEYPOINTS = (SAMPLES / "fox.faces.json").read_text()
WAV_OF_FLOATS = (b"RIFF", 36 + 4 * 8000, b"WAVEfmt ", 16, 3, 1, 8000, 32000, 4, 32, b"data")
SHORT = '{"version": 1, "frame_rate": "25", "keyframes": [{"time": 0, "jaw_open": 0}, {"time": 0.36, "jaw_open": 1}]}'
"""10 frames."""


@pytest.fixture
def graph(comfyui):
    """The sample picture, its face, the sample voice and clip, by the names the tests wire them with."""
    return {
        "picture": comfyui.node("LoadImage", image="animal-lipsync-fox.jpg"),
        "voice": comfyui.node("LoadAudio", audio="animal-lipsync-voice.wav"),
        "clip": comfyui.node("LoadVideo", file="animal-lipsync-fox-clip.mp4"),
        "face": comfyui.node("AnimalLipSync_EditKeypoints", source=["picture", 0], keypoints=KEYPOINTS),
        "short": comfyui.node("AnimalLipSync_MotionFromKeyframes", keyframes=SHORT),
        "talk": comfyui.node(
            "AnimalLipSync_MakeAnimalTalk", source=["picture", 0], voice=["voice", 0], keypoints=["face", 0]
        ),
    }


def only(graph: dict, *names: str, **more: dict) -> dict:
    return {name: graph[name] for name in names} | more


def short_video(comfyui, graph, source=("picture", 0), **inputs):
    """An API prompt that animates ten frames or so; the result is node "video"."""
    names = ("picture", "face", "short", "clip") if source[0] == "clip" else ("picture", "face", "short")
    video = comfyui.node(
        "AnimalLipSync_AnimateMouthWarp", source=list(source), face=["face", 0], motion=["short", 0], **inputs
    )
    return only(graph, *names, video=video)


def frames_of(path: Path) -> list[np.ndarray]:
    clip = Clip.open(path)
    return list(clip.read(clip.frames))


def test_a_motion_without_a_voice_makes_a_video_of_its_length(comfyui, graph):
    video = comfyui.path(comfyui.run(short_video(comfyui, graph))["video"]["images"][0])
    assert len(frames_of(video)) == 10


def test_a_video_keeps_its_length_rate_and_sound(comfyui, graph, tmp_path):
    prompt = only(graph, "picture", "voice", "face", "talk", "short")
    first = comfyui.path(comfyui.run(prompt)["talk"]["images"][0])
    (comfyui.base / "input" / "talking.mp4").write_bytes(first.read_bytes())
    graph["clip"] = comfyui.node("LoadVideo", file="talking.mp4")
    again = comfyui.path(comfyui.run(short_video(comfyui, graph, ("clip", 0)))["video"]["images"][0])
    assert Clip.open(again).frames == Clip.open(first).frames
    before, after = (load_audio(path, mono=True).waveform[0] for path in (first, again))
    size = min(len(before), len(after))
    assert np.corrcoef(before[:size], after[:size])[0, 1] > 0.95


def test_a_trimmed_video_is_only_what_is_left_of_it(comfyui, graph):
    prompt = short_video(comfyui, graph, ("clip", 0)) | {
        "trim": comfyui.node("Video Slice", video=["clip", 0], start_time=1.0, duration=1.0)
    }
    prompt["video"]["inputs"]["source"] = ["trim", 0]
    trimmed = frames_of(comfyui.path(comfyui.run(prompt)["video"]["images"][0]))
    whole = frames_of(SAMPLES / "fox-clip.mp4")
    assert len(trimmed) == 25
    strip = np.s_[:, :60]
    away = [np.abs(trimmed[0][strip].astype(int) - frame[strip]).mean() for frame in whole]
    assert abs(int(np.argmin(away)) - 25) <= 1


@pytest.mark.parametrize("kind", ["batch", "created"])
def test_a_batch_of_pictures_is_a_clip(kind, comfyui, graph):
    prompt = short_video(comfyui, graph, ("clip", 0))
    prompt["trim"] = comfyui.node("Video Slice", video=["clip", 0], start_time=0.0, duration=0.8)
    prompt["batch"] = comfyui.node("GetVideoComponents", video=["trim", 0])
    prompt["created"] = comfyui.node("CreateVideo", images=["batch", 0], fps=20.0)
    prompt["video"]["inputs"].update(source=[kind, 0], frame_rate=20.0)
    clip = Clip.open(comfyui.path(comfyui.run(prompt)["video"]["images"][0]))
    assert (clip.frames, clip.frame_rate) == (20, 20)


def test_outside_the_mask_stitched_pictures_keep_every_pixel(comfyui, graph):
    picture = read_picture(SAMPLES / "fox.jpg")
    write_picture(comfyui.base / "input" / "fox.png", picture)
    graph["picture"] = comfyui.node("LoadImage", image="fox.png")
    prompt = only(
        graph,
        "picture",
        "face",
        crop=comfyui.node("AnimalLipSync_CropMouth", source=["picture", 0], face=["face", 0], size=256),
        edit=comfyui.node("ImageInvert", image=["crop", 0]),
        stitch=comfyui.node("AnimalLipSync_StitchMouth", source=["picture", 0], crops=["edit", 0], stitch=["crop", 2]),
        save=comfyui.node("SaveImage", images=["stitch", 0], filename_prefix="stitched"),
    )
    stitched = read_picture(comfyui.path(comfyui.run(prompt)["save"]["images"][0]))
    changed = (stitched != picture).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert 0.005 < changed.mean() < 0.15
    assert changed[rows[0] : rows[-1], columns[0] : columns[-1]].mean() > 0.6, "one ellipse"


def test_unedited_crops_stitch_back_to_the_video(comfyui, graph):
    prompt = only(
        graph,
        "picture",
        "face",
        "clip",
        trim=comfyui.node("Video Slice", video=["clip", 0], start_time=0.0, duration=0.4),
        crop=comfyui.node("AnimalLipSync_CropMouth", source=["trim", 0], face=["face", 0], size=512),
        stitch=comfyui.node("AnimalLipSync_StitchMouth", source=["trim", 0], crops=["crop", 0], stitch=["crop", 2]),
        save=comfyui.node("SaveVideo", video=["stitch", 0], codec="auto"),
    )
    stitched = frames_of(comfyui.path(comfyui.run(prompt)["save"]["images"][0]))
    assert len(stitched) == 10
    assert np.abs(stitched[3].astype(int) - frames_of(SAMPLES / "fox-clip.mp4")[3]).mean() < 3


def test_the_drawing_on_black_shows_both_lips(comfyui, graph):
    draw = comfyui.node("AnimalLipSync_DrawLandmarks", source=["picture", 0], face=["face", 0], background="black")
    save = comfyui.node("SaveImage", images=["draw", 0], filename_prefix="landmarks")
    pixels = read_picture(
        comfyui.path(comfyui.run(only(graph, "picture", "face", draw=draw, save=save))["save"]["images"][0])
    )
    red = (pixels[..., 0] > 180) & (pixels[..., 2] < 120) & (pixels[..., 1] < 120)
    blue = (pixels[..., 2] > 180) & (pixels[..., 0] < 120)
    assert red.sum() > 50 and blue.sum() > 50
    assert (pixels == 0).all(axis=2).mean() > 0.9


def test_the_voice_effect_keeps_the_length(comfyui, graph):
    effect = comfyui.node("AnimalLipSync_VoiceEffect", voice=["voice", 0], semitones=7)
    save = comfyui.node("SaveAudio", audio=["effect", 0], filename_prefix="kitten")
    outputs = comfyui.run(only(graph, "voice", effect=effect, save=save))
    before, after = load_audio(SAMPLES / "voice.wav"), load_audio(comfyui.path(outputs["save"]["audio"][0]))
    assert after.waveform.shape == before.waveform.shape
    assert np.abs(after.waveform).max() > 0.1 and not np.allclose(after.waveform, before.waveform)


def test_a_transcript_is_taken(comfyui, graph):
    motion = comfyui.node("AnimalLipSync_SpeechToMouthMotion", voice=["voice", 0], transcript="Hello! I am a fox.")
    prompt = only(graph, "voice", motion=motion, show=comfyui.node("PreviewAny", source=["motion", 0]))
    assert "Hello! I am a fox." in comfyui.run(prompt)["show"]["text"][0]


def test_keypoints_come_out_as_the_text_that_went_in(comfyui, graph):
    show = comfyui.node("PreviewAny", source=["face", 1])
    text = comfyui.run(only(graph, "picture", "face", show=show))["show"]["text"][0]
    before, after = (json.loads(document)["faces"][0]["keypoints"] for document in (KEYPOINTS, text))
    np.testing.assert_allclose(after, before, atol=0.01)


def test_keypoints_of_another_picture_are_found_anew(comfyui, graph):
    write_picture(comfyui.base / "input" / "mirrored.png", read_picture(SAMPLES / "fox.jpg")[:, ::-1])
    graph["picture"] = comfyui.node("LoadImage", image="mirrored.png")
    show = comfyui.node("PreviewAny", source=["face", 1])
    face = json.loads(comfyui.run(only(graph, "picture", "face", show=show))["show"]["text"][0])["faces"][0]
    known = np.array(json.loads(KEYPOINTS)["faces"][0]["keypoints"][0])
    nose = 2
    assert abs(face["keypoints"][0][nose][0] - (1024 - known[nose, 0])) < 30


def test_nothing_connected_but_picture_and_voice_finds_the_face(comfyui, graph):
    del graph["talk"]["inputs"]["keypoints"]
    prompt = only(graph, "picture", "voice", "talk")
    prompt["show"] = comfyui.node("PreviewAny", source=["text", 1])
    prompt["text"] = comfyui.node("AnimalLipSync_EditKeypoints", source=["picture", 0])
    outputs = comfyui.run(prompt)
    assert comfyui.path(outputs["talk"]["images"][0]).is_file()
    found = np.array(json.loads(outputs["show"]["text"][0])["faces"][0]["keypoints"][0])[:, :2]
    known = np.array(json.loads(KEYPOINTS)["faces"][0]["keypoints"][0])[:, :2]
    assert np.linalg.norm(found - known, axis=1).mean() < 0.04 * 1024


def test_progress_arrives_with_preview_pictures(comfyui, graph):
    graph["talk"]["inputs"]["crf"] = 17  # so that the answer is not in the cache
    previews, steps, done = [], [], threading.Event()
    socket = websocket.create_connection(comfyui.url.replace("http", "ws") + "/ws?clientId=watcher", timeout=120)

    def listen():
        while True:
            message = socket.recv()
            if isinstance(message, bytes):
                if struct.unpack(">I", message[:4])[0] == 1:  # a picture; 3 is a text
                    previews.append(message)
                continue
            message = json.loads(message)
            if message["type"] == "progress" and message["data"]["node"] == "talk":
                steps.append(message["data"]["value"])
            if message["type"] in ("execution_success", "execution_error"):
                done.set()
                return

    threading.Thread(target=listen, daemon=True).start()
    start = time.monotonic()
    comfyui.wait(comfyui.queue(only(graph, "picture", "voice", "face", "talk"), "watcher"))
    seconds = time.monotonic() - start
    assert done.wait(10)
    socket.close()
    assert steps == sorted(steps) and steps[-1] >= 150
    assert len(previews) >= int(seconds) - 2
    assert b"\xff\xd8\xff" in previews[0][:64], "a JPEG"


def test_cancel_stops_within_a_second_and_leaves_no_file(comfyui, graph):
    graph["talk"]["inputs"]["crf"] = 16
    prompt = comfyui.queue(only(graph, "picture", "voice", "face", "talk"))
    deadline = time.monotonic() + 60
    while not list((comfyui.base / "temp").glob(".animal-lipsync*")):
        assert time.monotonic() < deadline, "the video was never begun"
        time.sleep(0.05)
    time.sleep(0.5)
    start = time.monotonic()
    comfyui.interrupt()
    entry = comfyui.wait(prompt)
    assert time.monotonic() - start < 1.0
    assert "execution_interrupted" in [kind for kind, _ in entry["status"]["messages"]]
    assert comfyui.unfinished == []


BAD_KEYPOINTS = {
    "not JSON": ("{", "faces is not JSON"),
    "of another version": (KEYPOINTS.replace('"version": 1', '"version": 9'), "faces.version must be 1"),
    "of another picture": (KEYPOINTS.replace('"height": 1024', '"height": 512'), "1024 x 512"),
    "too few": (json.dumps(json.loads(KEYPOINTS) | {"faces": []}), "no face"),
}


@pytest.mark.parametrize("bad", BAD_KEYPOINTS)
def test_keypoints_that_cannot_be_read_are_refused_by_name(bad, comfyui, graph):
    text, message = BAD_KEYPOINTS[bad]
    graph["face"]["inputs"]["keypoints"] = text
    assert message in comfyui.fail(only(graph, "picture", "voice", "face", "talk"))
    assert comfyui.unfinished == []


def test_a_face_that_is_not_there_is_refused(comfyui, graph):
    graph["talk"]["inputs"]["face"] = 3
    assert "face number 3" in comfyui.fail(only(graph, "picture", "voice", "face", "talk"))


def test_a_picture_without_an_animal_is_refused(comfyui, graph):
    del graph["talk"]["inputs"]["keypoints"]
    graph["picture"] = comfyui.node("EmptyImage", width=320, height=240, color=0x405060)
    message = comfyui.fail(only(graph, "picture", "voice", "talk"))
    assert "No animal face" in message


def test_a_picture_of_one_pixel_is_refused(comfyui, graph):
    del graph["talk"]["inputs"]["keypoints"]
    graph["picture"] = comfyui.node("EmptyImage", width=1, height=1)
    assert "No animal face" in comfyui.fail(only(graph, "picture", "voice", "talk"))


def test_a_voice_of_broken_numbers_is_refused(comfyui, graph):
    samples = np.zeros(8000, "<f4")
    samples[4000:] = np.nan
    header = struct.pack("<4sI8sIHHIIHH4sI", *WAV_OF_FLOATS, samples.nbytes)
    (comfyui.base / "input" / "broken.wav").write_bytes(header + samples.tobytes())
    graph["voice"] = comfyui.node("LoadAudio", audio="broken.wav")
    assert "not numbers" in comfyui.fail(only(graph, "picture", "voice", "face", "talk"))
    assert comfyui.unfinished == []


@pytest.mark.parametrize("name", ["frame_rate", "min_score", "nod", "strength"])
def test_what_is_no_number_is_refused_by_name(comfyui, graph, name):
    graph["talk"]["inputs"][name] = float("nan")
    del graph["talk"]["inputs"]["keypoints"]
    assert f"{name} must lie between" in comfyui.fail(only(graph, "picture", "voice", "talk"))


def test_the_name_of_a_recording_is_no_voice(comfyui, graph):
    graph["talk"]["inputs"]["voice"] = "animal-lipsync-voice.wav"
    assert "Connect a recording" in comfyui.fail(only(graph, "picture", "face", "talk"))


@pytest.mark.parametrize("size", [-5, float("nan"), 1e9])
def test_a_box_that_lies_nowhere_is_refused(comfyui, graph, size):
    box = {"x": 5, "y": 5, "width": size, "height": 5}
    detect = comfyui.node("AnimalLipSync_DetectAnimalFaces", source=["picture", 0], boxes=box)
    assert "lies nowhere" in comfyui.fail(only(graph, "picture", detect=detect))


def test_a_video_without_sound_is_no_voice(comfyui, graph):
    prompt = only(graph, "picture", "face", "talk", "clip")
    prompt["voice"] = comfyui.node("GetVideoComponents", video=["clip", 0])
    prompt["talk"]["inputs"]["voice"] = ["voice", 1]
    assert "has no sound" in comfyui.fail(prompt)


def test_a_silent_voice_keeps_the_mouth_shut(comfyui, graph):
    graph["voice"] = comfyui.node("EmptyAudio", duration=1.0)
    frames = frames_of(comfyui.path(comfyui.run(only(graph, "picture", "voice", "face", "talk"))["talk"]["images"][0]))
    assert len(frames) == 25
    assert max(np.abs(frame.astype(int) - frames[0]).mean() for frame in frames) < 0.5


def test_crops_that_do_not_fit_the_video_are_refused(comfyui, graph):
    prompt = only(
        graph,
        "picture",
        "face",
        "clip",
        crop=comfyui.node("AnimalLipSync_CropMouth", source=["picture", 0], face=["face", 0], size=64),
        stitch=comfyui.node("AnimalLipSync_StitchMouth", source=["clip", 0], crops=["crop", 0], stitch=["crop", 2]),
        save=comfyui.node("SaveVideo", video=["stitch", 0], codec="auto"),
    )
    assert "100 frames" in comfyui.fail(prompt)


def test_the_server_still_works_after_all_that(comfyui, graph):
    assert comfyui.run(short_video(comfyui, graph, crf=21))["video"]["images"]
    assert comfyui.unfinished == []


def test_odd_sizes_and_alpha_are_taken(comfyui, graph):
    picture = Image.open(SAMPLES / "fox.jpg").convert("RGBA").resize((301, 301))
    picture.save(comfyui.base / "input" / "odd.png")
    graph["picture"] = comfyui.node("LoadImage", image="odd.png")
    video = comfyui.path(comfyui.run(short_video(comfyui, graph))["video"]["images"][0])
    with av.open(video) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (302, 302)
