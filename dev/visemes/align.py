"""Label recordings whose text is known: where PocketSphinx and the present network agree what is heard when.

    python dev/visemes/align.py recordings.tsv --language en-us -o aligned
    python dev/visemes/synthesize.py labelled --folder aligned --repeats 3 -o real.npz

`recordings.tsv` holds a path, a tab and the text that is read per line. English is aligned by PocketSphinx first, which
picks among the pronunciations of its dictionary; the network then finds the same sounds within its own hearing. Other
languages are pronounced by eSpeak NG and found by the network alone. What is left uncertain is labelled `?` and not
learned: rows of which the two aligners disagree by more than 30 ms, words that fit badly, whole recordings that do.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[2]))

from animal_lipsync import espeak
from animal_lipsync.alignment import ARPABET, ARPABET_OF, align, words_of, words_of_pocketsphinx
from animal_lipsync.audio import load_audio, resample
from animal_lipsync.hearing import SAMPLE_RATE, hear
from animal_lipsync.types import Audio
from animal_lipsync.visemes import FRAMES_PER_SECOND, INDEX, PHONES, phones_of

FREE, SILENCE = -1, INDEX["sil"]
NEAR = 3  # rows by which two aligners may differ
SAME = 0.6  # share of speech that must be sure, or the recording is left out
SURE = 0.4  # confidence of a word that is found by the network alone
NUDGE = 1.5  # nats by which a sound is likelier where PocketSphinx hears it


def label_english(decoder, audio: Audio, text: str) -> tuple[np.ndarray, float]:
    """(T,) phones, FREE where they are not sure, and the share of speech in which they are."""
    words = [word.lower() for word in words_of(text)]
    for word in words:
        if not decoder.lookup_word(word):
            decoder.add_word(word, " ".join(ARPABET_OF[phone] for phone in phones_of(espeak.pronounce(word))), True)
    spoken = words_of_pocketsphinx(decoder, (np.clip(audio.waveform[0], -1, 1) * 32767).astype(np.int16), words)
    heard = hear(audio)
    second = np.full(len(heard.phones), FREE)
    sounds, kept = [], []
    for index, word in enumerate(spoken):
        own = []
        for start, end, name in word:
            phones = phones_of(ARPABET.get(name, ""))
            own += phones
            if not phones:
                second[start:end] = FREE
            elif len(phones) > 1:
                middle = start + round(0.6 * (end - start))
                second[start:middle], second[middle:end] = phones
            else:
                second[start:end] = phones[0]
        if own:
            sounds.append(own)
            kept.append(str(index))
    nudged = heard.phones.copy()
    at = np.flatnonzero(second >= 0)
    nudged[at, second[at]] += NUDGE
    _, written = align(kept, sounds, nudged)
    padded = np.pad(second, NEAR, constant_values=FREE)
    agree = np.any([padded[i : i + len(written)] == written for i in range(2 * NEAR + 1)], axis=0)
    silent = (written < 0) & (second < 0) & (heard.phones.argmax(axis=1) == SILENCE)
    sure = np.where(agree, written, FREE)
    sure[silent] = SILENCE
    speech = heard.phones.argmax(axis=1) != SILENCE
    return sure, (sure[speech] >= 0).mean() if speech.any() else 0.0


def label_foreign(audio: Audio, text: str, language: str) -> tuple[np.ndarray, float]:
    """The same by the network alone; the share is that of the words which fit."""
    words = words_of(text)
    sounds = [phones_of(espeak.pronounce(word, language)) for word in words]
    words, sounds = zip(*[pair for pair in zip(words, sounds, strict=True) if pair[1]], strict=True)
    heard = hear(audio)
    found, written = align(list(words), list(sounds), heard.phones)
    sure = np.zeros(len(written), bool)
    for word in found:
        if word.confidence >= SURE:
            sure[round(word.start * FRAMES_PER_SECOND) : round(word.end * FRAMES_PER_SECOND)] = True
    silent = (written < 0) & (heard.phones.argmax(axis=1) == SILENCE)
    written[~sure] = FREE
    written[silent] = SILENCE
    return written, sum(word.confidence >= SURE for word in found) / len(words)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--language", default="en-us")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    decoder = None
    if options.language.startswith("en"):
        from pocketsphinx import Decoder

        decoder = Decoder(lm=None, loglevel="FATAL", samprate=SAMPLE_RATE)
    kept = seconds = 0
    rows = [line.split("\t") for line in options.recordings.read_text().splitlines()]
    for path, text in rows:
        audio = resample(load_audio(path, mono=True), SAMPLE_RATE)
        try:
            phones, same = label_english(decoder, audio, text) if decoder else label_foreign(
                audio, text, options.language
            )  # fmt: skip
        except (RuntimeError, ValueError) as error:
            print(f"{path}: {error}")
            continue
        print(f"{path}: {same:.2f}", flush=True)
        if same < SAME:
            continue
        name = "_".join(Path(path).with_suffix("").parts[-2:])
        soundfile.write(options.output / f"{name}.wav", audio.waveform[0], SAMPLE_RATE)
        edges = np.flatnonzero(np.diff(phones, prepend=-2, append=-2))
        names = {FREE: "?", SILENCE: "sil"}
        (options.output / f"{name}.phn").write_text("".join(
            f"{start / 100:.2f} {end / 100:.2f} {names.get(phones[start], PHONES[phones[start]].name)}\n"
            for start, end in zip(edges[:-1], edges[1:], strict=True)
        ))  # fmt: skip
        kept, seconds = kept + 1, seconds + audio.duration
    print(f"{kept} of {len(rows)} recordings kept, {seconds / 60:.1f} minutes")
