from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync.audio import load_audio, probe_audio
from animal_lipsync.cli import main
from animal_lipsync.clip import Clip
from animal_lipsync.compare import compare_videos, side_by_side
from animal_lipsync.types import Audio
from animal_lipsync.video import probe, read_frames, time_to_frame
from animal_lipsync.video_writer import VideoWriter


def numbered(frames: int, rate: Fraction, width: int = 8, height: int = 6) -> Clip:
    """A clip whose every frame is as bright as its number."""
    pixels = np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None, None], (frames, height, width, 3))
    return Clip.from_frames(pixels, frame_rate=rate)


rates = st.sampled_from([Fraction(10), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60)])


@settings(max_examples=40)
@given(clips=st.lists(st.tuples(st.integers(1, 40), rates, st.integers(4, 20)), min_size=2, max_size=4))
def test_every_part_shows_what_its_own_clip_shows_then(clips):
    clips = [numbered(frames, rate, height=height) for frames, rate, height in clips]
    both = side_by_side(clips)
    assert both.frame_rate == max(clip.frame_rate for clip in clips) and both.height == clips[0].height
    assert both.frames / both.frame_rate >= max(clip.frames / clip.frame_rate for clip in clips)
    shown = list(both.read(both.frames))
    assert len(shown) == both.frames and all(frame.shape == (both.height, both.width, 3) for frame in shown)
    for t, frame in enumerate(shown):
        left = 0
        for clip in clips:
            expected = min(time_to_frame(t / both.frame_rate, clip.frame_rate), clip.frames - 1)
            assert frame[0, left][0] == expected
            left += round(clip.width * both.height / clip.height)


@pytest.fixture
def videos(tmp_path):
    """Half a second at 10 and one at 20 frames a second; only the second is heard."""
    tone = Audio(0.2 * np.sin(np.arange(16000) / 16000 * 2 * np.pi * 440, dtype=np.float32)[None], 16000)
    for name, frames, rate, voice in (("a.mp4", 5, 10, None), ("b.mp4", 20, 20, tone)):
        with VideoWriter(tmp_path / name, 64, 48, Fraction(rate), sample_rate=voice and 16000) as video:
            for index in range(frames):
                video.write(np.full((48, 64, 3), 10 * index, np.uint8))
            if voice:
                video.write_audio(voice)
    return [tmp_path / "a.mp4", tmp_path / "b.mp4"]


def test_two_files_become_one_with_the_sound_of_either(videos, tmp_path):
    output = tmp_path / "both.mp4"
    assert len(list(compare_videos(videos, output, sound=1))) == 20
    info = probe(output)
    assert (info.width, info.height, info.frames, info.frame_rate) == (128, 48, 20, 20)
    assert probe_audio(output).duration == pytest.approx(1, abs=0.05)
    assert np.abs(load_audio(output).waveform).max() > 0.1
    last = list(read_frames(output))[-1].astype(int)
    assert abs(last[24, 10].mean() - 40) < 6 and abs(last[24, 120].mean() - 190) < 6
    with pytest.raises(ValueError, match="no sound"):
        next(compare_videos(videos, output, sound=0))


def test_the_command_hears_the_first_that_has_sound(videos, tmp_path, capsys):
    output = tmp_path / "out.mp4"
    assert main(["compare", *map(str, videos), "-o", str(output), "--json"]) == 0
    assert '"sound": 1' in capsys.readouterr().out and probe(output).has_audio


def test_what_cannot_be_compared_is_refused(videos, tmp_path):
    with pytest.raises(ValueError, match="Two or more"):
        side_by_side([numbered(1, Fraction(25))])
    with pytest.raises(ValueError, match="pixels wide"):
        side_by_side([numbered(1, Fraction(25), width=5000, height=10)] * 2)
    assert main(["compare", str(videos[0]), "-o", str(tmp_path / "out.mp4")]) == 2
    assert main(["compare", *map(str, videos), "-o", str(videos[0])]) == 1
