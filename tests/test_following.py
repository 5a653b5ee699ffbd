import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageFilter

from animal_lipsync.clip import Clip
from animal_lipsync.finding import faces_by, find_faces
from animal_lipsync.following import follow_face, follow_faces
from animal_lipsync.found_heads import Found, believe, place_heads
from animal_lipsync.prior import fill_points
from animal_lipsync.speaker import NoFaceError, choose_face
from animal_lipsync.tracking import track_faces
from animal_lipsync.types import FaceTrack
from tests.test_detection import DATA, needs_pictures

pytestmark = needs_pictures
WIDTH, HEIGHT = 480, 270


@pytest.fixture(scope="module")
def heads():
    """Two dogs' heads that look unlike each other, 110 pixels high, with soft edges."""
    labels = json.loads((DATA / "pictures" / "keypoints.json").read_text())
    cut = []
    for name in ("lp_s25.jpg", "n02113624_toy_poodle.JPEG"):
        x1, y1, x2, y2 = (int(side) for side in labels[name][0]["box"])
        picture = Image.open(DATA / "pictures" / name).convert("RGB").crop((x1, y1, x2, y2))
        picture = picture.resize((round(110 * (x2 - x1) / (y2 - y1)), 110))
        mask = Image.new("L", picture.size, 0)
        mask.paste(255, (6, 6, picture.width - 6, picture.height - 6))
        cut.append((picture, mask.filter(ImageFilter.GaussianBlur(4))))
    return cut


