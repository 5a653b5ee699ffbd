"""What the editors in the browser ask the server: questions and answers as JSON, by POST.

Only files in ComfyUI's input, output and temp folders are read, by the names that ComfyUI's own widgets use, and no
answer tells where these folders are.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import folder_paths
from aiohttp import web

LONGEST_QUESTION = 8_000_000  # bytes


def add_route(routes: web.RouteTableDef, path: str, answer: Callable[..., web.Response]) -> None:
    """`answer` gets the fields of a question as keywords, beside the server's own loop; what it has to complain about
    arrives as {"error": text}."""
    routes.post(f"/animal_lipsync/{path}")(partial(_respond, answer))


def named_file(name: str) -> Path:
    """The file that a widget calls so.

    Raises:
        ValueError: it is not in one of the folders.
    """
    path = Path(folder_paths.get_annotated_filepath(str(name)))
    if not path.is_file():
        raise ValueError(f"{name} is not in ComfyUI's folders any more; choose it again.")
    return path


async def _respond(answer: Callable[..., web.Response], request: web.Request) -> web.Response:
    if request.content_type != "application/json":  # the kind that no page of another site can send unasked
        return _refusal("The question must be JSON.", 415)
    if request.content_length is None or request.content_length > LONGEST_QUESTION:
        return _refusal(f"The question must have at most {LONGEST_QUESTION} bytes.", 413)
    try:
        return await asyncio.to_thread(answer, **await request.json())
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        return _refusal(_without_folders(str(error)), 400)


def _refusal(reason: str, status: int) -> web.Response:
    return web.json_response({"error": reason}, status=status)


def _without_folders(message: str) -> str:
    for folder in (
        folder_paths.get_input_directory,
        folder_paths.get_output_directory,
        folder_paths.get_temp_directory,
    ):
        for spelling in (folder(), os.path.realpath(folder())):
            message = message.replace(spelling + os.sep, "")
    return message
