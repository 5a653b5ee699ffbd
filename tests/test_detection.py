import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from animal_lipsync.boxes import box_iou, box_of_sides, sides_of_box, suppress_overlaps
from animal_lipsync.detection import (
    HEAD_AT,
    UPRIGHT,
    crops_round,
    detect_faces,
    face_roll,
    find_boxes,
    keypoints_in_boxes,
    look,
    look_at_heads,
    verify_faces,
    weigh,
)
from animal_lipsync.detector import MIRROR, POINTS, WEIGHTS, Detector, expected_points, load_detector, place_points
from animal_lipsync.following import follow_faces
from animal_lipsync.head_crops import cut, cut_frame, load_frame, to_crop, to_frame
from animal_lipsync.tracking import track_faces
from animal_lipsync.types import Faces

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("ANIMAL_LIPSYNC_DATA", ROOT.parent / "shared" / "data"))
needs_pictures = pytest.mark.skipif(not (DATA / "pictures").is_dir(), reason="no pictures; set ANIMAL_LIPSYNC_DATA")


@pytest.fixture(scope="module")
def dog():
    """A dog's head seen from the front, and its label."""
    label = json.loads((DATA / "pictures" / "keypoints.json").read_text())["lp_s25.jpg"][0]
    return np.asarray(Image.open(DATA / "pictures" / "lp_s25.jpg").convert("RGB")), label


def head_size(box):
    return max(box[2] - box[0], box[3] - box[1])


@pytest.mark.parametrize("side, count", [(70, 1), (90, 12)])
def test_heads_that_are_small_in_a_large_picture_are_found(side, count):
    fox = Image.open(ROOT / "animal_lipsync" / "samples" / "fox.jpg").resize((side, side), Image.LANCZOS)
    picture = Image.new("RGB", (1600, 900), (96, 120, 84))
    places = [(200 + 110 * (i % 12), 400 + 60 * (i % 2)) for i in range(count)]
    for place in places:
        picture.paste(fox, place)
    faces = detect_faces(np.asarray(picture))
    middles = sorted(((track.boxes[0, :2] + track.boxes[0, 2:]) / 2).tolist() for track in faces.tracks)
    assert len(middles) == count
    assert all(
        np.hypot(x - left - side / 2, y - top - side / 2) < side / 4
        for (x, y), (left, top) in zip(middles, places, strict=True)
    )


def test_to_crop_inverts_to_frame():
    crops = torch.tensor([[100.0, 50.0, 80.0, 0.7], [3.0, 9.0, 20.0, -2.0]])
    points = torch.rand(2, 9, 2) * 100
    assert torch.allclose(to_frame(to_crop(points, crops), crops), points, atol=1e-4)


def test_an_unlikely_place_far_off_hardly_pulls_a_point():
    likely = torch.zeros(1, 1, 16, 16)
    likely[..., 4, 4], likely[..., 12, 12] = 0.9, 0.1
    peak, mean = -1 + 4.5 / 8, -1 + 4.5 / 8 + 0.1
    heat = likely.clamp_min(1e-9).log()
    assert torch.allclose(expected_points(heat)[0], torch.tensor(mean), atol=1e-4)
    point, spread = place_points(heat)
    # 0.9 and 0.1 to the power of 1.5, so that they add up to one: 0.964 and 0.036
    assert torch.allclose(point, torch.tensor(peak + 1 / 28), atol=1e-3)
    assert torch.equal(spread, expected_points(heat)[1])


def test_the_box_of_a_turned_box_holds_the_same_ellipse():
    box = torch.tensor([[10.0, 20.0, 50.0, 40.0]])
    assert torch.allclose(box_of_sides(sides_of_box(box)), box)
    turned = to_frame(sides_of_box(box - 30), torch.tensor([[30.0, 30.0, 2.0, np.pi / 2]]))
    assert torch.allclose(box_of_sides(turned), torch.tensor([[20.0, 10.0, 40.0, 50.0]]), atol=1e-4)


def test_an_upright_crop_of_the_whole_picture_is_the_picture():
    image = torch.rand(1, 3, 32, 32)
    assert torch.allclose(cut(image, torch.tensor([[16.0, 16.0, 32.0, 0.0]]), 32), image, atol=1e-5)


@pytest.mark.parametrize("roll", [0.0, 0.6, -1.5])
def test_what_lies_at_a_point_of_the_frame_lies_there_in_the_crop(roll):
    frame = torch.zeros(200, 300, 3, dtype=torch.uint8)
    frame[80:85, 150:155] = 255
    crops = torch.tensor([[140.0, 90.0, 120.0, roll]])
    pixels = cut_frame(frame, crops, 60)[0, 0]
    row, column = divmod(int(pixels.argmax()), 60)
    at = (torch.tensor([[[column + 0.5, row + 0.5]]]) / 30) - 1
    assert torch.allclose(to_frame(at, crops), torch.tensor([152.5, 82.5]), atol=2.5)


