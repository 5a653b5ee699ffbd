"""Speak the sample voices: espeak-ng reads voice.txt and answer.txt, trimmed, levelled, between two short silences.

    python dev/samples/speak.py               # writes voice.wav and answer.wav; needs espeak-ng on the PATH, numpy
"""

from __future__ import annotations

import io
import subprocess
import wave
from pathlib import Path

import numpy as np

SAMPLES = Path(__file__).parents[2] / "animal_lipsync" / "samples"
VOICES = {"voice": ("en-us", 160, 68), "answer": ("en-us+f4", 165, 55)}
"""What espeak-ng calls each, its words per minute and its pitch."""
LEAD_S, TAIL_S, PAUSE_MS, PEAK = 0.25, 0.4, 550, 0.7


def speak(text: str, voice: str, words_per_minute: int, pitch: int) -> tuple[np.ndarray, int]:
    """(S,) float samples and their rate, with a longer breath after the first sentence that ends in a full stop."""
    marked = text.replace(". ", f'. <break time="{PAUSE_MS}ms"/> ', 1)
    command = ["espeak-ng", "-m", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "--stdout", marked]
    with wave.open(io.BytesIO(subprocess.run(command, check=True, capture_output=True).stdout)) as spoken:
        rate = spoken.getframerate()
        # the header of a piped wave promises 2 GB; the data simply ends earlier
        samples = np.frombuffer(spoken.readframes(spoken.getnframes()), np.int16) / 32768
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    samples = samples[loud[0] : loud[-1] + 1] * (PEAK / np.abs(samples).max())
    return np.concatenate([np.zeros(int(LEAD_S * rate)), samples, np.zeros(int(TAIL_S * rate))]), rate


def main() -> None:
    for name, voice in VOICES.items():
        samples, rate = speak((SAMPLES / f"{name}.txt").read_text().strip(), *voice)
        with wave.open(str(SAMPLES / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", "not compressed"))
            file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
        print(f"{name}.wav: {len(samples) / rate:.2f} s at {rate} Hz")


if __name__ == "__main__":
    main()
