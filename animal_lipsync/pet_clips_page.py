"""One self-contained web page about a dataset: what was kept and dropped, and what would make it better."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass
from html import escape

import numpy as np

from .dataset import PetDataset, PieceEntry
from .image import HEIC_REMEDY, HEIC_SUFFIXES
from .sightings import Sighting

ENOUGH = 30.0
"""Seconds of an animal from which a mouth can be learnt."""
OPEN = 0.4
"""Half widths of the mouth from which on it counts as open."""
WIDEST, STEPS = 1.2, 24
"""Of the histogram: its right end, in half widths, and its columns."""
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
.totals { display: flex; flex-wrap: wrap; gap: 2rem; margin: 1rem 0 }
.totals b { display: block; font-size: 2rem; line-height: 1.1 }
.advice { background: #e0a62c22; border-left: 4px solid #e0a62c; padding: .6rem 1rem; border-radius: 4px }
.advice p { margin: .2rem 0 }
.pieces { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 1rem; margin: 1rem 0 }
figure { margin: 0; font-size: .8rem; line-height: 1.35; overflow-wrap: anywhere }
figure img { display: block; width: 100%; aspect-ratio: 1; border-radius: 6px; background: #8882 }
.why { color: #c4551f }
table { border-collapse: collapse; font-size: .85rem }
td { padding: .3rem 1rem .3rem 0; border-bottom: 1px solid #8884; vertical-align: top; overflow-wrap: anywhere }
td:first-child { min-width: 11rem }
summary { cursor: pointer; font-size: 1.2rem; font-weight: 600; margin: 1.5rem 0 .5rem }
svg { width: 100%; height: auto; max-width: 44rem; background: #8881; border-radius: 6px }
rect { fill: #3c7be0 }
rect.open { fill: #e0662c }
text { font-size: 13px; fill: currentColor }
small { opacity: .75 }
:root { color-scheme: light dark }
"""


@dataclass(frozen=True, eq=False)
class Overview:
    """What the page tells."""

    clips: str
    """Name of the folder."""
    dataset: PetDataset
    seen: tuple[Sighting | None, ...]
    """Of each of its pieces; None of a file in which nothing was."""
    ignored: tuple[str, ...]
    """Files that are neither clips nor pictures."""


def advice(dataset: PetDataset) -> list[str]:
    """What would make the dataset better, most important first."""
    kept, lines = dataset.kept, []
    seconds = sum(entry.end - entry.start for entry in kept)
    if kept and seconds < ENOUGH:
        lines.append(
            f"Only {seconds:.0f} s of moving pictures were kept: {ENOUGH:.0f} s or more of different moments make a "
            "surer mouth."
        )
    if kept and max(entry.opening[0] for entry in kept) < OPEN:
        lines.append("No frame has an open mouth: add a clip in which it yawns, barks, pants or eats.")
    reasons = Counter()
    for entry in dataset.pieces:
        reasons[entry.reason.split(":")[0]] += 1
    strangers = sum(entry.end - entry.start or 1 for entry in dataset.pieces if entry.reason == "another animal")
    if strangers > 0.3 * (seconds + len(kept)):
        lines.append(
            "Another animal is seen nearly as often: if the wrong one was kept, give a reference picture of the right "
            "one."
        )
    if reasons["the head is too small"] > len(kept):
        lines.append("Most heads are too small: go nearer, or cut the clips so that the head fills more of them.")
    if reasons["no animal is seen well enough"] > len(kept):
        lines.append("Most of the time no face is seen: let it look towards the camera.")
    if reasons["blurred"] > len(kept):
        lines.append("Most pieces are blurred: use more light, and hold the camera still.")
    return lines


def why_dropped(dataset: PetDataset) -> str:
    """How many pieces were dropped for which reasons, most first; empty when none was."""
    reasons = Counter(_short(entry) for entry in dataset.pieces if entry.reason)
    told = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    return f"{reasons.total()} dropped: {told}." if reasons else ""


def _short(entry: PieceEntry) -> str:
    if entry.reason.startswith("the same file"):
        return "the same file twice"
    return re.split(r" \(|:", entry.reason)[0] if entry.frames else "damaged or not to be read"


