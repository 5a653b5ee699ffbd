"""`animal-lipsync train` with small random weights: a dataset in, a LoRA out that `animate` would take."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from animal_lipsync import cli
from animal_lipsync.dataset import PetDataset, PieceEntry, piece_path
from animal_lipsync.lora import Lora
from animal_lipsync.whisper import WhisperEncoder
from tests.pets import make_piece, sample_pet

pytest.importorskip("diffusers", reason="diffusers is not installed")

from animal_lipsync.networks import build_unet, build_vae  # noqa: E402

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With weights in models/ and a dataset of one picture in data/."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("train")
    models, data = folder / "models", folder / "data"
    models.mkdir()
    save_file(build_unet(32).state_dict(), models / "musetalk-1.5.safetensors")
    save_file(build_vae(32).state_dict(), models / "sd-vae-ft-mse.safetensors")
    whisper = {f"encoder.{name}": tensor for name, tensor in WhisperEncoder().state_dict().items()}
    save_file(whisper, models / "whisper-tiny.safetensors")
    (data / "pieces").mkdir(parents=True)
    piece = make_piece(*sample_pet(), frame_rate=0, origin="rex.jpg")
    piece.save(piece_path(data, "rex"))
    PetDataset(data, "fox", (PieceEntry("rex", "rex.jpg", 0.0, 0.0, 1),)).save()
    return folder


def run(capsys, folder, *arguments) -> tuple[int, str, str]:
    code = cli.main(["train", str(folder / "data"), "--models", str(folder / "models"), "--json", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.slow
def test_a_dataset_becomes_a_lora(capsys, folder):
    output = folder / "rex.safetensors"
    code, out, err = run(capsys, folder, "-o", output, "--steps", 1, "--batch", 1, "--rank", 4)
    assert code == 0, err
    report = json.loads(out)
    assert report["output"] == str(output) and report["steps"] == 1 and report["loss"] > 0
    assert report["run"] == str(folder / "data" / "runs" / "rex")
    lora = Lora.load(output)
    assert (lora.rank, lora.alpha, lora.told["animal_lipsync.species"]) == (4, 4.0, "fox")
    code, _, err = run(capsys, folder, "-o", output, "--steps", 1, "--batch", 1, "--rank", 8)
    assert code == 1 and "other settings (rank, alpha)" in err


@pytest.mark.slow
def test_losses_are_written_for_tensorboard(capsys, folder):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run_folder = folder / "with-board"
    arguments = ("--steps", 1, "--batch", 1, "--rank", 4, "--run", run_folder, "--tensorboard")
    code, out, err = run(capsys, folder, "-o", folder / "board.safetensors", *arguments)
    assert code == 0, err
    board = EventAccumulator(str(run_folder / "tensorboard")).Reload()
    assert {"loss/total", "loss/pixel"} <= set(board.Tags()["scalars"])
    (total,) = board.Scalars("loss/total")
    assert (total.step, total.value) == (1, pytest.approx(json.loads(out)["loss"], abs=1e-4))


def test_an_optimizer_that_is_not_there_is_told_with_what_to_install(capsys, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    code, _, err = run(capsys, folder, "-o", folder / "no.safetensors", "--steps", 1, "--optimizer", "adamw8bit")
    assert code == 1 and "pip install bitsandbytes" in err and "adamw" in err
    assert not (folder / "no.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--steps", 0], 2, "steps must be at least 1"),
        (["--learning-rate", "nan"], 2, "learning_rate"),
        (["--shares", "sung=1"], 2, "recorded, matched, warped"),
        (["--shares", "warped=nan"], 2, "recorded, matched, warped"),
        (["--shares", "matched=1"], 1, "nothing to learn from"),
        (["--unet", "gone.safetensors"], 1, "gone.safetensors"),
        (["--voice", "gone.wav"], 1, "gone.wav"),
        (["-o", "rex.zip"], 1, "rex.zip"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(capsys, folder, arguments, code, message):
    try:
        told = run(capsys, folder, "-o", folder / "no.safetensors", *arguments)
    except SystemExit as end:  # argparse
        told = end.code, "", capsys.readouterr().err
    assert told[0] == code and message in told[2]
    assert not (folder / "no.safetensors").exists()


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_dataset_of_which_nothing_was_kept_is_told(command, capsys, tmp_path):
    PetDataset(
        tmp_path, "unknown", (PieceEntry("", "floor.mp4", 0.0, 3.0, 75, "no animal is seen well enough"),)
    ).save()
    arguments = [str(tmp_path), "-o", "a.safetensors"] if command == "train" else ["a.mp4", "--dataset", str(tmp_path)]
    assert cli.main([command, *arguments]) == 1
    assert "Nothing was kept" in capsys.readouterr().err


def test_a_folder_that_is_no_dataset_is_told(capsys, folder, tmp_path):
    assert cli.main(["train", str(tmp_path), "-o", str(tmp_path / "a.safetensors")]) == 1
    assert "Prepare Pet Clips" in capsys.readouterr().err


TOGETHER = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")
from tests.test_training import SHORT, make_pairs
from tests.pets import small_painter
from animal_lipsync.train_config import TrainConfig
from animal_lipsync.training import fit
from animal_lipsync.training_run import Run
import animal_lipsync.training as training
run, rank = [], torch.distributed.get_rank()
class Seen(Run):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        run.append(self)
training.Run = Seen
steps = fit(TrainConfig(steps=2, **SHORT), make_pairs(), small_painter(), *sys.argv[2:])
losses = [step.losses["total"] for step in steps]
torch.save({"losses": losses, "lora": run[0].lora.tensors()}, sys.argv[2] + f"/seen{rank}.pt")
"""


@pytest.mark.slow
def test_two_processes_learn_one_lora_from_pairs_of_their_own(tmp_path):
    run, output = tmp_path / "run", tmp_path / "a.safetensors"
    run.mkdir()
    given = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29577", "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", TOGETHER, str(ROOT), str(run), str(output)]
    both = [subprocess.Popen(command, env=os.environ | given | {"RANK": str(rank)}) for rank in (0, 1)]
    assert [process.wait(300) for process in both] == [0, 0]
    one, other = (torch.load(run / f"seen{rank}.pt") for rank in (0, 1))
    assert one["losses"] != other["losses"]
    assert all(torch.equal(a, b) for a, b in zip(one["lora"], other["lora"], strict=True))
    assert Lora.load(output).told["animal_lipsync.steps"] == "2"
