import json
from fractions import Fraction
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animal_lipsync.audio import load_audio, read_audio, resample
from animal_lipsync.motion import keyframes_to_motion, speech_to_motion
from animal_lipsync.types import CHANNELS, Audio, FormatError, MouthMotion

RATE = 16_000
RNG = np.random.default_rng(0)
SPEECH = resample(load_audio(files("animal_lipsync") / "samples" / "voice.wav", mono=True), RATE).waveform[0]
PAUSES = [(0.0, 0.2), (0.85, 1.05), (1.95, 2.3), (4.6, 4.8), (6.2, 6.44)]
"""Seconds of SPEECH in which nobody speaks; between them somebody does."""


def motion_of(samples, rate=Fraction(25), sample_rate=RATE):
    return speech_to_motion(Audio(np.atleast_2d(samples).astype(np.float32), sample_rate), rate)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(50), Fraction(12)])
def test_motion_is_as_long_as_the_voice(rate):
    motion = motion_of(SPEECH, rate)
    assert motion.frame_rate == rate and motion.channels == CHANNELS
    assert len(motion) == round(len(SPEECH) / RATE * rate)
    assert motion.values.dtype == np.float32 and motion.values.min() >= 0 and motion.values.max() <= 1


def test_silence_shuts_the_mouth():
    for samples in (np.zeros(RATE), np.zeros(0), np.zeros(1), 1e-5 * RNG.standard_normal(RATE)):
        motion = motion_of(samples)
        assert len(motion) == max(1, round(len(samples) / RATE * 25)) and not motion.values.any()


def test_the_mouth_is_shut_in_every_pause_and_opens_between():
    jaw = motion_of(SPEECH, Fraction(100)).channel("jaw_open")
    for start, end in PAUSES:
        assert jaw[round(start * 100) : round(end * 100)].max() < 0.06
    for (_, end), (start, _) in zip(PAUSES[:-1], PAUSES[1:], strict=True):
        assert jaw[round(end * 100) : round(start * 100)].max() > 0.4


def test_the_mouth_opens_with_the_sound():
    jaw = motion_of(SPEECH, Fraction(100)).channel("jaw_open")
    heard = np.flatnonzero(np.abs(SPEECH) > 0.02)[0] / RATE
    assert -0.1 < np.flatnonzero(jaw > 0.1)[0] / 100 - heard < 0.05


@pytest.mark.parametrize("gain", [0.003, 0.1, 4.0])
def test_gain_does_not_matter(gain):
    np.testing.assert_allclose(motion_of(SPEECH * gain).values, motion_of(SPEECH).values, atol=0.1)


def test_background_noise_does_not_open_the_mouth():
    hum = 0.01 * np.sin(2 * np.pi * 100 * np.arange(len(SPEECH)) / RATE) + 0.005 * RNG.standard_normal(len(SPEECH))
    clean, noisy = (motion_of(samples, Fraction(100)).channel("jaw_open") for samples in (SPEECH, SPEECH + hum))
    assert noisy[2:18].max() < 0.1 and noisy[200:225].max() < 0.1
    assert np.corrcoef(clean, noisy)[0, 1] > 0.85


def test_how_the_voice_arrives_does_not_matter():
    whole = motion_of(SPEECH).values
    pieces = [Audio(piece[None].astype(np.float32), RATE) for piece in np.array_split(SPEECH, 97)]
    np.testing.assert_allclose(speech_to_motion(iter(pieces), Fraction(25)).values, whole, atol=1e-3)
    np.testing.assert_allclose(motion_of(np.stack([SPEECH, SPEECH])).values, whole, atol=1e-3)


@pytest.mark.parametrize("sample_rate, alike", [(8_000, 0.85), (44_100, 0.97), (192_000, 0.97)])
def test_the_sample_rate_does_not_matter(sample_rate, alike):
    at = np.arange(round(len(SPEECH) / RATE * sample_rate)) / sample_rate
    resampled = np.interp(at, np.arange(len(SPEECH)) / RATE, SPEECH)
    jaw, expected = (
        motion_of(resampled, sample_rate=sample_rate).channel("jaw_open"),
        motion_of(SPEECH).channel("jaw_open"),
    )
    assert np.corrcoef(jaw, expected)[0, 1] > alike


def test_what_cannot_be_heard_is_refused():
    with pytest.raises(ValueError, match="frame_rate"):
        motion_of(SPEECH, Fraction(0))
    with pytest.raises(ValueError, match="not numbers"):
        motion_of(np.full(100, np.nan))


def test_real_speech_looks_alive(data):
    for path in sorted((data / "speech" / "languages").iterdir()) + sorted((data / "speech" / "singing").iterdir()):
        motion = speech_to_motion(read_audio(path), Fraction(25))
        jaw = motion.channel("jaw_open")
        open_part = jaw * (1 - motion.channel("mouth_close"))
        assert 0.15 < jaw.mean() < 0.6 and np.percentile(jaw, 95) > 0.5, path.name
        assert (open_part < 0.05).mean() > 0.02, path.name
        assert motion.values.min() >= 0 and motion.values.max() <= 1


