"""What the viseme editor asks the server for before the first run: what the mouth does that says a voice."""

from __future__ import annotations

from aiohttp import web

from ..animal_lipsync.audio import load_audio
from ..animal_lipsync.motion import speech_to_motion
from ..animal_lipsync.timeline import timeline_json
from .routes import add_route, named_file
from .types import to_rate


def add_voice_routes(routes: web.RouteTableDef) -> None:
    add_route(routes, "voice", listen)


def listen(file: str, frame_rate: float = 25.0) -> web.Response:
    """`timeline_json` of a recording."""
    voice = load_audio(named_file(file))
    text = timeline_json(voice, speech_to_motion(voice, to_rate(float(frame_rate))))
    return web.Response(text=text, content_type="application/json")
