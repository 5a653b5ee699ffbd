import resource
import wave
from contextlib import closing
from fractions import Fraction
from importlib.resources import files

import av
import numpy as np
import pytest

from animal_lipsync.animate import animate, ease_where_lost, output_frames, voice_motion
from animal_lipsync.audio import load_audio
from animal_lipsync.clip import Clip
from animal_lipsync.engine import WarpEngine
from animal_lipsync.image import to_pixels
from animal_lipsync.types import Audio, MouthMotion
from animal_lipsync.video import probe, read_frames
from tests.animals import make_face, pose, rough_picture, soft_picture, speak

WIDTH, HEIGHT = 81, 75


def write_sound(path, audio, *, codec="pcm_f32le"):
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(audio.waveform)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=audio.sample_rate)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(audio.waveform.T.reshape(1, -1)), format="flt", layout=layout
        )
        frame.sample_rate = audio.sample_rate
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=audio.sample_rate)
        for part in resampler.resample(frame) if frame.samples else []:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def a_still():
    return Clip.from_picture(to_pixels(soft_picture(WIDTH, HEIGHT))[0])


def a_face(**options):
    return make_face(at=(40, 38), size=12, **options)


def make(output, clip=None, face=None, motion=None, voice=None):
    """Run to the end; how many frames were yielded."""
    clip, voice = clip or a_still(), voice if voice is not None else speak(1)
    motion = motion or voice_motion(voice, clip.frame_rate)
    return sum(1 for _ in animate(clip, face or a_face(), motion, voice, output, WarpEngine()))


def streams(path):
    """(seconds of picture, seconds of sound, sample rate, channels)."""
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        video, audio = container.streams
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        heard = sum(frame.samples for frame in container.decode(audio)) / audio.rate
        shown = float(video.duration * video.time_base)
        return shown, heard, audio.rate, audio.codec_context.channels