def test_the_opening_follows_hand_labelled_phones(data):
    """Correlation with the opening that the phones call for; plain loudness reaches .55 on these sentences."""
    opening = {
        "AA": 1,
        "AY": 0.8,
        "AW": 0.8,
        "AE": 0.8,
        "EH": 0.65,
        "AH": 0.6,
        "AO": 0.6,
        "EY": 0.5,
        "OW": 0.45,
        "ER": 0.45,
    }
    shut = {"sil", "sp", "spn", "", "P", "B", "M"}
    scores = []
    for path in sorted((data / "speech" / "ljspeech").glob("*.phn")):
        jaw = speech_to_motion(load_audio(path.with_suffix(".wav")), Fraction(100)).channel("jaw_open")
        wanted = np.zeros(len(jaw))
        for line in path.read_text().splitlines():
            start, end, phone = line.split()[0], line.split()[1], line.split()[2].rstrip("012")
            level = 0 if phone in shut else opening.get(phone.upper(), 0.25)
            wanted[round(float(start) * 100) : round(float(end) * 100)] = level
        kernel = np.hanning(9) / np.hanning(9).sum()
        scores.append(np.corrcoef(np.convolve(wanted, kernel, "same"), np.convolve(jaw, kernel, "same"))[0, 1])
    assert np.mean(scores) > 0.6


# Keyframes


def keyframes(*rows, **document):
    return json.dumps({"version": 1, "frame_rate": "25", "keyframes": list(rows)} | document)


def test_motion_passes_through_its_keyframes():
    text = keyframes(
        {"time": 0.2, "jaw_open": 0.2}, {"time": 0.6, "jaw_open": 1}, {"time": 1.0, "jaw_open": 0, "head_yaw": -20}
    )
    motion = keyframes_to_motion(text)
    jaw = motion.channel("jaw_open")
    assert len(motion) == 26 and motion.frame_rate == 25
    np.testing.assert_allclose(jaw[[0, 5, 15, 25]], [0.2, 0.2, 1, 0], atol=1e-6)
    assert (motion.channel("head_yaw") == -20).all() and not motion.channel("tongue_out").any()


@given(st.lists(st.tuples(st.floats(0.01, 2), st.floats(0, 1)), min_size=1, max_size=8))
def test_motion_never_overshoots_its_keyframes(steps):
    times = np.cumsum([step for step, _ in steps])
    values = [value for _, value in steps]
    rows = [{"time": float(time), "jaw_open": value} for time, value in zip(times, values, strict=True)]
    jaw = keyframes_to_motion(keyframes(*rows)).channel("jaw_open")
    at = np.arange(len(jaw)) / 25
    for left, right, first, last in zip(times[:-1], times[1:], values[:-1], values[1:], strict=True):
        between = jaw[(at >= left) & (at <= right)]
        assert (between >= min(first, last) - 1e-5).all() and (between <= max(first, last) + 1e-5).all()
        assert (np.diff(between) * np.sign(last - first) >= -1e-5).all()


def test_inside_the_curve_is_scipys_pchip():
    interpolate = pytest.importorskip("scipy.interpolate")
    times, values = np.array([0, 0.4, 0.5, 1.1, 1.6, 2.0]), np.array([0, 0.3, 0.9, 1.0, 0.2, 0.2])
    rows = [{"time": float(time), "jaw_open": float(value)} for time, value in zip(times, values, strict=True)]
    jaw = keyframes_to_motion(keyframes(*rows, frame_rate="100")).channel("jaw_open")
    inside = slice(40, 161)  # the ends differ: ours leave and arrive level
    np.testing.assert_allclose(
        jaw[inside], interpolate.PchipInterpolator(times, values)(np.arange(201) / 100)[inside], atol=1e-5
    )


@pytest.mark.parametrize("text, named", [
    ("nonsense", "keyframes is not JSON"),
    (keyframes(), "at least one"),
    (keyframes({"time": 0}, version=3), "version"),
    (keyframes({"time": 0}, frame_rate="fast"), "frame_rate"),
    (keyframes({"jaw_open": 1}), "keyframes.0..time"),
    (keyframes({"time": 1}, {"time": 1}), "later than 1"),
    (keyframes({"time": 0, "jaw_open": 0}, {"time": 1e-320, "jaw_open": 1}), "later than 0"),
    (keyframes({"time": -1}), "between 0 and"),
    (keyframes({"time": 1e6}), "between 0 and"),
    (keyframes({"time": 0, "jaw": 1}), "names 'jaw'"),
    (keyframes({"time": 0, "jaw_open": 1.5}), "jaw_open must lie between 0 and 1"),
    (keyframes({"time": 0, "head_roll": 90}), "head_roll must lie between -45 and 45"),
    (keyframes({"time": 0, "jaw_open": "wide"}), "jaw_open must be a number"),
    (keyframes(5), "keyframes.0. must be an object"),
    (keyframes({"time": 0, "jaw_open": 10**400}), "jaw_open"),
])  # fmt: skip
def test_the_message_names_the_field(text, named):
    with pytest.raises(FormatError, match=named):
        keyframes_to_motion(text)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*CHANNELS, "time"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(name=st.sampled_from(["version", "frame_rate", "keyframes"]), value=anything)
def test_garbage_is_a_format_error_or_a_motion(name, value):
    try:
        motion = keyframes_to_motion(keyframes({"time": 1, "jaw_open": 0.5}, **{name: value}))
    except FormatError:
        return
    assert isinstance(motion, MouthMotion) and np.isfinite(motion.values).all()
