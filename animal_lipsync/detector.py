"""The four small networks that find faces and their `animal9` keypoints, and their weights, which ship with the pack.

How the weights were made: dev/keypoints. What they are shown: detection.py.
"""

from __future__ import annotations

import functools
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .schemas import SCHEMAS

WEIGHTS = Path(__file__).parent / "weights" / "animal_face.safetensors"
SPECIES = ("cat", "dog", "bird", "other")
STRIDE = 8
"""Pixels per cell of the detector's output."""
POINTS = len(SCHEMAS["animal9"].mirror)
MIRROR = (*SCHEMAS["animal9"].mirror, POINTS + 1, POINTS, POINTS + 2, POINTS + 3)
"""Of the points that the head network places: `animal9`, then the middles of the box's left, right, top, bottom."""
MOUTH_POINTS = (2, 3, 4, 5, 6, 7)
"""Points of `animal9` that the mouth network places again."""
SHARPNESS = 1.5
"""Exponent of a heatmap's distribution before its mean is the point, so that unlikely places far off pull it less."""


class Detector(nn.Module):
    """The four networks together."""

    def __init__(self):
        super().__init__()
        self.faces = FaceDetector()
        self.head = KeypointNet(tuple(range(len(MIRROR))), size=128, margin=1.25)
        self.mouth = KeypointNet(MOUTH_POINTS, size=96, margin=0.75, deepest=96)
        self.verifier = FaceVerifier()
        # log odds that there is a face, from its `face_features`; fitted on what is found in held-out pictures
        self.register_buffer("trust", torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]))

    @property
    def device(self) -> torch.device:
        return self.faces.heat.weight.device


@functools.cache
def load_detector(device: str = "cpu") -> Detector:
    """The networks with their shipped weights, ready on `device`; read once per device. They cannot be trained on."""
    detector = Detector()
    detector.load_state_dict(load_file(WEIGHTS))
    return fold_norms(detector.float().eval()).to(device, memory_format=torch.channels_last)


def fold_norms(network: nn.Module) -> nn.Module:
    """The same network with every norm made part of the convolution before it."""
    for part in list(network.modules()):
        if isinstance(part, Block):
            part.conv1, part.norm1 = fuse_conv_bn_eval(part.conv1, part.norm1), nn.Identity()
            part.conv2, part.norm2 = fuse_conv_bn_eval(part.conv2, part.norm2), nn.Identity()
        elif isinstance(part, Encoder):
            part.stem[0], part.stem[1] = fuse_conv_bn_eval(part.stem[0], part.stem[1]), nn.Identity()
    return network


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        same = channels_in == channels and stride == 1
        self.skip = nn.Identity() if same else nn.Conv2d(channels_in, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.skip(x) + self.norm2(self.conv2(y)))


class Encoder(nn.Module):
    """Features at a quarter, an eighth, a sixteenth and a 32nd of the input."""

    def __init__(self, channels: tuple[int, int, int, int]):
        super().__init__()
        a, b, c, d = channels
        self.stem = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU())
        self.down4 = Block(24, a, 2)
        self.down8 = Block(a, b, 2)
        self.down16 = nn.Sequential(Block(b, c, 2), Block(c, c))
        self.down32 = nn.Sequential(Block(c, d, 2), Block(d, d))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`x` (B, 3, H, W) in [0, 1], sides multiples of 32 -> features at 1/4, 1/8, 1/16 and 1/32."""
        quarter = self.down4(self.stem((x - 0.45) / 0.25))
        eighth = self.down8(quarter)
        sixteenth = self.down16(eighth)
        return quarter, eighth, sixteenth, self.down32(sixteenth)


class Pyramid(Encoder):
    """Features at a quarter, an eighth and a 32nd of the input, those at an eighth informed by all coarser ones."""

    def __init__(self, channels: tuple[int, int, int, int]):
        super().__init__(channels)
        _, b, c, d = channels
        self.up16 = nn.Conv2d(d, c, 1)
        self.fuse16 = Block(c, c)
        self.up8 = nn.Conv2d(c, b, 1)
        self.fuse8 = Block(b, b)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`x` (B, 3, H, W) in [0, 1], sides multiples of 32 -> features at 1/4, 1/8 and 1/32."""
        quarter, eighth, sixteenth, deep = super().forward(x)
        sixteenth = self.fuse16(sixteenth + F.interpolate(self.up16(deep), scale_factor=2))
        eighth = self.fuse8(eighth + F.interpolate(self.up8(sixteenth), scale_factor=2))
        return quarter, eighth, deep


