from fractions import Fraction
from functools import partial

import av
import numpy as np
import pytest
from PIL import Image

from animal_lipsync.animate import animate
from animal_lipsync.clip import Clip
from animal_lipsync.engine import WarpEngine
from animal_lipsync.image import to_pixels
from animal_lipsync.parts import animate_in_parts, draw_part, part_bounds
from animal_lipsync.video import probe, read_frames
from animal_lipsync.video_writer import write_video
from animal_lipsync.workers import share_out
from tests.animals import joined, make_face, pose, rough_picture, soft_picture, speak

WIDTH, HEIGHT, COUNT = 162, 150, 100


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Two seconds of a lit picture that grows brighter."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    frames = (to_pixels(soft_picture(WIDTH, HEIGHT) * (0.7 + 0.006 * i))[0] for i in range(COUNT // 2))
    list(write_video(path, frames, WIDTH, HEIGHT, Fraction(25), crf=1))
    return Clip.open(path)


FACE = joined(*(make_face(at=(80, 76), size=20 + 0.1 * i) for i in range(COUNT // 2)))
MOTION = pose(COUNT, jaw_open=np.abs(np.sin(np.arange(COUNT) / 5)))


def here(task, jobs):
    for job in jobs:
        for answer in draw_part(**job):
            yield job, answer


def in_parts(clip, output, *, share_out=here, face=FACE, motion=MOTION):
    return animate_in_parts(clip, face, motion, speak(4), output, WarpEngine(), seconds=1, share_out=share_out)


def packets(path, kind):
    with av.open(str(path)) as container:
        (stream,) = getattr(container.streams, kind)
        return [(packet.dts, packet.pts) for packet in container.demux(stream) if packet.dts is not None]


def test_parts_make_the_video_that_one_makes(clip, tmp_path):
    whole, joint = tmp_path / "whole.mp4", tmp_path / "joint.mp4"
    list(animate(clip, FACE, MOTION, speak(4), whole, WarpEngine()))
    assert sum(in_parts(clip, joint)) == COUNT
    assert probe(joint) == probe(whole)
    for one, other in zip(read_frames(whole), read_frames(joint), strict=True):
        assert np.abs(one.astype(int) - other).mean() < 2
    assert packets(joint, "audio") == packets(whole, "audio")
    times = packets(joint, "video")
    assert [dts for dts, _ in times] == sorted({dts for dts, _ in times})
    assert sorted(pts for _, pts in times) == sorted(pts for _, pts in packets(whole, "video"))
    assert sorted(tmp_path.iterdir()) == [joint, whole]


def test_parts_of_a_still(tmp_path):
    path = tmp_path / "still.png"
    Image.fromarray(to_pixels(rough_picture(WIDTH, HEIGHT))[0]).save(path)
    output = tmp_path / "still.mp4"
    assert sum(in_parts(Clip.open(path), output, face=FACE[:1])) == COUNT
    assert probe(output).frames == COUNT


@pytest.mark.parametrize("seconds, count", [(1, 100), (1.5, 400), (4, 99), (60, 30), (1, 1)])
def test_bounds_cover_every_frame_once_and_cut_where_the_mouth_is_calm(seconds, count):
    jaw = np.random.default_rng(count).uniform(0, 1, count)
    bounds = part_bounds(pose(count, jaw_open=jaw), seconds)
    assert bounds[0][0] == 0 and bounds[-1][1] == count
    assert all(stop == start for (_, stop), (start, _) in zip(bounds[:-1], bounds[1:], strict=True))
    lengths = [(stop - start) / 25 for start, stop in bounds]
    assert max(lengths) <= 1.3 * seconds and (len(lengths) == 1 or min(lengths[:-1]) >= 0.7 * seconds)
    steps = np.abs(np.diff(jaw, prepend=jaw[0]))
    assert all(steps[start] <= np.median(steps) for start, _ in bounds)


def test_a_part_that_fails_leaves_nothing_and_says_why(clip, tmp_path):
    def fails(task, jobs):
        yield jobs[0], 25
        yield jobs[1], OSError("Cannot write it (No space left on device)")

    with pytest.raises(OSError, match="No space left"):
        list(in_parts(clip, tmp_path / "out.mp4", share_out=fails))
    assert not list(tmp_path.iterdir())


def test_cancelled_in_processes_of_their_own_leaves_nothing(clip, tmp_path):
    drawing = in_parts(clip, tmp_path / "out.mp4", share_out=partial(share_out, workers=2))
    assert next(drawing) > 0
    drawing.close()
    assert not list(tmp_path.iterdir())
