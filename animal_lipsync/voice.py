"""What makes a voice an animal's: pitch without tempo. Formants move along, as on a smaller or larger body."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from .audio import to_mono
from .types import Audio

RATE = 48_000  # Hz; FFmpeg's atempo keeps time best (within 20 ms) at a high rate


def shift_pitch(audio: Audio, semitones: float) -> Audio:
    """The same words at the same times, `semitones` higher or (negative) lower; as many samples out as in.

    The sound is played faster or slower and then stretched back by overlapping waveforms.

    Args:
        audio: mono or stereo; what has more channels becomes mono.
        semitones: within [-12, 12]; 0 returns `audio` itself. 5 makes a kitten of an adult's voice, -6 a bear.
    """
    if not -12 <= semitones <= 12:
        raise ValueError(f"semitones must lie between -12 and 12 (one octave), got {semitones:g}.")
    if not semitones or not audio.waveform.size:
        return audio
    audio = to_mono(audio) if len(audio.waveform) > 2 else audio
    channels, samples = audio.waveform.shape
    layout = "mono" if channels == 1 else "stereo"
    played_at = round(RATE * 2 ** (semitones / 12))
    graph = av.filter.Graph()
    time_base = Fraction(1, audio.sample_rate)
    graph.link_nodes(
        graph.add_abuffer(sample_rate=audio.sample_rate, format="fltp", layout=layout, time_base=time_base),
        graph.add("aresample", str(RATE)),
        graph.add("asetrate", str(played_at)),
        graph.add("aresample", str(RATE)),
        graph.add("atempo", repr(RATE / played_at)),
        graph.add("aresample", str(audio.sample_rate)),
        graph.add("aformat", "sample_fmts=fltp"),
        graph.add("abuffersink"),
    ).configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.waveform, np.float32), format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = audio.sample_rate, 0, time_base
    graph.push(frame)
    graph.push(None)
    blocks = [np.zeros((channels, 0), np.float32)]
    try:
        while True:
            blocks.append(graph.pull().to_ndarray())
    except (av.BlockingIOError, av.EOFError):
        pass
    shifted = np.concatenate(blocks, axis=1)[:, :samples]
    return Audio(np.pad(shifted, ((0, 0), (0, samples - shifted.shape[1]))), audio.sample_rate)
