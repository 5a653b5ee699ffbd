"""Video files read through PyAV, one frame at a time.

Frames are uint8 RGB (H, W, 3), upright, in square pixels. Time zero is the first frame of a clip, and frame t of a
frame rate shows time t / rate. Knows nothing of faces or of float pixels.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from itertools import islice

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from .documents import FASTEST, SLOWEST
from .image import PIXEL_BUDGET, SIDE_BUDGET
from .media import open_media
from .memory import is_out_of_memory
from .types import LONGEST

logger = logging.getLogger(__name__)

FRAME_BUDGET = 128 * 2**20
"""Bytes of decoded frames that playing a clip backwards may hold."""

PARTS = Disposition.attached_pic | Disposition.dependent
"""What is no video of its own: covers, and the tiles of a photograph."""

CELL = 64
"""Pixels that the sides of a part are multiples of."""

ONE_THREAD = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}
"""For `reformat`: more threads take four times the processor time of one. PyAV 16 cannot be told."""

PLAIN = tuple(f"{kind}{chroma}p" for kind in ("yuv", "yuvj") for chroma in (420, 422, 444))
"""Formats of three planes of bytes, of which parts are cut."""

REMEDY = "export a video as H.264 mp4, a picture as JPEG or PNG"

UPRIGHT = False, 1, 1
"""What `_Clip.turn` says of a picture that is to be left as it is."""

COMMON_RATES = tuple(Fraction(n) for n in (10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 100, 120)) + tuple(
    Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)
)


def time_to_frame(time: float, frame_rate: Fraction) -> int:
    """Index of the frame shown at `time` seconds: floor(time * frame_rate), exact for every `frame_to_time`."""
    return int(np.floor(time * float(frame_rate) + 1e-6))


def frame_to_time(frame: int, frame_rate: Fraction) -> float:
    """Seconds at which a frame starts to be shown: frame / frame_rate."""
    return float(frame / Fraction(frame_rate))


def due_tick(frame: int, frame_rate: Fraction, time_base: Fraction) -> int:
    """The latest time stamp, in ticks of `time_base` seconds, of a picture that is due at `frame`.

    A stamp is a whole tick, so a picture may be stamped up to a tick after its time; where ticks are as coarse as
    frames, a quarter of a frame is allowed.
    """
    slack = min(time_base, 1 / (4 * frame_rate))
    return int((frame / frame_rate + slack) / time_base)


def pingpong_indices(frames: int, count: int) -> np.ndarray:
    """(count,) source frame of each output frame when `frames` are played forth and back without repeating the ends:
    0, 1, ..., frames - 1, frames - 2, ..., 1, 0, 1, ..."""
    if frames < 1:
        raise ValueError(f"a clip needs at least one frame, got {frames}.")
    last = frames - 1
    return last - np.abs(last - np.arange(count) % max(1, 2 * last))


@dataclass(frozen=True)
class VideoInfo:
    """What `read_frames` will deliver."""

    width: int
    """Pixels, upright and square."""
    height: int
    frame_rate: Fraction
    """The clip's own, within `SLOWEST` and `FASTEST`; the mean rate when frames come at irregular times."""
    frames: int
    """At `frame_rate`."""
    duration: float
    """Seconds from the first frame to the end of the last."""
    has_audio: bool

    def frames_at(self, frame_rate: Fraction) -> int:
        """How many frames `read_frames` delivers at another rate."""
        return max(1, round(Fraction(self.duration).limit_denominator(10**6) * Fraction(frame_rate)))


def probe(path: str | os.PathLike) -> VideoInfo:
    """Size, rate and length of a clip, from its packets and first frame; no claim of the header is trusted.

    Raises:
        ValueError: the file is missing, empty or damaged, or has no video.
    """
    clip = _Clip(path)
    if clip.is_hdr:
        logger.warning("%s is HDR; its colours will look pale. Export it as SDR to keep them.", path)
    height, width = next(clip.pixels(clip.pictures(clip.origin))).shape[:2]
    return VideoInfo(width, height, clip.frame_rate, clip.count(clip.frame_rate), float(clip.duration), clip.has_audio)


