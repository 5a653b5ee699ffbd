"""What a pet's mouth is learned from: kinds of pairs, their references, and that a draw depends on its seed alone."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animal_lipsync.augmentation import UNCHANGED
from animal_lipsync.dataset import CROP
from animal_lipsync.openness import openness
from animal_lipsync.pairs import NEAREST, STEADINESS, Pairs, listen, match_opening, other_mouths
from animal_lipsync.types import Audio
from tests.pets import hear, make_piece, sample_pet, sample_voice, speaking_piece


@pytest.fixture(scope="module")
def voice():
    sound = sample_voice()
    return listen(Audio(sound.waveform[:, : 2 * sound.sample_rate], sound.sample_rate), hear)


@pytest.fixture(scope="module")
def piece():
    return speaking_piece("fox", 0, sample_voice(), frames=30)


@pytest.fixture(scope="module")
def pairs(piece, voice):
    return Pairs([piece], [voice], hear)


def drawn(pairs, kind, seed):
    return replaced(pairs, shares={kind: 1.0}).draw(np.random.default_rng(seed))


def replaced(pairs, **changes):
    other = pairs.without_changes()
    vars(other).update(changes)
    return other


def test_all_three_kinds_come_of_a_pet_that_speaks(pairs):
    assert set(pairs.shares) == {"recorded", "matched", "warped"}
    assert sum(pairs.shares.values()) == pytest.approx(1)


def test_a_picture_alone_gives_warped_pairs(voice):
    picture = make_piece(*sample_pet(), frame_rate=0, origin="rex.jpg")
    pairs = Pairs([picture], [voice], hear)
    assert list(pairs.shares) == ["warped"]
    pair = pairs.draw(np.random.default_rng(0))
    assert pair.origin == "rex.jpg at 0.00 s"
    assert not torch.equal(pair.target, pair.reference)


def test_without_anything_to_learn_from_it_says_so(voice):
    picture = make_piece(*sample_pet(), frame_rate=0)
    with pytest.raises(ValueError, match="nothing to learn from.*voice"):
        Pairs([picture], [], hear)
    with pytest.raises(ValueError, match="share"):
        Pairs([picture], [voice], hear, shares={"recorded": 1.0})


@pytest.mark.parametrize("kind", ["recorded", "matched", "warped"])
def test_a_draw_is_the_same_for_the_same_seed_alone(pairs, kind):
    one, again, other = (drawn(pairs, kind, seed) for seed in (3, 3, 4))
    assert one.kind == kind
    assert torch.equal(one.target, again.target) and torch.equal(one.reference, again.reference)
    assert torch.equal(one.tokens, again.tokens)
    assert not torch.equal(one.target, other.target)


@pytest.mark.parametrize("kind", ["recorded", "matched", "warped"])
def test_the_mouth_that_is_wanted_is_the_one_that_is_shown(pairs, kind):
    for seed in range(6):
        pair = drawn(pairs, kind, seed)
        assert abs(float(openness(pair.target[None], pair.face)[0]) - pair.opening) < 0.1


def test_the_mask_lies_over_the_mouth_and_hides_with_the_lower_half(pairs):
    for seed in range(4):
        pair = pairs.draw(np.random.default_rng(seed))
        x, y = np.round(pair.face.keypoints[0, 6]).astype(int)  # lower lip
        assert pair.mask[y, x] > 0.9
        assert pair.mask[0].max() == pair.mask[:, 0].max() == 0


def test_mirror_and_light_are_those_of_both_pictures(piece, voice):
    pairs = Pairs([piece], [voice], hear, augmentation=replace(UNCHANGED, mirror=1.0, light=0.5))
    plain = pairs.without_changes()
    changed, pair = (some.draw(np.random.default_rng(5)) for some in (pairs, plain))
    assert changed.origin == pair.origin
    upper = slice(0, 100)  # nothing but the mouth tells target and reference apart
    for picture in (changed.target, changed.reference):
        assert (picture.flip(2)[:, upper] - pair.target[:, upper]).abs().mean() > 0.03
    assert (changed.target[:, upper] - changed.reference[:, upper]).abs().mean() < 0.02


def test_a_reference_is_held_alike_and_has_another_mouth(piece):
    moved = piece.face.keypoints.copy()
    moved[15:] += 9
    piece = replace(piece, face=replace(piece.face, keypoints=moved))
    for frame in range(len(piece)):
        chosen = other_mouths(piece, frame)
        assert frame not in chosen and len(chosen)
        assert ((chosen < 15) != (frame < 15)).sum() <= 1  # 15 of the 29 others, of which 14 are held alike
        openings = np.abs(piece.opening - piece.opening[frame])
        assert openings[chosen].min() >= np.quantile(openings, 1 - NEAREST) - 1e-6


def test_frames_without_the_animal_are_no_references(piece):
    visible = np.ones(len(piece), bool)
    visible[5:] = False
    hidden = replace(piece, face=replace(piece.face, visible=visible))
    assert set(other_mouths(hidden, 2)) <= {0, 1, 3, 4}
    alone = replace(piece, face=replace(piece.face, visible=np.arange(len(piece)) == 2))
    assert other_mouths(alone, 2).tolist() == [2]


@settings(max_examples=30)
@given(st.integers(0, 2**31))
def test_the_order_that_matches_a_voice_is_the_cheapest_of_all(seed):
    rng = np.random.default_rng(seed)
    opening, poses, wanted = rng.random(4), rng.random((4, 6)) / 5, rng.random(5)

    def cost(path):
        unit = max(wanted.max(), 0.15)
        jumps = np.diff(poses[list(path)], axis=0)
        return (((opening[list(path)] - wanted) / unit) ** 2).sum() + STEADINESS * (jumps**2).sum()

    best = min(product(range(4), repeat=5), key=cost)
    assert cost(match_opening(opening, poses, wanted)) == pytest.approx(cost(best))


def test_a_matched_take_follows_the_voice_and_leaves_out_what_does_not(pairs):
    for take in pairs.takes["matched"]:
        seen, wanted = take.piece.opening[take.frames], take.opening
        assert np.corrcoef(seen, wanted)[0, 1] > 0.8
        assert np.abs(seen - wanted)[take.fits].max() < 0.3 * np.ptp(take.piece.opening) + 0.1


def test_pictures_are_those_of_the_square_the_network_sees(piece, voice):
    pair = drawn(Pairs([piece], [voice], hear), "recorded", 0)
    middle = piece.crop(round(float(pair.origin.split()[-2]) * 25))[:, 32:-32, 32:-32]
    assert CROP == 320
    assert (pair.target - middle).abs().max() < 0.01
