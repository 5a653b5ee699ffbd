"""A voice still being spoken: the frames of the finished one, in time, whatever the blocks."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from animal_lipsync import live_speech as module
from animal_lipsync.clip import Clip
from animal_lipsync.engine import WarpEngine
from animal_lipsync.image import to_pixels
from animal_lipsync.inpaint import OPENING, InpaintEngine
from animal_lipsync.keeping import Keeper
from animal_lipsync.live_speech import DELAY, live_speech, speak_live
from animal_lipsync.lower_face import calm
from animal_lipsync.prepared import PreparedAnimal, prepare, remembering
from animal_lipsync.render import render
from animal_lipsync.speech_features import speech_features
from animal_lipsync.types import Audio, FormatError
from animal_lipsync.whisper import WhisperEncoder
from tests.animals import as_document, make_face, rough_picture
from tests.test_inpaint import count_encodes, heard, moving_face, simple_networks

RATE = Fraction(25)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return WhisperEncoder(64, 4).eval()


def voice(seconds: float) -> Audio:
    return Audio(np.random.default_rng(0).normal(0, 0.1, (1, round(seconds * 16_000))).astype(np.float32), 16_000)


def in_blocks(audio: Audio, seconds: float):
    size = round(seconds * audio.sample_rate)
    for start in range(0, audio.waveform.shape[1], size):
        yield Audio(audio.waveform[:, start : start + size], audio.sample_rate)


@pytest.mark.parametrize("rate", [RATE, Fraction(30000, 1001)], ids=str)
def test_live_frames_are_those_of_the_finished_voice(encoder, rate):
    """Every window lies at the same sound; its states differ by what was not said yet."""
    audio = voice(2.5)
    live = list(live_speech(in_blocks(audio, 0.4), encoder, rate))
    file = speech_features(audio, encoder).resampled(rate)
    assert np.concatenate([part.first for part in live]).tolist() == file.first.tolist()
    tokens = torch.cat([part.tokens() for part in live])
    assert tokens.shape == file.tokens().shape
    likeness = torch.nn.functional.cosine_similarity(tokens.flatten(1), file.tokens().flatten(1))
    assert likeness.min() > 0.9
    assert torch.equal(live[-1].tokens(), file[-len(live[-1]) :].tokens())


def test_a_frame_comes_a_fixed_time_after_its_sound(encoder):
    said = 0.0

    def spoken():
        nonlocal said
        for block in in_blocks(voice(2), 0.2):
            said += 0.2
            yield block

    shown = 0
    for part in live_speech(spoken(), encoder, RATE):
        shown += len(part)
        assert said - shown / 25 <= DELAY + 0.04 + 1e-6
    assert shown == 50


def test_memory_of_a_long_voice_is_bounded(encoder, monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 2 * 16_000)
    monkeypatch.setattr(module, "SHORTEST", 16_000)
    audio = voice(6)
    longest, firsts = 0, []
    for part in live_speech(in_blocks(audio, 0.5), encoder, RATE):
        longest = max(longest, len(part.features))
        firsts.append(len(part))
        assert part.first.min() >= -4 and part.first.max() + 10 <= len(part.features) + 10
    assert longest <= 2.5 * 50 and sum(firsts) == 150


def test_an_animal_speaks_live_and_a_prepared_one_encodes_nothing(encoder, tmp_path):
    frames = to_pixels(rough_picture(240, 220, frames=3))
    clip, face = Clip.from_frames(frames, frame_rate=RATE), calm(moving_face(3), RATE)
    networks, seen = count_encodes(simple_networks())
    engine = InpaintEngine(networks)
    assert len(list(prepare(clip, face, engine))) == 3 and sum(seen) == 6
    prepared = PreparedAnimal(as_document(face, 240, 220, frame_rate=25), dict(engine.latents), False, OPENING)
    prepared.save(tmp_path / "animal.safetensors")
    loaded = PreparedAnimal.load(tmp_path / "animal.safetensors")
    assert np.allclose(loaded.face.tracks[0].keypoints, face.keypoints, atol=1e-3)

    seen.clear()
    engine = InpaintEngine(networks, latents=loaded.latents)
    monkey = speak_live(clip, face, in_blocks(voice(0.6), 0.2), engine, encoder)
    shown = [frame.copy() for frame in monkey]
    assert len(shown) == 15 and seen == []
    assert all(frame.shape == (220, 240, 3) for frame in shown)


@pytest.mark.parametrize("guide", [None, WarpEngine()], ids=["plain", "guided"])
def test_a_prepared_animal_speaks_as_an_unprepared_one(guide, tmp_path):
    frames, face, speech = rough_picture(240, 220, frames=3), moving_face(3), heard(3)
    engine = InpaintEngine(simple_networks(), guide=guide)
    list(prepare(Clip.from_frames(to_pixels(frames), frame_rate=RATE), face, engine))
    document = as_document(face, 240, 220, frame_rate=25)
    PreparedAnimal(document, dict(engine.latents), guide is not None, OPENING).save(tmp_path / "a.safetensors")
    prepared = PreparedAnimal.load(tmp_path / "a.safetensors")
    networks, seen = count_encodes(simple_networks())
    again = InpaintEngine(networks, guide=guide, latents=prepared.latents)
    prepared.require(again)
    with pytest.raises(ValueError, match="prepared with open_mouth o.* and opening 0.6"):
        prepared.require(InpaintEngine(simple_networks(), opening=0.2))
    drawn = [
        [frame.pixels.copy() for frame in render(iter(to_pixels(frames)), face, speech, painter)]
        for painter in (InpaintEngine(simple_networks(), guide=guide), again)
    ]
    assert np.array_equal(*drawn) and seen == []


def test_a_clip_encoded_before_is_not_encoded_again(tmp_path, caplog):
    frames = to_pixels(rough_picture(240, 220, frames=3))
    clip, face, speech = Clip.from_frames(frames, frame_rate=RATE), moving_face(3), heard(3)
    keeper = Keeper(tmp_path / "latents", ".safetensors", noun="latents")

    def paint(face=face, encoder="a") -> tuple[np.ndarray, int]:
        networks, seen = count_encodes(simple_networks())
        engine = InpaintEngine(replace(networks, encoder=encoder), batch=1)
        with remembering(engine, clip, keeper):
            drawn = [frame.pixels.copy() for frame in render(clip.read(3), face, speech, engine)]
        return np.stack(drawn), sum(seen)

    first, encoded = paint()
    again, nothing = paint()
    assert (encoded, nothing) == (6, 0) and np.array_equal(first, again)
    assert paint(encoder="b")[1] == 6, "another VAE"
    moved = replace(face, keypoints=face.keypoints + np.float32(7))
    assert paint(moved)[1] == 6 and paint(moved)[1] == 0 and paint()[1] == 0, "both are kept"
    for path in keeper.folder.iterdir():
        path.write_bytes(path.read_bytes()[:1000])
    assert paint()[1] == 6 and "looked for again" in caplog.text
    assert paint()[1] == 0


@pytest.mark.parametrize("content", [b"", b"no tensors", None])
def test_what_is_no_prepared_animal_is_refused(content, tmp_path):
    if content is not None:
        (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(FormatError, match="no prepared animal.*Prepare Animal"):
        PreparedAnimal.load(tmp_path / "a.safetensors")


def test_a_still_is_prepared_once_and_a_face_outside_the_picture_not_at_all(tmp_path):
    networks, seen = count_encodes(simple_networks())
    picture = to_pixels(rough_picture(240, 220))[0]
    for face in (make_face(at=(120, 110), size=30), make_face(at=(-900, 0), size=30)):
        engine = InpaintEngine(networks)
        list(itertools.islice(prepare(Clip.from_picture(picture), face, engine), 2))
    assert seen == [2]
    nothing = PreparedAnimal(as_document(face, 240, 220), dict(engine.latents), False, OPENING)
    nothing.save(tmp_path / "a.safetensors")
    assert PreparedAnimal.load(tmp_path / "a.safetensors").latents == {}
