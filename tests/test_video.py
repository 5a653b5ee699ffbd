import gc
import struct
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from animal_lipsync import video
from animal_lipsync.video import (
    extend_frames,
    frame_to_time,
    pingpong_indices,
    probe,
    read_frames,
    read_pictures,
    time_to_frame,
)
from animal_lipsync.video_writer import VideoWriter
from tests.videos import RATES, noise, number_of, numbered, write

rates = st.sampled_from(RATES) | st.fractions(min_value=1, max_value=240, max_denominator=1001)


def make_clip(
    path, stamps, *, rate=25, time_base=Fraction(1, 90_000), codec="libx264", pix_fmt="yuv420p", size=(64, 48)
):
    """A clip that shows `numbered(i)` from stamps[i] on; the last frame is shown for 1 / rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"g": "12"})
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = time_base
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(numbered(number, *size), format="rgb24")
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def regular(count, rate, time_base=Fraction(1, 90_000)):
    return [round(Fraction(index) / rate / time_base) for index in range(count)]


# Time


@given(frame=st.integers(0, 10_000_000), rate=rates)
def test_time_and_frame_are_inverse(frame, rate):
    assert time_to_frame(frame_to_time(frame, rate), rate) == frame


@given(time=st.floats(0, 36_000), rate=rates)
def test_a_time_lies_within_its_frame(time, rate):
    frame = time_to_frame(time, rate)
    assert frame_to_time(frame, rate) <= time + 1e-6 and time < frame_to_time(frame + 1, rate)


@given(frames=st.integers(1, 40), count=st.integers(0, 200))
def test_pingpong_steps_by_one_and_turns_at_the_ends(frames, count):
    indices = pingpong_indices(frames, count)
    there_and_back = [*range(frames), *range(frames - 2, 0, -1)]
    assert indices.tolist() == [there_and_back[i % len(there_and_back)] for i in range(count)]


def test_pingpong_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        pingpong_indices(0, 5)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("time_base", [Fraction(1, 90_000), Fraction(1, 1000), Fraction(1, 12_800), None])
@pytest.mark.parametrize("rounding", [round, int])
def test_ten_minutes_of_stamps_lose_no_frame(rate, time_base, rounding):
    time_base = time_base or 1 / rate
    ten_minutes = int(600 * rate)
    frames = np.array([*range(500), *range(ten_minutes - 500, ten_minutes)])
    stamps = np.array([rounding(Fraction(int(frame)) / rate / time_base) for frame in frames])
    due = np.array([video.due_tick(int(frame), rate, time_base) for frame in frames])
    assert (stamps <= due).all() and (due[:-1] < stamps[1:]).all()


def test_resampling_ten_minutes_does_not_drift():
    source, target, time_base = Fraction(30000, 1001), Fraction(25), Fraction(1, 30000)
    for index in range(0, 15_000, 7):
        shown = int(video.due_tick(index, target, time_base) * time_base * source)
        assert shown / source - time_base <= index / target < (shown + 1) / source


# Reading


@pytest.mark.parametrize("rate", RATES)
def test_a_regular_clip_is_read_frame_by_frame_at_its_own_rate(tmp_path, rate):
    clip = make_clip(tmp_path / "a.mp4", regular(30, rate), rate=rate)
    info = probe(clip)
    assert (info.width, info.height, info.frames, info.has_audio) == (64, 48, 30, False)
    assert info.frame_rate == rate
    assert info.duration == pytest.approx(30 / rate, abs=1e-3)
    assert [number_of(frame) for frame in read_frames(clip)] == list(range(30))


def test_stamps_rounded_to_milliseconds_lose_no_frame(tmp_path):
    rate = Fraction(30000, 1001)
    clip = make_clip(tmp_path / "a.mkv", regular(40, rate, Fraction(1, 1000)), time_base=Fraction(1, 1000))
    assert [number_of(frame) for frame in read_frames(clip, frame_rate=rate)] == list(range(40))


def test_frames_come_at_irregular_times_and_keep_them(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", [0, 9000, 45_000, 54_000, 90_000], rate=5)  # 0, 0.1, 0.5, 0.6, 1 s
    info = probe(clip)
    assert info.duration == pytest.approx(1.2)
    frames = list(read_frames(clip, frame_rate=Fraction(10)))
    assert [number_of(frame) for frame in frames] == [0, 1, 1, 1, 1, 2, 3, 3, 3, 3, 4, 4]
    assert info.frames_at(Fraction(10)) == len(frames)
    assert frames[1] is frames[2]


@pytest.mark.parametrize("target", [Fraction(24000, 1001), Fraction(25), Fraction(60)])
def test_another_rate_shows_the_newest_picture(tmp_path, target):
    clip = make_clip(tmp_path / "a.mp4", regular(30, Fraction(30)), rate=30)
    shown = [number_of(frame) for frame in read_frames(clip, frame_rate=target)]
    assert shown == [int(Fraction(index * 30) / target) for index in range(round(target))]


@pytest.mark.parametrize("start", [0, 1, 11, 12, 13, 29, 30, 99])
def test_reading_from_the_middle_is_reading_the_rest(tmp_path, start):
    clip = make_clip(tmp_path / "a.mp4", regular(30, Fraction(25)))
    assert [number_of(frame) for frame in read_frames(clip, start=start)] == list(range(start, 30))


def test_a_clip_need_not_start_at_zero(tmp_path):
    clip = make_clip(tmp_path / "a.mkv", [stamp + 180_000 for stamp in regular(20, Fraction(25))])
    assert [number_of(frame) for frame in read_frames(clip)] == list(range(20))
    assert [number_of(frame) for frame in read_frames(clip, start=15)] == list(range(15, 20))


@pytest.mark.parametrize("suffix, codec, pix_fmt", [
    ("mkv", "libx264", "yuv420p10le"),
    ("mov", "prores_ks", "yuv422p10le"),
    ("mp4", "libx264", "yuvj420p"),
    ("mp4", "libx264", "yuv444p"),
    ("avi", "mpeg4", "yuv420p"),
    ("webm", "libvpx-vp9", "yuv420p"),
    ("ts", "mpeg2video", "yuv420p"),
    ("gif", "gif", "rgb8"),
])  # fmt: skip
def test_kinds_of_video_files(tmp_path, suffix, codec, pix_fmt):
    clip = make_clip(tmp_path / f"a.{suffix}", range(10), time_base=Fraction(1, 25), codec=codec, pix_fmt=pix_fmt)
    frames = list(read_frames(clip))
    assert len(frames) == probe(clip).frames == 10
    assert all(frame.shape == (48, 64, 3) and frame.dtype == np.uint8 for frame in frames)
    assert [number_of(frame) for frame in frames] == list(range(10))


@pytest.mark.parametrize("size", [(33, 21), (1, 1), (2, 5)])
def test_odd_sizes_are_read_whole(tmp_path, size):
    clip = make_clip(tmp_path / "a.mkv", regular(3, Fraction(25)), codec="ffv1", pix_fmt="yuv444p", size=size)
    assert [frame.shape for frame in read_frames(clip)] == [(size[1], size[0], 3)] * 3


@pytest.mark.parametrize("matrix, code", [("bt709", 1), ("bt601", 5)])
@pytest.mark.parametrize("full_range", [False, True])
def test_the_colour_matrix_and_range_of_the_file_are_respected(tmp_path, matrix, code, full_range):
    kr, kb = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114)}[matrix]
    red, green, blue = rgb = np.array([200.0, 60.0, 30.0])
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    yuv = (
        [luma, cb + 128, cr + 128]
        if full_range
        else [16 + luma * 219 / 255, 128 + cb * 224 / 255, 128 + cr * 224 / 255]
    )
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "1"})
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = code, 2 if full_range else 1
        planes = [np.full(shape, round(level), np.uint8) for level, shape in zip(yuv, [1024, 256, 256], strict=True)]
        frame = av.VideoFrame.from_ndarray(np.concatenate(planes).reshape(48, 32), format="yuv420p")
        frame.colorspace, frame.color_range = code, 2 if full_range else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (frame,) = read_frames(tmp_path / "a.mp4")
    np.testing.assert_allclose(frame.mean(axis=(0, 1)), rgb, atol=3)


def test_transparency_is_flattened_over_white(tmp_path):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, 8:] = [200, 100, 0, 128]
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width = stream.height = 16
        stream.pix_fmt = "rgba"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))
        container.mux(stream.encode(None))
    (frame,) = read_frames(tmp_path / "a.mov")
    assert frame[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_allclose(frame[0, 15].astype(int), [227, 177, 127], atol=1)


@pytest.mark.parametrize("matrix, corner", [
    ((1, 0, 0, 1), (0, 0)),
    ((0, 1, -1, 0), (0, -1)),
    ((-1, 0, 0, -1), (-1, -1)),
    ((0, -1, 1, 0), (-1, 0)),
    ((-1, 0, 0, 1), (0, -1)),
    ((1, 0, 0, -1), (-1, 0)),
    ((0, 1, 1, 0), (0, 0)),
    ((0, -1, -1, 0), (-1, -1)),
])  # fmt: skip
def test_the_turn_and_the_mirror_a_telephone_writes_are_applied(tmp_path, matrix, corner):
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:16, :16] = 255  # top left before it is turned
    path = write(tmp_path / "a.mp4", [picture] * 3)
    content = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", content, content.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    frame = next(read_frames(path))
    info = probe(path)
    assert frame.shape[:2] == (info.height, info.width) == ((64, 32) if matrix[1] else (32, 64))
    assert frame[corner].mean() > 240 and frame.mean() < 80
    picture = next(read_pictures(path, info.frame_rate, longest=1920))
    assert picture.size == (info.width, info.height)
    part, x, y, _ = picture.part(8, 4, 20, 30)
    height, width = part.shape[:2]
    assert np.abs(part.astype(int) - frame[y : y + height, x : x + width]).max() <= 2


def test_what_lies_beside_the_pixels_of_a_picture_breaks_nothing(tmp_path):
    picture, exif, profile = Image.new("RGB", (64, 32), (200, 60, 30)), Image.Exif(), ImageCms.createProfile("sRGB")
    exif[0x010F] = "Camera"
    picture.save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "a.mjpeg").write_bytes((tmp_path / "a.jpg").read_bytes() * 3)
    others, profile = [Image.new("RGB", (64, 32))] * 2, ImageCms.ImageCmsProfile(profile).tobytes()
    picture.save(tmp_path / "a.png", save_all=True, append_images=others, icc_profile=profile)
    for name in ("a.mjpeg", "a.png"):
        frame = next(read_frames(tmp_path / name))
        gc.collect()
        assert frame.shape == (32, 64, 3) and np.abs(frame - [200.0, 60, 30]).max() < 5


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 72, 48
        stream.pix_fmt = "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(0, 72, 48), format="rgb24")))
        container.mux(stream.encode(None))
    assert probe(tmp_path / "a.mkv").width == 96


def test_a_clip_slower_than_any_mouth_is_read_at_one_frame_a_second(tmp_path):
    clip = make_clip(tmp_path / "a.mkv", [0, 3600_000, 7200_000], time_base=Fraction(1, 1000))
    info = probe(clip)
    assert info.frame_rate == 1 and info.frames == round(info.duration) > 7000
    shown = read_frames(clip, start=3598)
    assert [number_of(next(shown)) for _ in range(4)] == [0, 0, 1, 1]


def test_a_clip_of_days_is_refused_before_it_is_listed(tmp_path):
    clip = make_clip(tmp_path / "a.mkv", [0, 40, 10**9], time_base=Fraction(1, 1000))
    with pytest.raises(ValueError, match="a.mkv claims to last 278 hours"):
        probe(clip)


def test_pictures_coded_in_another_size_on_the_way_are_scaled(tmp_path):
    stamps = regular(10, 25)
    halves = [make_clip(tmp_path / "1.ts", stamps[:5]), make_clip(tmp_path / "2.ts", stamps[5:], size=(128, 96))]
    parts = [half.read_bytes() for half in halves]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    info = probe(tmp_path / "both.ts")
    assert {frame.shape for frame in read_frames(tmp_path / "both.ts")} == {(info.height, info.width, 3)}


def test_a_tile_of_a_photograph_is_no_video(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", minversion="1.8")
    photograph = Image.fromarray(noise(1, 256, 192)[0])
    pillow_heif.from_pillow(photograph).save(tmp_path / "a.heic", tile_size=128)
    with pytest.raises(ValueError, match="a.heic has no video"):
        probe(tmp_path / "a.heic")


def test_a_playlist_opens_no_other_file_and_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("a.mp4", noise(3))
    Path("list.ffconcat").write_text("ffconcat version 1.0\nfile a.mp4\n")
    with pytest.raises(ValueError, match="list.ffconcat is damaged, or neither a picture nor a video"):
        probe("list.ffconcat")
    assert probe(write("concat:a.mp4", noise(4))).frames == 4


def test_bad_files_are_refused_by_name(tmp_path):
    whole = write(tmp_path / "whole.mp4", noise(30)).read_bytes()
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        silence.sample_rate = 48_000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    for name, content, reason in (
        ("empty.mp4", b"", "empty"),
        ("text.mp4", b"hello", "damaged"),
        ("cut.mp4", whole[:300], "damaged|no pictures|no video"),
        ("zeros.mp4", bytes(5000), "damaged"),
        ("sound.mp4", None, "has no video"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        for read in (probe, lambda path: next(read_frames(path)), lambda path: next(extend_frames(path, 5))):
            with pytest.raises(ValueError, match=f"{name}.*({reason})"):
                read(path)
    with pytest.raises(ValueError, match="no video at"):
        probe(tmp_path / "missing.mp4")


def test_a_clip_cut_short_delivers_what_it_has_or_says_it_is_damaged(tmp_path):
    whole = write(tmp_path / "whole.mp4", noise(60)).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    try:
        assert 0 < len(list(read_frames(tmp_path / "half.mp4"))) <= 60
    except ValueError as error:
        assert "half.mp4" in str(error)


def test_closing_early_closes_the_file(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", regular(30, Fraction(25)))
    frames = read_frames(clip)
    next(frames)
    frames.close()
    assert list(frames) == []


# Extending


@pytest.mark.parametrize("budget", [1, 20_000, 10**9])
@pytest.mark.parametrize("frames, count", [(1, 5), (2, 7), (25, 10), (25, 25), (25, 26), (25, 120)])
def test_a_short_clip_goes_forth_and_back_whatever_the_budget(tmp_path, monkeypatch, budget, frames, count):
    monkeypatch.setattr(video, "FRAME_BUDGET", budget)
    clip = make_clip(tmp_path / "a.mp4", regular(frames, Fraction(25)))
    shown = [number_of(frame) for frame in extend_frames(clip, count)]
    assert shown == pingpong_indices(frames, count).tolist()


def test_an_irregular_clip_goes_forth_and_back_at_the_rate_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "FRAME_BUDGET", 20_000)
    clip = make_clip(tmp_path / "a.mp4", [0, 9000, 45_000, 54_000, 90_000])
    forth = [number_of(frame) for frame in read_frames(clip, frame_rate=Fraction(10))]
    shown = [number_of(frame) for frame in extend_frames(clip, 50, frame_rate=Fraction(10))]
    assert shown == [forth[index] for index in pingpong_indices(len(forth), 50)]


def test_real_clips_keep_their_length_forth_and_back(data):
    for path in sorted((data / "videos").glob("*.mp4")):
        info = probe(path)
        assert abs(info.frames - info.duration * info.frame_rate) < 0.5
        first = next(read_frames(path))
        assert first.shape == (info.height, info.width, 3)
        last = next(read_frames(path, start=info.frames - 1))
        assert last.shape == first.shape


def test_a_clip_whose_seek_points_cannot_be_decoded_is_read_from_its_start(data):
    path = data / "videos" / "v10_cockatoo.mp4"
    through = next(islice(read_frames(path), 100, None))
    assert np.array_equal(next(read_frames(path, start=100)), through)


@pytest.mark.parametrize("size", [(320, 240), (322, 242)])
def test_a_part_of_a_picture_is_that_part_of_the_whole(size, tmp_path):
    path = tmp_path / "soft.mp4"
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    with VideoWriter(path, *size, Fraction(25)) as video:
        for t in range(3):
            video.write(np.stack([x // 2 + 20 * t, y // 2 + 20, (x + y) // 4], -1).clip(0, 255).astype(np.uint8))
    for whole, picture in zip(read_frames(path), read_pictures(path, Fraction(25), longest=1920), strict=True):
        assert picture.size == size
        for left, top, right, bottom in ((31, 17, 140, 101), (0, 0, *size), (size[0] - 3, 5, size[0], 6)):
            part, x, y, _ = picture.part(left, top, right, bottom)
            height, width = part.shape[:2]
            assert x <= left < right <= x + width and y <= top < bottom <= y + height
            assert np.abs(part.astype(int) - whole[y : y + height, x : x + width]).max() <= 2
            half, x, y, scale = picture.part(left, top, right, bottom, scale=0.5)
            assert scale == 0.5 and half.shape[:2] == (max(1, round(height / 2)), max(1, round(width / 2)))
        assert np.array_equal(picture.pixels, whole)


def test_pictures_in_the_middle_that_cannot_be_decoded_cost_no_others(tmp_path, caplog):
    path = make_clip(tmp_path / "clip.mp4", regular(36, 25))
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for start, size in packets[14:17]:
        content[start : start + size] = b"\xff" * size
    path.write_bytes(content)
    numbers = [number_of(frame) for frame in read_frames(path)]
    assert len(numbers) == 36 and numbers[:12] == list(range(12)) and numbers[24:] == list(range(24, 36))
    assert len(list(read_pictures(path, Fraction(25), longest=1920))) == 36 and len(list(extend_frames(path, 50))) == 50
    assert caplog.text.count("is damaged") == 1


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p"])
def test_a_part_has_its_place_and_colours_however_they_are_kept(pix_fmt, tmp_path):
    path = make_clip(tmp_path / "clip.mp4", regular(1, 25), pix_fmt=pix_fmt, size=(192, 160))
    (picture,) = read_pictures(path, Fraction(25), longest=1920)
    whole = picture.pixels.astype(int)
    part, x, y, _ = picture.part(51, 33, 100, 80)
    assert part.shape == (64, 64, 3), "not all of it"
    assert np.abs(part - whole[y : y + 64, x : x + 64]).max() <= 2
    half, x, y, _ = picture.part(51, 33, 100, 80, scale=0.5)
    halved = whole[y : y + 64, x : x + 64].reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(half - halved).mean() < 4


def test_large_pictures_are_read_smaller(tmp_path):
    path = tmp_path / "large.mp4"
    with VideoWriter(path, 640, 320, Fraction(25)) as video:
        video.write(np.full((320, 640, 3), 90, np.uint8))
    (picture,) = read_pictures(path, Fraction(25), longest=200)
    assert picture.size == (200, 100) and picture.pixels.shape == picture.part(0, 0, 200, 100)[0].shape == (100, 200, 3)
