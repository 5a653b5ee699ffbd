"""Speech whose phones and their times are known, as features and labels: the training data of the viseme network.

    python dev/visemes/synthesize.py espeak   --hours 2 --dictionary cmudict-en-us.dict -o espeak.npz
    python dev/visemes/synthesize.py flite    --hours 1 --dictionary cmudict-en-us.dict -o flite.npz
    python dev/visemes/synthesize.py festival --hours 1 --dictionary cmudict-en-us.dict -o festival.npz
    python dev/visemes/synthesize.py labelled --folder ljspeech --only LJ001-0001 ... -o real.npz

Sources: eSpeak NG (formant synthesis, all languages of texts.py, exact phoneme times), Flite's kal16, awb, rms, slt and
Festival's kal, ked, slt_arctic_hts, msu_ru_nsh (recorded sounds, BSD-like licences), and recordings with .phn labels.
Every utterance is heard several times, played at other speeds or pitches: other sizes of speaker.
Noise, rooms, filters and tempo are added while training (train.py), on the features.

An archive holds `features` (N, 40) float16, log10 power over the loudest; `phones` (N,) int8, index into PHONES or -1
where the lips are free; `lengths` of the utterances that follow each other.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile

sys.path.insert(0, str(Path(__file__).parents[2]))

from texts import LANGUAGES, english, foreign

from animal_lipsync import espeak
from animal_lipsync.hearing import SAMPLE_RATE, log_mel
from animal_lipsync.types import Audio
from animal_lipsync.visemes import FRAMES_PER_SECOND, INDEX, VISEMES, phones_of
from animal_lipsync.voice import shift_pitch

Segments = list[tuple[float, float, str]]  # seconds, IPA ("" is a pause)

ARPABET = {"aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "ay": "aɪ", "eh": "ɛ", "er": "ɚ",
           "ey": "eɪ", "ih": "ɪ", "iy": "i", "ow": "oʊ", "oy": "ɔɪ", "uh": "ʊ", "uw": "u", "b": "b", "ch": "tʃ",
           "d": "d", "dh": "ð", "dx": "ɾ", "f": "f", "g": "ɡ", "hh": "h", "jh": "dʒ", "k": "k", "l": "l", "m": "m",
           "n": "n", "ng": "ŋ", "p": "p", "r": "r", "s": "s", "sh": "ʃ", "t": "t", "th": "θ", "v": "v", "w": "w",
           "y": "j", "z": "z", "zh": "ʒ", "axr": "ɚ", "ix": "ɪ", "el": "l", "em": "m", "en": "n", "hv": "h",
           "pau": "", "sil": "", "sp": "", "ssil": "", "": ""}  # fmt: skip
RUSSIAN = {"a": "ɐ", "aa": "a", "ae": "ɛ", "i": "ɪ", "ii": "i", "y": "ɨ", "yy": "ɨ", "u": "u", "uu": "u", "ur": "u",
           "o": "o", "oo": "o", "e": "e", "ee": "e", "ay": "ɪ", "ch": "tʃ", "sch": "ʃ", "sh": "ʃ", "zh": "ʒ", "c": "ts",
           "j": "j", "h": "x", "hh": "x", "pau": ""}  # fmt: skip
STOPS = {INDEX[name] for name in "ptdkɡ"}
RELEASE = 0.02  # seconds of a stop's burst counted as the lips already free


def speak_espeak(chance: random.Random, words: list[str]) -> tuple[np.ndarray, int, Segments]:
    language = chance.choice(["en-us", "en-us", "en", "en-gb-scotland", "en-029"])
    if foreign_text := chance.random() < 0.5:
        language = chance.choice(LANGUAGES)
    text = foreign(chance, language) if foreign_text else english(chance, words)
    variant = chance.choice(["", "", *(f"+m{i}" for i in range(1, 8)), *(f"+f{i}" for i in range(1, 6)), "+klatt",
                             "+klatt2", "+klatt3", "+whisper", "+Annie", "+Alex", "+Mario", "+steph"])  # fmt: skip
    audio, phonemes = espeak.speak(
        text,
        language + variant,
        words_per_minute=chance.randint(110, 260),
        pitch=round(min(99, max(0, chance.gauss(50, 22)))),
        pitch_range=chance.randint(20, 85),
        gap=chance.choice([0, 0, 0, 1, 3]),
    )
    return audio.waveform[0], audio.sample_rate, phonemes


def speak_flite(chance: random.Random, words: list[str]) -> tuple[np.ndarray, int, Segments]:
    voice, pitch = chance.choice([("awb", 140), ("rms", 100), ("slt", 175), ("slt", 175), ("kal16", 105)])
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        printed = subprocess.run(
            ["flite", "-voice", voice, "-psdur", "--setf", f"duration_stretch={chance.uniform(0.8, 1.3):.2f}"]
            + ["--setf", f"int_f0_target_mean={pitch * chance.uniform(0.85, 1.25):.0f}"]
            + ["-t", english(chance, words), file.name],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        waveform, rate = soundfile.read(file.name, dtype="float32")
    ends = [(name, float(end)) for name, end in (item.rsplit(":", 1) for item in printed.split())]
    return waveform, rate, [
        (start, end, ARPABET[name])
        for (name, end), start in zip(ends, [0.0] + [end for _, end in ends], strict=False)
    ]  # fmt: skip


def speak_festival(chance: random.Random, words: list[str]):
    """Utterances without end: each voice reads 40 texts in one run of Festival."""
    voices = ["kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts", "cmu_us_slt_arctic_hts", "msu_ru_nsh_clunits"]
    while True:
        voice = chance.choice(voices)
        russian = voice.startswith("msu")
        with tempfile.TemporaryDirectory() as folder:
            script = [f"(voice_{voice})"]
            for index in range(40):
                text = foreign(chance, "ru") if russian else english(chance, words)
                script.append(f"(Parameter.set 'Duration_Stretch {chance.uniform(0.8, 1.3):.2f})")
                script.append(f'(set! u (utt.synth (Utterance Text "{text}")))')
                script.append(f'(utt.save.wave u "{folder}/{index}.wav")(utt.save.segs u "{folder}/{index}.lab")')
            (Path(folder) / "script.scm").write_text("\n".join(script))
            subprocess.run(["festival", "-b", f"{folder}/script.scm"], capture_output=True, timeout=300)
            for label in sorted(Path(folder).glob("*.lab")):
                waveform, rate = soundfile.read(label.with_suffix(".wav"), dtype="float32")
                rows = [line.split() for line in label.read_text().splitlines() if len(line.split()) == 3]
                starts = [0.0] + [float(row[0]) for row in rows]
                yield waveform, rate, [
                    (start, float(end), russian_ipa(name) if russian else ARPABET[name])
                    for start, (end, _, name) in zip(starts, rows, strict=False)
                ]  # fmt: skip


def russian_ipa(name: str) -> str:
    return RUSSIAN.get(name, name[0])


def read_labelled(folder: Path, name: str) -> tuple[np.ndarray, int, Segments]:
    """A recording with a .phn of ARPABET phones or our own (align.py); unknown words (spn, ?) are left out."""
    waveform, rate = soundfile.read(folder / f"{name}.wav", dtype="float32")
    rows = (line.split() for line in (folder / f"{name}.phn").read_text().splitlines())
    names = ARPABET | {name: name for name in INDEX if name not in ARPABET}
    segments = [(float(a), float(b), names.get(phone.rstrip("012"), "?")) for a, b, phone in rows]
    return waveform, rate, segments


def label(waveform: np.ndarray, rate: int, segments: Segments, *, marks_bursts: bool) -> np.ndarray:
    """(T,) int8 phones at 100 Hz.

    A diphthong is its first vowel for 60 % of its time. A stop is labelled while the mouth is shut: eSpeak's times are
    those of the burst (`marks_bursts`), with the silence before it; others' hold both, parted by the rise in loudness.
    """
    step = rate // 200
    level = np.sqrt((waveform[: len(waveform) // step * step].reshape(-1, step) ** 2).mean(axis=1) + 1e-9)
    spans = []
    closures = []
    for start, end, ipa in segments:
        found = phones_of(ipa) or [-1]
        if not ipa:
            found = [INDEX["sil"] if end - start > 0.05 else -1]
        first = found[0]
        if first in STOPS and ipa[0] != "ɾ":
            lips = first == INDEX["p"]
            at, stop = int(start * 200), int(end * 200)
            if marks_bursts:
                back = at
                quiet = 0.22 * level[max(0, at - 40) : at + 20].max(initial=0)
                while back > 0 and at - back < 20 and level[back - 1] < quiet:
                    back -= 1
                closures.append((min(back / 200, start - (0.045 if lips else 0)), start + 0.004, first))
            else:
                burst = end
                if stop - at >= 4:
                    rise = np.diff(np.log(level[at:stop] + 1e-4))
                    burst = min(end, max(start + 0.4 * (end - start), (at + 2 + int(rise[1:].argmax())) / 200))
                closures.append((start, burst, first))
                start = burst
            spans.append((start, end, found[1] if len(found) > 1 else -1 if lips else first))
        elif len(found) > 1:
            middle = start + 0.6 * (end - start)
            spans += [(start, middle, first), (middle, end, found[1])]
        else:
            spans.append((start, end, first))
    at = (np.arange(len(waveform) * FRAMES_PER_SECOND // rate) + 0.5) / FRAMES_PER_SECOND
    phones = np.full(len(at), -1, np.int8)
    for start, end, phone in spans + closures:
        phones[(at >= start) & (at < end)] = phone
    return phones


def utterance(chance, waveform, rate, phones) -> tuple[np.ndarray, np.ndarray]:
    """(T, 40) features and (T,) phones, played at a random speed or pitch with random pauses around."""
    speed = chance.uniform(0.9, 1.1) if chance.random() < 0.5 else chance.uniform(0.75, 1.45)
    if chance.random() < 0.35:
        speed = chance.uniform(0.95, 1.05)
        waveform = shift_pitch(Audio(waveform[None].astype(np.float32), rate), chance.uniform(-6, 8)).waveform[0]
    heard = scipy.signal.resample(waveform, round(len(waveform) * SAMPLE_RATE / (rate * speed)))
    before, after = (round(chance.uniform(0, 0.7) * FRAMES_PER_SECOND) for _ in range(2))
    hop = SAMPLE_RATE // FRAMES_PER_SECOND
    heard = np.pad(heard[: len(heard) // hop * hop], (before * hop, after * hop))
    heard = heard + 10 ** chance.uniform(-4.5, -3.5) * np.random.default_rng(chance.getrandbits(32)).normal(
        size=len(heard)
    )
    features = np.concatenate(list(log_mel([Audio(heard.astype(np.float32)[None], SAMPLE_RATE)])))
    at = ((np.arange(len(features)) - before + 0.5) * speed).astype(int)
    inside = (at >= 0) & (at < len(phones)) & (np.arange(len(features)) >= before)
    played = np.where(inside, phones[np.clip(at, 0, len(phones) - 1)], INDEX["sil"])
    loudest = np.log10(np.percentile((10**features).sum(axis=1), 95))
    return np.maximum(features - loudest, -7).astype(np.float16), played.astype(np.int8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", choices=["espeak", "flite", "festival", "labelled"])
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--dictionary", type=Path, help="a CMU dictionary: its words are read")
    parser.add_argument("--folder", type=Path, help="of recordings with .phn")
    parser.add_argument("--only", nargs="*", help="recordings of the folder to use; all if left out")
    parser.add_argument("--repeats", type=int, default=2, help="how often each utterance is heard")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    if options.source == "labelled":
        names = options.only or sorted(path.stem for path in options.folder.glob("*.phn"))
        spoken = (read_labelled(options.folder, name) for name in names)
    else:
        lines = options.dictionary.read_text().splitlines()
        words = [word for word in (line.split()[0] for line in lines if line) if re.fullmatch("[a-z]{2,12}", word)]
        if options.source == "festival":
            spoken = speak_festival(chance, words)
        else:
            speak = {"espeak": speak_espeak, "flite": speak_flite}[options.source]
            spoken = iter(lambda: speak(chance, words), None)
    features, phones = [], []
    start, seconds = time.time(), 0.0
    for waveform, rate, segments in spoken:
        if len(waveform) < 0.4 * rate:
            continue
        labels = label(waveform, rate, segments, marks_bursts=options.source == "espeak")
        for _ in range(options.repeats):
            x, y = utterance(chance, waveform, rate, labels)
            features.append(x)
            phones.append(y)
            seconds += len(y) / FRAMES_PER_SECOND
        if options.source != "labelled" and seconds > options.hours * 3600:
            break
    counts = np.bincount(np.concatenate(phones) + 1, minlength=len(INDEX) + 1)
    share = {name: f"{100 * count / counts.sum():.1f}" for name, count in zip(["-", *INDEX], counts, strict=True)}
    print(f"{seconds / 3600:.2f} h in {time.time() - start:.0f} s; {len(VISEMES)} visemes; % of frames: {share}")
    np.savez(
        options.output,
        features=np.concatenate(features),
        phones=np.concatenate(phones),
        lengths=np.array([len(y) for y in phones]),
    )
