import numpy as np
import pytest
import torch
import torch.nn.functional as F

from animal_lipsync.flow import apply_motion, fit_motion, follow_points

POINTS = torch.rand(2, 30, 2, generator=torch.Generator().manual_seed(1)) * 60 + 18


def soft(seed, size=200):
    """(1, 1, size, size) with detail of all sizes."""
    random = torch.Generator().manual_seed(seed)
    layers = [
        F.interpolate(torch.rand(1, 1, n, n, generator=random), size=(size, size), mode="bicubic") for n in (6, 16, 48)
    ]
    return sum(layers) / 3


def seen(image, shift=(0.0, 0.0), turn=0.0, scale=1.0):
    """What a 96-pixel window in the middle shows after what is in it was moved, turned and scaled."""
    at = torch.stack(torch.meshgrid(torch.arange(96) + 0.5, torch.arange(96) + 0.5, indexing="xy"), -1) - 48
    cos, sin = np.cos(turn) / scale, np.sin(turn) / scale
    source = (at - torch.tensor(shift)) @ torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float32)
    return F.grid_sample(image, (source / 100)[None], align_corners=False)


def moved(points, shift, turn, scale):
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    return (points - 48) @ torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float32) + 48 + torch.tensor(shift)


@pytest.mark.parametrize(
    ("shift", "turn", "scale"),
    [((0.0, 0.0), 0.0, 1.0), ((0.3, -0.2), 0.0, 1.0), ((7.0, 4.0), 0.0, 1.0), ((3.0, -5.0), 0.06, 1.04)],
)
def test_points_are_found_where_the_picture_went(shift, turn, scale):
    before = torch.cat([seen(soft(0)), seen(soft(1))])
    after = torch.cat([seen(soft(0), shift, turn, scale), seen(soft(1), shift, turn, scale)])
    flow, expected = follow_points(before, after, POINTS), moved(POINTS, shift, turn, scale)
    assert (flow.points - expected).norm(dim=-1).median() < 0.2
    motion = fit_motion(POINTS, flow.points, flow.alike.clamp_min(0) * flow.grip + 1e-6)
    assert (apply_motion(motion, POINTS) - expected).norm(dim=-1).max() < 0.3
    assert flow.alike.mean() > 0.9


def test_another_picture_is_not_alike_and_a_dimmer_one_is():
    flow = follow_points(seen(soft(0)), seen(soft(5)), POINTS[:1])
    assert flow.alike.mean() < 0.5
    assert follow_points(seen(soft(0)), seen(soft(0)) * 0.85 + 0.02, POINTS[:1]).alike.mean() > 0.9


def test_a_point_without_texture_stays_where_it_is_expected():
    blank = torch.full((1, 1, 96, 96), 0.4)
    expected = POINTS[:1] + 3
    flow = follow_points(blank, blank, POINTS[:1], expected=expected)
    assert torch.allclose(flow.points, expected) and flow.grip.max() < 0.1 and flow.alike.min() > 0.9


def test_a_minority_that_goes_elsewhere_does_not_bend_the_motion():
    points = POINTS[:1]
    after = moved(points, (2.0, 1.0), 0.1, 1.1)
    after[:, :9] += 15
    motion = fit_motion(points, after, torch.ones(1, 30))
    assert (apply_motion(motion, points)[:, 9:] - after[:, 9:]).norm(dim=-1).max() < 0.1
