"""Evaluate Lip-Sync: how well finished videos' mouths follow their voice."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import folder_paths
from comfy_api.latest import io, ui
from server import PromptServer

from ..animal_lipsync.evaluate import evaluate
from ..animal_lipsync.evaluation_page import MEASURES, compare_clips, evaluation_page
from ..animal_lipsync.files import write_text
from ..animal_lipsync.motion import speech_to_motion
from ..animal_lipsync.pairs import RATE
from ..animal_lipsync.upper_bound import NAMES, pair_videos
from .finding import find_face
from .media import open_source, with_progress
from .motion import in_seconds
from .types import CATEGORY, AnimalFace, Dataset, to_audio


class EvaluateLipSync(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_EvaluateLipSync",
            display_name="Evaluate Lip-Sync",
            category=CATEGORY,
            description="Measures how well the mouth in a video follows its voice, and writes a report to the output "
            "folder.",
            search_aliases=["lip sync score", "sync confidence", "quality", "benchmark", "report", "compare LoRA"],
            is_output_node=True,
            inputs=[
                io.Video.Input("video", tooltip="The result to judge."),
                io.Audio.Input("voice", tooltip="What it says."),
                io.MultiType.Input(
                    "source",
                    [io.Image, io.Video],
                    optional=True,
                    tooltip="What the video was made from. With it the report also tells what became of the rest of "
                    "the picture.",
                ),
                AnimalFace.Input(
                    "face",
                    optional=True,
                    tooltip="The animal that speaks. Found automatically when not connected.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="lip-sync/report",
                    advanced=True,
                    tooltip="Where the report goes in the output folder.",
                ),
                io.Video.Input(
                    "video_2", optional=True, tooltip="Another result from the same source and voice, e.g. with a LoRA."
                ),
                io.Video.Input(
                    "video_3", optional=True, tooltip="A third one, e.g. with another LoRA or of another engine."
                ),
                io.String.Input(
                    "names",
                    default="",
                    optional=True,
                    advanced=True,
                    tooltip="What the report calls the videos, with commas between: baseline, LoRA.",
                ),
                Dataset.Input(
                    "dataset",
                    optional=True,
                    tooltip="What the LoRA was trained on, from Prepare Pet Clips. What it learned from then says the "
                    "voice too, and the report tells the most that can be hoped for.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            outputs=[
                io.String.Output("report", tooltip="The figures, a line each."),
                io.Float.Output("correlation", tooltip="How closely the mouth follows the voice; 1 is perfect."),
            ],
        )

    @classmethod
    def execute(
        cls, video, voice, filename_prefix, source=None, face=None, video_2=None, video_3=None, names="", dataset=None
    ) -> io.NodeOutput:
        videos = [one for one in (video, video_2, video_3) if one is not None]
        names = _names(names, len(videos))
        voice, judged, bounds, shown, heard = to_audio(voice), {}, {}, {}, {}

        def hear(frame_rate):
            if frame_rate not in heard:
                heard[frame_rate] = speech_to_motion(in_seconds(voice), frame_rate)
            return heard[frame_rate]

        with ExitStack() as opened:
            clips = [opened.enter_context(open_source(one)).clip for one in videos]
            for name, clip in zip(names, clips, strict=True):
                original = None
                if source is not None:
                    original = opened.enter_context(open_source(source, float(clip.frame_rate))).clip
                    shown.setdefault("source", original)
                shown[name] = clip
                judged[name] = evaluate(
                    with_progress(clip.read(clip.frames), clip.frames),
                    find_face(original or clip, face),
                    hear(clip.frame_rate),
                    source=original and original.read(clip.frames),
                )
            if dataset is not None:
                for name, pair in pair_videos(dataset.load_kept(), hear(RATE)).items():
                    frames = with_progress(pair.clip.read(pair.clip.frames), pair.clip.frames)
                    shown[name], bounds[name] = pair.clip, evaluate(frames, pair.face, hear(RATE))
            both = compare_clips(shown, voice) if len(shown) > 1 else None
        folder, stem, number, _, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory()
        )
        path = Path(folder) / f"{stem}_{number:05}_.html"
        write_text(path, evaluation_page(judged, bounds=bounds, comparison=both))
        text = "\n".join([*_lines(judged | bounds), f"report: {path}"])
        PromptServer.instance.send_progress_text(text, cls.hidden.unique_id)
        return io.NodeOutput(text, judged[names[0]].correlation, ui=ui.PreviewText(text))


def _names(text: str, count: int) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()] or ["video", "video 2", "video 3"][:count]
    if len(names) != count or len(set(names)) != count:
        raise ValueError(
            f"names holds {', '.join(names)}, but there are {count} videos; give each a name of its own, or leave it "
            "empty."
        )
    if taken := {"source", *NAMES.values()} & set(names):
        raise ValueError(f"{taken.pop()!r} is what the report calls something else; choose another of the names.")
    return names


def _lines(judged) -> list[str]:
    """A line for each figure that any of them has."""
    rows = {name: [one.summary()[name] for one in judged.values()] for name in MEASURES}
    head = [f"(of {', '.join(judged)})"] if len(judged) > 1 else []
    return head + [
        f"{MEASURES[name].label}: " + ", ".join("–" if value is None else f"{value:.2f}" for value in values)
        for name, values in rows.items()
        if any(value is not None for value in values)
    ]
