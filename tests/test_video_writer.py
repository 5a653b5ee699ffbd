from fractions import Fraction

import av
import numpy as np
import pytest

from animal_lipsync.types import Audio
from animal_lipsync.video import probe, read_frames
from animal_lipsync.video_writer import VideoWriter
from tests.videos import RATES, noise, number_of, numbered, write


@pytest.mark.parametrize("rate", RATES)
def test_what_is_written_is_read_back(tmp_path, rate):
    clip = write(tmp_path / "a.mp4", [numbered(index) for index in range(40)], rate)
    info = probe(clip)
    assert (info.frame_rate, info.frames, info.width, info.height) == (rate, 40, 64, 48)
    assert [number_of(frame) for frame in read_frames(clip)] == list(range(40))
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert [frame.pts * frame.time_base for frame in container.decode(stream)] == [
            index / rate for index in range(40)
        ]


@pytest.mark.parametrize("width, told", [(4096, False), (4098, True)])
def test_a_video_too_large_for_most_devices_is_told_of(tmp_path, caplog, width, told):
    with VideoWriter(tmp_path / "a.mp4", width, 32, Fraction(25)) as video:
        video.write(np.zeros((32, width, 3), np.uint8))
    assert (f"{width} x 32" in caplog.text) == told


def test_the_file_is_tagged_bt709_and_its_colours_are_bt709(tmp_path):
    clip = write(tmp_path / "a.mp4", [np.full((32, 32, 3), (200, 60, 30), np.uint8)], crf=1, metadata={"prompt": "{}"})
    content = clip.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(clip)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert context.pix_fmt == "yuv420p"
        assert container.metadata["prompt"] == "{}"
        planes = next(container.decode(video=0)).to_ndarray()
    luma = 16 + 219 / 255 * (0.2126 * 200 + 0.7152 * 60 + 0.0722 * 30)
    assert planes[:32].mean() == pytest.approx(luma, abs=1)


@pytest.mark.parametrize("size", [(33, 21), (64, 21), (33, 48), (1, 1)])
def test_odd_sizes_gain_a_copy_of_their_last_row_or_column(tmp_path, size):
    width, height = size
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:, -1] = frame[-1] = 255
    clip = write(tmp_path / "a.mp4", [frame] * 2, crf=1)
    read = next(read_frames(clip))
    assert read.shape == (height + height % 2, width + width % 2, 3)
    assert read[:, -1].mean() > 240 and read[-1].mean() > 240
    assert np.abs(read[:height, :width].astype(int) - frame).mean() < 8


@pytest.mark.parametrize("size", [(96, 64), (97, 65)])
def test_converting_only_what_changed_encodes_the_same_pictures(tmp_path, size):
    rng = np.random.default_rng(1)
    frame = noise(1, *size)[0]
    frames, boxes = [frame], [None]
    for _ in range(60):
        x1, y1 = (int(rng.integers(-3, side)) for side in size)
        boxes.append((x1, y1, x1 + int(rng.integers(0, 70)), y1 + int(rng.integers(0, 50))))
        frame = frame.copy()
        patch = frame[max(0, y1) : max(0, boxes[-1][3]), max(0, x1) : max(0, boxes[-1][2])]
        patch[:] = rng.integers(0, 256, patch.shape)
        frames.append(frame)
    with VideoWriter(tmp_path / "some.mp4", *size, Fraction(25), crf=0) as clip:  # 0 is lossless
        for frame, box in zip(frames, boxes, strict=True):
            clip.write(frame, changed=box)
    write(tmp_path / "all.mp4", frames, crf=0)
    with av.open(str(tmp_path / "all.mp4")) as whole, av.open(str(tmp_path / "some.mp4")) as some:
        for one, other in zip(whole.decode(video=0), some.decode(video=0), strict=True):
            np.testing.assert_array_equal(one.to_ndarray(), other.to_ndarray())