def pet_clips_page(told: Overview) -> str:
    """HTML that opens anywhere and loads nothing."""
    pairs = list(zip(told.dataset.pieces, told.seen, strict=True))
    kept = [pair for pair in pairs if not pair[0].reason]
    dropped = [pair for pair in pairs if pair[0].reason]
    clips = [entry for entry, _ in kept if entry.end > entry.start]
    totals = {
        "pieces kept": len(kept),
        "seconds of clips": f"{sum(entry.end - entry.start for entry in clips):.0f}",
        "pictures": len(kept) - len(clips),
        "pieces with sound": sum(entry.has_sound for entry, _ in kept),
        "dropped": len(dropped),
    }
    figures = "".join(f"<span><b>{value}</b>{escape(name)}</span>" for name, value in totals.items())
    lines = "".join(f"<p>{escape(line)}</p>" for line in advice(told.dataset))
    openings = [one.opening for _, one in kept]
    ignored = ", ".join(escape(name) for name in told.ignored)
    if any(name.lower().endswith(HEIC_SUFFIXES) for name in told.ignored):
        ignored += f".</p><p>{HEIC_REMEDY}"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{escape(told.clips)}: pieces for training</title><style>{STYLE}</style>"
        f"<h1>{escape(told.clips)} <small>{escape(told.dataset.species)}</small></h1>"
        f'<div class="totals">{figures}</div>'
        + (f'<div class="advice">{lines}</div>' if lines else "")
        + (f"<h2>How far the mouth opens</h2>{_histogram(np.concatenate(openings))}" if openings else "")
        + f"<h2>Kept</h2>{_figures(kept)}"
        + (f"<details open><summary>Dropped</summary>{_figures(dropped)}</details>" if dropped else "")
        + (f"<h2>Ignored</h2><p>Neither clips nor pictures that can be read: {ignored}.</p>" if ignored else "")
        + "</html>"
    )


def _figures(pairs: list[tuple[PieceEntry, Sighting | None]]) -> str:
    """Those with a picture, then the others as a list."""
    shown = "".join(_figure(entry, one.thumbnail) for entry, one in pairs if one and one.thumbnail)
    others: dict[tuple[str, str], list[str]] = {}
    for entry, one in pairs:
        if not (one and one.thumbnail):
            when = [f"{_clock(entry.start)}–{_clock(entry.end)}"] if entry.end > entry.start else []
            others.setdefault((entry.origin, entry.reason), []).extend(when)
    rows = "".join(
        f'<tr><td>{escape(origin)}</td><td class="why">{escape(reason)}</td><td>{", ".join(times)}</td></tr>'
        for (origin, reason), times in others.items()
    )
    return f'<div class="pieces">{shown}</div>' + (f"<table>{rows}</table>" if rows else "")


def _figure(entry: PieceEntry, thumbnail: bytes) -> str:
    source = f"data:image/jpeg;base64,{b64encode(thumbnail).decode()}"
    picture = f'<img src="{source}" alt="{escape(entry.origin, quote=True)}" loading="lazy">'
    when = f"{_clock(entry.start)}–{_clock(entry.end)}" if entry.end > entry.start else ""
    told = [escape(entry.origin), " · ".join(filter(None, [when, "sound" if entry.has_sound else ""]))]
    if entry.reason:
        told.append(f'<span class="why">{escape(entry.reason)}</span>')
    else:
        told.append(f"opens to {entry.opening[0]:.2f}")
    return f"<figure>{picture}{'<br>'.join(filter(None, told))}</figure>"


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _histogram(opening: np.ndarray) -> str:
    counts, edges = np.histogram(opening.clip(0, WIDEST), STEPS, (0, WIDEST))
    width, height, foot = 700, 160, 24
    column = width / STEPS
    bars = "".join(
        f'<rect class="{"open" if edge >= OPEN else "shut"}" x="{index * column + 1:.1f}" '
        f'y="{height - size:.1f}" width="{column - 2:.1f}" height="{size:.1f}"/>'
        for index, (edge, size) in enumerate(zip(edges, np.sqrt(counts / counts.max()) * height, strict=False))
    )
    marks = "".join(
        f'<text x="{at / WIDEST * width:.0f}" y="{height + 18}" text-anchor="{anchor}">{word}</text>'
        for at, anchor, word in ((0, "start", "shut"), (OPEN, "middle", "open"), (WIDEST, "end", "wide"))
    )
    share = 100 * float((opening >= OPEN).mean())
    return (
        f'<svg viewBox="0 0 {width} {height + foot}" role="img" aria-label="histogram of the opening">{bars}{marks}'
        "</svg>"
        f"<p>{len(opening)} frames, {share:.0f} % of them with an open mouth. Heights grow with the square root of the "
        "number of frames, so that rare ones show.</p>"
    )
