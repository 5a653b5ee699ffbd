"""What training is for: a LoRA makes a network say what it never heard better on the pet it was trained for.

A small network first learns to paint one pet from nothing, then a LoRA of it another pet, and both are judged on a
voice that neither was trained with.
"""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers", reason="diffusers is not installed")

from animal_lipsync import losses
from animal_lipsync.augmentation import UNCHANGED
from animal_lipsync.lora import Lora
from animal_lipsync.musetalk import latents_of, paint_latents
from animal_lipsync.openness import openness
from animal_lipsync.pairs import Pairs, listen, mouth_mask
from animal_lipsync.train_config import TrainConfig
from animal_lipsync.training import Batch, fit
from tests.pets import hear, sample_voice, small_painter, speaking_piece

BASE_STEPS, BATCH, DRAWN = 240, 8, 240
FRAMES = 100
RECORDED = {"recorded": 1.0}
MIDDLE = slice(32, 288)
"""Of a crop: the square that the network sees."""


def train_base(painter, pairs):
    """All weights of a network, from nothing."""
    drawn = [pairs.draw(np.random.default_rng([7, index])) for index in range(DRAWN)]
    weights, rng = list(painter.network.requires_grad_(True).parameters()), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(weights, 2e-3)
    for step in range(BASE_STEPS):
        batch = Batch.of([drawn[index] for index in rng.choice(DRAWN, BATCH)], "cpu")
        latents = latents_of(batch.target, batch.reference, painter.networks.encode)
        painted = paint_latents(latents, batch.tokens, painter.networks)
        mask = torch.nn.functional.avg_pool2d(batch.mask[:, None], 8)[:, 0]
        losses.masked_l1(painted, painter.networks.encode(batch.target), mask).backward()
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 + np.cos(np.pi * step / BASE_STEPS))
        optimizer.step()
        optimizer.zero_grad()
    painter.network.requires_grad_(False)


@torch.no_grad()
def judge(painter, piece, voice, lora=None):
    """How the opening of painted mouths correlates with the voice, how far it is off, and how far the pixels are."""
    count = min(len(piece), len(voice.speech))
    target = torch.stack([piece.crop(frame)[:, MIDDLE, MIDDLE] for frame in range(count)])
    face = piece.face[:count].shifted(MIDDLE.start, MIDDLE.start)
    with lora.on(painter.network) if lora else nullcontext():
        latents = latents_of(target, target[:1].expand_as(target), painter.networks.encode)
        painted = painter.networks.decode(paint_latents(latents, voice.speech[:count].tokens(), painter.networks))
    true = painter.networks.decode(painter.networks.encode(target))
    seen, wanted = openness(painted, face), openness(true, face)
    heard = voice.motion.channel("jaw_open")[:count]
    mask = mouth_mask(piece.face[:1])[None, MIDDLE, MIDDLE].expand(count, -1, -1)
    return {
        "correlation": float(np.corrcoef(seen.numpy(), heard)[0, 1]),
        "opening": float((seen - wanted).abs().mean()),
        "pixels": float(losses.masked_l1(painted, target, mask)),
    }


@pytest.mark.slow
def test_a_lora_beats_its_base_on_its_pet_and_spares_another(tmp_path):
    said, unheard = sample_voice(), sample_voice("answer")
    voice, answer = listen(said, hear), listen(unheard, hear)
    mine, other = ("pair", 1), ("fox", 0)
    painter = small_painter()
    train_base(
        painter,
        Pairs([speaking_piece(*other, said, frames=FRAMES)], [voice], hear, augmentation=UNCHANGED, shares=RECORDED),
    )
    pairs = Pairs([speaking_piece(*mine, said, frames=FRAMES)], [voice], hear, augmentation=UNCHANGED, shares=RECORDED)
    config = TrainConfig(
        steps=80, batch=4, rank=8, alpha=8.0, learning_rate=1e-3, warm_up=5, decay=0.9, early=True, texture=0.0,
        parts=("audio", "self", "feed_forward", "convolutions"), shares=RECORDED, keep_every=999, show_every=999,
        repeat=False,
    )  # fmt: skip
    totals = [
        step.losses["total"] for step in fit(config, pairs, painter, tmp_path / "run", tmp_path / "pet.safetensors")
    ]
    assert np.mean(totals[-10:]) < 0.9 * np.mean(totals[:10])

    lora = Lora.load(tmp_path / "pet.safetensors")
    pet, stranger = (speaking_piece(*which, unheard, frames=60) for which in (mine, other))
    base, trained = judge(painter, pet, answer), judge(painter, pet, answer, lora)
    assert trained["correlation"] > 0.8
    assert trained["opening"] < 0.95 * base["opening"]
    assert trained["pixels"] < 0.95 * base["pixels"]
    before, after = judge(painter, stranger, answer), judge(painter, stranger, answer, lora)
    assert after["opening"] < 1.15 * before["opening"]
    assert after["pixels"] < 1.15 * before["pixels"]
