"""One self-contained web page about a few evaluations: what was measured, in a table, and the curves behind it."""

from __future__ import annotations

from html import escape

import numpy as np

from .evaluate import Evaluation

MEASURES = {
    "correlation": (
        "follows the voice",
        "Correlation of the opening seen with the opening heard, at the best lag. 1 is perfect.",
    ),
    "lag": ("lag, s", "By how much the mouth is late; below 0 it is early. Viewers notice from about 0.05 s on."),
    "confidence": ("confidence", "How far the best lag stands out from the others."),
    "closures": ("closures", "Share of p, b and m at which the lips are seen to meet."),
    "leak": ("leak", "How far the mouth stands open in pauses, as a share of its usual opening."),
    "turned_round": (
        "voice backwards",
        "Control: the same with the voice played backwards. What a mouth gets by luck.",
    ),
    "put_off": ("voice later", "Control: the same with the voice put off."),
    "still": ("source alone", "Control: the mouth of the source itself under this voice."),
    "changed_outside": ("outside", "Mean change well outside the head, of 255; compression alone makes about 1."),
    "texture": ("texture", "Fine detail of the face above the nose as a share of the source's."),
    "flicker": ("flicker", "Mean change from frame to frame above the nose beyond the source's, of 255."),
}
WIDTH, HEIGHT = 1100, 170
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
td, th { padding: .4rem .7rem; text-align: right; border-bottom: 1px solid #8884 }
td:first-child, th:first-child { text-align: left }
svg { width: 100%; height: auto; background: #8881; border-radius: 6px }
path { fill: none; stroke-width: 1.6 }
dt { font-weight: 600 }
.heard { stroke: #3c7be0; color: #3c7be0 }
.seen { stroke: #e0662c; color: #e0662c }
:root { color-scheme: light dark }
"""


def evaluation_page(evaluations: dict[str, Evaluation]) -> str:
    """HTML that opens anywhere and loads nothing.

    Args:
        evaluations: by what the page shall call each video.
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in evaluations)
    rows = []
    for measure, (label, _) in MEASURES.items():
        cells = "".join(f"<td>{_figure(getattr(one, measure))}</td>" for one in evaluations.values())
        rows.append(f"<tr><td>{escape(label)}</td>{cells}</tr>")
    curves = "".join(f"<h2>{escape(name)}</h2>{_curves(one)}" for name, one in evaluations.items())
    words = "".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in MEASURES.values())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Lip-sync report</title><style>{STYLE}</style>'
        f"<h1>Lip-sync report</h1><table><tr><th></th>{head}</tr>{''.join(rows)}</table>{curves}"
        f"<h2>What the figures mean</h2><dl>{words}</dl></html>"
    )


def _figure(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"


def _curves(one: Evaluation) -> str:
    seconds = len(one.opening) / float(one.frame_rate)
    paths = "".join(
        f'<path class="{name}" d="{_path(values)}"/>'
        for name, values in (("heard", one.expected), ("seen", one.opening))
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="opening over {seconds:.1f} seconds">{paths}</svg>'
        f'<p><b class="heard">heard</b> and <b class="seen">seen</b> opening over '
        f"{seconds:.1f} s, each from its least to its most.</p>"
    )


def _path(values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    x = np.linspace(0, WIDTH, len(values))
    y = HEIGHT - 10 - (values - low) / max(high - low, 1e-6) * (HEIGHT - 20)
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