def read_frames(path: str | os.PathLike, *, frame_rate: Fraction | None = None, start: int = 0) -> Iterator[np.ndarray]:
    """Frames of a clip as (H, W, 3) uint8, `frame_rate` per second (the clip's own when None), resampled by time stamp.

    Frame t is the newest picture of the file at t / frame_rate, so nothing drifts and irregular clips keep their speed.
    A picture shown twice is the same array, so do not write into it.

    Args:
        start: first frame to deliver, counted at `frame_rate`.

    Raises:
        ValueError: as `probe`.
    """
    clip = _Clip(path)
    frame_rate = Fraction(frame_rate or clip.frame_rate)
    yield from clip.pixels(clip.frames(range(start, clip.count(frame_rate)), frame_rate))


def read_pictures(path: str | os.PathLike, frame_rate: Fraction, *, longest: int) -> Iterator[Picture]:
    """The same frames as `read_frames`, each to be converted as far as it is needed.

    Args:
        longest: pixels of the longer side that larger frames are shrunk to.

    Raises:
        ValueError: as `probe`.
    """
    clip = _Clip(path)
    if max(clip.size) > longest:
        clip.size = tuple(max(1, round(side * longest / max(clip.size))) for side in clip.size)
    reformatters, shown = tuple(VideoReformatter() for _ in range(3)), None
    for decoded in clip.frames(range(clip.count(frame_rate)), frame_rate):
        if shown is None or decoded.pts != shown.stamp:
            shown = Picture(clip, decoded, reformatters)
        yield shown


