"""Whisper and its windows against transformers, against upstream's arithmetic, and at every frame rate."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync.keeping import Keeper
from animal_lipsync.speech_features import SpeechFeatures, speech_features
from animal_lipsync.types import Audio
from animal_lipsync.whisper import SAMPLE_RATE, WhisperEncoder, log_mel

RATES = [Fraction(n) for n in (12, 24, 25, 30, 48, 50, 60)] + [Fraction(n * 1000, 1001) for n in (24, 30, 60)]


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return WhisperEncoder(64, 4).eval()


def noise(seconds: float, *, seed=0, rate=SAMPLE_RATE) -> Audio:
    samples = np.random.default_rng(seed).normal(0, 0.1, (1, round(seconds * rate)))
    return Audio(samples.astype(np.float32), rate)


def steps_as_states(seconds: float, **options) -> SpeechFeatures:
    """A voice whose state n is the number n + 1, five times over."""
    length = int(seconds * 50)
    states = np.arange(1, length + 1)[:, None, None] * np.ones((1, 5, 1))
    return SpeechFeatures(states, np.ones(length, np.float32), Fraction(seconds), **options)


def windows(features: SpeechFeatures, rate: Fraction, length=None) -> np.ndarray:
    """(T, 10) number of the state at each place of each window, 0 where there is none."""
    return features.resampled(rate, length).tokens().reshape(-1, 10, 5)[..., 0].numpy().astype(int)


# ---- against transformers --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def huggingface():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(0)
    size = {"d_model": 128, "encoder_layers": 4, "encoder_attention_heads": 2, "encoder_ffn_dim": 512}
    small = {"decoder_layers": 1, "decoder_attention_heads": 1, "vocab_size": 8, "pad_token_id": 0}
    ids = {"bos_token_id": 0, "eos_token_id": 0, "decoder_start_token_id": 0}
    model = transformers.WhisperModel(transformers.WhisperConfig(**size, **small, **ids)).eval()
    return transformers.WhisperFeatureExtractor(), model.encoder


def test_the_spectrogram_is_that_of_transformers(huggingface):
    extractor, _ = huggingface
    for seconds in (0.31, 4.0, 30.0):
        sound = noise(seconds).waveform[0] * np.linspace(0, 1, round(seconds * SAMPLE_RATE), dtype=np.float32) ** 4
        theirs = extractor(sound, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features[0]
        assert (log_mel(torch.from_numpy(sound)) - theirs).abs().max() < 1e-4


def test_all_five_states_are_those_of_transformers(huggingface):
    extractor, theirs = huggingface
    ours = WhisperEncoder(128, 4).eval()
    ours.load_state_dict(theirs.state_dict())
    bands = extractor(noise(7).waveform[0], sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
    with torch.no_grad():
        expected = torch.stack(theirs(bands, output_hidden_states=True).hidden_states, 2)
        assert (ours(bands) - expected).abs().max() < 1e-5
        raw = ours(bands, normalize_last=False)
        assert torch.equal(raw[:, :, :4], ours(bands)[:, :, :4])
        assert (ours.layer_norm(raw[:, :, 4]) - expected[:, :, 4]).abs().max() < 1e-5


def slow_v10_states(samples: np.ndarray, encoder: WhisperEncoder) -> np.ndarray:
    """Spec 3.3: one spectrum after the other over the whole file, one floor, zeros up to 30 s of spectrogram."""
    from librosa.filters import mel

    padded = np.pad(samples.astype(float), 200, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    power = [np.abs(np.fft.rfft(hann * padded[t * 160 : t * 160 + 400])) ** 2 for t in range(len(samples) // 160)]
    bands = np.log10(np.maximum(mel(sr=16_000, n_fft=400, n_mels=80) @ np.stack(power, 1), 1e-10))
    bands = (np.maximum(bands, bands.max() - 8) + 4) / 4
    states = []
    for start in range(0, bands.shape[1], 3000):
        block = np.zeros((80, 3000))
        block[:, : min(3000, bands.shape[1] - start)] = bands[:, start : start + 3000]
        with torch.no_grad():
            states.append(encoder(torch.from_numpy(block).float()[None], normalize_last=False)[0].numpy())
    return np.concatenate(states)[: len(samples) // 320]


@pytest.mark.parametrize("seconds", [0.02, 7.03, 33.0])
def test_the_older_layout_hears_as_openais_whisper_did(encoder, seconds):
    pytest.importorskip("librosa", reason="librosa is not installed")
    voice = noise(seconds)
    voice.waveform[:, : round(seconds * 8000)] *= 1e-4  # far below the loudest, as only the whole file tells
    theirs = slow_v10_states(voice.waveform[0], encoder)
    older = speech_features(voice, encoder, layout="openai_pre_ln", like_upstream=True).states
    assert older.shape == theirs.shape and np.abs(older - theirs).max() < 0.01
    ours = speech_features(voice, encoder, layout="openai_pre_ln").states
    assert np.abs(ours[:1000] - theirs[:1000]).max() < 0.01, "only where blocks meet does anything differ"
    if seconds > 1:
        newer = speech_features(voice, encoder).states
        assert np.abs(newer[..., :4, :] - theirs[..., :4, :]).max() > 0.1


# ---- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_a_window_reaches_from_80_ms_before_its_frame_to_120_ms_after_at_every_rate(rate):
    seen = windows(steps_as_states(60), rate)
    assert len(seen) == floor(60 * rate)
    for frame in (0, 1, 7, len(seen) // 2, len(seen) - 1):
        middle = floor(frame * 50 / rate)
        expected = [n + 1 if 0 <= n < 3000 else 0 for n in range(middle - 4, middle + 6)]
        assert seen[frame].tolist() == expected


@settings(max_examples=50)
@given(st.sampled_from(RATES), st.integers(1, 10**6))
def test_no_rate_drifts(rate, frame):
    """The state at a frame's time is less than one state older than the frame, after hours too."""
    first = steps_as_states(1).resampled(rate, frame + 1).first[frame]
    assert 0 <= Fraction(frame) / rate - Fraction(int(first) + 4, 50) < Fraction(1, 50)