def test_a_crop_that_leaves_the_frame_continues_its_border():
    frame = torch.full((50, 50, 3), 77, dtype=torch.uint8)
    for x, y in ((0, 0), (50, 25), (-500, 900)):
        pixels = cut_frame(frame, torch.tensor([[x, y, 60.0, 0.3]]), 32)
        assert torch.allclose(pixels, torch.tensor(77 / 255), atol=1e-4)


def test_face_roll_is_the_angle_by_which_the_points_were_turned():
    face = torch.tensor([[-20, -20], [20, -20], [0, 5], [-12, 20], [12, 20], [0, 18], [0, 18], [0, 32], [0, -24.0]])
    turned = to_frame(face[None], torch.tensor([[5.0, 6.0, 2.0, 0.5]]))
    assert torch.allclose(face_roll(turned), torch.tensor([0.5]), atol=1e-5)


def test_overlapping_boxes_leave_the_best():
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60]])
    assert suppress_overlaps(boxes, torch.tensor([0.5, 0.9, 0.4])).tolist() == [1, 2]
    assert box_iou(boxes, boxes).diagonal().tolist() == [1, 1, 1]


def test_weights_are_small_and_load_quietly():
    assert WEIGHTS.stat().st_size <= 12e6
    assert load_detector() is load_detector()
    assert not load_detector().training


def test_norms_are_folded_into_convolutions_without_a_difference():
    plain = Detector()
    plain.load_state_dict(load_file(WEIGHTS))
    plain, folded = plain.float().eval(), load_detector()
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in folded.modules())
    random = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        for name, side in (("faces", 96), ("head", 128), ("mouth", 96), ("verifier", 128)):
            crops = torch.rand(2, 3, side, side, generator=random)
            for one, other in zip(getattr(plain, name)(crops), getattr(folded, name)(crops), strict=True):
                assert (one - other).abs().max() < 1e-4 * one.abs().max()


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 400, 3), (300, 20, 3), (64, 64, 3)])
def test_pictures_without_an_animal_have_no_face(shape):
    faces = detect_faces(np.full(shape, 128, np.uint8))
    assert faces.tracks == () and (faces.height, faces.width) == shape[:2]


def test_noise_has_no_face():
    assert not detect_faces(np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)).tracks


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_a_frame_of_another_shape_or_type_is_named(pixels):
    with pytest.raises(ValueError, match="uint8 RGB, got"):
        detect_faces(pixels)


def test_no_boxes_no_faces():
    assert keypoints_in_boxes(np.zeros((50, 50, 3), np.uint8), np.zeros((0, 4))).tracks == ()


@needs_pictures
def test_a_dog_is_found_with_its_mouth(dog):
    pixels, label = dog
    faces = detect_faces(pixels)
    track, points = faces.tracks[0], np.array(label["keypoints"])
    assert track.species == "dog" and faces.scores[0] > 0.5
    error = np.linalg.norm(track.keypoints[0] - points[:, :2], axis=1) / head_size(label["box"])
    assert error[points[:, 2] > 0].mean() < 0.04
    assert track.score[0].mean() > 0.5


def test_the_painted_fox_is_one_face_with_its_mouth_where_it_is():
    samples = ROOT / "animal_lipsync" / "samples"
    truth = Faces.from_json((samples / "fox.faces.json").read_text()).tracks[0]
    faces = detect_faces(np.asarray(Image.open(samples / "fox.jpg").convert("RGB")))
    assert len(faces.tracks) == 1 and faces.scores[0] > 0.5
    error = np.linalg.norm(faces.tracks[0].keypoints[0] - truth.keypoints[0], axis=1) / head_size(truth.boxes[0])
    assert error[2:8].mean() < 0.05


@needs_pictures
def test_the_mirrored_picture_has_the_mirrored_face(dog):
    pixels, label = dog
    width = pixels.shape[1]
    box = np.array(label["box"])
    mirrored = np.array([width - box[2], box[1], width - box[0], box[3]])
    points = keypoints_in_boxes(pixels, box[None]).tracks[0].keypoints[0]
    flipped = keypoints_in_boxes(np.ascontiguousarray(pixels[:, ::-1]), mirrored[None]).tracks[0].keypoints[0]
    flipped = (flipped * (-1, 1) + (width, 0))[list(MIRROR[:POINTS])]
    assert np.abs(points - flipped).max() < 0.01 * head_size(box)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_head_on_its_side_or_upside_down_has_its_points_where_they_are_upright(quarters):
    upright = np.asarray(Image.open(ROOT / "animal_lipsync" / "samples" / "fox.jpg").convert("RGB"))
    side = len(upright)
    assert upright.shape[1] == side
    turned = np.ascontiguousarray(np.rot90(upright, quarters))
    (face,) = detect_faces(upright).tracks
    points, corners = face.keypoints[0], face.boxes.reshape(2, 2)
    for _ in range(quarters):
        points, corners = (np.stack([at[:, 1], side - at[:, 0]], 1) for at in (points, corners))
    box = np.concatenate([corners.min(0), corners.max(0)])
    for faces in (detect_faces(turned), keypoints_in_boxes(turned, box[None])):
        (track,) = faces.tracks
        assert faces.scores[0] > 0.5
        assert box_iou(torch.tensor(track.boxes), torch.tensor(box[None])).item() > 0.5
        assert np.abs(track.keypoints[0] - points).max() < 0.05 * head_size(box)


