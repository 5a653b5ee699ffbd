"""`animate --engine inpaint` and `prepare` on the command line, with small random weights."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from animal_lipsync import cli
from animal_lipsync.clip import Clip
from animal_lipsync.image import read_picture, write_picture
from animal_lipsync.lora import BASE, Lora, network_hash, new_lora
from animal_lipsync.types import Faces
from animal_lipsync.whisper import WhisperEncoder

pytest.importorskip("diffusers", reason="diffusers is not installed")

from animal_lipsync.networks import build_unet, build_vae  # noqa: E402

SAMPLES = files("animal_lipsync") / "samples"


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    save_file(build_unet(32).state_dict(), folder / "musetalk-1.5.safetensors")
    save_file(build_vae(32).state_dict(), folder / "sd-vae-ft-mse.safetensors")
    whisper = {f"encoder.{name}": tensor for name, tensor in WhisperEncoder().state_dict().items()}
    save_file(whisper, folder / "whisper-tiny.safetensors")
    return folder


@pytest.fixture
def scene(tmp_path) -> list[str]:
    """A quarter of the sample picture, its keypoints, and 0.16 s of the voice."""
    import wave

    picture = read_picture(SAMPLES / "fox.jpg")[::4, ::4]
    write_picture(tmp_path / "fox.png", picture)
    faces = Faces.from_json((SAMPLES / "fox.faces.json").read_text())
    track = faces.tracks[0].scaled(0.25)
    document = Faces(picture.shape[1], picture.shape[0], faces.frame_rate, 1, (track,))
    (tmp_path / "fox.faces.json").write_text(document.to_json())
    with wave.open(str(SAMPLES / "voice.wav")) as said, wave.open(str(tmp_path / "voice.wav"), "wb") as short:
        short.setparams(said.getparams())
        said.setpos(said.getframerate())
        short.writeframes(said.readframes(said.getframerate() * 4 // 25))
    return [str(tmp_path / name) for name in ("fox.png", "voice.wav", "fox.faces.json")]


def run(capsys, *arguments) -> dict:
    code = cli.main([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def test_a_picture_is_prepared_and_speaks(models, scene, tmp_path, capsys):
    picture, voice, keypoints = scene
    painting = ["--models", models, "--device", "cpu"]
    prepared = tmp_path / "fox.safetensors"
    report = run(capsys, "prepare", picture, "--keypoints", keypoints, "-o", prepared, *painting)
    assert report["encoded"] == 1
    output = tmp_path / "talking.mp4"
    inpaint = ["--engine", "inpaint", *painting, "-o", output]
    report = run(capsys, "animate", picture, voice, "--prepared", prepared, *inpaint)
    assert report["frames"] == 4 and output.is_file()
    source, frames = read_picture(picture).astype(int), Clip.open(output)
    change = np.abs(np.stack(list(frames.read(4))) - source).max((0, 3))
    assert change[: len(change) // 4].mean() < 6
    assert change[len(change) // 2 :].max() > 60


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--engine", "inpaint", "--nod", "2"], "--nod does nothing with --engine inpaint"),
        (["--device", "cpu"], "--device does nothing with --engine warp"),
        (["--batch", "2"], "--batch does nothing with --engine warp"),
        (["--engine", "inpaint", "--prepared", "a", "--keypoints", "b"], "--keypoints does nothing beside --prepared"),
    ],
)
def test_options_of_the_other_engine_are_refused(arguments, said, scene, capsys):
    assert cli.main(["animate", *scene[:2], *arguments]) == 2
    assert said in capsys.readouterr().err


def some_lora(folder, **told) -> Lora:
    """One of two ranks, large enough to be seen."""
    network = build_unet(32)
    network.load_state_dict(load_file(folder / "musetalk-1.5.safetensors"))
    lora = new_lora(network, rank=2)
    for tensor in lora.up.values():
        tensor.fill_(0.2)
    return replace(lora, told={BASE: network_hash(network)} | told)


@pytest.mark.slow
def test_a_lora_counts_as_much_as_is_asked_for(models, scene, tmp_path, capsys):
    picture, voice, keypoints = scene
    some_lora(models).save(tmp_path / "pet:1.safetensors")
    painting = ["--models", models, "--device", "cpu", "--keypoints", keypoints, "--engine", "inpaint"]
    drawn = []
    kept = tmp_path / "kept"
    for lora, cache in ((":0", ["--no-cache"]), ("", ["--cache", kept])):
        lora = f"{tmp_path}/pet:1.safetensors{lora}"
        run(capsys, "animate", picture, voice, *painting, "--lora", lora, *cache, "-o", tmp_path / "o.mp4")
        drawn.append(np.stack(list(Clip.open(tmp_path / "o.mp4").read(4))).astype(int))
    assert np.abs(drawn[0] - drawn[1]).max() > 8
    assert sorted(path.parent.name for path in kept.rglob("*.safetensors")) == ["features", "latents"]
    assert not list(tmp_path.rglob(".cache/**/*.safetensors")), "--no-cache keeps nothing"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("another base", "pet.safetensors was trained on another network than musetalk-1.5.safetensors"),
        ("another size", "does not fit this network"),
        ("another kind", "is no LoRA of Train Pet LoRA"),
        ("cut off", "is no LoRA that can be read"),
        ("missing", "is no LoRA that can be read"),
        ("none given", "--lora does nothing with --engine warp"),
    ],
)
def test_a_lora_that_does_not_belong_is_refused(kind, said, models, scene, tmp_path, capsys):
    path = tmp_path / "pet.safetensors"
    lora = some_lora(models, **({BASE: "0" * 16} if kind == "another base" else {}))
    if kind == "another size":
        lora = replace(lora, up={name: up[:-1].contiguous() for name, up in lora.up.items()})
    if kind != "missing":
        lora.save(path)
    if kind == "another kind":
        save_file({"lora_unet_mid_block.lora_up.weight": torch.zeros(4, 2)}, path)
    if kind == "cut off":
        path.write_bytes(path.read_bytes()[:5000])
    engine = "warp" if kind == "none given" else "inpaint"
    painting = ["--engine", engine, "--lora", str(path), "-o", str(tmp_path / "o.mp4"), "--keypoints", scene[2]]
    folder = [] if kind == "none given" else ["--models", str(models)]
    assert cli.main(["animate", *scene[:2], *painting, *folder]) in (1, 2)
    assert said in capsys.readouterr().err
    assert not (tmp_path / "o.mp4").exists()


def test_without_weights_it_says_what_to_do(scene, tmp_path, capsys):
    picture, voice, keypoints = scene
    arguments = [
        "--keypoints",
        keypoints,
        "--engine",
        "inpaint",
        "--models",
        str(tmp_path),
        "-o",
        str(tmp_path / "o.mp4"),
    ]
    assert cli.main(["animate", picture, voice, *arguments]) == 1
    assert "animal-lipsync models download" in capsys.readouterr().err
    assert not (tmp_path / "o.mp4").exists()


def test_converting_refuses_what_holds_no_network(models, scene, capsys):
    assert run(capsys, "models", "convert", models / "musetalk-1.5.safetensors")["output"].endswith("1.5.safetensors")
    for source, said in ((scene[0], "damaged or cut off"), ("gone.pth", "no weights at gone.pth")):
        assert cli.main(["models", "convert", source]) == 1
        assert said in capsys.readouterr().err
