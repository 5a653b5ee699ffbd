"""The training loop: that it learns, goes on bit for bit, and loses nothing to crashes, wrong numbers or other runs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers", reason="diffusers is not installed")

from animal_lipsync.documents import FormatError
from animal_lipsync.lora import Lora
from animal_lipsync.pairs import Pairs, listen
from animal_lipsync.train_config import PRESETS, TrainConfig
from animal_lipsync.training import fit
from animal_lipsync.training_run import TrainingError, logged_losses
from animal_lipsync.types import Audio
from tests.pets import hear, sample_voice, small_painter, speaking_piece

ROOT = Path(__file__).parents[1]
SHORT = {"batch": 2, "rank": 4, "alpha": 4.0, "warm_up": 2, "keep_every": 2, "show_every": 4, "learning_rate": 5e-3}
ALL = {
    "parts": ("audio", "self", "feed_forward", "convolutions"),
    "early": True,
    "perceptual": 0.1,
    "statistics": 0.1,
    "critic": 0.02,
    "critic_from": 1,
}


def make_pairs() -> Pairs:
    sound = sample_voice()
    voice = listen(Audio(sound.waveform[:, : 2 * sound.sample_rate], sound.sample_rate), hear)
    return Pairs([speaking_piece("fox", 0, sound, frames=12)], [voice], hear)


@pytest.fixture(scope="module")
def pairs():
    return make_pairs()


def tensors(path) -> list[torch.Tensor]:
    return Lora.load(path).tensors()


@pytest.mark.slow
def test_the_loss_falls(pairs, tmp_path):
    parts = {"parts": ALL["parts"], "early": True, "show_every": 99}
    config = TrainConfig(steps=24, **SHORT | parts)
    losses = [
        step.losses["total"]
        for step in fit(config, pairs, small_painter(), tmp_path / "run", tmp_path / "a.safetensors")
    ]
    assert np.mean(losses[-4:]) < 0.85 * np.mean(losses[:4])


@pytest.mark.slow
def test_cut_off_and_taken_up_again_it_ends_with_the_same_bits(pairs, tmp_path):
    config = TrainConfig(steps=4, **SHORT | ALL)
    for _ in fit(config, pairs, small_painter(), tmp_path / "whole", tmp_path / "whole.safetensors"):
        pass
    torch.manual_seed(99)
    for step in fit(config, pairs, small_painter(), tmp_path / "cut", tmp_path / "cut.safetensors"):
        if step.step == 3:  # kept at 2
            break
    again = [step.step for step in fit(config, pairs, small_painter(), tmp_path / "cut", tmp_path / "cut.safetensors")]
    assert again == [3, 4]
    whole, cut = tensors(tmp_path / "whole.safetensors"), tensors(tmp_path / "cut.safetensors")
    assert any(tensor.abs().max() > 0 for tensor in whole[1::2])
    assert all(torch.equal(a, b) for a, b in zip(whole, cut, strict=True))
    logs = [[json.loads(line) for line in (tmp_path / name / "log.jsonl").open()] for name in ("whole", "cut")]
    assert [line["step"] for line in logs[1]] == [1, 2, 3, 4]
    assert [line["total"] for line in logs[0]] == [line["total"] for line in logs[1]]
    assert {"latent", "pixel", "texture", "opening", "identity", "statistics", "critic"} <= set(logs[0][-1])


ENDLESS = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from tests.test_training import SHORT, make_pairs
from tests.pets import small_painter
from animal_lipsync.train_config import TrainConfig
from animal_lipsync.training import fit
config = TrainConfig(steps=1000, **SHORT | {"keep_every": 1})
for step in fit(config, make_pairs(), small_painter(), *sys.argv[2:]):
    print(step.step, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_leaves_a_whole_checkpoint(pairs, tmp_path):
    arguments = [sys.executable, "-c", ENDLESS, str(ROOT), str(tmp_path / "run"), str(tmp_path / "a.safetensors")]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if int(line) == 3:
            break
    time.sleep(np.random.default_rng().uniform(0, 0.5))
    process.send_signal(signal.SIGKILL)
    process.wait()
    config = TrainConfig(steps=1000, **SHORT | {"keep_every": 1})
    step = next(fit(config, pairs, small_painter(), tmp_path / "run", tmp_path / "a.safetensors"))
    assert step.step > 3
    assert int(Lora.load(tmp_path / "a.safetensors").told["animal_lipsync.steps"]) == step.step


def test_losses_that_are_no_numbers_end_it_and_keep_what_was(pairs, tmp_path):
    painter = small_painter()
    kept = []
    with pytest.raises(
        TrainingError, match=r"step 4 .*no numbers.*LoRA of step 2 is kept.*learning_rate under another name"
    ):
        for step in fit(TrainConfig(steps=10, **SHORT), pairs, painter, tmp_path / "run", tmp_path / "a.safetensors"):
            if step.step == 2:
                kept = tensors(tmp_path / "a.safetensors")
            if step.step == 3:
                painter.network.conv_out.weight.fill_(torch.nan)
    assert all(torch.equal(a, b) for a, b in zip(kept, tensors(tmp_path / "a.safetensors"), strict=True))


def test_stopped_by_hand_it_keeps_that_very_step(pairs, tmp_path):
    done = []
    run = fit(
        TrainConfig(steps=100, **SHORT), pairs, small_painter(), tmp_path / "run", tmp_path / "a.safetensors",
        stopped=lambda: len(done) == 2,
    )  # fmt: skip
    for step in run:
        done.append(step)
    assert done[-1].step == 3 and done[-1].is_kept and done[-1].preview.shape == (512, 6 * 256, 3)
    assert Lora.load(tmp_path / "a.safetensors").told["animal_lipsync.steps"] == "3"
    assert (tmp_path / "run" / "previews" / "000003.jpg").exists()


def test_a_run_of_other_settings_or_another_network_is_left_alone(pairs, tmp_path):
    where = (tmp_path / "run", tmp_path / "a.safetensors")
    for _ in fit(TrainConfig(steps=2, **SHORT), pairs, small_painter(), *where):
        pass
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    with pytest.raises(TrainingError, match="other settings .*learning_rate.*another name"):
        next(fit(TrainConfig(steps=4, **SHORT | {"learning_rate": 1e-5}), pairs, small_painter(), *where))
    with pytest.raises(TrainingError, match="another network"):
        next(fit(TrainConfig(steps=4, **SHORT), pairs, small_painter(seed=1), *where))
    more = Pairs([*pairs.pieces, replace(pairs.pieces[0], origin="new.mp4")], pairs.voices, hear)
    with pytest.raises(TrainingError, match="other clips or voices.*another name"):
        next(fit(TrainConfig(steps=2, **SHORT), more, small_painter(), *where))
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before
    (tmp_path / "run" / "checkpoint.pt").write_bytes(before[:1000])
    with pytest.raises(TrainingError, match="cannot be read"):
        next(fit(TrainConfig(steps=4, **SHORT), pairs, small_painter(), *where))


def test_a_finished_run_gives_its_lora_again_without_a_step(pairs, tmp_path):
    where = (tmp_path / "run", tmp_path / "a.safetensors")
    for _ in fit(TrainConfig(steps=2, **SHORT), pairs, small_painter(), *where):
        pass
    first = tensors(where[1])
    os.remove(where[1])
    assert list(fit(TrainConfig(steps=2, **SHORT), pairs, small_painter(), *where)) == []
    assert len(logged_losses(where[0])) == 2
    assert all(torch.equal(a, b) for a, b in zip(first, tensors(where[1]), strict=True))


def test_the_lora_says_what_it_was_made_of(pairs, tmp_path):
    for _ in fit(TrainConfig(steps=1, **SHORT), pairs, small_painter(), tmp_path / "run", tmp_path / "a.safetensors"):
        pass
    told = Lora.load(tmp_path / "a.safetensors").told
    assert told["animal_lipsync.species"] == "fox"
    assert "12 pictures" in told["animal_lipsync.material"]
    assert told["animal_lipsync.positions"] == "True"
    assert TrainConfig.from_json(told["animal_lipsync.settings"]) == TrainConfig(steps=1, **SHORT)


def test_settings_survive_json_and_refuse_nonsense():
    for preset in PRESETS.values():
        assert TrainConfig.from_json(TrainConfig(**preset).to_json()) == TrainConfig(**preset)
    for text in ("", "[]", '{"parts": 3}', '{"steps": -1}', '{"parts": [], "augmentation": {"x": 1}}'):
        with pytest.raises(FormatError, match="no settings"):
            TrainConfig.from_json(text)
    for wrong in ({"steps": 0}, {"learning_rate": float("nan")}, {"latent": 0, "pixel": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            TrainConfig(**wrong)


def test_a_run_whose_folder_is_tidied_away_goes_on_and_keeps_its_lora(pairs, tmp_path):
    for step in fit(
        TrainConfig(steps=5, **SHORT), pairs, small_painter(), tmp_path / "run", tmp_path / "a.safetensors"
    ):
        if step.step == 3:
            shutil.rmtree(tmp_path / "run")
    assert step.kept == 5 and (tmp_path / "run" / "checkpoint.pt").exists()
    assert Lora.load(tmp_path / "a.safetensors").told["animal_lipsync.steps"] == "5"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full here")
def test_a_disk_that_is_full_between_checkpoints_is_told_with_its_remedy(pairs, tmp_path):
    (tmp_path / "run").mkdir()
    run = fit(TrainConfig(steps=5, **SHORT), pairs, small_painter(), tmp_path / "run", tmp_path / "a.safetensors")
    next(run)
    (tmp_path / "run" / "log.jsonl").unlink()
    (tmp_path / "run" / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"log.jsonl \(No space left on device\); check .*free space"):
        next(run)
    assert (tmp_path / "run" / "checkpoint.pt").exists(), "what was kept at this step"


def test_a_preview_that_cannot_be_written_costs_nothing_that_was_learned(pairs, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "previews").symlink_to(tmp_path / "gone" / "previews")
    run = fit(TrainConfig(steps=1, **SHORT), pairs, small_painter(), tmp_path / "run", tmp_path / "a.safetensors")
    with pytest.raises(OSError):
        next(run)
    assert Lora.load(tmp_path / "a.safetensors").told["animal_lipsync.steps"] == "1"
    assert (tmp_path / "run" / "checkpoint.pt").exists()


def test_without_room_for_a_checkpoint_the_last_one_stays(pairs, tmp_path):
    resource = pytest.importorskip("resource", reason="no limits of a file's size here")
    where = (tmp_path / "run", tmp_path / "a.safetensors")
    run = fit(TrainConfig(steps=10, **SHORT), pairs, small_painter(), *where)
    for step in run:
        if step.is_kept:
            break
    before, handler = (where[0] / "checkpoint.pt").read_bytes(), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="free space"):
            for _ in run:
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (where[0] / "checkpoint.pt").read_bytes() == before
    assert [path.name for path in where[0].iterdir() if path.name.startswith(".")] == []
