"""One self-contained web page about evaluations: the videos side by side, their figures, the curves behind them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from .clip import Clip
from .compare import below_each_other, side_by_side
from .evaluate import WINDOW, Evaluation
from .identity import ALIKE
from .types import Audio
from .video_writer import write_video

SHOWN = 20
"""Seconds of the videos that a page holds."""
HEIGHT = 360
"""Pixels of each of them."""
CRF = 26
IN_A_ROW = 3
CONTROLS = 0.06
"""Height of a player's buttons, in widths of the video."""


class Measure(NamedTuple):
    label: str
    meaning: str
    fault: Callable[[float], float] | None = None
    """What is least for the best; None of a control, which nobody wins."""


def high(value: float) -> float:
    return -value


def low(value: float) -> float:
    return value


MEASURES = {
    "correlation": Measure(
        "follows the voice",
        "Correlation of the opening seen in the video with the opening heard in the voice, at the best lag. 1 is "
        "perfect.",
        high,
    ),
    "lag": Measure(
        "lag, s",
        "By how much the mouth is late, where both fit best; below 0 it is early. Viewers notice from about 0.05 s on.",
        abs,
    ),
    "confidence": Measure(
        "confidence", "How far that lag stands out: its correlation less the median over all lags.", high
    ),
    "closures": Measure("closures", "Share of p, b and m at which the lips are seen to meet.", high),
    "leak": Measure("leak", "How far the mouth stands open in pauses, as a share of its usual opening.", low),
    "turned_round": Measure(
        "voice backwards",
        "Control: the first figure with the voice played backwards. What a mouth gets by luck, as in the next two.",
    ),
    "put_off": Measure("voice later", "Control: the same with the voice put off by more than any lag looked at."),
    "shuffled": Measure("voice shuffled", "Control: the same with pieces of half a second in another order."),
    "silent": Measure("voice silent", "Control: the leak, were the voice a single pause."),
    "still": Measure("source alone", "Control: the first figure of the source's own mouth under this voice."),
    "changed_outside": Measure(
        "outside",
        "Mean change of the picture well outside the head, of 255. The engines leave it at 0; compression alone makes "
        "about 1. Frames that were never compressed show which.",
        low,
    ),
    "identity": Measure(
        "identity",
        f"Likeness of the head to the source's. 1 is the same picture; below {ALIKE} it would be taken for another "
        "animal.",
        high,
    ),
    "texture": Measure(
        "texture", "Fine detail of the face above the nose as a share of the source's.", lambda value: abs(value - 1)
    ),
    "flicker": Measure("flicker", "Mean change from frame to frame above the nose beyond the source's, of 255.", low),
    "mouth_flicker": Measure(
        "mouth flicker",
        "Mean difference of a frame below the nose from the mean of its neighbours, beyond the source's, of 255. A "
        "mouth that opens far and fast has more of it, one that is painted anew each frame far more.",
        low,
    ),
    "seam": Measure(
        "seam",
        "How steep edges are that stay on the head through the whole video and that the source does not have, of 255. "
        "Compression alone makes 0.5; from about 1 on a pasted patch can be seen.",
        low,
    ),
}
GROUPS = {
    "correlation": "Does the mouth follow the voice?",
    "turned_round": "Controls: what luck would reach",
    "changed_outside": "What became of the rest of the picture?",
}
"""By their first measure."""
BOUND = (
    "Upper bound: what the LoRA learned from says the same voice. Matched pairs are real pictures of the pet in the "
    "order that the voice asks for, warped ones are moved by the warp engine. Little more can be hoped for."
)
WIDTH = 1100
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
td, th { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #8884 }
td:first-child, th:first-child { text-align: left }
td.best { font-weight: 700 }
svg { width: 100%; height: auto; background: #8881; border-radius: 6px }
svg text { font: 12px system-ui, sans-serif; fill: currentColor }
path { fill: none; stroke-width: 1.6; vector-effect: non-scaling-stroke }
line { stroke: #8888 }
tr:not(:first-child) th { padding-top: 1.2rem; font-weight: 400; opacity: .75 }
th small { display: block; font-weight: 400; opacity: .75 }
figure { margin: 1rem 0; position: relative }
video { display: block; width: 100%; object-fit: contain; object-position: top; border-radius: 6px; background: #000 }
figure span { position: absolute; margin: .4rem; padding: 0 .5rem; border-radius: 4px; pointer-events: none }
figure span { background: #000a; color: #fff }
dt { font-weight: 600 }
.heard { stroke: #8a8f98; color: #8a8f98 }
:root { color-scheme: light dark }
"""
COLOURS = ("#e0662c", "#3c7be0", "#2c9b6b", "#a44fc4", "#b58900", "#d33682")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Videos beside each other as one, and where in it each is seen."""

    video: bytes
    """mp4"""
    width: int
    height: int
    corners: dict[str, tuple[int, int]]
    """Upper left ones by what the page shall call each, pixels."""


def compare_clips(clips: Mapping[str, Clip], sound: str | Path | Audio | None) -> Comparison:
    """The first `SHOWN` seconds of two or more clips, up to `IN_A_ROW` in each row."""
    height = min(HEIGHT, next(iter(clips.values())).height)
    rows, corners = [], {}
    for names in np.array_split(list(clips), ceil(len(clips) / IN_A_ROW)):
        left = 0
        for name in map(str, names):
            corners[name] = (left, height * len(rows))
            left += round(clips[name].width * height / clips[name].height)
        rows.append(side_by_side([clips[name] for name in names], height=height))
    both = below_each_other(rows)
    frames = both.read(min(both.frames, round(SHOWN * both.frame_rate)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "both.mp4"
        for _ in write_video(path, frames, both.width, both.height, both.frame_rate, sound=sound, crf=CRF):
            pass
        return Comparison(path.read_bytes(), both.width, both.height, corners)


def evaluation_page(
    evaluations: dict[str, Evaluation],
    *,
    bounds: Mapping[str, Evaluation] = MappingProxyType({}),
    comparison: Comparison | None = None,
) -> str:
    """HTML that opens anywhere and loads nothing.

    Args:
        evaluations: by what the page shall call each video.
        bounds: likewise of what a training learned from, `upper_bound.pair_videos`; beside the others, and never best.
        comparison: of them and their source.
    """
    columns = evaluations | bounds
    head = "".join(
        f"<th>{_coloured(index, name)}{'<small>upper bound</small>' if name in bounds else ''}</th>"
        for index, name in enumerate(columns)
    )
    rows = "".join(
        _group(name, len(columns)) + _row(name, measure, list(columns.values()), len(evaluations))
        for name, measure in MEASURES.items()
    )
    told = {one.label: one.meaning for one in MEASURES.values()} | ({", ".join(bounds): BOUND} if bounds else {})
    words = "".join(f"<dt>{escape(label)}</dt><dd>{escape(meaning)}</dd>" for label, meaning in told.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Lip-sync report</title><style>{STYLE}</style>'
        f"<h1>Lip-sync report</h1>{_video(comparison) if comparison else ''}"
        f"<table><tr><th></th>{head}</tr>{rows}</table>{_curves(columns)}{_lags(columns)}"
        f"<h2>What the figures mean</h2><dl>{words}</dl></html>"
    )


def _row(name: str, measure: Measure, columns: list[Evaluation], count: int) -> str:
    """The best of the first `count` in bold."""
    values = [round(getattr(one, name), 2) for one in columns]
    faults = [measure.fault(value) for value in values[:count] if not np.isnan(value)] if measure.fault else []
    cells = []
    for index, value in enumerate(values):
        is_best = index < count and len(faults) > 1 and measure.fault(value) == min(faults) < max(faults)
        cells.append(f"<td{' class=best' if is_best else ''}>{'–' if np.isnan(value) else f'{value:.2f}'}</td>")
    return f'<tr title="{escape(measure.meaning)}"><td>{escape(measure.label)}</td>{"".join(cells)}</tr>'


def _group(name: str, columns: int) -> str:
    return f"<tr><th colspan={columns + 1}>{GROUPS[name]}</th></tr>" if name in GROUPS else ""


def _video(comparison: Comparison) -> str:
    """The controls below what is seen, which would hide the mouths otherwise."""
    width, height = comparison.width, comparison.height + round(CONTROLS * comparison.width)
    names = "".join(
        f'<span style="left: {100 * x / width:.2f}%; top: {100 * y / height:.2f}%">{escape(name)}</span>'
        for name, (x, y) in comparison.corners.items()
    )
    source = f"data:video/mp4;base64,{b64encode(comparison.video).decode()}"
    video = f'<video controls loop style="aspect-ratio: {width} / {height}" src="{source}"></video>'
    return f"<figure>{video}{names}</figure>"


def _curves(evaluations: dict[str, Evaluation]) -> str:
    """What is heard and what is seen of each video, over time."""
    parts = []
    for index, (name, one) in enumerate(evaluations.items()):
        seconds = len(one.opening) / float(one.frame_rate)
        x = np.linspace(0, WIDTH, len(one.opening))
        paths = _path(x, _levels(one.expected, 150), "heard") + _path(x, _levels(one.opening, 150), index)
        parts.append(
            f"<h2>{_coloured(index, name)}</h2>"
            f'<svg viewBox="0 0 {WIDTH} 170" role="img" aria-label="opening over {seconds:.1f} seconds">{paths}</svg>'
            f'<p>Opening <b class="heard">heard</b> and {_coloured(index, "seen")} over {seconds:.1f} s, each from its '
            "least to its most.</p>"
        )
    return "".join(parts)


def _lags(evaluations: dict[str, Evaluation]) -> str:
    """Correlation at every lag: the peak tells the lag, and how it stands out the confidence."""
    paths = []
    for index, one in enumerate(evaluations.values()):
        x = np.linspace(0, WIDTH, len(one.by_lag))
        paths.append(_path(x, 190 - 180 * np.clip(one.by_lag, 0, 1), index))
    return (
        f'<h2>Correlation by lag</h2><svg viewBox="0 0 {WIDTH} 200" role="img" aria-label="correlation by lag">'
        f'<line x1="{WIDTH / 2}" x2="{WIDTH / 2}" y1="0" y2="200"/><line x1="0" x2="{WIDTH}" y1="190" y2="190"/>'
        f'<text x="6" y="16">{WINDOW} s early</text>'
        f'<text x="{WIDTH - 6}" y="16" text-anchor="end">{WINDOW} s late</text>{"".join(paths)}</svg>'
        "<p>From 0 at the bottom to 1 at the top; the peak is where mouth and voice fit best.</p>"
    )


def _levels(values: np.ndarray, height: float) -> np.ndarray:
    least, most = float(values.min()), float(values.max())
    return height + 10 - (values - least) / max(most - least, 1e-6) * height


def _path(x: np.ndarray, y: np.ndarray, look: int | str) -> str:
    points = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    colour = f'class="{look}"' if isinstance(look, str) else f'stroke="{COLOURS[look % len(COLOURS)]}"'
    return f'<path {colour} d="{points}"/>'


def _coloured(index: int, text: str) -> str:
    return f'<b style="color: {COLOURS[index % len(COLOURS)]}">{escape(text)}</b>'
