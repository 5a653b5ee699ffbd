"""What the viseme editor asks the server for before the first run: what the mouth does that says a voice.

Only files in ComfyUI's input, output and temp folders are read, by the names that ComfyUI's own widgets use.
"""

from __future__ import annotations

import asyncio

import folder_paths
from aiohttp import web

from ..animal_lipsync.audio import load_audio
from ..animal_lipsync.motion import speech_to_motion
from ..animal_lipsync.timeline import timeline_json
from .types import to_rate


def add_voice_routes(routes: web.RouteTableDef) -> None:
    routes.post("/animal_lipsync/voice")(_respond)


async def _respond(request: web.Request) -> web.Response:
    try:
        text = await asyncio.to_thread(listen, **await request.json())
    except (ValueError, TypeError, OverflowError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.Response(text=text, content_type="application/json")


def listen(file: str, frame_rate: float = 25.0) -> str:
    """`timeline_json` of a recording."""
    voice = load_audio(folder_paths.get_annotated_filepath(str(file)))
    return timeline_json(voice, speech_to_motion(voice, to_rate(float(frame_rate))))