def upstream_windows(length: int, samples: int, fps: float) -> list[list[int]]:
    """Spec 3.2 as a loop: states 1..length, padded with zeros, from floor(i * m) on."""
    rate = int(fps)
    stride, frames = 50 / rate, floor(samples / 16000 * rate)
    pad = ceil(stride)
    padded = [0] * (2 * pad) + list(range(1, length + 1)) + [0] * (6 * pad + 4)
    return [padded[floor(i * stride) : floor(i * stride) + 10] for i in range(frames)]


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), 24, 25, Fraction(30000, 1001), 30, 50, 60], ids=str)
def test_the_compatible_mode_has_upstreams_arithmetic_with_its_faults(fps):
    seen = windows(steps_as_states(9.5, like_upstream=True), Fraction(fps))
    assert seen.tolist() == upstream_windows(475, round(9.5 * 16000), float(fps))


def test_at_25_and_30_frames_both_modes_agree():
    for rate in (25, 30):
        ours, theirs = (windows(steps_as_states(9, like_upstream=mode), rate) for mode in (False, True))
        assert np.array_equal(ours, theirs)


def test_the_older_layout_repeats_the_ends_instead_of_nothing():
    seen = windows(steps_as_states(1, layout="openai_pre_ln"), 25, 30)
    assert seen[0].tolist() == [1, 1, 1, 1, 1, 2, 3, 4, 5, 6]
    assert seen[-1].tolist() == [50] * 10


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), 25, 30, 50], ids=str)
def test_the_older_compatible_mode_stops_where_upstream_did(fps):
    """Spec 3.3: windows c - 4 .. c + 5 about c = int(i * 50 / fps), clamped; the first with c > L is the last."""
    seen = windows(steps_as_states(3.3, layout="openai_pre_ln", like_upstream=True), Fraction(fps))
    expected, centre = [], 0
    while centre <= 165:
        centre = int(len(expected) * 50 / float(fps))
        expected.append([min(max(n, 0), 164) + 1 for n in range(centre - 4, centre + 6)])
    assert seen.tolist() == expected


def test_a_token_is_one_part_of_one_state_in_the_order_of_time():
    states = np.arange(6 * 5 * 3).reshape(6, 5, 3).astype(np.float32)
    tokens = SpeechFeatures(states, np.ones(6), Fraction(6, 50)).resampled(50, 6).tokens()
    assert tokens.shape == (6, 50, 3)
    assert torch.equal(tokens[4, :30], torch.from_numpy(states.reshape(30, 3)))


