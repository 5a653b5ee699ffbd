"""What the editors ask the server for: a frame, the faces in it, and the same frame with an open mouth."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from aiohttp import web
from comfy_api.latest import InputImpl
from PIL import Image, ImageOps

from ..animal_lipsync.clip import Clip
from ..animal_lipsync.detection import detect_faces, keypoints_in_boxes
from ..animal_lipsync.engine import WarpEngine
from ..animal_lipsync.image import fingerprint, is_picture, read_picture
from ..animal_lipsync.render import render
from ..animal_lipsync.table import read_faces
from ..animal_lipsync.types import Faces, MouthMotion
from ..animal_lipsync.video import read_frames
from .inputs import MIN_SCORE
from .routes import add_route, named_file
from .types import to_pixel_frames

LARGEST_SIDE = 2048
"""Pixels of a frame as an editor shows it; more would only take longer to arrive."""
MOUTH_SIDE = 560
"""Pixels of the part of a frame in which a mouth is opened for a look."""
AROUND = 0.15
"""Picture kept around that part, so that its edges are what they are in the whole frame."""


def add_face_routes(routes: web.RouteTableDef) -> None:
    for path, answer in {"frame": show_frame, "faces": find_faces, "mouth": pose_mouth, "table": read_table}.items():
        add_route(routes, path, answer)


def show_frame(file: str, frame: int = 0) -> web.Response:
    """A frame as JPEG, in at most `LARGEST_SIDE` pixels; what it is of as header X-Source."""
    source = _open(file)
    image = Image.fromarray(source.frame(source.clamp(frame)))
    about = {"width": image.width, "height": image.height, "frames": source.frames, "picture": source.fingerprint}
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BOX)
    return _jpeg(image, {"X-Source": json.dumps(about)})


def find_faces(
    file: str, frame: int = 0, min_score: float = MIN_SCORE, boxes: list[list[float]] | None = None
) -> web.Response:
    """FACES.json of one frame; its `source` says how long the clip is. With `boxes`, of the heads in them."""
    source = _open(file)
    frame = source.clamp(frame)
    pixels = source.frame(frame)
    if boxes:
        found = keypoints_in_boxes(pixels, np.array(boxes, np.float32))
    else:
        found = detect_faces(pixels, min_score=float(min_score))
    found = replace(found, frame_rate=source.frame_rate, picture=source.fingerprint)
    document = json.loads(found.to_json())
    document["source"]["frames"] = source.frames
    for face in document["faces"]:
        face["frames"] = [frame]
    return web.json_response(document)


def pose_mouth(file: str, faces: dict, motion: dict[str, float], frame: int = 0) -> web.Response:
    """The part of a frame that speaking changes, as JPEG, with the mouth as `motion` says; its box as header X-Box.

    Drawn by the engine that makes the videos, in at most `MOUTH_SIDE` pixels.

    Args:
        faces: FACES.json with one face in one frame.
        motion: value by channel.
    """
    source = _open(file)
    pixels = source.frame(source.clamp(frame))
    height, width = pixels.shape[:2]
    face = Faces.from_json(json.dumps(faces)).tracks[0][:1]
    pose = MouthMotion.from_channels(Fraction(25), 1, **motion)
    engine = WarpEngine()
    # the same part of the picture however far the mouth is open
    x1, y1, x2, y2 = engine.region(face, pose.with_channels(jaw_open=1.0), width, height)
    margin = round(AROUND * max(x2 - x1, y2 - y1))
    x1, y1, x2, y2 = max(0, x1 - margin), max(0, y1 - margin), min(width, x2 + margin), min(height, y2 + margin)
    if x2 - x1 < 2 or y2 - y1 < 2:
        raise ValueError("The mouth lies outside the picture; drag its points into it.")
    part = Image.fromarray(pixels[y1:y2, x1:x2])
    factor = min(1.0, MOUTH_SIDE / max(part.size))
    part = part.resize([max(2, round(side * factor)) for side in part.size], Image.Resampling.BOX)
    posed = next(render([np.asarray(part)], face.shifted(x1, y1).scaled(factor), pose, engine))
    return _jpeg(Image.fromarray(posed.pixels), {"X-Box": json.dumps([x1, y1, x2, y2])})


def read_table(text: str) -> web.Response:
    """FACES.json of a table of keypoints."""
    return web.Response(text=read_faces(text).to_json(), content_type="application/json")


class File:
    """A picture or clip in one of ComfyUI's folders, with the pixels that the nodes get of it."""

    def __init__(self, path: Path):
        self.path = path
        self.picture = _load_image(path) if is_picture(path) else None
        clip = Clip.open(path) if self.picture is None else Clip.from_picture(self.picture)
        self.frames = clip.frames
        self.frame_rate = Fraction(0) if self.picture is not None else clip.frame_rate
        self.fingerprint = fingerprint(next(clip.read(1)))
        self.frame = lru_cache(4)(self._frame)

    def clamp(self, frame: int) -> int:
        return min(max(int(frame), 0), self.frames - 1)

    def _frame(self, frame: int) -> np.ndarray:
        """uint8 (H, W, 3)."""
        return self.picture if self.picture is not None else next(read_frames(self.path, start=frame))


def _open(file: str) -> File:
    path = named_file(file)
    return _opened(path, path.stat().st_mtime_ns)


@lru_cache(3)
def _opened(path: Path, changed_at: int) -> File:
    return File(path)


def _load_image(path: Path) -> np.ndarray:
    """What core's Load Image makes of a picture: what transparency hides is shown, colour profiles are left out."""
    pixels = read_picture(path)  # refuses what is damaged or too large
    with Image.open(path) as image:
        if image.mode in ("RGB", "RGBA", "L", "LA", "P", "CMYK"):
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    images = InputImpl.VideoFromFile(str(path)).get_components().images
    return next(to_pixel_frames(images, [0])) if len(images) else pixels


def _jpeg(image: Image.Image, headers: dict[str, str] | None = None) -> web.Response:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return web.Response(body=buffer.getvalue(), content_type="image/jpeg", headers=headers)