@needs_pictures
@pytest.mark.parametrize("name", ["n02096585_Boston_bull", "n02085620_Chihuahua", "n02113624_toy_poodle"])
def test_a_head_is_verified_and_neither_a_part_of_it_nor_what_lies_beside_it_is(name):
    (label,) = json.loads((DATA / "pictures" / "keypoints.json").read_text())[f"{name}.JPEG"]
    pixels = np.asarray(Image.open(DATA / "pictures" / f"{name}.JPEG").convert("RGB"))
    x1, y1, x2, y2 = label["box"]
    boxes = torch.tensor([[x1, y1, x2, y2], [0, 0, x2 - x1, y2 - y1], [x1, y1, (x1 + x2) / 2, (y1 + y2) / 2]])
    with torch.inference_mode():
        head, *others = verify_faces(load_frame(pixels, torch.device("cpu")), boxes, load_detector().verifier)
    assert head > 1 and max(others) < -1


def test_of_two_looks_at_a_point_the_one_that_spreads_it_less_counts_more():
    spread = torch.tensor([[[0.1, 0.1, 1e-4]], [[0.1, 0.2, 1.0]]])
    weight = weigh(spread)
    assert torch.allclose(weight, torch.tensor([[[1 / 2, 16 / 17, 1.0]], [[1 / 2, 1 / 17, 0.0]]]))
    assert torch.allclose(weigh(7 * spread), weight)


@needs_pictures
@pytest.mark.parametrize("name", ["n02119789_kit_fox", "n02510455_giant_panda", "n02096585_Boston_bull"])
def test_of_two_looks_at_a_head_that_seems_turned_the_one_with_less_doubt_counts(name):
    (label,) = json.loads((DATA / "pictures" / "keypoints.json").read_text())[f"{name}.JPEG"]
    pixels = np.asarray(Image.open(DATA / "pictures" / f"{name}.JPEG").convert("RGB"))
    frame, boxes = load_frame(pixels, torch.device("cpu")), torch.tensor([label["box"]]).float()
    net = load_detector().head
    with torch.inference_mode():
        looks = [look(net, frame, crops_round(boxes), HEAD_AT)]
        looks += [look(net, frame, crops_round(boxes, roll=face_roll(looks[0].points)), HEAD_AT)]
        seen, _ = look_at_heads(frame, boxes, net, refine=False)
    assert abs(face_roll(looks[0].points)) > UPRIGHT
    surer = min(looks, key=lambda one: one.doubt[:, :POINTS].mean())
    assert torch.equal(seen.points, surer.points)


@needs_pictures
def test_a_box_of_the_whole_animal_finds_the_head_inside(dog):
    pixels, label = dog
    whole = np.array([[0, 0, pixels.shape[1], pixels.shape[0]]])
    track = keypoints_in_boxes(pixels, whole, whole_animals=True).tracks[0]
    assert box_iou(torch.tensor(track.boxes), torch.tensor([label["box"]])).item() > 0.5


@needs_pictures
def test_several_faces_in_one_batch_are_those_of_several_batches(dog):
    pixels, label = dog
    boxes = np.array([label["box"], np.array(label["box"]) + 7])
    both = keypoints_in_boxes(pixels, boxes).tracks
    for box, track in zip(boxes, both, strict=True):
        alone = keypoints_in_boxes(pixels, box[None]).tracks[0]
        assert np.allclose(alone.keypoints, track.keypoints, atol=0.05)


@needs_pictures
def test_a_drifting_dog_is_one_track_that_drifts(dog):
    small = np.asarray(Image.fromarray(dog[0]).resize((320, 320 * dog[0].shape[0] // dog[0].shape[1])))
    faces = track_faces(follow_faces(np.roll(small, 2 * t, axis=1) for t in range(12)), 25)
    track = faces.tracks[0]
    assert track.visible.all() and len(track) == 12
    assert np.allclose(np.diff(track.keypoints[:, :2, 0], axis=0).mean(), 2, atol=0.5)


@needs_pictures
def test_a_black_frame_between_has_no_face_and_the_track_goes_on(dog):
    small = np.asarray(Image.fromarray(dog[0]).resize((256, 256)))
    frames = [small] * 5 + [np.zeros_like(small)] + [small] * 5
    seen = list(follow_faces(frames))
    assert [len(d) > 0 for d in seen] == [True] * 5 + [False] + [True] * 5


@needs_pictures
def test_a_face_is_found_at_any_size(dog):
    pixels, label = dog
    for longer in (120, 480, 2000):
        scale = longer / max(pixels.shape[:2])
        size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        frame = load_frame(np.asarray(Image.fromarray(pixels).resize(size)), torch.device("cpu"))
        with torch.inference_mode():
            boxes, scores = find_boxes(load_detector().faces, frame)
        assert scores[0] > 0.3
        assert box_iou(boxes[:1] / scale, torch.tensor([label["box"]])).item() > 0.5


def test_the_library_imports_without_torch():
    code = "import sys, animal_lipsync, animal_lipsync.tracking; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
