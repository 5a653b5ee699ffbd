"""The inpaint engine given MuseTalk's own boxes, mask and windows, against that pipeline's published steps."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
import torch

from animal_lipsync.image import read_picture, to_frames, to_pixels
from animal_lipsync.upstream import cut_box, place_box, soften
from tests.animals import make_face

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")

from benchmarks import upstream  # noqa: E402

FOX = files("animal_lipsync") / "samples" / "fox.jpg"
BOX = (270, 235, 701, 746)


def boxed(box, frames: int = 1):
    return replace(make_face(frames=frames), boxes=np.tile(np.float32(box), (frames, 1)))


def test_the_mask_is_theirs():
    painted = np.full((256, 256, 3), 255, np.uint8)
    theirs = upstream.paste(np.zeros((1024, 1024, 3), np.uint8), painted, BOX, upstream.segments_of(BOX))[..., 0]
    x1, y1, x2, y2 = BOX
    segments = torch.from_numpy(upstream.segments_of(BOX) / np.float32(255))
    ours = soften(place_box(boxed(BOX)), segments=segments)[0].numpy() * 255
    assert not theirs[: y1 + 100].any() and (theirs > 250).mean() > 0.03
    assert np.abs(cv2.resize(ours, (x2 - x1, y2 - y1)) - theirs[y1:y2, x1:x2]).max() < 4


@pytest.mark.parametrize("box", [BOX, (0, 0, 90, 131)])
def test_the_face_is_cut_as_opencv_cuts_it(box):
    pixels = read_picture(FOX)
    x1, y1, x2, y2 = box
    theirs = cv2.resize(pixels[y1:y2, x1:x2], (256, 256), interpolation=cv2.INTER_LANCZOS4)
    ours = to_pixels(cut_box(to_frames(pixels[None]), place_box(boxed(box))))[0]
    assert np.abs(ours.astype(int) - theirs).max() <= 1 and (ours != theirs).mean() < 0.1


def test_frames_are_those_of_the_published_steps():
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    found = upstream.compare(0.5, at=(8,))
    assert found["windows_alike"] and found["changed"] > 0.05
    assert found["mean_where_changed"] < 2
