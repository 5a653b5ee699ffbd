"""Train the viseme network of animal_lipsync/visemes.py on the archives of synthesize.py, on one CPU core.

    python dev/visemes/train.py espeak.npz:24 flite.npz:30 festival.npz:21 real.npz:25 --minutes 30 -o net.safetensors

The number after the colon is the share of an archive in what the network hears. Ends by writing weights with their
normalisation folded in, as visemes.py loads them; also every three minutes, for looking.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from scipy.signal import lfilter
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from animal_lipsync.hearing import BANDS, DILATIONS, FLOOR  # noqa: E402
from animal_lipsync.visemes import PHONES, VISEMES  # noqa: E402

FRAMES = 320  # of a training example, 3.2 s
SHAPES = np.array([(phone.opening, phone.pucker, phone.wide) for phone in PHONES], np.float32)
VISEME_OF = torch.tensor([VISEMES.index(phone.viseme) for phone in PHONES])
SMOOTHING = 2.5  # frames; sigma of the blur of lip shapes

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("archives", nargs="+", metavar="ARCHIVE:SHARE")
parser.add_argument("--minutes", type=float, default=30)
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--rate", type=float, default=2e-3)
parser.add_argument("--width", type=int, default=192)
parser.add_argument("--resume", type=Path, help="checkpoint (.pt) to start from, of this width or less")
parser.add_argument("-o", "--output", type=Path, required=True)
options = parser.parse_args()
torch.set_num_threads(1)
torch.manual_seed(0)
chance = np.random.default_rng(0)

# ---------------------------------------------------------------- data


def shapes_of(phones: np.ndarray) -> np.ndarray:
    """(N,) phones -> (N, 3) opening, pucker, wide; straight lines across what is free (-1)."""
    known = np.flatnonzero(phones >= 0)
    at = np.arange(len(phones))
    return np.stack([np.interp(at, known, column) for column in SHAPES[phones[known]].T], 1).astype(np.float16)


archives, shares = [], []
for argument in options.archives:
    path, _, share = argument.rpartition(":")
    held = np.load(path)
    archives.append((held["features"], held["phones"], shapes_of(held["phones"])))
    shares.append(float(share))
shares = np.array(shares) / sum(shares)
counts = sum(
    share * np.bincount(phones[phones >= 0], minlength=len(PHONES)) / len(phones)
    for share, (_, phones, _) in zip(shares, archives, strict=True)
)
weight = torch.tensor((counts / counts.mean() + 0.05) ** -0.35, dtype=torch.float32)
weight[[1, 2]] *= 1.4  # a closure missed is seen by everybody

# ---------------------------------------------------------------- what may happen to a voice


def warped(factor: float) -> np.ndarray:
    """(40, 40) that moves every band to `factor` times its place, as a longer or shorter throat would."""
    source = np.clip(np.arange(BANDS) * factor, 0, BANDS - 1)
    low = np.minimum(source.astype(int), BANDS - 2)
    matrix = np.zeros((BANDS, BANDS), np.float32)
    matrix[np.arange(BANDS), low] = 1 - (source - low)
    matrix[np.arange(BANDS), low + 1] += source - low
    return matrix.T


WARPS = [warped(factor) for factor in np.linspace(0.88, 1.14, 27)]


def cut(features: np.ndarray, phones: np.ndarray, shapes: np.ndarray):
    """A random stretch at a random tempo: FRAMES of each."""
    tempo = chance.uniform(0.25, 0.7) if chance.random() < 0.1 else chance.uniform(0.75, 1.4)
    length = int(FRAMES * tempo) + 2
    start = chance.integers(0, len(phones) - length)
    at = start + np.arange(FRAMES) * tempo
    low = at.astype(int)
    part = (at - low)[:, None].astype(np.float32)
    x = features[low] * (1 - part) + features[low + 1] * part
    return x, phones[low], shapes[low].astype(np.float32)


def smooth_spectra(count: int, sigma: float) -> np.ndarray:
    """(count, 1, 40) random smooth curves over the bands."""
    knots = chance.normal(0, sigma, (count, 7))
    return np.stack([np.interp(np.arange(BANDS), np.linspace(0, BANDS - 1, 7), row) for row in knots])[:, None]


def batch():
    """(B, FRAMES, 40) features, (B, FRAMES) phones, (B, FRAMES, 3) shapes."""
    count = options.batch
    rows = [cut(*archives[chance.choice(len(archives), p=shares)]) for _ in range(count)]
    x = np.stack([row[0] @ WARPS[chance.integers(len(WARPS))] for row in rows])
    phones = np.stack([row[1] for row in rows]).astype(np.int64)
    shapes = np.stack([row[2] for row in rows])

    power = 10 ** np.maximum(x, FLOOR)
    for index in np.flatnonzero(chance.random(count) < 0.35):  # a room
        decay = 10 ** (-6 / (100 * chance.uniform(0.1, 0.7)))
        tail = lfilter([0, decay], [1, -decay], power[index], axis=0)
        power[index] += chance.uniform(0.02, 0.25) * tail
    # a background: hiss or hum, or other voices, or a chord held; 3 to 40 dB under the voice
    spectrum = 10 ** (smooth_spectra(count, 0.8) + np.linspace(0, -chance.uniform(0, 3), BANDS))
    hiss = spectrum * chance.gamma(3, 1 / 3, power.shape)
    others = np.roll(power, 1, axis=0) + np.roll(power, 2, axis=0) * chance.random((count, 1, 1))
    chord = np.repeat(others[:, ::32], 32, axis=1) * chance.gamma(20, 1 / 20, power.shape)
    kind = chance.choice(3, count, p=[0.65, 0.2, 0.15])
    noise = np.where((kind == 0)[:, None, None], hiss, np.where((kind == 1)[:, None, None], others, chord))
    noise *= power.sum(axis=(1, 2), keepdims=True) / noise.sum(axis=(1, 2), keepdims=True)
    below = np.where(chance.random(count) < 0.6, chance.uniform(3, 30, count), 60)
    alone = chance.random(count) < 0.03  # nobody speaks at all
    silent = alone & (kind == 0)
    mixed = power + noise * 10 ** (-below[:, None, None] / 10)
    power = np.where(silent[:, None, None], noise, mixed)
    phones[silent], shapes[silent] = 0, 0

    x = np.log10(power) + smooth_spectra(count, 0.22) + chance.normal(0, 0.22, (count, 1, 1))
    for index in np.flatnonzero(chance.random(count) < 0.12):  # a telephone, an old codec
        x[index, :, chance.integers(26, 38) :] = FLOOR
    for index in np.flatnonzero(chance.random(count) < 0.2):
        first = chance.integers(BANDS - 4)
        x[index, :, first : first + chance.integers(1, 4)] = chance.uniform(-5, -2)
    radius = int(4 * SMOOTHING)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / SMOOTHING) ** 2)
    padded = np.pad(shapes, ((0, 0), (radius, radius), (0, 0)), mode="edge")
    shapes = sum(weight * padded[:, i : i + FRAMES] for i, weight in enumerate(kernel / kernel.sum()))
    phones[phones < 0] = -100
    return (
        torch.from_numpy(np.maximum(x, FLOOR).astype(np.float32)),
        torch.from_numpy(phones),
        torch.from_numpy(shapes.astype(np.float32)),
    )


# ---------------------------------------------------------------- network


class Network(nn.Module):
    """Two hops of 10 ms go in and come out together: 50 steps a second inside, 100 outside."""

    def __init__(self, width: int):
        super().__init__()
        self.outputs = len(PHONES) + 3
        self.first = nn.Conv1d(2 * BANDS, width, 3, padding=1)
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=d) for d in DILATIONS)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(len(DILATIONS) + 1))
        self.last = nn.Conv1d(width, 2 * self.outputs, 1)

    def forward(self, x):
        """(B, T, 40) -> (B, T, phones) logits and (B, T, 3) shapes."""
        count, frames, _ = x.shape
        x = ((x + 4) / 1.5).reshape(count, frames // 2, 2 * BANDS).transpose(1, 2)
        x = F.relu(self.norms[0](self.first(x)))
        for dilation, layer, norm in zip(DILATIONS, self.layers, self.norms[1:], strict=True):
            x = x + F.dropout(F.relu(norm(layer(F.pad(x, (dilation, dilation))))), 0.1, self.training)
        x = self.last(x).transpose(1, 2).reshape(count, frames, self.outputs)
        return x[..., :-3], torch.sigmoid(x[..., -3:])

    def folded(self) -> dict[str, np.ndarray]:
        """Weights as the library runs them: (3, in, out) per convolution and its bias, normalisation inside."""
        tensors = {}
        names = ["first", *(f"layer{i}" for i in range(len(DILATIONS)))]
        for name, layer, norm in zip(names, [self.first, *self.layers], self.norms, strict=True):
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            tensors[f"{name}.weight"] = (layer.weight * gain[:, None, None]).permute(2, 1, 0)
            tensors[f"{name}.bias"] = (layer.bias - norm.running_mean) * gain + norm.bias
        phones = torch.arange(2 * self.outputs) % self.outputs < len(PHONES)  # the shapes only help to learn
        tensors["last.weight"] = self.last.weight[phones, :, 0].T
        tensors["last.bias"] = self.last.bias[phones]
        return {name: value.detach().numpy().astype(np.float16).copy() for name, value in tensors.items()}


def widen(network: Network, narrow: dict[str, torch.Tensor]) -> None:
    """Load a network of at most this width; what it computes stays the same, the channels it lacks learn from here."""
    for name, value in network.state_dict().items():
        corner = tuple(slice(size) for size in narrow[name].shape)
        if value.ndim == 3 and value.shape[1] > narrow[name].shape[1]:
            value[corner[0]] = 0  # old channels do not listen to new ones yet
        value[corner] = narrow[name]


def grouped(logits: torch.Tensor) -> torch.Tensor:
    """(..., phones) -> (..., visemes) log-sum of the phones that share one."""
    members = [logits[..., VISEME_OF == viseme].logsumexp(-1) for viseme in range(len(VISEMES))]
    return torch.stack(members, -1)


# ---------------------------------------------------------------- the loop

network = Network(options.width)
if options.resume:
    widen(network, torch.load(options.resume, weights_only=True))
print(f"{sum(p.numel() for p in network.parameters())} parameters", flush=True)
optimizer = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=1e-3)
start, saved, step, losses = time.time(), time.time(), 0, []
viseme_weight = torch.ones(len(VISEMES))
viseme_weight[1] = 1.4
while (done := (time.time() - start) / (60 * options.minutes)) < 1:
    for group in optimizer.param_groups:
        group["lr"] = options.rate * min(1, (step + 1) / 150) * (0.5 + 0.5 * math.cos(math.pi * done) + 0.005)
    x, phones, shapes = batch()
    with torch.autocast("cpu", torch.bfloat16):  # twice as fast where the processor has it
        logits, predicted = network(x)
    logits, predicted = logits.float(), predicted.float()
    phone_loss = F.cross_entropy(logits.flatten(0, 1), phones.flatten(), weight, label_smoothing=0.02)
    visemes = torch.where(phones >= 0, VISEME_OF[phones.clamp(min=0)], -100)
    viseme_loss = F.cross_entropy(grouped(logits).flatten(0, 1), visemes.flatten(), viseme_weight)
    shape_loss = F.smooth_l1_loss(predicted, shapes, beta=0.1)
    loss = 0.5 * phone_loss + viseme_loss + 6 * shape_loss
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    optimizer.step()
    step += 1
    losses.append((phone_loss.item(), viseme_loss.item(), shape_loss.item()))
    if step % 100 == 0:
        mean = np.mean(losses[-100:], axis=0).round(4)
        print(f"step {step}, {time.time() - start:.0f} s: phones, visemes, shapes {mean}", flush=True)
    if time.time() - saved > 180:
        save_file(network.folded(), options.output)
        torch.save(network.state_dict(), options.output.with_suffix(".pt"))
        saved = time.time()
save_file(network.folded(), options.output)
torch.save(network.state_dict(), options.output.with_suffix(".pt"))
print(f"{step} steps, {options.output.stat().st_size} bytes")
