import pytest
import torch

from animal_lipsync.appearance import LUMA
from animal_lipsync.mouth import (
    CARNIVORE,
    TOOTHLESS,
    dentition_of,
    lip_coordinates,
    paint_mouth,
    paint_tongue_out,
    to_texture,
)

SPECIES = ("dog", "cat", "fox", "bear", "rabbit", "hamster", "horse", "llama", "primate", "unknown")
WHITE = torch.ones(1, 3, 1, 1)
views = pytest.mark.parametrize("is_side", [False, True], ids=["front", "side"])


def paint(gap, *, is_side=False, species="dog", beak=False, light=WHITE, slant=0.0, width=96):
    """(1, 3, h, w); the gap is the same from end to end."""
    return paint_mouth(
        torch.full((1, 1, width), float(gap)),
        light=light,
        slant=torch.full((1, 1, 1), slant),
        dentition=dentition_of(species, beak=beak),
        is_side=is_side,
        beak=beak,
    )


def luma(pixels):
    return (pixels * torch.tensor(LUMA).reshape(1, 3, 1, 1)).sum(1)


def white(pixels):
    """(N, h, w) where teeth show: bright in every colour, which a tongue is not."""
    return pixels.amin(1) > 0.62


@views
@pytest.mark.parametrize("gap", [0.0, 1e-6, 0.1, 0.5, 1.5, 10.0])
@pytest.mark.parametrize("species, beak", [(species, False) for species in SPECIES] + [("bird", True)])
def test_every_mouth_is_painted_in_real_colours(species, beak, gap, is_side):
    inside = paint(gap, is_side=is_side, species=species, beak=beak)
    assert inside.shape == (1, 3, 48, 96)
    assert torch.isfinite(inside).all()
    assert inside.min() >= -0.01 and inside.max() < 1.3


@views
def test_the_inside_is_mostly_dark_and_reddish(is_side):
    inside = paint(0.6, is_side=is_side)
    assert luma(inside).median() < 0.3
    assert inside[:, 0].mean() > 1.2 * inside[:, 2].mean()


@views
def test_the_light_of_the_picture_colours_the_inside(is_side):
    light = torch.tensor([0.5, 0.4, 0.2]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(paint(0.6, is_side=is_side, light=light), light * paint(0.6, is_side=is_side))


@views
@pytest.mark.parametrize("species", [name for name in SPECIES if name != "unknown"])
def test_a_mammal_shows_teeth_and_a_bird_does_not(species, is_side):
    mammal, bird = (paint(0.8, is_side=is_side, species=name, beak=name == "bird") for name in (species, "bird"))
    assert white(mammal).float().mean() > 0.003
    assert not white(bird).any()


def test_a_cat_has_canines_a_rabbit_incisors_and_a_cow_no_upper_teeth():
    def upper(species):
        """Columns with something bright near the upper lip, from -1 to 1."""
        columns = white(paint(0.8, species=species))[0, :12].any(0)
        return torch.linspace(-1.04, 1.04, len(columns))[columns].abs()

    assert upper("cat").numel() and upper("cat").min() > 0.2
    assert upper("rabbit").numel() and upper("rabbit").max() < 0.3
    assert not upper("cow").numel()


@views
def test_teeth_grow_out_of_the_lips_as_they_part(is_side):
    def share_of_gap(gap):
        teeth = paint(gap, is_side=is_side)
        none = paint_mouth(
            torch.full((1, 1, 96), gap),
            light=WHITE,
            slant=torch.zeros(1, 1, 1),
            dentition=TOOTHLESS,
            is_side=is_side,
            beak=False,
        )
        return float(((teeth - none).abs().amax(1) > 0.1).float().mean())

    assert share_of_gap(0.03) < 0.3 * share_of_gap(0.2)


def test_names_choose_the_teeth_and_case_does_not_matter():
    assert dentition_of("cat", beak=False) is dentition_of("LION", beak=False) is not CARNIVORE
    assert dentition_of("rabbit", beak=False) is not dentition_of("horse", beak=False)
    assert dentition_of("dragon", beak=False) is CARNIVORE
    assert dentition_of("dog", beak=True) is TOOTHLESS


@views
def test_texture_positions_are_those_of_the_painted_columns(is_side):
    u, v = lip_coordinates(33, 17, is_side=is_side)
    torch.testing.assert_close(to_texture(u, is_side=is_side)[0, 0], torch.linspace(-1, 1, 33))
    torch.testing.assert_close(v[0, :, 0], torch.linspace(0, 1, 17))
    assert u.min() < 0 - (not is_side) and u.max() > 1


def test_each_mouth_of_a_batch_is_painted_as_it_is_alone():
    gaps = torch.tensor([0.0, 0.2, 0.9]).reshape(3, 1, 1).expand(-1, 1, 64)
    lights = torch.rand(3, 3, 1, 1, generator=torch.Generator().manual_seed(1))
    slants = torch.tensor([-1.0, 0.0, 1.0]).reshape(3, 1, 1)
    options = {"dentition": CARNIVORE, "is_side": False, "beak": False}
    together = paint_mouth(gaps, light=lights, slant=slants, **options)
    for inside, gap, light, slant in zip(together, gaps, lights, slants, strict=True):
        alone = paint_mouth(gap[None], light=light[None], slant=slant[None], **options)
        torch.testing.assert_close(inside[None], alone)


def test_a_tongue_covers_only_itself():
    u = torch.linspace(-1.5, 1.5, 61).reshape(1, 1, -1)
    s = torch.linspace(-0.5, 1.5, 41).reshape(1, -1, 1)
    u, s = torch.broadcast_tensors(u, s)
    colour, cover = paint_tongue_out(u, s, light=WHITE, slant=torch.zeros(1, 1, 1))
    assert (cover[(u.abs() > 1) | (s < 0) | (s >= 1)] == 0).all()
    assert (cover[(u.abs() < 0.3) & (s > 0.3) & (s < 0.7)] == 1).all()
    assert torch.isfinite(colour).all() and (colour[:, 0] > colour[:, 2]).float().mean() > 0.9