@pytest.mark.parametrize("seconds", [0.02, 0.5, 1.23])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001)])
def test_a_picture_speaks_as_long_as_the_voice(tmp_path, seconds, rate):
    clip = Clip.from_picture(to_pixels(soft_picture(WIDTH, HEIGHT))[0], frame_rate=rate)
    voice = speak(seconds)
    count = make(tmp_path / "out.mp4", clip, voice=voice)
    assert count == output_frames(clip, voice_motion(voice, rate), voice) == max(1, round(seconds * rate))
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height, info.frame_rate) == (82, 76, rate)
    shown, heard, _, _ = streams(tmp_path / "out.mp4")
    assert abs(shown - seconds) <= 1 / rate and abs(heard - seconds) <= 1 / rate + 1024 / 48_000
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("sample_rate", [8_000, 22_050, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_recording_is_spoken(tmp_path, sample_rate, channels):
    sound = speak(0.4, sample_rate=sample_rate, channels=channels)
    for voice in (sound, write_sound(tmp_path / "voice.wav", sound)):
        make(tmp_path / "out.mp4", voice=voice)
        shown, heard, _, heard_channels = streams(tmp_path / "out.mp4")
        assert abs(shown - 0.4) <= 0.04 and abs(heard - 0.4) < 0.07
        assert heard_channels == min(channels, 2) if voice is not sound or channels <= 2 else 1


def test_the_mouth_moves_while_somebody_speaks(tmp_path):
    voice = load_audio(files("animal_lipsync") / "samples" / "voice.wav", sample_rate=16_000)
    voice = Audio(np.concatenate([voice.waveform[:1, 3_200:13_600], np.zeros((1, 16_000), np.float32)], 1), 16_000)
    clip = a_still()
    motion = voice_motion(voice, clip.frame_rate)
    frames = animate(clip, a_face(), motion, voice, tmp_path / "out.mp4", WarpEngine())
    picture = next(clip.read(1))
    moved = [bool((frame != picture).any()) for frame in frames]
    assert sum(moved[:16]) > 8 and not any(moved[28:]) and len(moved) == 41


def test_the_frames_yielded_are_those_written(tmp_path):
    clip, voice = a_still(), speak(0.4)
    frames = animate(clip, a_face(), pose(10, jaw_open=0.8), voice, tmp_path / "out.mp4", WarpEngine())
    yielded = np.array([frame.copy() for frame in frames])
    written = np.array(list(read_frames(tmp_path / "out.mp4")))[:, :HEIGHT, :WIDTH]
    assert yielded.shape == written.shape == (10, HEIGHT, WIDTH, 3)
    assert np.abs(yielded.astype(int) - written).mean() < 4


def test_a_longer_clip_keeps_its_length_and_shuts_its_mouth_after_the_voice(tmp_path):
    pixels = to_pixels(rough_picture(WIDTH, HEIGHT, frames=20))
    clip, voice = Clip.from_frames(pixels), speak(0.4)
    face = a_face(frames=20)
    motion = pose(10, jaw_open=0.8)
    frames = animate(clip, face, motion, voice, tmp_path / "out.mp4", WarpEngine())
    frames = np.array([frame.copy() for frame in frames])
    assert len(frames) == 20
    same = (frames == pixels).all((1, 2, 3))
    assert not same[:9].any() and same[11:].all()
    shown, heard, _, _ = streams(tmp_path / "out.mp4")
    assert abs(shown - 0.8) < 0.01 and abs(heard - 0.4) < 0.07


def test_a_shorter_clip_and_its_faces_play_forth_and_back(tmp_path):
    pixels = to_pixels(rough_picture(WIDTH, HEIGHT, frames=4))
    face = a_face(frames=4)
    face.visible[2] = False
    frames = animate(
        Clip.from_frames(pixels), face, pose(9, jaw_open=1), speak(0.36), tmp_path / "out.mp4", WarpEngine()
    )
    frames = np.array([frame.copy() for frame in frames])
    order = [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert [bool((frame == pixels[t]).all()) for frame, t in zip(frames, order, strict=True)] == [t == 2 for t in order]
    top = frames[:, 0]
    np.testing.assert_array_equal(top, pixels[order][:, 0])


def test_a_motion_longer_than_the_voice_is_shown_to_its_end(tmp_path):
    assert make(tmp_path / "out.mp4", motion=pose(30, jaw_open=0.5), voice=speak(0.2)) == 30


def test_a_motion_of_another_rate_keeps_its_time(tmp_path):
    motion = pose(50, jaw_open=np.arange(50) >= 25)  # 2 s at 25 frames per second, open in the second one
    clip = Clip.from_picture(to_pixels(rough_picture(WIDTH, HEIGHT))[0], frame_rate=Fraction(10))
    frames = animate(clip, a_face(), motion, speak(2), tmp_path / "out.mp4", WarpEngine())
    first = next(frames).copy()
    opened = [False] + [not (frame == first).all() for frame in frames]
    assert len(opened) == 20 and not any(opened[:10]) and all(opened[11:])


# ---- bad input -------------------------------------------------------------------------------------------------------


def test_a_silent_voice_leaves_the_mouth_shut(tmp_path):
    voice = Audio(np.zeros((1, 8000), np.float32), 16_000)
    pixels = to_pixels(rough_picture(WIDTH, HEIGHT))[0]
    clip = Clip.from_picture(pixels)
    frames = animate(clip, a_face(), voice_motion(voice, clip.frame_rate), voice, tmp_path / "out.mp4", WarpEngine())
    assert all((frame == pixels).all() for frame in frames)


def test_a_voice_without_samples_is_refused(tmp_path):
    empty = Audio(np.zeros((1, 0), np.float32), 16_000)
    with pytest.raises(ValueError, match="no samples"):
        make(tmp_path / "out.mp4", motion=pose(5), voice=empty)
    with wave.open(str(tmp_path / "voice.wav"), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
    with pytest.raises(ValueError, match="no samples"):
        make(tmp_path / "out.mp4", motion=pose(5), voice=tmp_path / "voice.wav")
    with pytest.raises(ValueError, match="no samples"):
        voice_motion(tmp_path / "voice.wav", Fraction(25))
    assert not (tmp_path / "out.mp4").exists()


def test_a_voice_of_nan_is_refused(tmp_path):
    broken = speak(0.3).waveform
    broken[0, 2000] = np.nan
    with pytest.raises(ValueError, match="not numbers.*16-bit WAV"):
        Audio(broken, 16_000)
    sound = Audio.__new__(Audio)
    object.__setattr__(sound, "waveform", broken)
    object.__setattr__(sound, "sample_rate", 16_000)
    path = write_sound(tmp_path / "voice.wav", sound)
    with pytest.raises(ValueError, match="16-bit WAV"):
        make(tmp_path / "out.mp4", motion=pose(5), voice=path)
    assert [path.name for path in tmp_path.iterdir()] == ["voice.wav"]


@pytest.mark.parametrize("frames", [0, 1, 5, 19])
def test_cancelling_leaves_no_file(tmp_path, frames):
    job = animate(a_still(), a_face(), pose(20, jaw_open=0.5), speak(0.8), tmp_path / "out.mp4", WarpEngine())
    with closing(job):
        for _ in range(frames):
            next(job)
    assert not list(tmp_path.iterdir())


def test_an_older_result_survives_a_run_that_is_cancelled(tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"older")
    job = animate(a_still(), a_face(), pose(20), speak(0.8), tmp_path / "out.mp4", WarpEngine())
    next(job)
    job.close()
    assert (tmp_path / "out.mp4").read_bytes() == b"older" and len(list(tmp_path.iterdir())) == 1


def test_an_error_halfway_leaves_no_file(tmp_path):
    def read(count):
        yield from list(to_pixels(rough_picture(WIDTH, HEIGHT, frames=3)))
        raise ValueError("the clip is damaged")

    clip = Clip(WIDTH, HEIGHT, Fraction(25), 10, read)
    with pytest.raises(ValueError, match="damaged"):
        make(tmp_path / "out.mp4", clip, motion=pose(10))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["missing/out.mp4", "file/out.mp4"])
def test_a_folder_that_is_not_there_is_named_with_the_remedy(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Cannot write .*check the folder"):
        make(tmp_path / name, motion=pose(5))


def test_an_output_that_is_no_mp4_is_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match=r"\.mp4"):
        make(tmp_path / "out.avi", motion=pose(5))


def test_a_full_disk_is_named_and_leaves_no_file(tmp_path):
    clip = Clip.from_frames(to_pixels(rough_picture(320, 240, frames=8)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))  # Python ignores the signal, so writing fails
    try:
        with pytest.raises(OSError, match="Cannot write .*free space"):
            make(tmp_path / "out.mp4", clip, a_face(frames=8), pose(8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_mouth_shuts_before_its_face_is_lost_and_opens_again_gently():
    motion = MouthMotion.from_channels(Fraction(25), 40, jaw_open=1.0)
    visible = np.ones(40, bool)
    assert ease_where_lost(motion, visible) is motion
    visible[20:25] = False
    jaw = ease_where_lost(motion, visible).channel("jaw_open")
    assert not jaw[20:25].any() and jaw[:15].min() == jaw[30:].min() == 1
    assert (np.diff(jaw[15:21]) < 0).all() and (np.diff(jaw[24:30]) > 0).all()


def test_a_face_never_seen_leaves_the_mouth_at_rest():
    motion = MouthMotion.from_channels(Fraction(25), 5, jaw_open=1.0)
    assert not ease_where_lost(motion, np.zeros(5, bool)).values.any()