class FaceDetector(nn.Module):
    """Where heads are, how large, and which species; one anchor-free cell per 8 x 8 pixels."""

    def __init__(self):
        super().__init__()
        self.pyramid = Pyramid((24, 48, 96, 128))
        self.heat = nn.Conv2d(48, len(SPECIES), 1)
        self.sides = nn.Conv2d(48, 4, 1)
        nn.init.constant_(self.heat.bias, -4.0)
        # log odds that a peak is a face, linear in the network's own; fitted on held-out pictures
        self.register_buffer("calibration", torch.tensor([0.0, 1.0]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`x` (B, 3, H, W) in [0, 1] -> logits (B, species, h, w); log cells to the left, top, right, bottom side."""
        _, features, _ = self.pyramid(x)
        return self.heat(features), self.sides(features)


class KeypointNet(nn.Module):
    """Where some keypoints lie in a square crop, whether they can be seen, and what animal it is.

    Args:
        points: indices into `animal9`, the middles of the box's sides after it.
        size: pixels along one side of the crop.
        margin: side of the crop over the larger side of the head box, in training.
        deepest: channels of the coarsest features.
    """

    def __init__(self, points: tuple[int, ...], *, size: int, margin: float, deepest: int = 192):
        super().__init__()
        self.points, self.size, self.margin = points, size, margin
        self.mirror = [points.index(MIRROR[point]) for point in points]
        self.pyramid = Pyramid((32, 64, 128, deepest))
        self.up4 = nn.Conv2d(64, 48, 1)
        self.side4 = nn.Conv2d(32, 48, 1)
        self.fuse4 = Block(48, 48)
        self.heat = nn.Conv2d(48, len(points), 1)
        self.seen = nn.Linear(deepest, len(points))
        self.species = nn.Linear(deepest, len(SPECIES) + 1)
        # log odds that a point lies within 5 % of the head, linear in the log of its spread; fitted on held-out heads
        self.register_buffer("calibration", torch.tensor([-4.0, -2.0]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`x` (B, 3, S, S) in [0, 1] -> heatmap logits (B, K, S/4, S/4), seen logits (B, K), species logits (B, 5: last
        is "no face")."""
        quarter, eighth, deep = self.pyramid(x)
        y = self.fuse4(self.side4(quarter) + F.interpolate(self.up4(eighth), scale_factor=2))
        pooled = deep.mean((2, 3))
        return self.heat(y), self.seen(pooled), self.species(pooled)


class FaceVerifier(nn.Module):
    """Whether a square crop shows an animal's face in its middle; shoulders and clothes round it tell people apart.

    Trained on crops of `margin` times the head's larger side, give or take a sixth.
    """

    size, margin = 128, 1.8

    def __init__(self):
        super().__init__()
        self.encoder = Encoder((24, 48, 96, 128))
        self.is_face = nn.Linear(128 * (self.size // 32) ** 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, 3, S, S) in [0, 1] -> logits (B,)."""
        return self.is_face(self.encoder(x)[-1].flatten(1))[:, 0]


def place_points(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Where the points of heatmap logits (B, K, S, S) lie (B, K, 2), and their spread (B, K), in crop units."""
    return expected_points(SHARPNESS * heat)[0], expected_points(heat)[1]


def expected_points(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (B, K, 2) and spread (B, K) of each heatmap's distribution, in crop units: the crop spans [-1, 1]."""
    n = heat.shape[-1]
    weight = heat.flatten(2).softmax(-1).unflatten(2, (n, n))
    at = (torch.arange(n, device=heat.device) + 0.5) * (2 / n) - 1
    across, down = weight.sum(2), weight.sum(3)
    mean = torch.stack([(across * at).sum(-1), (down * at).sum(-1)], -1)
    square = (across * at**2).sum(-1) + (down * at**2).sum(-1) - mean.square().sum(-1)
    return mean, square.clamp_min(1e-6).sqrt()
