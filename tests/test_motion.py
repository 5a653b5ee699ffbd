import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync.audio import load_audio, read_audio
from animal_lipsync.motion import keyframes_to_motion, nod, speech_to_motion
from animal_lipsync.types import CHANNELS, Audio, FormatError, MouthMotion

RATE = 16_000
RNG = np.random.default_rng(0)


def vowel(seconds, *formants, pitch=120.0):
    """A voiced sound that rings at the given frequencies."""
    time = np.arange(round(seconds * RATE)) / RATE
    harmonics = pitch * np.arange(1, int(7000 / pitch))
    gain = sum(1 / (1 + ((harmonics - formant) / 90) ** 2) for formant in formants) + 1e-3
    return 0.1 * (gain[:, None] * np.sin(2 * np.pi * harmonics[:, None] * time)).sum(axis=0)


def silence(seconds):
    return 1e-4 * RNG.standard_normal(round(seconds * RATE))


AH = vowel(0.16, 750, 1200, 2600)
PAUSE = silence(0.5)
SPEECH = np.concatenate([PAUSE, *[AH, silence(0.09)] * 8, PAUSE, *[AH, silence(0.09)] * 4, PAUSE])
"""Eight syllables of a quarter second, half a second of rest, four more."""


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


def test_the_mouth_is_shut_in_every_pause_and_opens_with_every_syllable():
    jaw = motion_of(SPEECH, Fraction(100)).channel("jaw_open")
    onsets = 0.5 + 0.25 * np.arange(8)
    assert not jaw[:45].any() and not jaw[265:295].any() and not jaw[-40:].any()
    for onset in onsets:
        syllable = jaw[int(onset * 100) : int(onset * 100) + 16]
        gap = jaw[int(onset * 100) + 18 : int(onset * 100) + 23]
        assert syllable.max() > 0.7 and gap.min() < 0.15


def test_the_mouth_opens_fast_and_with_the_sound():
    jaw = motion_of(SPEECH, Fraction(100)).channel("jaw_open")
    opened = np.flatnonzero(jaw > 0.45)[0] / 100
    assert -0.03 <= opened - 0.5 <= 0.05
    one = jaw[48:72]
    attack = np.flatnonzero(one > 0.8 * one.max())[0] - np.flatnonzero(one > 0.1 * one.max())[0]
    release = np.flatnonzero(one > 0.1 * one.max())[-1] - np.flatnonzero(one > 0.8 * one.max())[-1]
    assert attack < release


@pytest.mark.parametrize("gain", [0.003, 0.1, 4.0])
def test_gain_does_not_matter(gain):
    np.testing.assert_allclose(motion_of(SPEECH * gain).values, motion_of(SPEECH).values, atol=0.1)


def test_background_noise_does_not_open_the_mouth():
    hum = 0.02 * np.sin(2 * np.pi * 100 * np.arange(len(SPEECH)) / RATE) + 0.01 * RNG.standard_normal(len(SPEECH))
    clean, noisy = (motion_of(samples, Fraction(100)).channel("jaw_open") for samples in (SPEECH, SPEECH + hum))
    assert noisy[:40].max() < 0.05 and noisy[270:290].max() < 0.05
    assert np.corrcoef(clean, noisy)[0, 1] > 0.9


def test_how_the_voice_arrives_does_not_matter():
    whole = motion_of(SPEECH).values
    pieces = [Audio(piece[None].astype(np.float32), RATE) for piece in np.array_split(SPEECH, 97)]
    np.testing.assert_allclose(speech_to_motion(iter(pieces), Fraction(25)).values, whole, atol=1e-5)
    np.testing.assert_allclose(motion_of(np.stack([SPEECH, SPEECH])).values, whole, atol=1e-5)


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 192_000])
def test_the_sample_rate_does_not_matter(sample_rate):
    at = np.arange(round(len(SPEECH) / RATE * sample_rate)) / sample_rate
    resampled = np.interp(at, np.arange(len(SPEECH)) / RATE, SPEECH)
    jaw, expected = (
        motion_of(resampled, sample_rate=sample_rate).channel("jaw_open"),
        motion_of(SPEECH).channel("jaw_open"),
    )
    assert np.corrcoef(jaw, expected)[0, 1] > 0.95


def test_ee_is_wide_oo_is_round_and_ah_is_open():
    sounds = {"ee": vowel(0.3, 300, 2300, 3000), "oo": vowel(0.3, 320, 800), "ah": vowel(0.3, 750, 1200, 2600)}
    sounds = {name: sound / np.std(sound) * 0.1 for name, sound in sounds.items()}
    motion = motion_of(
        np.concatenate([PAUSE, *[part for sound in sounds.values() for part in (sound, silence(0.2))]]), Fraction(100)
    )
    middle = {name: 65 + 50 * index for index, name in enumerate(sounds)}
    wide, pucker, jaw = (motion.channel(name) for name in ("mouth_wide", "mouth_pucker", "jaw_open"))
    assert wide[middle["ee"]] > 0.2 > pucker[middle["ee"]]
    assert pucker[middle["oo"]] > 0.2 > wide[middle["oo"]]
    assert jaw[middle["ah"]] > max(jaw[middle["ee"]], jaw[middle["oo"]])


def test_a_closure_between_syllables_presses_the_lips_and_a_pause_does_not():
    close = motion_of(SPEECH, Fraction(100)).channel("mouth_close")
    assert close[66:75].max() > 0.1
    assert not close[:40].any() and close[275:290].max() < 0.05


def test_what_cannot_be_heard_is_refused():
    with pytest.raises(ValueError, match="frame_rate"):
        motion_of(SPEECH, Fraction(0))
    with pytest.raises(ValueError, match="not numbers"):
        motion_of(np.full(100, np.nan))


def test_real_speech_looks_alive(data):
    for path in sorted((data / "speech" / "languages").iterdir()) + sorted((data / "speech" / "singing").iterdir()):
        motion = speech_to_motion(read_audio(path), Fraction(25))
        jaw = motion.channel("jaw_open")
        assert 0.25 < jaw.mean() < 0.6 and np.percentile(jaw, 95) > 0.8, path.name
        assert (jaw < 0.05).mean() > 0.02, path.name
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


# Nods


def test_nods_come_with_stress_and_stay_within_their_degrees():
    motion = motion_of(SPEECH)
    assert not motion.channel("head_pitch").any()
    nodding = nod(motion, 4.0)
    pitch = nodding.channel("head_pitch")
    assert 1.5 < pitch.max() <= 4.0 and pitch.min() >= 0
    others = [index for index, name in enumerate(CHANNELS) if name != "head_pitch"]
    np.testing.assert_array_equal(nodding.values[:, others], motion.values[:, others])
    np.testing.assert_array_equal(nod(motion, 0.0).values, motion.values)
    assert not nod(motion_of(np.zeros(RATE)), 4.0).values.any()
    assert not motion.channel("head_pitch").any()


def test_a_nod_is_smooth():
    pitch = nod(motion_of(SPEECH), 4.0).channel("head_pitch")
    assert np.abs(np.diff(pitch)).max() < 1.5


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


@settings(deadline=None)
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