@pytest.mark.parametrize("sample_rate", [8_000, 22_050, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_is_as_long_as_the_voice_and_in_step_with_the_frames(tmp_path, sample_rate, channels):
    seconds, rate = 2.3, Fraction(30000, 1001)
    voice = np.zeros((channels, round(seconds * sample_rate)), np.float32)
    click = int(1.5 * sample_rate)
    voice[:, click : click + sample_rate // 200] = 0.5
    frames = round(seconds * rate)
    with VideoWriter(tmp_path / "a.mp4", 64, 48, rate, sample_rate=sample_rate, channels=channels) as clip:
        for index in range(frames):
            clip.write(numbered(index))
            start, stop = (round(float(frame / rate) * sample_rate) for frame in (index, index + 1))
            clip.write_audio(Audio(voice[:, start : stop if index + 1 < frames else None], sample_rate))
    with av.open(str(tmp_path / "a.mp4")) as container:
        sound, picture = container.streams.audio[0], container.streams.video[0]
        assert float(sound.duration * sound.time_base) == pytest.approx(seconds, abs=1024 / sound.sample_rate)
        assert float(picture.duration * picture.time_base) == pytest.approx(seconds, abs=float(1 / rate))
        decoded = np.concatenate([frame.to_ndarray() for frame in container.decode(sound)], axis=1)
        assert decoded.shape[0] == channels
        heard = np.argmax(np.abs(decoded[0]) > 0.2) / sound.sample_rate
    assert heard == pytest.approx(1.5, abs=0.003)


def test_sound_may_come_all_at_once(tmp_path):
    for order in ("before", "after"):
        with VideoWriter(tmp_path / f"{order}.mp4", 64, 48, Fraction(25), sample_rate=48_000) as clip:
            voice = Audio(np.zeros((1, 96_000), np.float32), 48_000)
            if order == "before":
                clip.write_audio(voice)
            for index in range(50):
                clip.write(numbered(index))
            if order == "after":
                clip.write_audio(voice)
        assert probe(tmp_path / f"{order}.mp4").frames == 50


class Cancelled(BaseException):
    pass


@pytest.mark.parametrize("frames", [0, 1, 60])
def test_an_exception_leaves_nothing(tmp_path, frames):
    with pytest.raises(Cancelled), VideoWriter(tmp_path / "a.mp4", 64, 48, Fraction(25), sample_rate=48_000) as clip:
        for frame in noise(frames):
            clip.write(frame)
        raise Cancelled
    assert list(tmp_path.iterdir()) == []


def test_closing_the_generator_that_writes_leaves_nothing(tmp_path):
    def job():
        with VideoWriter(tmp_path / "a.mp4", 64, 48, Fraction(25)) as clip:
            for frame in noise(60):
                clip.write(frame)
                yield

    running = job()
    for _ in range(30):
        next(running)
    assert not (tmp_path / "a.mp4").exists()
    running.close()
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "a.mp4").symlink_to("real.mp4")
    write(tmp_path / "a.mp4", [numbered(0)])
    assert (tmp_path / "a.mp4").is_symlink() and probe(tmp_path / "real.mp4").frames == 1


def test_an_older_file_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"older")
    with pytest.raises(Cancelled), VideoWriter(path, 64, 48, Fraction(25)) as clip:
        clip.write(numbered(0))
        raise Cancelled
    assert path.read_bytes() == b"older"
    write(path, [numbered(0)])
    assert probe(path).frames == 1 and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("limit, frames", [(0, 5), (100_000, 60), (30_000, 5)])
def test_a_full_disk_says_so_and_leaves_nothing(tmp_path, limit, frames):
    resource = pytest.importorskip("resource", reason="file size limits are POSIX")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OSError, match="Cannot write .*a.mp4.*free space"):
            write(tmp_path / "a.mp4", noise(frames, 128, 96))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_requests_that_cannot_be_met_are_refused(tmp_path):
    with pytest.raises(OSError, match="Cannot write .*gone.*check the folder"):
        write(tmp_path / "gone" / "a.mp4", noise(1))
    with pytest.raises(ValueError, match="ends in .mp4"):
        VideoWriter(tmp_path / "a.avi", 64, 48, Fraction(25))
    with pytest.raises(ValueError, match="frame_rate must lie between 1 and 1000"):
        VideoWriter(tmp_path / "a.mp4", 64, 48, Fraction(0))
    with pytest.raises(ValueError, match="at most 16384 pixels, got 20000 x 48"):
        VideoWriter(tmp_path / "a.mp4", 20_000, 48, Fraction(25))
    with pytest.raises(ValueError, match="channels must be 1 or 2"):
        VideoWriter(tmp_path / "a.mp4", 64, 48, Fraction(25), channels=6)
    with pytest.raises(ValueError, match="No frame came"), VideoWriter(tmp_path / "a.mp4", 64, 48, Fraction(25)):
        pass
    with pytest.raises(ValueError, match="frame must have shape"):
        write(tmp_path / "a.mp4", [numbered(0), numbered(0, 32, 32)])
    assert list(tmp_path.iterdir()) == []
