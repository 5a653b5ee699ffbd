"""Faces as a table for spreadsheets, and back; whoever types points may give either this or FACES.json."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np

from .documents import LARGEST, FormatError
from .schemas import SCHEMAS
from .types import Faces

SOURCE = ("width", "height", "frame_rate", "frames", "picture")
ABOUT = ("face", "species", "score", "schema", "frame", "visible")
BOX = ("x1", "y1", "x2", "y2")


def read_faces(text: str) -> Faces:
    """Faces from FACES.json or from a table.

    Raises:
        FormatError: naming the field, or the row and column, that is wrong.
    """
    return faces_from_csv(text) if text.lstrip("\ufeff \n").startswith("source") else Faces.from_json(text)


def faces_to_csv(faces: Faces) -> str:
    """One row per face and frame: number, box, and x, y and score of every keypoint, in pixels."""
    file = io.StringIO()
    write = csv.writer(file, lineterminator="\n").writerow
    write(["source", *SOURCE])
    write(["", faces.width, faces.height, faces.frame_rate, faces.frames, faces.picture])
    schema = faces.tracks[0].schema if faces.tracks else "animal9"
    write([*ABOUT, *BOX, *_columns(schema)])
    for i, track in enumerate(faces.tracks):
        if track.schema != schema:
            raise ValueError(f"Faces of the schemas {schema} and {track.schema} do not fit one table; save FACES.json.")
        score = faces.scores[i] if faces.scores else 1.0
        points = np.concatenate([track.keypoints, track.score[..., None]], axis=2).reshape(len(track), -1)
        for t, values in enumerate(np.concatenate([track.boxes, points], axis=1)):
            about = [i, track.species, f"{score:.3f}", schema, t, int(track.visible[t])]
            write([*about, *(f"{value:.3f}" for value in values)])
    return file.getvalue()


def faces_from_csv(text: str) -> Faces:
    """Read what `faces_to_csv` wrote and someone edited; a row that was deleted is interpolated.

    Commas, semicolons or tabs may stand between the columns; next to semicolons and tabs, 0,5 is a number.

    Raises:
        FormatError: naming the row and column that is wrong.
    """
    head = text.lstrip("\ufeff \n").split("\n", 1)[0]
    between = max(",;\t", key=head.count)
    is_table = head.strip().split(between)[: len(SOURCE) + 1] == ["source", *SOURCE]
    lines = io.StringIO(text.lstrip("\ufeff \n"))
    try:
        rows = [row for row in csv.reader(lines, delimiter=between) if any(row)] if is_table else []
    except csv.Error as error:
        raise FormatError(f"The table of faces is damaged ({error}); export it again.") from None
    if len(rows) < 3:
        raise FormatError(
            f"A table of faces begins with source, {', '.join(SOURCE)}, then their values; export one with detect and "
            "change that."
        )
    source = dict(zip(SOURCE, rows[1][1:], strict=False))
    columns = rows[2]
    missing = [name for name in (*ABOUT, *BOX) if name not in columns]
    if missing:
        raise FormatError(f"The table of faces has no column {', '.join(missing)} in its third row.")
    found: dict[int, dict] = {}
    for number, row in enumerate(rows[3:], 4):
        cells = dict(zip(columns, row, strict=False))

        def value(name: str, cells=cells, number=number) -> float:
            cell = cells.get(name, "")
            try:
                amount = float(cell.replace(",", ".") if between != "," else cell)
            except ValueError:
                amount = math.nan
            if not abs(amount) <= LARGEST:
                raise FormatError(f"Row {number} of the table of faces: {name} is no number but {cell[:40]!r}.")
            return amount

        schema = cells.get("schema")
        if schema not in SCHEMAS:
            raise FormatError(f"Row {number} of the table of faces: schema must be one of {', '.join(SCHEMAS)}.")
        face = found.setdefault(
            round(value("face")),
            {"species": cells.get("species", ""), "score": value("score"), "schema": schema}
            | {name: [] for name in ("frames", "boxes", "keypoints", "hidden")},
        )
        frame = round(value("frame"))
        face["frames"].append(frame)
        face["boxes"].append([value(name) for name in BOX])
        points = [value(name) for name in _columns(schema)]
        face["keypoints"].append([points[k : k + 3] for k in range(0, len(points), 3)])
        if not value("visible"):
            face["hidden"].append([frame, frame])
    for name in ("width", "height", "frames"):
        cell = source.get(name, "").strip()
        if not cell.isdecimal() or len(cell) > 9:
            raise FormatError(f"Row 2 of the table of faces: {name} must be a whole number, got {cell[:40]!r}.")
        source[name] = int(cell)
    document = {"version": 1, "source": source, "faces": [found[face] for face in sorted(found)]}
    return Faces.from_json(json.dumps(document))


def _columns(schema: str) -> list[str]:
    return [f"{name}_{part}" for name in SCHEMAS[schema].names for part in ("x", "y", "score")]
