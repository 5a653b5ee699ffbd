"""A voice that is still being spoken, for the inpaint engine: sound in, frames out, a quarter of a second later.

For companions: prepare an animal once (`prepared.py`), then feed `speak_live` what is said as it is said, silence
included. Whisper is asked again for the last seconds at every block; on a graphics card that takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice

import numpy as np

from .audio import resample_blocks, to_mono
from .clip import Clip
from .inpaint import InpaintEngine
from .render import render
from .speech_features import BEFORE, STEPS, Layout, SpeechFrames, speech_features
from .types import Audio, FaceTrack
from .video import pingpong_indices
from .whisper import SAMPLE_RATE, STATES_PER_SECOND, WhisperEncoder

AHEAD = 5
"""States that are heard after a window before it is certain."""
DELAY = (STEPS - BEFORE + AHEAD) / STATES_PER_SECOND
"""Seconds of voice after a frame that are heard before it comes: 0.22, and the length of a block."""
LONGEST = 20 * SAMPLE_RATE
"""Samples that are remembered at most; then all but the last `SHORTEST` are forgotten."""
SHORTEST = 8 * SAMPLE_RATE
DAY = 24 * 3600


def live_speech(
    blocks: Iterable[Audio], encoder: WhisperEncoder, frame_rate: Fraction, *, layout: Layout = "hf_post_ln"
) -> Iterator[SpeechFrames]:
    """The frames that each block of a voice makes certain, and at the end the rest; never one twice."""
    frame_rate = Fraction(frame_rate)
    steps, size = STATES_PER_SECOND / frame_rate, SAMPLE_RATE // STATES_PER_SECOND
    sound, forgotten, shown = np.zeros(0, np.float32), 0, 0
    for block in chain(resample_blocks(map(to_mono, blocks), SAMPLE_RATE), [None]):
        if block is not None:
            sound = np.concatenate([sound, block.waveform[0]])
        heard = forgotten * size + len(sound)
        if block is None:
            until = int(Fraction(heard, SAMPLE_RATE) * frame_rate)
        else:
            until = int((heard // size - AHEAD - (STEPS - BEFORE)) / steps) + 1
        if until <= shown:
            continue
        features = speech_features(Audio(sound[None], SAMPLE_RATE), encoder, layout=layout)
        frames = np.arange(shown, until)
        first = frames * steps.numerator // steps.denominator - BEFORE - forgotten
        at = frames * float(steps) - forgotten
        speaking = np.interp(at, np.arange(len(features)), features.speaking).astype(np.float32)
        yield SpeechFrames(features, first, speaking, frame_rate)
        shown = until
        if len(sound) > LONGEST:
            cut = (len(sound) - SHORTEST) // size
            sound, forgotten = sound[cut * size :], forgotten + cut


def speak_live(
    clip: Clip,
    face: FaceTrack,
    blocks: Iterable[Audio],
    engine: InpaintEngine,
    encoder: WhisperEncoder,
    *,
    layout: Layout = "hf_post_ln",
) -> Iterator[np.ndarray]:
    """The animal saying what is being said, `clip.frame_rate` frames a second, played forth and back for a day at most.

    Yields:
        uint8 (H, W, 3), `DELAY` and a block after they were said; valid until the next one.
    """
    count = int(DAY * clip.frame_rate)
    frames, shown = clip.read(count), 0
    for speech in live_speech(blocks, encoder, clip.frame_rate, layout=layout):
        rows = face if len(face) == 1 else face[pingpong_indices(len(face), shown + len(speech))[shown:]]
        shown += len(speech)
        drawn = render(islice(frames, len(speech)), rows, speech, engine, device=engine.networks.device)
        yield from (frame.pixels for frame in drawn)