class Picture:
    """A decoded frame; a part of it costs less than all of it."""

    def __init__(self, clip: _Clip, decoded: av.VideoFrame, reformatters: tuple[VideoReformatter, ...]):
        """
        Args:
            reformatters: shared by all pictures: for whole ones, for parts, and for making parts smaller.
        """
        self.stamp = decoded.pts
        self._clip, self._decoded = clip, decoded
        self._whole, self._part, self._smaller = reformatters

    @cached_property
    def pixels(self) -> np.ndarray:
        """(H, W, 3) uint8."""
        return self._clip.to_rgb(self._decoded, self._whole)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of `pixels`."""
        are_sides_swapped, _, _ = self._clip.turn(self._decoded)
        return self._clip.size[:: -1 if are_sides_swapped else 1]

    def part(
        self, left: int, top: int, right: int, bottom: int, *, scale: float = 1.0
    ) -> tuple[np.ndarray, int, int, float]:
        """Its columns from `left` up to `right` and rows from `top` up to `bottom`, perhaps some more.

        Args:
            scale: up to 1; how large the part is wanted.

        Returns:
            (h, w, 3) uint8, x and y where it begins, and its scale, which is 1 where it is not made smaller.
        """
        decoded = self._decoded
        is_plain = decoded.format.name in PLAIN and self._clip.turn(decoded) == UPRIGHT
        if not is_plain or self._clip.size != (decoded.width, decoded.height):
            return self.pixels[top:bottom, left:right], left, top, 1.0
        # whole cells of colour, and sides that repeat, for which libswscale need not prepare itself again
        x, y = left // 2 * 2, top // 2 * 2
        width, height = (
            min(length - start, -(-(end - start) // CELL) * CELL)
            for length, start, end in ((decoded.width, x, right), (decoded.height, y, bottom))
        )
        cut = av.VideoFrame(width, height, decoded.format.name)
        for target, source in zip(planes_of(cut), planes_of(decoded), strict=True):
            rows, columns = target.shape
            across, down = round(decoded.width / source.shape[1]), round(decoded.height / source.shape[0])
            target[:] = source[y // down : y // down + rows, x // across : x // across + columns]
        if scale < 1:  # before it becomes RGB: three times as fast as on the way
            size = {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}
            cut = self._smaller.reformat(cut, **size, **ONE_THREAD)
        return self._clip.to_rgb(decoded, self._part, cut), x, y, scale


def extend_frames(path: str | os.PathLike, count: int, *, frame_rate: Fraction | None = None) -> Iterator[np.ndarray]:
    """`count` frames of a clip, played forth and back (`pingpong_indices`) where it is shorter.

    Memory stays flat: backward passes are decoded in pieces of at most `FRAME_BUDGET`.
    """
    clip = _Clip(path)
    frame_rate = Fraction(frame_rate or clip.frame_rate)
    frames = clip.count(frame_rate)
    picture_bytes = sum(plane.buffer_size for plane in next(clip.pictures(clip.origin)).planes)
    piece = max(1, FRAME_BUDGET // picture_bytes)

    def forth(start: int, stop: int) -> Iterator[av.VideoFrame]:
        return clip.frames(range(start, stop), frame_rate)

    def forth_and_back() -> Iterator[av.VideoFrame]:
        while True:
            yield from forth(0, frames)
            for stop in range(frames - 1, 1, -piece):
                yield from reversed(list(forth(max(1, stop - piece), stop)))

    if count <= frames:
        played = forth(0, count)
    elif frames <= piece:
        held = list(forth(0, frames))
        played = (held[index] for index in pingpong_indices(frames, count))
    else:
        played = islice(forth_and_back(), count)
    yield from clip.pixels(played)


class _Clip:
    """A video file and when its pictures are shown; each pass over it opens the file anew."""

    def __init__(self, path: str | os.PathLike):
        self.path, self._turn = path, None
        with self._opened() as (container, stream):
            self.has_audio = bool(container.streams.audio)
            self.is_hdr = stream.codec_context.color_trc in (16, 18)  # PQ, HLG
            self.is_png = stream.codec_context.name in ("png", "apng")
            self.time_base = Fraction(stream.time_base)
            width = round(stream.width * (stream.sample_aspect_ratio or 1))
            self.size = width, stream.height  # of all its pictures, should some be coded in another
            if math.prod(self.size) > PIXEL_BUDGET or max(self.size) > SIDE_BUDGET:
                raise ValueError(
                    f"The pictures of {path} are too large ({width} x {stream.height}); make them smaller."
                )
            stamps, length = set(), 0
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    length = packet.duration or length
                    stamp = packet.dts if packet.pts is None else packet.pts
                    stamps.add(len(stamps) * length if stamp is None else stamp)
            declared = [rate for rate in (stream.guessed_rate, stream.average_rate) if rate]
        if not (stamps and all(self.size)):
            raise ValueError(f"{self.path} holds no pictures that can be read; {REMEDY}.")
        self.origin, last = min(stamps), max(stamps)
        self.length = length or round((last - self.origin) / max(1, len(stamps) - 1)) or 1
        self.duration = (last - self.origin + self.length) * self.time_base
        if self.duration > LONGEST:
            raise ValueError(
                f"The video {path} claims to last {float(self.duration) / 3600:.0f} hours; export it again."
            )
        self.frame_rate = _frame_rate(len(stamps), self.duration, declared)

    def count(self, frame_rate: Fraction) -> int:
        return max(1, round(self.duration * frame_rate))

    def frames(self, indices: range, frame_rate: Fraction) -> Iterator[av.VideoFrame]:
        """For each index the newest picture at index / frame_rate."""
        if not indices:
            return
        pictures = self.pictures(due_tick(indices[0], frame_rate, self.time_base) + self.origin)
        shown, upcoming = next(pictures), next(pictures, None)
        for index in indices:
            tick = due_tick(index, frame_rate, self.time_base) + self.origin
            while upcoming is not None and upcoming.pts <= tick:
                shown, upcoming = upcoming, next(pictures, None)
            yield shown

    def pictures(self, tick: int) -> Iterator[av.VideoFrame]:
        """The pictures in the order they are shown, starting at or before `tick`."""
        for seeking in (True, False) if tick > self.origin else (False,):
            with self._opened() as (container, stream):
                stream.thread_type = "AUTO"
                if seeking:
                    with suppress(av.FFmpegError):  # a format that cannot seek is read from its start
                        container.seek(tick, stream=stream)
                stamp = None
                for picture in self._decoded(container, stream):
                    if picture.pts is None or (stamp is not None and picture.pts <= stamp):
                        picture.pts = self.origin if stamp is None else stamp + self.length
                    # some editors mark pictures as seek points that need earlier ones: those are read from the start
                    if stamp is None and seeking and (picture.pts > tick or picture.is_corrupt):
                        break
                    stamp = picture.pts
                    yield picture
                if stamp is not None:
                    return
        raise ValueError(f"No picture of {self.path} can be decoded: it is damaged; export it again as H.264 mp4.")

    def _decoded(self, container, stream) -> Iterator[av.VideoFrame]:
        """All pictures but those that are damaged beyond decoding; the ones before them are then shown for longer."""
        for packet in container.demux(stream):
            try:
                pictures = packet.decode()
            except av.InvalidDataError:
                _say_damaged(str(self.path))
            else:
                yield from pictures

    def pixels(self, pictures: Iterable[av.VideoFrame]) -> Iterator[np.ndarray]:
        """(H, W, 3) uint8 of each; a picture that repeats is the same array."""
        reformatter = VideoReformatter()  # one for all: `VideoFrame.reformat` starts its threads anew, 6 ms a frame
        stamp = None
        for picture in pictures:
            if picture.pts != stamp:
                pixels, stamp = self.to_rgb(picture, reformatter), picture.pts
            del picture  # one picture keeps the buffers of its whole pass alive while the next pass is decoded
            yield pixels

    def turn(self, picture: av.VideoFrame) -> tuple[bool, int, int]:
        """How a picture becomes upright, as the display matrix (FFmpeg's libavutil/display.h) of the first one says:
        whether its columns become its rows, and the steps, 1 or -1, through its rows and its columns after that."""
        if self._turn is None:
            angle, matrix = math.radians(picture.rotation), None
            if not self.is_png:  # of which PyAV frees the name of the colour profile, and FFmpeg then frees it again
                # what is asked for its side data stays in memory until Python collects garbage
                small = picture.reformat(width=16, height=16, format="rgb24", **ONE_THREAD)
                with suppress(ValueError):  # PyAV tells nothing where it does not know the kind of one
                    matrix = small.side_data.get("DISPLAYMATRIX")
            if matrix is None:
                a, b, c, d = math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
            else:
                a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32)
            are_sides_swapped = bool(abs(b) > abs(a))
            down, across = (b, c) if are_sides_swapped else (d, a)
            self._turn = are_sides_swapped, -1 if down < 0 else 1, -1 if across < 0 else 1
        return self._turn

    def to_rgb(
        self, picture: av.VideoFrame, reformatter: VideoReformatter, part: av.VideoFrame | None = None
    ) -> np.ndarray:
        """(H, W, 3) uint8 of a picture, or of a part that was cut out of it."""
        width, height = (part.width, part.height) if part else self.size
        matrix = picture.colorspace
        if matrix not in list(Colorspace):  # not said: what players assume
            matrix = Colorspace.ITU709 if picture.width >= 1280 or picture.height > 576 else Colorspace.ITU601
        is_full = picture.color_range == ColorRange.JPEG or picture.format.name.startswith("yuvj")
        has_alpha = any(component.is_alpha for component in picture.format.components)
        pixels = reformatter.reformat(
            part or picture,
            width=width,
            height=height,
            format="rgba" if has_alpha else "rgb24",
            src_colorspace=matrix,
            dst_colorspace=Colorspace.ITU601,  # nothing to RGB, but PyAV 16 ignores the source's where both are equal
            src_color_range=ColorRange.JPEG if is_full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            **ONE_THREAD,
        ).to_ndarray()
        if has_alpha:
            alpha = pixels[..., 3:].astype(np.uint16)
            pixels = ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        are_sides_swapped, down, across = self.turn(picture)
        if are_sides_swapped:
            pixels = pixels.swapaxes(0, 1)
        return np.ascontiguousarray(pixels[::down, ::across])

    @contextmanager
    def _opened(self):
        try:
            with open_media(self.path, "video") as container:
                streams = [stream for stream in container.streams.video if not stream.disposition & PARTS]
                if streams and streams[0].codec_context is None:
                    raise ValueError(f"{self.path} holds pictures of a kind that cannot be read; {REMEDY}.")
                if not streams:
                    raise ValueError(f"{self.path} has no video; choose a clip, or a picture as PNG or JPEG.")
                streams[0].codec_context.options = {"max_pixels": str(PIXEL_BUDGET)}  # whatever the header says
                yield container, streams[0]
        except (av.FFmpegError, OSError) as error:
            if is_out_of_memory(error):
                raise
            raise ValueError(
                f"{self.path} is damaged, or neither a picture nor a video that can be read ({error.strerror}); "
                f"{REMEDY}."
            ) from None


@cache
def _say_damaged(path: str) -> None:
    """Once per program: a file is read again for every pass over it."""
    logger.warning("%s is damaged; pictures that cannot be decoded are left out.", path)


def _frame_rate(frames: int, duration: Fraction, declared: list[Fraction]) -> Fraction:
    """The rate a file declares, or a common one, if it tells the number of frames to a quarter; else the mean rate."""
    mean = frames / duration
    for rate in (*declared, *sorted(COMMON_RATES, key=lambda rate: abs(rate - mean))):
        if abs(duration * rate - frames) <= Fraction(1, 4):
            break
    else:
        rate = mean
    return min(max(Fraction(rate).limit_denominator(1001), SLOWEST), FASTEST)


def planes_of(picture: av.VideoFrame) -> list[np.ndarray]:
    """Views of the planes of a picture in one of the `PLAIN` formats."""
    return [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in picture.planes
    ]
