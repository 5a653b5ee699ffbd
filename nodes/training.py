"""Train Pet LoRA."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import comfy.model_management
import folder_paths
import torch
from comfy.utils import ProgressBar
from comfy_api.latest import io

from ..animal_lipsync.before_after import HEIGHT, WIDTH, before_and_after, clearest_piece
from ..animal_lipsync.checkpoints import load_whisper
from ..animal_lipsync.clip import Clip
from ..animal_lipsync.image import write_picture
from ..animal_lipsync.lora import Lora
from ..animal_lipsync.pairs import RATE, SHARES, Pairs, listen, sample_voices
from ..animal_lipsync.speech_features import speech_features
from ..animal_lipsync.train_config import PRESETS, TrainConfig
from ..animal_lipsync.training import fit
from ..animal_lipsync.training_run import Step, logged_losses
from .dashboard import Dashboard
from .media import with_progress, write_video
from .networks import to_painter
from .types import CATEGORY, Dataset, to_audio
from .weights import missing, weights_file, weights_input

PREVIEW_CRF = 18


class TrainPetLora(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_TrainPetLora",
            display_name="Train Pet LoRA",
            category=CATEGORY,
            description="Teaches MuseTalk the mouth of one pet. The LoRA lands in models/loras. Run again with the "
            "same settings to go on where a training was cancelled.",
            search_aliases=["train lora", "fine-tune", "finetune", "my pet", "lora training", "musetalk lora"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                Dataset.Input("dataset", tooltip="The pet's pictures, from Prepare Pet Clips."),
                io.Model.Input("model", tooltip="From Load MuseTalk: what the LoRA will be for."),
                io.Vae.Input("vae", tooltip="From Load MuseTalk."),
                weights_input(
                    "whisper", "whisper", "whisper-tiny", tooltip="Whisper tiny, which MuseTalk listens with."
                ),
                io.String.Input("name", default="my-pet", tooltip="The LoRA is saved as NAME.safetensors."),
                io.Combo.Input(
                    "preset",
                    options=list(PRESETS),
                    tooltip="quick: 600 steps. good: 1,500, and more of the network learns. best: 4,000, and a critic "
                    "watches that fur and teeth look real.",
                ),
                io.Audio.Input(
                    "voice",
                    optional=True,
                    tooltip="Speech to learn with, the longer the better. The voices that ship when not connected.",
                ),
                io.Int.Input("steps", default=0, min=0, max=100_000, tooltip="0 is what the preset says."),
                io.Int.Input(
                    "batch",
                    default=4,
                    min=1,
                    max=64,
                    tooltip="Pictures learned from at once. Lower it when the graphics card's memory does not suffice.",
                ),
                io.Int.Input("rank", default=16, min=1, max=128, advanced=True, tooltip="Size of the LoRA."),
                io.Float.Input(
                    "learning_rate",
                    default=1e-4,
                    min=1e-6,
                    max=1e-2,
                    step=1e-6,
                    advanced=True,
                    tooltip="1e-4 is usual.",
                ),
                *(
                    io.Float.Input(
                        kind, default=share, min=0.0, max=1.0, step=0.05, advanced=True, tooltip=TOOLTIPS[kind]
                    )
                    for kind, share in SHARES.items()
                ),
                io.Int.Input(
                    "seed", default=0, min=0, max=2**32 - 1, advanced=True, tooltip="Another number: another run."
                ),
                io.Boolean.Input(
                    "positions",
                    default=True,
                    advanced=True,
                    tooltip="As in Animate Mouth (Inpaint); the LoRA is for that setting.",
                ),
            ],
            outputs=[
                io.LoraModel.Output("lora", tooltip="For core's Load LoRA Model. It is saved already."),
                io.LossMap.Output("loss_map", tooltip="For core's Plot Loss Graph."),
                io.Int.Output("steps", tooltip="Steps done."),
                io.Video.Output("preview", tooltip="The pet speaking before (left) and after (right)."),
            ],
        )

    @classmethod
    def validate_inputs(cls, whisper, name):
        return _wrong_name(name) or missing(whisper, "whisper-tiny") or True

    @classmethod
    def execute(
        cls,
        dataset,
        model,
        vae,
        whisper,
        name,
        preset,
        steps,
        batch,
        rank,
        learning_rate,
        recorded,
        matched,
        warped,
        seed,
        positions,
        voice=None,
    ) -> io.NodeOutput:
        if wrong := _wrong_name(name):  # a name that is connected is not known earlier
            raise ValueError(wrong)
        shares = {"recorded": recorded, "matched": matched, "warped": warped}
        settings = {"batch": batch, "rank": rank, "alpha": float(rank), "learning_rate": learning_rate, "seed": seed}
        config = TrainConfig(**PRESETS[preset] | settings | {"shares": shares} | ({"steps": steps} if steps else {}))
        folder = dataset.folder / "runs" / name
        output = Path(folder_paths.get_folder_paths("loras")[0]) / f"{name}.safetensors"
        if output.exists() and not folder.exists():
            raise ValueError(
                f"models/loras holds a {output.name} already that was not trained here; choose another name."
            )
        output.parent.mkdir(parents=True, exist_ok=True)
        encoder = load_whisper(weights_file(whisper, "whisper-tiny"))
        sounds = [to_audio(voice)] if voice is not None else sample_voices()
        dashboard = Dashboard(cls.hidden.unique_id, folder)
        comfy.model_management.unload_all_models()
        start = {"steps": config.steps, "preset": preset, "output": output.name}
        with torch.inference_mode(False), _telling(dashboard, start):
            pieces = dataset.load_kept()

            def hear(sound):
                return speech_features(sound, encoder)

            voices = [listen(sound, hear) for sound in sounds]
            pairs = Pairs(pieces, voices, hear, shares=shares)
            painter = to_painter(model, vae, positions=positions)
            run = fit(config, pairs, painter, folder, output, told=TOLD, stopped=lambda: dashboard.stopped)
            _train(run, config, dashboard)
            lora = Lora.load(output)
            _end(dashboard, "painting")
            piece = clearest_piece(pieces)
            shown = Clip(WIDTH, HEIGHT, RATE, len(voices[0].speech), lambda count: iter(()))
            frames = with_progress(before_and_after(piece, voices[0], painter, lora), shown.frames)
            video, preview = write_video(frames, shown, sounds[0], PREVIEW_CRF)
            _end(dashboard, "stopped" if dashboard.stopped else "finished")
        done = int(lora.told["animal_lipsync.steps"])
        return io.NodeOutput(lora.state(), {"loss": logged_losses(folder)}, done, video, ui=preview)


TOOLTIPS = {
    "recorded": "How often to learn from clips with their own sound: barking, howling, dubbed speech.",
    "matched": "How often to learn from real pictures put in the order that a voice asks for.",
    "warped": "How often to learn from pictures whose mouth the warp engine moves.",
}
TOLD = {"animal_lipsync.licence": "That of the MuseTalk it was trained on, and of the pictures of the pet."}


def _wrong_name(name: str | None) -> str | None:
    """What to do about it; None of one that will do, or that is connected and not known yet."""
    if name is None or re.fullmatch(r"[\w .()+-]{1,100}", name) and name.strip(". ") == name:
        return None
    return (
        f"name must be a plain file name of letters, digits, spaces and . ( ) + - _ without folders, such as rex or "
        f"my-cat-2, got {name[:40]!r}."
    )


@contextmanager
def _telling(dashboard: Dashboard, start: dict) -> Iterator[None]:
    """Tell the page that a training begins, and how it ends when it does not end well."""
    dashboard.post({"kind": "start", **start})
    try:
        yield
    except comfy.model_management.InterruptProcessingException:
        _end(dashboard, "cancelled")
        raise
    except Exception as error:
        _end(dashboard, "failed", str(error))
        raise


def _train(run: Iterator[Step], config: TrainConfig, dashboard: Dashboard) -> None:
    """Follow a run until it ends or the artist cancels."""
    bar = ProgressBar(config.steps)
    with closing(run):
        for step in run:
            comfy.model_management.throw_exception_if_processing_interrupted()
            bar.update_absolute(step.step)
            _tell(step, dashboard)


def _tell(step: Step, dashboard: Dashboard) -> None:
    told = {"steps_per_second": 1 / max(step.seconds, 1e-6), "memory": step.memory, "learning_rate": step.learning_rate}
    dashboard.post({"kind": "step", "step": step.step, "losses": step.losses, "kept": step.kept, **told})
    if step.preview is not None:
        path = Path(folder_paths.get_temp_directory()) / f"animal-lipsync-{uuid4().hex[:12]}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, step.preview)
        file = {"filename": path.name, "subfolder": "", "type": "temp"}
        dashboard.post({"kind": "preview", "step": step.step, "file": file})


def _end(dashboard: Dashboard, reason: str, message: str = "") -> None:
    dashboard.post({"kind": "end", "step": dashboard.step, "reason": reason, "message": message})
