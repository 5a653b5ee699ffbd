"""Reading of the JSON documents that users edit: their fields, numbers and arrays, each refused by name.

Knows nothing of what any one document holds.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction

import numpy as np

LARGEST = 1_000_000
"""Of any number in a JSON document of ours: frames, pixels or seconds; keeps a typing error from filling the memory."""

SLOWEST, FASTEST = Fraction(1), Fraction(1000)
"""Frames per second. A clip of fewer is read at `SLOWEST`, its pictures repeated: a mouth needs that many."""


class FormatError(ValueError):
    """A JSON document of ours (faces, motion) cannot be read; the message names the field and the remedy."""


def load_document(text: str, name: str) -> dict:
    """The JSON object of version 1 that `text` is; messages call it `name`.

    Raises:
        FormatError: it is none.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{name} is not JSON: {error}; save or make it again.") from None
    if not isinstance(document, dict):
        raise FormatError(f"{name} must be a JSON object, got {type(document).__name__}.")
    version = get_field(document, "version", object, name)
    if version != 1:
        raise FormatError(f"{name}.version must be 1, got {str(version)[:40]}; a newer pack may read it.")
    return document


def get_field(document: dict, name: str, kind: type, where: str):
    """`document[name]`, which must be there and a `kind`; messages call it `where.name`."""
    if name not in document:
        raise FormatError(f"{where}.{name} is missing; save or make the file again.")
    if not isinstance(document[name], kind):
        raise FormatError(f"{where}.{name} must be a {kind.__name__}, got {type(document[name]).__name__}.")
    return document[name]


def to_number(value, where: str) -> float:
    """A finite number within `LARGEST`; messages call it `where`, here and below."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        raise FormatError(f"{where} must be a number within a million, got {str(value)[:40]}.")
    return float(value)


def to_count(value, where: str) -> int:
    """A whole number from 1 to `LARGEST`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST:
        raise FormatError(f"{where} must be a whole number from 1 to a million, got {str(value)[:40]}.")
    return value


def to_array(rows: list, shape: tuple, where: str) -> np.ndarray:
    """(shape) float32 of finite numbers within `LARGEST`; None in `shape` stands for any length."""
    try:
        with np.errstate(over="ignore"):
            array = np.array(rows, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise FormatError(f"{where} must hold only numbers, in rows of equal length.") from None
    if not array.size and not all(shape):  # no rows at all, which NumPy takes for a flat array
        array = array.reshape([n or 0 for n in shape])
    if array.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, array.shape, strict=True)):
        wanted = " x ".join("n" if n is None else str(n) for n in shape)
        raise FormatError(f"{where} must be {wanted} numbers, got shape {array.shape}.")
    if not (np.abs(array) <= LARGEST).all():
        raise FormatError(f"{where} must hold finite numbers within a million.")
    return array


def to_frame_rate(value) -> Fraction:
    """Frames per second out of "25", "29.97" or "30000/1001".

    Raises:
        FormatError: it is none, or not from `SLOWEST` to `FASTEST`.
    """
    try:
        # the pattern keeps out "1e999999999", which Fraction would spend for ever on
        rate = Fraction(re.fullmatch(r"\d{1,9}(\.\d{1,9}|/\d{1,9})?", str(value))[0])
    except (TypeError, ZeroDivisionError):
        raise FormatError(f"frame_rate must look like 25 or 30000/1001, got {str(value)[:40]!r}.") from None
    if not SLOWEST <= rate <= FASTEST:
        raise FormatError(f"frame_rate must lie between {SLOWEST} and {FASTEST}, got {value}.")
    return rate
