import wave

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync.audio import load_audio, probe_audio, read_audio, resample, resample_blocks, to_mono
from animal_lipsync.types import Audio


def sine(rate=16_000, seconds=1.0, frequency=440.0, channels=1):
    time = np.arange(round(rate * seconds)) / rate
    return np.tile(0.5 * np.sin(2 * np.pi * frequency * time), (channels, 1)).astype(np.float32)


def save(path, waveform, rate, codec="pcm_f32le", layout=None):
    layout = layout or {1: "mono", 2: "stereo"}[len(waveform)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = layout
        for start in range(0, waveform.shape[1], 1024):
            block = np.ascontiguousarray(waveform[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_recording_is_read_sample_by_sample(tmp_path, rate, channels):
    waveform = sine(rate, 0.3, channels=channels)
    path = save(tmp_path / "a.wav", waveform, rate)
    info = probe_audio(path)
    assert (info.sample_rate, info.channels) == (rate, channels)
    assert info.duration == pytest.approx(0.3, abs=1e-3)
    blocks = list(read_audio(path))
    assert all(block.sample_rate == rate and block.waveform.dtype == np.float32 for block in blocks)
    np.testing.assert_array_equal(np.concatenate([block.waveform for block in blocks], axis=1), waveform)


def test_16_bits_become_the_unit_range(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.array([-32768, 0, 16384], "<i2").tobytes())
    assert load_audio(tmp_path / "a.wav").waveform.tolist() == [[-1, 0, 0.5]]


@pytest.mark.parametrize("suffix, codec, rate", [
    ("flac", "flac", 44_100), ("mp3", "libmp3lame", 44_100), ("m4a", "aac", 48_000), ("ogg", "libopus", 48_000),
    ("mka", "ac3", 48_000),
])  # fmt: skip
def test_kinds_of_sound_files(tmp_path, suffix, codec, rate):
    path = save(tmp_path / f"a.{suffix}", sine(rate, 1.0, channels=2), rate, codec)
    audio = load_audio(path)
    assert audio.waveform.shape[0] == probe_audio(path).channels == 2
    assert audio.duration == pytest.approx(1.0, abs=0.07)
    assert probe_audio(path).duration == pytest.approx(audio.duration, abs=0.05)
    spectrum = np.abs(np.fft.rfft(audio.waveform[0] * np.hanning(audio.waveform.shape[1])))
    assert spectrum.argmax() / audio.duration == pytest.approx(440, abs=2)


def test_the_sound_of_a_video_is_read(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        picture, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=48_000)
        picture.width = picture.height = 32
        picture.pix_fmt = "yuv420p"
        sound.layout = "mono"
        frame = av.AudioFrame.from_ndarray(sine(48_000), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(sound.encode(frame))
        container.mux(picture.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(sound.encode(None))
        container.mux(picture.encode(None))
    assert load_audio(tmp_path / "a.mp4").duration == pytest.approx(1.0, abs=0.03)


def test_surround_becomes_stereo_with_the_centre_in_both(tmp_path):
    waveform = np.zeros((6, 4800), np.float32)
    waveform[0], waveform[2] = 0.1, 0.4  # front left, front centre
    path = save(tmp_path / "a.wav", waveform, 48_000, layout="5.1")
    left, right = load_audio(path).waveform[:, 1000:-1000].mean(axis=1)
    assert probe_audio(path).channels == 2
    assert left > right > 0.1
    assert load_audio(path, mono=True).waveform.mean() == pytest.approx(0.5 / 6, abs=1e-3)


@pytest.mark.parametrize("channels", [3, 8, 9, 17, 64])
def test_channels_without_places_become_their_mean(tmp_path, channels):
    samples = np.random.default_rng(0).integers(-9000, 9000, (500, channels), np.int16)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((channels, 2, 48_000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    mean = samples.mean(axis=1) / 32768
    assert probe_audio(tmp_path / "a.wav").channels == 2
    for mono in (True, False):
        waveform = load_audio(tmp_path / "a.wav", mono=mono).waveform
        np.testing.assert_allclose(waveform, np.tile(mean, (1 if mono else 2, 1)), atol=1e-6)


def test_mono_is_the_mean_of_the_channels(tmp_path):
    waveform = np.stack([np.full(4000, 0.6), np.full(4000, -0.2)]).astype(np.float32)
    path = save(tmp_path / "a.wav", waveform, 16_000)
    np.testing.assert_allclose(load_audio(path, mono=True).waveform, 0.2, atol=1e-6)
    np.testing.assert_allclose(to_mono(Audio(waveform, 16_000)).waveform, 0.2, atol=1e-6)


@settings(max_examples=25)
@given(
    source=st.sampled_from([8_000, 22_050, 44_100, 48_000, 192_000]),
    target=st.sampled_from([8_000, 16_000, 44_100, 48_000]),
    samples=st.integers(1, 30_000),
    channels=st.integers(1, 2),
)
def test_resampling_keeps_the_length_to_the_sample(source, target, samples, channels):
    audio = resample(Audio(np.zeros((channels, samples), np.float32), source), target)
    assert audio.waveform.shape == (channels, round(samples * target / source)) and audio.sample_rate == target


@pytest.mark.parametrize("source, target", [(44_100, 16_000), (8_000, 48_000), (48_000, 44_100), (192_000, 16_000)])
def test_resampling_keeps_the_tone_where_it_is(source, target):
    audio = resample(Audio(sine(source), source), target)
    np.testing.assert_allclose(audio.waveform[0, 800:-800], sine(target)[0, 800:-800], atol=5e-3)


def test_resampling_to_the_same_rate_changes_nothing():
    audio = Audio(sine(), 16_000)
    np.testing.assert_array_equal(resample(audio, 16_000).waveform, audio.waveform)


def test_how_sound_is_cut_into_blocks_does_not_matter():
    waveform = np.random.default_rng(0).uniform(-1, 1, (2, 44_100)).astype(np.float32)
    pieces = [Audio(piece, 44_100) for piece in np.split(waveform, [1, 500, 20_000, 20_001], axis=1)]
    joined = np.concatenate([block.waveform for block in resample_blocks(pieces, 16_000)], axis=1)
    np.testing.assert_allclose(joined, resample(Audio(waveform, 44_100), 16_000).waveform, atol=1e-6)


def test_a_long_recording_comes_in_small_blocks(tmp_path):
    path = save(tmp_path / "a.wav", np.zeros((1, 600_000), np.float32), 48_000)
    sizes = [block.waveform.size for block in read_audio(path, sample_rate=16_000)]
    assert sum(sizes) == 200_000 and max(sizes) < 20_000


def test_bad_files_are_refused_by_name(tmp_path):
    with av.open(str(tmp_path / "silent.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_bytes(b"hello")
    for value in (np.nan, np.inf):
        waveform = sine(8000)
        waveform[0, 7000] = value
        save(tmp_path / f"{value}.wav", waveform, 8000)
    save(tmp_path / "loud.wav", sine(8000) * np.float32(1e30), 8000)
    with wave.open(str(tmp_path / "nothing.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
    for name, reason in (
        ("missing.wav", "no sound file at"),
        ("empty.wav", "empty"),
        ("text.wav", "not a sound file"),
        ("silent.mp4", "has no sound"),
        ("nan.wav", "not numbers.*export it as 16-bit WAV"),
        ("inf.wav", "not numbers"),
        ("loud.wav", "between -1 and 1, got a sample of .*export it as 16-bit WAV"),
        ("nothing.wav", "no samples|not a sound file"),
    ):
        with pytest.raises(ValueError, match=reason) as refusal:
            load_audio(tmp_path / name)
        assert name in str(refusal.value)


def test_a_recording_with_a_hole_is_read_or_refused_by_name(tmp_path):
    path = save(
        tmp_path / "a.flac", np.random.default_rng(0).uniform(-0.5, 0.5, (1, 40_000)).astype(np.float32), 16_000, "flac"
    )
    content = bytearray(path.read_bytes())
    content[20_000:24_000] = bytes(4000)
    path.write_bytes(content)
    try:
        assert load_audio(path).waveform.size
    except ValueError as error:
        assert "a.flac is damaged after" in str(error)


def test_real_recordings_are_read(data):
    for path in sorted((data / "speech" / "languages").iterdir()):
        info, audio = probe_audio(path), load_audio(path)
        assert audio.duration == pytest.approx(info.duration, abs=0.05)
        assert audio.waveform.shape[0] == info.channels


def test_a_title_that_is_not_utf8_does_not_spoil_the_sound(tmp_path):
    path = tmp_path / "titled.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    title = b"LIST" + (16).to_bytes(4, "little") + b"INFOINAM" + (4).to_bytes(4, "little") + b"M\xfcn\0"
    data = path.read_bytes()
    path.write_bytes(b"RIFF" + (len(data) - 8 + len(title)).to_bytes(4, "little") + data[8:] + title)
    assert load_audio(path).duration == 0.1


@pytest.mark.parametrize("first, second", [(1, 2), (2, 1)])
def test_a_recording_that_changes_its_channels_and_rate_on_the_way_keeps_those_it_began_with(tmp_path, first, second):
    save(tmp_path / "1.aac", sine(48_000, channels=first), 48_000, "aac")
    save(tmp_path / "2.aac", sine(44_100, channels=second), 44_100, "aac")
    path = tmp_path / "both.aac"
    path.write_bytes((tmp_path / "1.aac").read_bytes() + (tmp_path / "2.aac").read_bytes())
    blocks = list(read_audio(path))
    assert {(len(block.waveform), block.sample_rate) for block in blocks} == {(first, 48_000)}
    assert sum(block.duration for block in blocks) == pytest.approx(2.0, abs=0.1)


def test_a_playlist_opens_no_other_file(tmp_path):
    save(tmp_path / "a.wav", sine(), 16_000)
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile a.wav\n")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\na.wav\n#EXT-X-ENDLIST\n")
    for name in ("list.ffconcat", "list.m3u8"):
        with pytest.raises(ValueError, match=f"{name} is not a sound file"):
            load_audio(tmp_path / name)


def test_a_name_that_looks_like_a_protocol_is_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "concat:a.wav", sine(), 16_000)
    assert load_audio("concat:a.wav").duration == probe_audio("concat:a.wav").duration == 1
