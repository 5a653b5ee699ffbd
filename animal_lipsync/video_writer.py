"""Video files written through PyAV, one frame at a time. Knows nothing of faces or of float pixels."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from .audio import open_sound
from .documents import FASTEST, SLOWEST
from .files import beside, require_output, write_target
from .image import SIDE_BUDGET
from .memory import is_out_of_memory
from .types import Audio
from .video import planes_of

logger = logging.getLogger(__name__)

PLAYED = 4096
"""Pixels a side of H.264 that most devices play."""
MARGIN = 4
"""Pixels converted around a changed box."""


class VideoWriter:
    """Write an mp4 (H.264 yuv420p BT.709, AAC) that appears under its name only when complete.

    ```python
    with VideoWriter("talking.mp4", 1920, 1080, Fraction(25), sample_rate=48000) as video:
        video.write(frame)
        video.write_audio(block)
    ```
    An exception inside the block, Cancel included, leaves no file. An odd width or height is made even by repeating
    the last column or row; nothing is ever scaled.

    Args:
        sample_rate: Hz of the sound to come; None for a silent video.
        channels: 1 or 2.
        crf: H.264 quality, lower is better; 18 looks lossless.
        preset: x264's; slower ones make smaller files.
        metadata: text stored in the file.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        width: int,
        height: int,
        frame_rate: Fraction,
        *,
        sample_rate: int | None = None,
        channels: int = 1,
        crf: int = 18,
        preset: str = "veryfast",
        metadata: dict[str, str] | None = None,
    ):
        require_output(path, ".mp4")
        if not SLOWEST <= frame_rate <= FASTEST:
            raise ValueError(f"frame_rate must lie between {SLOWEST} and {FASTEST}, got {frame_rate}.")
        if max(width, height) > SIDE_BUDGET:
            raise ValueError(f"The sides of a video are at most {SIDE_BUDGET} pixels, got {width} x {height}.")
        if max(width, height) > PLAYED:
            logger.warning(
                "Few devices play a video of %d x %d pixels; for more, make the source at most %d a side.",
                *(width, height, PLAYED),
            )
        if channels not in (1, 2):
            raise ValueError(f"channels must be 1 or 2, got {channels}; `read_audio` mixes more down to 2.")
        self.frame_rate = Fraction(frame_rate).limit_denominator(1001)  # also of a float such as 29.97
        self.frames = 0
        self._shape = (height, width, 3)
        self._sample_rate, self._channels = sample_rate, channels
        self._options = {"crf": str(crf), "preset": preset}
        self._metadata = metadata or {}
        self.path = path
        self._target = write_target(path)
        self._reformatter = VideoReformatter()

    def __enter__(self) -> VideoWriter:
        with self._disk_errors(), ExitStack() as stack:
            self._partial = stack.enter_context(beside(self._target))
            self._container = av.open(self._partial, "w", options={"movflags": "+faststart+use_metadata_tags"})
            self._beside = stack.pop_all()
        self._container.metadata.update(self._metadata)
        self._video = self._container.add_stream("libx264", rate=self.frame_rate, options=self._options)
        self._video.width, self._video.height = (side + side % 2 for side in self._shape[1::-1])
        self._video.pix_fmt = "yuv420p"
        context = self._video.codec_context
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = 1  # limited
        context.thread_count = 0  # as many as there are cores
        self._sound = SoundTrack(self._container, self._sample_rate, self._channels) if self._sample_rate else None
        return self

    def __exit__(self, kind, error, traceback) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(OSError):  # gone first, so that closing spends no time on completing what nobody wants
                self._partial.unlink(missing_ok=True)
            with suppress(av.FFmpegError, OSError):
                self._container.close()
            self._beside.close()

    def _finish(self) -> None:
        if not self.frames:
            raise ValueError(f"No frame came for {self.path}; the source or the voice is empty.")
        with self._disk_errors():
            self._container.mux(self._video.encode(None))
            if self._sound:
                self._sound.finish()
            self._container.close()
            os.replace(self._partial, self._target)

    def write(self, frame: np.ndarray, *, changed: tuple[int, int, int, int] | None = None) -> None:
        """Append one frame.

        Args:
            frame: (H, W, 3) uint8 RGB.
            changed: (x1, y1, x2, y2), whole pixels: the frame equals the previous one outside this box, so only the
                box is converted. The pictures encoded are the same, bit for bit, as without it.

        Raises:
            OSError: the disk is full or the folder is gone.
        """
        if frame.shape != self._shape:
            raise ValueError(f"frame must have shape {self._shape}, got {frame.shape}.")
        if changed is None or not self.frames:
            self._picture = self._to_yuv(frame)
            self._planes = planes_of(self._picture)
        else:
            self._update(frame, changed)
        self._picture.pts, self._picture.time_base = self.frames, 1 / self.frame_rate
        with self._disk_errors():
            self._container.mux(self._video.encode(self._picture))
        self.frames += 1

    def write_audio(self, block: Audio) -> None:
        """Append sound; blocks may come before, between or after the frames they belong to, best in step with them.

        Raises:
            OSError: as `write`.
        """
        with self._disk_errors():
            self._sound.write(block)

    @property
    def samples(self) -> int:
        """Of sound, so far."""
        return self._sound.samples if self._sound else 0

    def _to_yuv(self, pixels: np.ndarray) -> av.VideoFrame:
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), "rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.AREA,  # the mean of 2 x 2 pixels for colour: exact, and local to the block
        )

    def _update(self, frame: np.ndarray, changed: tuple[int, int, int, int]) -> None:
        x1, y1, x2, y2 = changed
        height, width = (side + side % 2 for side in self._shape[:2])
        x1, y1 = max(0, x1 // 2 * 2), max(0, y1 // 2 * 2)
        x2, y2 = min(width, x2 + x2 % 2), min(height, y2 + y2 % 2)
        if x2 <= x1 or y2 <= y1:
            return
        # libswscale rounds the last rows of a picture differently, so a margin is converted and not kept
        left, top = max(0, x1 - MARGIN), max(0, y1 - MARGIN)
        patch = self._to_yuv(frame[top : y2 + MARGIN, left : x2 + MARGIN])
        for target, source, step in zip(self._planes, planes_of(patch), (1, 2, 2), strict=True):
            target[y1 // step : y2 // step, x1 // step : x2 // step] = source[
                (y1 - top) // step : (y2 - top) // step, (x1 - left) // step : (x2 - left) // step
            ]

    def _disk_errors(self):
        return disk_errors(self.path)


class SoundTrack:
    """The sound of a video file that is being written: AAC, whatever the voice was recorded at."""

    def __init__(self, container: av.container.OutputContainer, sample_rate: int, channels: int):
        # at these rates the packets, and so the error in length, are short
        rate = 44_100 if sample_rate % 11_025 == 0 else 48_000
        self._container = container
        self._stream = container.add_stream("aac", rate=rate)
        self._stream.layout = "mono" if channels == 1 else "stereo"
        self._stream.bit_rate = 96_000 * channels
        self._channels = channels
        self.samples = 0

    def write(self, block: Audio) -> None:
        if len(block.waveform) != self._channels:
            raise ValueError(f"the sound must have {self._channels} channels, got {len(block.waveform)}.")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block.waveform, np.float32), format="fltp", layout=self._stream.layout.name
        )
        frame.sample_rate, frame.pts, frame.time_base = block.sample_rate, self.samples, Fraction(1, block.sample_rate)
        self._container.mux(self._stream.encode(frame))
        self.samples += block.waveform.shape[1]

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))


