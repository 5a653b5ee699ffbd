"""What holds for every mouth, whatever it says and however it is asked to: properties of `visemes_to_motion`."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync.articulation import FLAPPING, Mouth
from animal_lipsync.motion import visemes_to_motion
from animal_lipsync.styles import BUILDS, STYLES, build_of, respond
from animal_lipsync.types import Cue, MouthMotion, VisemeTrack
from animal_lipsync.visemes import VISEMES, long_enough

RATES = st.sampled_from([Fraction(12), Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60)])


@st.composite
def tracks(draw):
    """Cues as `viseme_track` makes them: without gaps, none too short to be seen."""
    lengths = draw(st.lists(st.tuples(st.integers(3, 40), st.sampled_from(VISEMES)), min_size=1, max_size=40))
    ends = np.cumsum([length for length, _ in lengths]) / 100
    starts = [0.0, *ends[:-1]]
    runs = [(float(start), float(end), name) for start, end, (_, name) in zip(starts, ends, lengths, strict=True)]
    return VisemeTrack(tuple(Cue(*run) for run in long_enough(runs)))


mouths = st.builds(Mouth, st.sampled_from(list(STYLES)), st.floats(0, 2), st.sampled_from(list(BUILDS)))


def opening(motion):
    return motion.channel("jaw_open") * (1 - motion.channel("mouth_close"))


@settings(max_examples=60)
@given(track=tracks(), rate=RATES, mouth=mouths)
def test_lips_that_meet_are_seen_to_and_no_mouth_goes_beyond_its_build(track, rate, mouth):
    motion = visemes_to_motion(track, rate, mouth=mouth)
    shut = opening(motion)
    for cue in track.cues:
        if cue.viseme == "PP":
            first, last = np.ceil(cue.start * rate), np.floor(cue.end * rate)
            nearest = round((cue.start + cue.end) / 2 * float(rate))
            frames = shut[int(min(first, nearest)) : int(max(last, nearest)) + 1]
            assert not len(frames) or frames.min() < 0.02
    build = build_of(mouth.species)
    assert motion.channel("jaw_open").max() <= build.widest + 1e-6
    assert motion.values.min() >= 0 and motion.values.max() <= 1
    if mouth.species == "parrot":
        assert not motion.channel("mouth_pucker").any() and not motion.channel("mouth_wide").any()


@settings(max_examples=60)
@given(track=tracks(), rate=RATES, mouth=mouths)
def test_every_rate_shows_the_same_movement(track, rate, mouth):
    """The jaw at frame t is that of time t / rate, known from a motion of 1000 frames a second."""
    motion = visemes_to_motion(track, rate, mouth=mouth)
    fine = visemes_to_motion(track, Fraction(1000), mouth=mouth).channel("jaw_open")
    at = np.minimum(np.arange(len(motion)) * 1000 / float(rate), len(fine) - 1)
    np.testing.assert_allclose(motion.channel("jaw_open"), np.interp(at, np.arange(len(fine)), fine), atol=0.02)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), coarse=st.integers(1, 6), mouth=mouths)
def test_nothing_flaps_and_a_heavy_jaw_takes_its_time(seed, coarse, mouth):
    """Whatever a noise is heard as, the mouth opens and shuts about six times a second at most, and not too fast."""
    noise = np.random.default_rng(seed).random((600 // coarse, 3)).repeat(coarse, axis=0)
    jaw = mouth.say(VisemeTrack(), noise, Fraction(100), Fraction(len(noise), 100)).channel("jaw_open")
    assert np.abs(np.diff(jaw)).max() <= build_of(mouth.species).fastest / 100 + 1e-6
    tops = [
        index
        for index in range(1, len(jaw) - 1)
        if jaw[index] >= jaw[index - 1]
        and jaw[index] > jaw[index + 1]
        and _falls(jaw[: index + 1][::-1]) >= 0.2
        and _falls(jaw[index:]) >= 0.2
    ]
    for first in tops:
        assert sum(first <= top < first + 100 for top in tops) <= FLAPPING + 1


def _falls(side):
    """How far a curve falls from its first value before it rises above it."""
    above = np.flatnonzero(side > side[0])
    return side[0] - side[: above[0] if len(above) else None].min()


def test_a_mouth_begins_before_its_voice_and_rounds_before_its_vowel():
    cues = (Cue(0, 0.6, "sil"), Cue(0.6, 0.7, "DD"), Cue(0.7, 0.9, "ou"), Cue(0.9, 1.2, "sil"))
    motion = visemes_to_motion(VisemeTrack(cues), Fraction(100))
    jaw, pucker = motion.channel("jaw_open"), motion.channel("mouth_pucker")
    assert jaw[:45].max() == 0 and 0.02 < jaw[58] < 0.2
    assert pucker[:52].max() < 0.05 and pucker[66] > 0.3
    lips_meet = visemes_to_motion(VisemeTrack((cues[0], Cue(0.6, 0.7, "PP"), *cues[2:])), Fraction(100))
    assert opening(lips_meet)[50:68].max() < 0.05


def test_frames_do_not_drift_within_an_hour():
    """A closure every second at 29.97 frames a second: each is seen at its own second, the last like the first."""
    rate = Fraction(30000, 1001)
    cues = [Cue(s + a, s + b, name) for s in range(3600) for a, b, name in ((0, 0.5, "PP"), (0.5, 1, "aa"))]
    shut = opening(visemes_to_motion(VisemeTrack(tuple(cues)), rate)) < 0.02
    at = np.arange(len(shut)) / float(rate)
    assert len(shut) == round(3600 * rate)
    inside = (at % 1 > 0.001) & (at % 1 < 0.499)
    assert shut[inside].all()
    assert not shut[(at % 1 > 0.6) & (at % 1 < 0.9)].any()


def test_styles_differ_as_their_names_say():
    cues = [Cue(i * 0.2, i * 0.2 + 0.2, name) for i, name in enumerate(("DD", "aa", "PP", "oh", "SS", "aa", "ou", "E"))]
    subtle, natural, cartoon = (
        visemes_to_motion(VisemeTrack(tuple(cues)), Fraction(100), mouth=Mouth(style)) for style in STYLES
    )
    for quiet, loud in ((subtle, natural), (natural, cartoon)):
        assert opening(quiet).max() < opening(loud).max()
        assert quiet.channel("mouth_pucker").max() < loud.channel("mouth_pucker").max() + 1e-6
    assert np.abs(np.diff(subtle.channel("jaw_open"))).max() < np.abs(np.diff(natural.channel("jaw_open"))).max()


@given(strength=st.floats(0, 4), contrast=st.floats(0.5, 2))
def test_the_response_rises_from_0_to_at_most_1(strength, contrast):
    at = np.linspace(0, 1.2, 101)
    moved = respond(at, strength, contrast=contrast)
    assert moved[0] == 0 and moved.max() <= 1 and (np.diff(moved) >= 0).all()
    np.testing.assert_array_equal(respond(at, 1.0), np.minimum(at, 1))


@pytest.mark.parametrize("options, named", [
    ({"style": "epic"}, "subtle, natural, cartoon"),
    ({"strength": 3}, "strength"),
    ({"strength": float("nan")}, "strength"),
])  # fmt: skip
def test_what_no_mouth_can_do_is_refused(options, named):
    with pytest.raises(ValueError, match=named):
        Mouth(**options)


def test_an_unknown_species_moves_like_a_dog():
    assert build_of("gryphon") == build_of("Dog")


@given(rate=RATES, other=RATES, at=st.integers(1, 40))
def test_lips_that_meet_for_one_frame_are_seen_to_at_any_other_rate(rate, other, at):
    close = np.zeros(50)
    close[at] = 1
    motion = MouthMotion.from_channels(rate, 50, jaw_open=0.8, mouth_close=close)
    resampled = motion.resampled(other, round(50 * other / rate))
    assert opening(resampled)[round(at * other / rate)] == 0
