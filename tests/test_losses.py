"""Losses: none where nothing is wrong, more where more is, and gradients that lead to what is painted."""

import pytest
import torch
import torch.nn.functional as F

from animal_lipsync import losses
from animal_lipsync.engine import WarpEngine
from animal_lipsync.openness import load_openness, openness
from tests.animals import pose, rough_picture, sample_fox, soft_picture

MASK = torch.zeros(1, 256, 256)
MASK[:, 140:240, 60:200] = 1


def test_what_is_shown_counts_five_times_what_is_not():
    target = soft_picture(256, 256)
    inside, outside = target.clone(), target.clone()
    inside[..., 180:190, 100:110] += 0.1
    outside[..., 20:30, 100:110] += 0.1
    assert losses.masked_l1(target, target, MASK) == 0
    assert losses.masked_l1(inside, target, MASK) / losses.masked_l1(outside, target, MASK) == pytest.approx(
        5, rel=1e-3
    )


def test_texture_minds_blur_but_not_which_hair_lies_where():
    fur, other = rough_picture(256, 256, seed=0), rough_picture(256, 256, seed=1)
    blurred = F.avg_pool2d(fur, 5, 1, 2)
    assert losses.texture(fur, fur, MASK) == 0
    assert losses.texture(other, fur, MASK) < 0.2 * losses.texture(blurred, fur, MASK)
    assert losses.masked_l1(other, fur, MASK) > losses.masked_l1(blurred, fur, MASK)


def test_opening_leads_a_shut_mouth_to_open():
    picture, face = sample_fox()
    jaw = torch.tensor(0.0, requires_grad=True)
    shut, wide = (WarpEngine()(picture, face, pose(jaw_open=amount)) for amount in (0.0, 0.7))
    painted = shut + (wide - shut) * (jaw + 0.3)
    wanted = openness(wide, face)
    loss = losses.opening(painted, face, wanted)
    loss.backward()
    assert loss > 0 and jaw.grad < 0
    assert losses.opening(wide, face, wanted) == 0


def test_identity_and_statistics_mind_colour_but_not_place():
    latents = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    everywhere = torch.ones(1, 256, 256)
    moved, tinted = latents.roll((5, 7), (2, 3)), latents + torch.tensor([0.5, 0, 0, 0])[None, :, None, None]
    for loss in (lambda a, b: losses.identity(a, b, everywhere), losses.statistics):
        assert loss(moved, latents) < 1e-5
        assert loss(tinted, latents) > 0.1


def test_perceptual_weighs_channels_alike_however_strong():
    features = torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    off = features.clone()
    off[:, :4] += 0.3
    strong = torch.tensor([100.0] * 4 + [1.0] * 4)[None, :, None, None]
    plain, scaled = (losses.perceptual([off * s], [features * s], MASK) for s in (1.0, strong))
    assert plain > 0 and plain == pytest.approx(float(scaled), rel=0.01)


@pytest.mark.parametrize("rule", ["hinge", "least_squares"])
def test_a_critic_learns_to_tell_and_a_painter_to_persuade_it(rule):
    torch.manual_seed(0)
    critic = losses.Critic(16)
    optimizer = torch.optim.Adam(critic.parameters(), 1e-3)
    real, painted = rough_picture(64, 64, frames=2), F.avg_pool2d(rough_picture(64, 64, frames=2, seed=1), 3, 1, 1)
    before = losses.judge(critic(real), critic(painted), rule)
    for _ in range(30):
        optimizer.zero_grad()
        loss = losses.judge(critic(real), critic(painted), rule)
        loss.backward()
        optimizer.step()
    assert loss < 0.6 * before
    critic.eval()  # or spectral norm goes on
    assert losses.persuade(critic(painted), rule) > losses.persuade(critic(real), rule)
    assert losses.match_features(critic(painted), critic(real)) > losses.match_features(critic(real), critic(real)) == 0


def test_opening_can_be_trained_by_after_it_was_looked_at_in_inference_mode():
    picture, face = sample_fox()
    load_openness.cache_clear()
    with torch.inference_mode():
        openness(picture, face)
    painted = picture.clone().requires_grad_(True)
    losses.opening(painted, face, torch.ones(1)).backward()
    assert painted.grad.abs().max() > 0