@contextmanager
def disk_errors(path: str | os.PathLike):
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        reason = f"({error.strerror}); check the folder and the free space."
        if is_out_of_memory(error):
            reason = "for want of memory; close other programs or take a smaller picture."
        raise OSError(error.errno, f"Cannot write {path} {reason}") from None


def write_video(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],
    width: int,
    height: int,
    frame_rate: Fraction,
    *,
    sound: str | os.PathLike | Audio | None = None,
    crf: int = 18,
) -> Iterator[np.ndarray]:
    """Write frames, and what is heard meanwhile of `sound`, yielding each frame once it is written; see `VideoWriter`.

    Raises:
        ValueError: as `open_sound` and `VideoWriter`.
        OSError: the file cannot be written.
    """
    blocks, rate, channels = open_sound(sound) if sound is not None else (iter(()), None, 1)
    with VideoWriter(path, width, height, frame_rate, sample_rate=rate, channels=channels, crf=crf) as video:
        for frame in frames:
            video.write(frame)
            while rate and video.samples * video.frame_rate < video.frames * rate and (block := next(blocks, None)):
                video.write_audio(block)
            yield frame


def join_videos(path: str | os.PathLike, parts: Iterable[str | os.PathLike], sound: str | os.PathLike | Audio) -> None:
    """Write a video of the pictures of `parts`, one after the other and as they are, and of `sound`.

    Args:
        parts: silent videos of one `VideoWriter`'s settings.

    Raises:
        OSError: the file cannot be written.
    """
    blocks, sample_rate, channels = open_sound(sound)
    target, frames, track, stream = write_target(path), 0, None, None
    with disk_errors(path), beside(target) as partial:
        with av.open(partial, "w", options={"movflags": "+faststart+use_metadata_tags"}) as container:
            for part in parts:
                with av.open(part) as source:
                    (pictures,) = source.streams.video
                    if stream is None:
                        stream = container.add_stream_from_template(pictures)
                        track = SoundTrack(container, sample_rate, channels)
                    frame_rate, time_base = pictures.average_rate, pictures.time_base
                    shift = round(frames / frame_rate / time_base)
                    for packet in source.demux(pictures):
                        if packet.dts is None:  # the end
                            continue
                        packet.stream, packet.pts, packet.dts = stream, packet.pts + shift, packet.dts + shift
                        container.mux(packet)
                        frames += 1
                        while track.samples * frame_rate < frames * sample_rate and (block := next(blocks, None)):
                            track.write(block)
            for block in blocks:
                track.write(block)
            track.finish()
        os.replace(partial, target)
