"""Compare."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..animal_lipsync.compare import side_by_side
from .inputs import crf_input
from .media import open_source, result_file, with_progress, write_video
from .types import CATEGORY

LARGEST = 8
"""Videos; more are too small to be told apart."""


class Compare(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        video = io.Video.Input("video", tooltip="A video to compare with the others.")
        return io.Schema(
            node_id="AnimalLipSync_Compare",
            display_name="Compare",
            category=CATEGORY,
            description="Plays videos in step, one over the other with a slider between them; also side by side as one "
            "video.",
            search_aliases=["compare videos", "wipe", "before after", "side by side", "A/B", "split screen"],
            is_output_node=True,
            inputs=[
                io.Autogrow.Input(
                    "videos",
                    template=io.Autogrow.TemplatePrefix(video, prefix="video_", min=2, max=LARGEST),
                    tooltip="Two or more videos. They play in step, whatever their frame rates and lengths.",
                ),
                io.Int.Input(
                    "sound",
                    default=0,
                    min=0,
                    max=LARGEST - 1,
                    tooltip="Which one is heard in the video side by side, from 0. On the node either can be heard.",
                ),
                crf_input(),
            ],
            outputs=[io.Video.Output("side_by_side", tooltip="All of them next to each other, as high as the first.")],
        )

    @classmethod
    def execute(cls, videos, sound, crf) -> io.NodeOutput:
        videos = [video for video in videos.values() if video is not None]
        if sound >= len(videos):
            raise ValueError(f"sound is {sound}, but the videos are 0 to {len(videos) - 1}.")
        shown = [_shown(video) for video in videos]
        with ExitStack() as opened:
            sources = [opened.enter_context(open_source(video)) for video in videos]
            clip = side_by_side([source.clip for source in sources])
            frames = with_progress(clip.read(clip.frames), clip.frames)
            result, _ = write_video(frames, clip, sources[sound].sound, crf)
        return io.NodeOutput(result, ui={"compared": shown})


def _shown(video) -> dict:
    """Where the page finds a video: its own file where that lies in ComfyUI's folders as it is, else a copy."""
    source = video.get_stream_source()
    if isinstance(source, str) and video.get_active_trim_window() == (0, 0):
        path = Path(source).resolve()
        for kind in ("temp", "input", "output"):
            folder = Path(folder_paths.get_directory_by_type(kind)).resolve()
            if path.is_relative_to(folder):
                inner = path.relative_to(folder)
                return {"filename": inner.name, "subfolder": inner.parent.as_posix().strip("."), "type": kind}
    copy = result_file()
    video.save_to(str(copy))
    return {"filename": copy.name, "subfolder": "", "type": "temp"}
