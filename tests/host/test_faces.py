"""Detect Animal Faces, Choose Face, Track Face and the dialogue, through the real server's API."""

import json

import numpy as np
import pytest

from animal_lipsync.audio import load_audio
from animal_lipsync.clip import Clip
from animal_lipsync.image import read_picture, to_pixels, write_picture
from animal_lipsync.table import read_faces
from tests.animals import soft_picture
from tests.host.test_nodes import SAMPLES

FOX = read_faces((SAMPLES / "fox.faces.json").read_text()).tracks[0].boxes[0]


@pytest.fixture(scope="module")
def pair(comfyui):
    """A picture of two foxes, the left one smaller, by the name Load Image calls it."""
    fox = read_picture(SAMPLES / "fox.jpg")[::2, ::2]
    picture = np.full((len(fox), len(fox) * 7 // 4, 3), fox[0, 0], np.uint8)
    picture[:, -len(fox) :] = fox
    small = fox[::2, ::2]
    picture[len(fox) // 2 :][: len(small), : len(small)] = small
    write_picture(comfyui.base / "input" / "pair.png", picture)
    return comfyui.node("LoadImage", image="pair.png")


def ask(comfyui, **nodes):
    """The outputs of a prompt by node, and what each STRING output named `node.slot` says."""
    texts = {name: comfyui.node("PreviewAny", source=list(link)) for name, link in nodes.pop("texts", {}).items()}
    outputs = comfyui.run(nodes | texts)
    return outputs, {name: outputs[name]["text"][0] for name in texts}


def test_detect_numbers_the_animals_and_writes_them_down(comfyui, pair):
    detect = comfyui.node("AnimalLipSync_DetectAnimalFaces", source=["pair", 0])
    drawn = comfyui.node("DrawBBoxes", image=["pair", 0], bboxes=["detect", 1])
    shown = comfyui.node("PreviewImage", images=["drawn", 0])
    outputs, texts = ask(
        comfyui, pair=pair, detect=detect, drawn=drawn, shown=shown, texts={"j": ("detect", 2), "c": ("detect", 3)}
    )
    faces = read_faces(texts["j"])
    assert len(faces.tracks) == 2 and faces.tracks[0].boxes[0, 0] < faces.tracks[1].boxes[0, 0]
    assert np.allclose(read_faces(texts["c"]).tracks[1].keypoints, faces.tracks[1].keypoints, atol=0.01)
    assert outputs["detect"]["text"][0].startswith("2 faces, from left to right: 0 ")
    assert comfyui.path(outputs["detect"]["images"][0]).exists() and outputs["shown"]["images"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, 0),
        ({"face": 1}, 1),
        ({"speaker": "prominent"}, 1),
        ({"pick": json.dumps({"version": 1, "width": 875, "height": 500, "frame": 0, "point": [700, 200]})}, 1),
    ],
)
def test_choose_takes_the_rule_or_the_click(comfyui, pair, choice, expected):
    choose = comfyui.node("AnimalLipSync_ChooseFace", source=["pair", 0], **choice)
    outputs, texts = ask(comfyui, pair=pair, choose=choose, texts={"j": ("choose", 1)})
    (shown,) = outputs["choose"]["faces"]
    assert shown["chosen"] == expected and [face["id"] for face in shown["faces"]] == [0, 1]
    chosen = shown["faces"][expected]
    told = read_faces(texts["j"])
    assert abs(told.tracks[0].boxes[0, 0] - chosen["x"]) <= 1
    assert told.scores[0] == pytest.approx(chosen["score"], abs=0.01) and told.scores[0] < 1


def test_edit_keypoints_keeps_the_score_of_a_face_that_was_found(comfyui, pair):
    edit = comfyui.node("AnimalLipSync_EditKeypoints", source=["pair", 0])
    detect = comfyui.node("AnimalLipSync_DetectAnimalFaces", source=["pair", 0])
    _, texts = ask(comfyui, pair=pair, edit=edit, detect=detect, texts={"e": ("edit", 1), "d": ("detect", 2)})
    assert read_faces(texts["e"]).scores[0] in read_faces(texts["d"]).scores


def test_a_box_is_a_face_where_none_is_found_and_is_followed_through_the_clip(comfyui):
    write_picture(comfyui.base / "input" / "nothing.png", to_pixels(soft_picture(240, 180))[0])
    picture = comfyui.node("LoadImage", image="nothing.png")
    choose = comfyui.node("AnimalLipSync_ChooseFace", source=["picture", 0])
    shown = comfyui.node("PreviewAny", source=["choose", 1])
    message = comfyui.fail({"picture": picture, "choose": choose, "shown": shown})
    assert "best candidate 0." in message and "draw a box with Choose Face" in message
    choose["inputs"]["pick"] = '{"version": 1, "width": 240, "height": 180, "box": [60, 40, 160, 140]}'
    outputs, texts = ask(comfyui, picture=picture, choose=choose, texts={"j": ("choose", 1)})
    assert "Not sure" in outputs["choose"]["text"][0]
    assert np.allclose(read_faces(texts["j"]).tracks[0].boxes[0], [60, 40, 160, 140], atol=1)

    clip = comfyui.node("LoadVideo", file="animal-lipsync-fox-clip.mp4")
    info = Clip.open(SAMPLES / "fox-clip.mp4")
    face = read_faces((SAMPLES / "fox-clip.faces.json").read_text()).tracks[0]
    frame, box = info.frames // 2, [float(side) for side in face.boxes[len(face) // 2]]
    pick = {"version": 1, "width": info.width, "height": info.height, "frame": frame, "box": box}
    choose = comfyui.node("AnimalLipSync_ChooseFace", source=["clip", 0], pick=json.dumps(pick))
    track = comfyui.node("AnimalLipSync_TrackFace", source=["clip", 0], face=["choose", 0], frame=frame)
    drawn = comfyui.node("AnimalLipSync_DrawLandmarks", source=["clip", 0], face=["track", 0])
    shown = comfyui.node("PreviewImage", images=["drawn", 0])
    outputs, texts = ask(
        comfyui, clip=clip, choose=choose, track=track, drawn=drawn, shown=shown, texts={"j": ("choose", 1)}
    )
    followed = read_faces(texts["j"]).tracks[0]
    middle = followed.boxes.reshape(-1, 2, 2).mean(1) - face.boxes.reshape(-1, 2, 2).mean(1)
    assert followed.visible.all() and np.abs(middle).max() < 0.05 * (box[2] - box[0])
    assert len(outputs["shown"]["images"]) == info.frames


@pytest.mark.parametrize(
    ("pick", "named"),
    [
        ("here", "pick is not JSON"),
        ('{"version": 1, "width": 875, "height": 500, "frame": 3, "point": [1, 2]}', "frame 3"),
        ('{"version": 1, "width": 875, "height": 500, "box": [5, 5, 5, 90]}', "no area"),
    ],
)
def test_a_pick_that_cannot_be_meant_is_named(comfyui, pair, pick, named):
    choose = comfyui.node("AnimalLipSync_ChooseFace", source=["pair", 0], pick=pick)
    shown = comfyui.node("PreviewAny", source=["choose", 1])
    assert named in comfyui.fail({"pair": pair, "choose": choose, "shown": shown})


def test_a_box_of_a_core_node_is_the_face(comfyui):
    picture = comfyui.node("LoadImage", image="animal-lipsync-fox.jpg")
    x1, y1, x2, y2 = (int(side) for side in FOX)
    box = comfyui.node("PrimitiveBoundingBox", x=x1, y=y1, width=x2 - x1, height=y2 - y1)
    detect = comfyui.node("AnimalLipSync_DetectAnimalFaces", source=["picture", 0], boxes=["box", 0])
    mask = comfyui.node("SolidMask", value=1.0, width=1000, height=1000)
    masked = comfyui.node(
        "AnimalLipSync_DetectAnimalFaces", source=["picture", 0], mask=["mask", 0], boxes_show="whole animals"
    )
    _, texts = ask(
        comfyui,
        picture=picture,
        box=box,
        detect=detect,
        mask=mask,
        masked=masked,
        texts={"in_box": ("detect", 2), "in_mask": ("masked", 2)},
    )
    for name in ("in_box", "in_mask"):
        (track,) = read_faces(texts[name]).tracks
        overlap = np.minimum(track.boxes[0, 2:], FOX[2:]) - np.maximum(track.boxes[0, :2], FOX[:2])
        assert np.prod(overlap) > 0.6 * np.prod(FOX[2:] - FOX[:2]), name


def test_two_animals_speak_in_turn_and_both_are_heard(comfyui, pair):
    voice = comfyui.node("LoadAudio", audio="animal-lipsync-voice.wav")
    short = comfyui.node("TrimAudioDuration", audio=["voice", 0], start_index=0.0, duration=1.0)
    turns = comfyui.node("AnimalLipSync_TakeTurns", first=["short", 0], second=["short", 0], pause=0.0)
    talk = {"frame_rate": 10.0, "speaker": "leftmost"}
    first = comfyui.node("AnimalLipSync_MakeAnimalTalk", source=["pair", 0], voice=["turns", 0], **talk)
    second = comfyui.node(
        "AnimalLipSync_MakeAnimalTalk", source=["first", 0], voice=["turns", 1], face=1, keep_sound=True, **talk
    )
    outputs = comfyui.run(
        {"pair": pair, "voice": voice, "short": short, "turns": turns, "first": first, "second": second}
    )
    video = comfyui.path(outputs["second"]["images"][0])
    frames = list(Clip.open(video).read(20))
    half = frames[0].shape[1] * 3 // 7
    change = [np.abs(frame.astype(int) - frames[0]) for frame in frames]
    left, right = (
        [float(part.mean()) for part in side] for side in ([c[:, :half] for c in change], [c[:, half:] for c in change])
    )
    assert max(left[:9]) > 2 * max(left[12:]) and max(right[11:]) > 2 * max(right[:9])
    sound = load_audio(video, mono=True).waveform[0]
    loudness = [float(np.abs(part).mean()) for part in np.array_split(sound, 2)]
    assert min(loudness) > 0.5 * max(loudness)