# ---- blocks of 30 seconds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.01, 30.0, 30.01, 60.02])
def test_a_voice_of_any_length_has_50_states_a_second(encoder, seconds):
    features = speech_features(noise(seconds), encoder)
    assert len(features) == floor(round(seconds * SAMPLE_RATE) / 320)
    assert np.isfinite(features.states).all()


def test_nothing_jumps_where_one_block_follows_another():
    """Upstream's blocks leave a step between them; faded ones change there hardly more than elsewhere."""
    torch.manual_seed(0)
    encoder = WhisperEncoder(64, 4).eval()
    at = torch.arange(1500)[:, None] / 1500 * torch.arange(1, 65) / 16
    encoder.embed_positions.weight.data = torch.sin(at + torch.arange(64))
    tone = np.sin(np.arange(45 * SAMPLE_RATE) * 0.2)[None].astype(np.float32)
    features = [speech_features(Audio(tone, SAMPLE_RATE), encoder, like_upstream=mode) for mode in (True, False)]
    theirs, ours = (np.abs(np.diff(f.states.astype(float), axis=0)).mean(axis=(1, 2))[10:-10] for f in features)
    assert theirs[1489] > 50 * np.median(theirs)
    assert ours.max() < 5 * np.median(ours)
    assert np.array_equal(features[0].states[:1400], features[1].states[:1400])


def test_how_a_voice_is_cut_into_blocks_changes_nothing(encoder):
    whole = noise(4, rate=22_050)
    parts = [Audio(part, 22_050) for part in np.array_split(whole.waveform, 7, axis=1)]
    a, b = (speech_features(voice, encoder) for voice in (whole, iter(parts)))
    assert np.array_equal(a.states, b.states) and np.array_equal(a.speaking, b.speaking)


# ---- kept for the next run -------------------------------------------------------------------------------------------


def count_blocks(encoder) -> list[int]:
    seen = []
    encoder.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    return seen


def test_a_voice_heard_before_is_not_heard_again_and_gives_the_same_tokens(tmp_path, caplog):
    torch.manual_seed(0)
    encoder, voice = WhisperEncoder(64, 4).eval(), noise(1.3)
    keeper = Keeper(tmp_path / "features", ".safetensors", noun="features")
    plain = speech_features(voice, encoder)
    seen = count_blocks(encoder)
    first, second = (speech_features(voice, encoder, keeper=keeper) for _ in range(2))
    assert seen == [1]
    for features in (first, second):
        assert len(features) == len(plain) and features.duration == plain.duration
        assert np.array_equal(features.speaking, plain.speaking)
        a, b = (heard.resampled(Fraction(30))[np.array([0, 7, 8, 38])].tokens() for heard in (features, plain))
        assert torch.equal(a, b)

    (entry,) = keeper.folder.iterdir()
    entry.rename(tmp_path / "gone")  # as another program does that makes room
    assert len(second.resampled(25)[np.array([20, 30])].tokens()) == 2
    (tmp_path / "gone").rename(entry)

    for other in ({"layout": "openai_pre_ln"}, {"like_upstream": True}):
        speech_features(voice, encoder, keeper=keeper, **other)
    speech_features(noise(1.3, seed=1), encoder, keeper=keeper)
    encoder.conv1.weight.data[::16, 0, 0] += 1
    speech_features(voice, encoder, keeper=keeper)
    assert seen == [1] * 5 and not caplog.text

    for path in keeper.folder.iterdir():
        path.write_bytes(path.read_bytes()[:20_000])
    again = speech_features(voice, encoder, keeper=keeper)
    assert seen == [1] * 6 and "looked for again" in caplog.text and len(again.resampled(25).tokens()) == 32


# ---- silence ---------------------------------------------------------------------------------------------------------


def test_the_mouth_is_the_sources_own_in_silence_and_painted_while_somebody_speaks(encoder):
    from importlib.resources import files

    from animal_lipsync.audio import load_audio

    said = load_audio(files("animal_lipsync") / "samples" / "voice.wav", sample_rate=SAMPLE_RATE, mono=True)
    still = np.zeros((1, 2 * SAMPLE_RATE), np.float32)
    voice = Audio(np.concatenate([still, said.waveform, still], axis=1), SAMPLE_RATE)
    speaking = speech_features(voice, encoder).resampled(Fraction(25)).speaking
    assert (speaking[:42] == 0).all() and (speaking[-42:] == 0).all()
    assert np.median(speaking[55:-55]) == 1
    assert np.abs(np.diff(speaking)).max() < 0.6