def wood(seed=0, width=WIDTH, height=HEIGHT):
    """A background of soft blobs."""
    noise = np.random.default_rng(seed).integers(80, 150, (height // 10, width // 10, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.BICUBIC)


def stage(background, *animals):
    """A frame with (head, x, y) pasted in, the last one in front; x and y are of the head's middle."""
    frame = background.copy()
    for (picture, mask), x, y in animals:
        frame.paste(picture, (round(x) - picture.width // 2, round(y) - picture.height // 2), mask)
    return np.asarray(frame)


def middles(track):
    return track.boxes.reshape(-1, 2, 2).mean(1)


def follow(frames, rate=25):
    return track_faces(follow_faces(frames), Fraction(rate))


def test_a_head_is_followed_exactly_between_searches(heads):
    at = [(130 + 4 * t, 130 + 20 * np.sin(t / 6)) for t in range(40)]
    (track,) = follow(stage(wood(), (heads[0], *place)) for place in at).tracks
    assert track.visible.all()
    drift = track.keypoints.mean(1) - np.round(at)
    assert np.abs(drift - drift.mean(0)).max() < 0.02 * 110


def test_a_still_head_keeps_still_under_the_grain_of_a_camera(heads):
    random = np.random.default_rng(0)
    still = stage(wood(), (heads[0], 240, 130)).astype(float)
    grainy = ((still + random.normal(0, 5, still.shape)).clip(0, 255).astype(np.uint8) for _ in range(60))
    (track,) = follow(grainy).tracks
    size = (track.boxes[0, 2:] - track.boxes[0, :2]).max()
    assert (track.keypoints - track.keypoints.mean(0)).std(0).mean() < 0.0015 * size


def test_two_that_cross_keep_who_they_are(heads):
    def frames():
        for t in range(56):
            yield stage(wood(), (heads[1], 400 - 6 * t, 125), (heads[0], 80 + 6 * t, 145))

    faces = follow(frames())
    assert len(faces.tracks) == 2
    front, back = faces.tracks
    assert abs(middles(front)[-1, 0] - middles(front)[0, 0] - 330) < 30
    assert abs(middles(back)[-1, 0] - middles(back)[0, 0] + 330) < 30
    assert front.visible.all() and not back.visible.all()


def test_a_head_that_comes_back_from_behind_something_is_the_same_one(heads):
    tree = (Image.new("RGB", (130, HEIGHT), (60, 45, 30)), Image.new("L", (130, HEIGHT), 255))
    at = [(70 + 10 * t, 130) for t in range(36)]
    (track,) = follow(stage(wood(), (heads[0], *place), (tree, 230, 135)) for place in at).tracks
    assert track.visible[:8].all() and track.visible[-4:].all()


def test_a_new_scene_is_found_at_once_and_is_not_the_old_one(heads):
    first, second = wood(0), wood(1).point(lambda level: 255 - level // 2)
    frames = [stage(first, (heads[0], 130, 130))] * 11 + [stage(second, (heads[1], 330, 130))] * 11
    faces = follow(frames)
    assert [np.flatnonzero(track.visible).tolist() for track in faces.tracks] == [list(range(11)), list(range(11, 22))]


def test_a_head_that_is_found_late_is_followed_back_to_where_it_appeared(heads):
    frames = [stage(wood())] * 11 + [stage(wood(), (heads[0], 240 + 2 * t, 130)) for t in range(13)]
    (track,) = follow(frames).tracks
    assert np.flatnonzero(track.visible)[0] == 11


@pytest.mark.parametrize("frame", [0, 17, 29])
def test_one_face_is_followed_both_ways_from_any_frame(heads, frame):
    at = [(140 + 5 * t, 140 - 20 * np.sin(t / 5)) for t in range(30)]
    clip = Clip.from_frames(np.stack([stage(wood(), (heads[1], *place)) for place in at]))
    x, y = np.round(at[frame])
    box = np.array([x - 50, y - 50, x + 50, y + 50], np.float32)
    points, score = fill_points(np.zeros((9, 2)), np.zeros(9), box)
    known = FaceTrack(box[None], points[None], score[None], np.ones(1, bool), "mole")
    track = follow_face(clip, known, frame)
    assert track.visible.all() and track.species == "mole"
    assert np.abs(middles(track) - np.round(at)).max() < 3
    assert np.allclose(track.keypoints[frame], points, atol=1e-3)


def test_a_face_that_leaves_is_not_visible_any_more(heads):
    at = [(240 + 14 * max(0, t - 5), 130) for t in range(45)]
    clip = Clip.from_frames(np.stack([stage(wood(), (heads[0], *place)) for place in at]))
    box = np.array([[185, 75, 295, 185]], np.float32)
    points, score = fill_points(np.zeros((9, 2)), np.zeros(9), box[0])
    track = follow_face(clip, FaceTrack(box, points[None], score[None], np.ones(1, bool)), 0)
    assert track.visible[:10].all() and not track.visible[-10:].any()


# ---- bad input -------------------------------------------------------------------------------------------------------


def test_no_animal_is_answered_with_the_best_candidate_and_its_frame():
    faces = find_faces(Clip.from_frames(np.stack([stage(wood(t)) for t in range(4)])))
    with pytest.raises(NoFaceError, match=r"4 frames; best candidate 0\.\d\d at frame \d; draw a box"):
        choose_face(faces)


def test_a_video_of_one_frame_is_a_picture(heads):
    clip = Clip.from_frames(stage(wood(), (heads[0], 240, 130))[None])
    assert len(find_faces(clip).tracks) == 1


def test_a_crowd_is_numbered_from_left_to_right_and_no_head_twice(heads):
    crowd = [(heads[i % 2], 90 + 150 * (i % 4), 68 + 135 * (i // 4)) for i in range(8)]
    faces = track_faces(follow_faces([stage(wood(0, 640, 270), *crowd)] * 3, min_score=0.1), Fraction(25))
    centres = np.array([middles(track)[0] for track in faces.tracks])
    assert 3 <= len(faces.tracks) <= 8
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1) + 1e3 * np.eye(len(centres))
    assert apart.min() > 60 and (np.diff(centres[:, 0]) >= 0).all()


def test_forty_faces_at_once_are_followed(heads):
    """Whether a crowd is found is the networks' business; here every head is given."""
    crowd = [(heads[i % 2], 64 + 128 * (i % 10), 68 + 135 * (i // 10)) for i in range(40)]
    frame = stage(wood(0, 1280, 540), *crowd)
    boxes = np.array([[x - 50, y - 50, x + 50, y + 50] for _, x, y in crowd], float)
    clip = Clip.from_frames(np.stack([np.roll(frame, 3 * t, axis=1) for t in range(5)]))
    found = Found(boxes, np.ones(40), ("dog",) * 40)
    faces = faces_by(clip, lambda index, pixels: found._replace(boxes=boxes + 3 * index * np.array([1, 0, 1, 0])))
    assert len(faces.tracks) == 40
    assert all(np.allclose(np.diff(middles(track)[:, 0]), 3, atol=0.7) for track in faces.tracks[:36])


@pytest.mark.parametrize("change", ["cut by the frame", "20 pixels", "upside down", "dark"])
def test_a_hard_head_is_found_where_it_is_or_not_at_all(heads, change):
    (picture, mask), place = heads[0], [240, 130]
    if change == "cut by the frame":
        place = [240, 15]
    if change == "20 pixels":
        picture, mask = picture.resize((20, 20)), mask.resize((20, 20))
    if change == "upside down":
        picture, mask = picture.rotate(180), mask.rotate(180)
    frame = stage(wood(), ((picture, mask), *place))
    if change == "dark":
        frame = (frame.astype(float) * 0.08 + np.random.default_rng(0).normal(3, 2, frame.shape)).clip(0, 255)
    faces = follow([frame.astype(np.uint8)] * 4)
    for track, score in zip(faces.tracks, faces.scores, strict=True):
        size = max(picture.size)
        assert np.abs(middles(track) - place).max() < size or score < 0.5


def test_damaged_frames_in_the_middle_cost_no_more_than_themselves(heads):
    frames = [stage(wood(), (heads[0], 150 + 3 * t, 130)) for t in range(40)]
    random = np.random.default_rng(0)
    for t in (17, 18, 19):
        frames[t] = random.integers(0, 2, frames[t].shape, np.uint8) * 255
    (track,) = follow(frames).tracks
    assert track.visible[[*range(17), *range(20, 40)]].all()
    drift = middles(track)[:, 0] - (150 + 3 * np.arange(40))
    assert np.abs(drift - np.median(drift)).max() < 6


@pytest.mark.parametrize("box", [(-50, -50, -10, -10), (700, 10, 900, 90), (10, 10, 13, 90), (10, -90, 90, 3)])
def test_a_box_that_shows_next_to_nothing_is_refused(box):
    around = np.array([(10, 10, 90, 90), box], np.float32)
    with pytest.raises(ValueError, match="holds no head: the picture has 96 x 80 pixels; draw the box round the head"):
        place_heads(np.zeros((80, 96, 3), np.uint8), Found(around, np.ones(2), ("", "")))


def test_points_that_someone_else_is_sure_of_carry_the_usual_head():
    box = np.array([[100.0, 60, 200, 160]], np.float32)
    eyes, score = np.zeros((1, 9, 2), np.float32), np.zeros((1, 9), np.float32)
    eyes[0, :2], score[0, :2] = [[120, 100], [160, 110]], 0.9
    found = Found(box, np.ones(1), ("cow",))
    seen = replace(place_heads(np.asarray(wood()), found), scores=np.full(1, 0.1, np.float32))
    seen = believe(seen, found.species, (eyes, score))
    points, trust = seen.keypoints[0], seen.keypoint_scores[0]
    assert seen.species == ("cow",) and np.allclose(points[:2], eyes[0, :2]) and (trust[:2] > 0.5).all()
    assert (trust[2:] == 0).all() and seen.scores[0] < 0.3
    across, down = points[1] - points[0], points[7] - points[:2].mean(0)
    assert abs(across @ down) < 0.01 * np.linalg.norm(across) * np.linalg.norm(down), (
        "the head is turned as its eyes are"
    )
