"""A folder of clips and pictures of one pet becomes a dataset that its mouth is trained on.

Every file is cut by itself (`cutting.py`), by as many processes as the machine holds, and remembered (`sightings.py`):
a file that did not change is never cut again. Then all pieces are sorted together: those of other animals and those
that show the same as another one are dropped, which costs nothing, so it is done anew each time. The originals are only
read. What a network hears of a voice depends on the network, so nothing of the kind is kept: the sound is.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .batch import workers_here
from .cutting import cut_source
from .dataset import DOCUMENT, PetDataset, PieceEntry, piece_path
from .detection import detect_faces
from .files import make_folder, write_target, write_text
from .identity import ALIKE, SURELY_ALIKE, look_of_heads, look_of_most, mean_look
from .image import READABLE
from .pet_clips_page import Overview, pet_clips_page
from .sightings import Sighting, Sightings
from .workers import WorkerDied, share_out

VERSION = 3
"""To be raised when the same clip would be cut into something else."""
CLIPS = (
    ".mp4",
    ".mov",
    ".m4v",
    ".mkv",
    ".webm",
    ".avi",
    ".gif",
    ".mpg",
    ".mpeg",
    ".mts",
    ".m2ts",
    ".wmv",
    ".flv",
    ".3gp",
)
PAGE = "report.html"
OURS = {DOCUMENT, PAGE, "pieces", "sources", "runs"}
"""What a folder holds that is a dataset, or will be, or was trained on."""
SAME_LENGTH, SAME_PIXELS, SAME_OPENING, SAME_LOUDNESS = 3, 9.0, 0.06, 0.3
"""How far two pieces of one show may differ: in frames, grey levels of 255, half widths, log10 of power."""


@dataclass(frozen=True)
class Progress:
    share: float
    """Of the work, 0 to 1."""
    text: str


@dataclass(frozen=True)
class _Source:
    path: Path
    origin: str
    size: int
    key: str
    """Of its content, its name and the way it is cut."""
    twin: str = ""
    """The origin of another file that holds the same."""
    trouble: str = ""
    """Why it cannot be read."""


def prepare_clips(
    clips: str | os.PathLike,
    output: str | os.PathLike,
    *,
    reference: np.ndarray | None = None,
    workers: int | None = None,
) -> Iterator[Progress]:
    """Make, or go on with, the dataset in the folder `output`, which `PetDataset.open` reads.

    It may be closed, or die, at any time and be called again.

    Args:
        clips: a folder; the folders in it count too.
        reference: (H, W, 3) uint8, a picture of the animal that is meant; of the one seen most when not given.
        workers: processes; as many as fit when None.

    Raises:
        ValueError: there is nothing to read, nothing of use in it, or `output` holds something else. Files that are
            damaged are no error: the report names them.
        OSError: the disk is full or closed.
    """
    clips, output = Path(clips), Path(output)
    _check_folders(clips, output)
    wanted = None if reference is None else _look_of(reference)
    yield Progress(0.0, f"Reading {clips}")
    sources, ignored = _find_sources(clips, output)
    if not sources:
        raise ValueError(
            f"{clips} holds no clip and no picture that can be read ({len(ignored)} other files); put clips of your "
            "pet there, as mp4 or mov, or pictures as JPEG or PNG."
        )
    for folder in ("pieces", "sources"):
        make_folder(output / folder)
    jobs = [
        {"path": str(source.path), "origin": source.origin, "key": source.key, "output": str(output)}
        for source in sources
        if not (source.twin or source.trouble or _is_cut(source, output))
    ]
    lost: dict[str, str] = {}
    sizes = {source.origin: source.size for source in sources}
    total, shares = sum(sizes[job["origin"]] for job in jobs) or 1, {}
    with closing(_cut(jobs, workers or workers_here())) as answers:
        for told in answers:
            if told is not None:
                job, answer = told
                if isinstance(answer, WorkerDied):
                    lost[job["origin"]] = f"the file cannot be cut: {answer}"
                elif isinstance(answer, Exception):
                    raise answer
                else:
                    shares[job["origin"]] = answer
            done = sum(sizes[origin] * share for origin, share in shares.items()) / total
            yield Progress(
                done, f"{len(sources) - len(jobs) + sum(s >= 1 for s in shares.values())} of {len(sources)} files"
            )

    records = [_record(source, output, lost) for source in sources]
    reasons = sort_out([sighting for record in records for sighting in record.seen], wanted)
    dataset, sightings = _collect(output, records, reasons)
    _remove_others(output, {source.key for source in sources})
    page = pet_clips_page(Overview(write_target(clips).name, dataset, sightings, tuple(ignored)))
    write_text(output / PAGE, page)
    dataset.save()
    if not dataset.kept:
        raise ValueError(_nothing(clips, output, dataset, wanted is not None))
    yield Progress(1.0, f"{len(dataset.kept)} pieces kept, {len(dataset.pieces) - len(dataset.kept)} dropped")


def cut_into(path: str, origin: str, key: str, output: str) -> Iterator[float]:
    """Cut one file and remember what was seen; yields the share of it that is done. What a worker runs."""
    folder, seen, damage = Path(output), [], ""
    try:
        for found, share in cut_source(path, origin):
            if found:
                name = f"{key}-{len(seen):03}"
                seen.append(Sighting.of(found, name))
                if found.piece:
                    found.piece.save(piece_path(folder, name))
            yield min(share, 0.99)
    except ValueError as error:
        damage = str(error)
    seen.sort(key=lambda sighting: sighting.start)
    Sightings(origin, tuple(seen), damage).save(_record_path(folder, key))
    yield 1.0


def sort_out(seen: list[Sighting], wanted: np.ndarray | None = None) -> list[str]:
    """Why each piece is dropped, those of another animal and those that show the same as an earlier one among them.

    Args:
        wanted: (128,) look of the animal that is meant; that of most when None.
    """
    reasons = [sighting.reason for sighting in seen]
    usable = [index for index, sighting in enumerate(seen) if sighting.name]
    if not usable:
        return reasons
    looks = np.stack([seen[index].look for index in usable])
    if wanted is None:
        centre = look_of_most(looks, np.array([seen[index].seconds for index in usable]))
    else:
        centre = mean_look(np.concatenate([wanted[None], looks[looks @ wanted > SURELY_ALIKE]]))
    kept: list[Sighting] = []
    for index, likeness in zip(usable, looks @ centre, strict=True):
        one = seen[index]
        if likeness < ALIKE:
            reasons[index] = "another animal"
        elif any(_shows_the_same(one, other) for other in kept):
            reasons[index] = "shows the same as another piece"
        else:
            kept.append(one)
    return reasons


def _shows_the_same(one: Sighting, other: Sighting) -> bool:
    if abs(one.frames - other.frames) > SAME_LENGTH or (one.start == one.end) != (other.start == other.end):
        return False
    if np.abs(one.glances.astype(int) - other.glances).mean() > SAME_PIXELS:
        return False
    at = np.linspace(0, 1, 50)
    curves = [np.interp(at, np.linspace(0, 1, len(each.opening)), each.opening) for each in (one, other)]
    if np.abs(curves[0] - curves[1]).mean() > SAME_OPENING:
        return False
    return not (one.has_sound and other.has_sound) or bool(
        np.abs(one.loudness - other.loudness).mean() <= SAME_LOUDNESS
    )


def _check_folders(clips: Path, output: Path) -> None:
    if not clips.is_dir():
        raise ValueError(f"There is no folder {clips}; check the name.")
    if write_target(clips).is_relative_to(write_target(output)):
        raise ValueError(f"The dataset cannot be {output}, in which the clips lie; name another folder.")
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output} is there already and is no folder; choose another name for the dataset.")
    others = (
        [path.name for path in output.iterdir() if path.name not in OURS and not path.name.startswith(".")]
        if (output.is_dir())
        else []
    )
    if others:
        raise ValueError(
            f"{output} holds something else ({sorted(others)[0]}), and nothing of yours is touched; name a new folder "
            "for the dataset."
        )


def _look_of(reference: np.ndarray) -> np.ndarray:
    faces = detect_faces(reference)
    if not faces.tracks:
        raise ValueError("No animal's face is found in the reference picture; choose one that shows it from the front.")
    return look_of_heads(reference, faces.tracks[0].boxes)[0]


def _find_sources(clips: Path, output: Path) -> tuple[list[_Source], list[str]]:
    """Clips and pictures, and the names of other files, in the order of their names."""
    sources, ignored, twins = [], [], {}
    hidden = write_target(output)
    for folder, folders, files in os.walk(clips, onerror=lambda error: ignored.append(str(error.filename))):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and write_target(Path(folder) / name) != hidden
        )
        for name in sorted(files):
            path = Path(folder) / name
            # a name that is no text would fit in no file of ours
            origin = os.fsencode(path.relative_to(clips)).decode("utf-8", "replace").replace(os.sep, "/")
            if name.startswith(".") or not path.is_file():
                continue
            if path.suffix.lower() not in (*READABLE, *CLIPS):
                ignored.append(origin)
                continue
            try:
                content = _digest(path)
            except OSError as error:
                trouble = f"the file cannot be read ({error.strerror})"
                sources.append(_Source(path, origin, 0, "", trouble=trouble))
                continue
            key = hashlib.blake2b(f"{VERSION} {origin} {content}".encode(), digest_size=8).hexdigest()
            sources.append(_Source(path, origin, path.stat().st_size, key, twin=twins.get(content, "")))
            twins.setdefault(content, origin)
    return sorted(sources, key=lambda source: source.origin), sorted(ignored)


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _is_cut(source: _Source, output: Path) -> bool:
    record = Sightings.load(_record_path(output, source.key))
    return record is not None and all(piece_path(output, one.name).is_file() for one in record.seen if one.name)


def _cut(jobs: list[dict], workers: int) -> Iterator[tuple[dict, float | Exception] | None]:
    """As `workers.share_out`; a single process is this one."""
    workers = min(workers, len(jobs))
    if workers > 1:
        yield from share_out("pet_clips:cut_into", jobs, workers=workers)
    else:
        for job in jobs:
            for share in cut_into(**job):
                yield job, share


def _record_path(output: Path, key: str) -> Path:
    return output / "sources" / f"{key}.json"


def _record(source: _Source, output: Path, lost: dict[str, str]) -> Sightings:
    why = source.trouble or lost.get(source.origin) or (source.twin and f"the same file as {source.twin}")
    record = None if why else Sightings.load(_record_path(output, source.key))
    return record or Sightings(source.origin, (), why)


def _collect(
    output: Path, records: list[Sightings], reasons: list[str]
) -> tuple[PetDataset, tuple[Sighting | None, ...]]:
    """The dataset, and of each of its entries what was seen; None of a file of which nothing was."""
    entries, sightings, given = [], [], iter(reasons)
    for record in records:
        for one in record.seen:
            widest = (
                (float(one.opening.max()), float(np.quantile(one.opening, 0.9))) if len(one.opening) else (0.0, 0.0)
            )
            opening = tuple(round(value, 3) for value in widest)
            name, reason = one.name, next(given)
            entries.append(
                PieceEntry(name, record.origin, one.start, one.end, one.frames, reason, one.has_sound, opening)
            )
            sightings.append(one)
        if record.damage:
            end = max((one.end for one in record.seen), default=0.0)
            entries.append(PieceEntry("", record.origin, end, end, 0, record.damage))
            sightings.append(None)
    kinds = Counter()
    for entry, one in zip(entries, sightings, strict=True):
        if not entry.reason:
            kinds[one.species] += one.frames
    species = kinds.most_common(1)[0][0] if kinds else "unknown"
    return PetDataset(output, species, tuple(entries)), tuple(sightings)


def _remove_others(output: Path, keys: set[str]) -> None:
    """What was made of files that are gone, or have changed."""
    for path in (*(output / "pieces").iterdir(), *(output / "sources").iterdir()):
        if path.is_file() and path.stem.split("-")[0] not in keys:
            path.unlink(missing_ok=True)


def _nothing(clips: Path, output: Path, dataset: PetDataset, has_reference: bool) -> str:
    (reason, _), *_ = Counter(entry.reason for entry in dataset.pieces).most_common(1)
    remedy = (
        "give a reference picture of the animal that is in the clips"
        if has_reference and reason == "another animal"
        else "use clips in which a cat or dog looks towards the camera, its head 100 pixels or larger"
    )
    return f"Nothing in {clips} can be used, mostly because: {reason}. See {output / PAGE}, and {remedy}."
