"""How well the mouth follows a voice: labelled speech in, the columns of bench_visemes.py out, and how fast.

    python benchmarks/visemes.py [--data ../shared/data] [--metric ../shared/tools/bench_visemes.py]
                                   [--transcript | --recognise]

Two sets: `lj`, 16 LJSpeech sentences (17 to 32) that the network never heard, of a speaker whose sentences 1 to 16 it
did; `arctic`, sentences 25 to 150 of a male speaker, labelled by WebMAUS: no recording of his was trained on, but
voices of Flite were built from the same corpus and he may be one of them. Sentences 1 to 24 set the few constants of
the cues. Each clean, `noisy` (pink noise at 15 dB and a room) and `pitch5` (five semitones higher, tempo kept). Labels
hold a stop's closure and burst in one: they are parted where loudness rises fastest. What is measured is the product:
the cues of `speech_to_motion` and the opening `jaw_open * (1 - mouth_close)` of its motion at 100 frames a second.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import resource
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from animal_lipsync.audio import load_audio  # noqa: E402
from animal_lipsync.motion import speech_to_motion  # noqa: E402
from animal_lipsync.types import Audio  # noqa: E402
from animal_lipsync.voice import shift_pitch  # noqa: E402

CLASSES = dict.fromkeys(["TH", "DD", "kk", "CH", "SS", "nn", "RR", "ih"], "NARROW") | {
    "sil": "REST", "PP": "CLOSED", "FF": "TEETH", "aa": "OPEN", "E": "MID", "oh": "ROUND", "ou": "ROUND"
}  # fmt: skip
SAMPA = {"<p:>": "sil", "V": "ah", "I": "ih", "i:": "iy", "R": "r", "E": "eh", "D": "dh", "3`": "er", "3:": "er",
         "Q": "aa", "A:": "aa", "h": "hh", "aI": "ay", "eI": "ey", "@U": "ow", "{": "ae", "S": "sh", "N": "ng",
         "O:": "ao", "u:": "uw", "tS": "ch", "j": "y", "aU": "aw", "h-": "hh", "dZ": "jh", "T": "th", "u": "uw",
         "6": "er", "4": "dx", "@": "ax", "?": "q", "U": "uh", "OI": "oy", "Z": "zh"}  # fmt: skip
COLUMNS = ["acc7@50", "bal7@50", "lvl3@50", "r_open", "abslag_ms", "clo_rec", "clo_prec", "clo_f1", "false_open"]


def noisy(audio: Audio, seed: int) -> Audio:
    chance = np.random.default_rng(seed)
    samples, rate = audio.waveform[0].astype(float), audio.sample_rate
    room = chance.normal(size=int(0.3 * rate))
    room *= 0.03 * np.exp(-np.arange(len(room)) / rate / 0.06)
    room[: int(0.003 * rate)] = 0
    room[0] = 1
    size = 2 * (len(samples) + len(room))
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(room, size))[: len(samples)]
    hiss = np.fft.rfft(chance.normal(size=len(wet)))
    hiss = np.fft.irfft(hiss / np.sqrt(np.arange(len(hiss)) + 1.0), len(wet))
    wet += hiss * np.sqrt((wet**2).mean() / (hiss**2).mean()) * 10 ** (-15 / 20)
    return Audio((wet / max(1, np.abs(wet).max())).astype(np.float32)[None], rate)


CONDITIONS = {"clean": lambda audio, _: audio, "noisy": noisy, "pitch5": lambda audio, _: shift_pitch(audio, 5)}


def textgrid(path: Path, tier: str) -> list[tuple[float, float, str]]:
    text = path.read_text()
    text = text[text.index(f'"{tier}"') :].split("item [")[0]
    rows = re.findall(r'xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = "(.*?)"', text)
    return [(float(start), float(end), label) for start, end, label in rows]


def phones(recording: Path) -> list[tuple[float, float, str]]:
    """Labels as bench_visemes.py reads them, the closures of p and b apart from their bursts."""
    if "arctic" in recording.name:
        rows = textgrid(recording.with_suffix(".TextGrid"), "MAU")
        rows = [(start, end, SAMPA.get(label, label.strip("="))) for start, end, label in rows]
    else:
        lines = (line.split() for line in recording.with_suffix(".phn").read_text().splitlines())
        rows = [(float(start), float(end), "q" if phone == "spn" else phone) for start, end, phone in lines]
    audio = load_audio(recording, mono=True)
    step = audio.sample_rate // 200
    samples = audio.waveform[0][: audio.waveform.shape[1] // step * step]
    level = np.log(np.sqrt((samples.reshape(-1, step) ** 2).mean(axis=1) + 1e-9) + 1e-4)
    parted = []
    for start, end, phone in rows:
        if phone in ("p", "b"):
            first, last = int(start * 200), int(end * 200)
            burst = end
            if last - first >= 4:
                rise = np.diff(level[first:last])[1:].argmax()
                burst = min(end, max(start + 0.4 * (end - start), (first + 2 + int(rise)) / 200))
            parted += [(start, burst, f"{phone}cl"), (burst, end, phone)][: 2 if end - burst > 0.004 else 1]
        else:
            parted.append((start, end, phone))
    return parted


def transcript(recording: Path) -> str:
    words = textgrid(recording.with_suffix(".TextGrid"), "words")
    return " ".join(word for _, _, word in words if word not in ("", "<unk>"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--metric", type=Path, default=ROOT.parent / "shared" / "tools" / "bench_visemes.py")
    parser.add_argument("--transcript", action="store_true", help="with the text (lj only: arctic has none)")
    parser.add_argument("--recognise", action="store_true", help="let PocketSphinx understand English first")
    parser.add_argument("--every", type=int, default=1, help="use every n-th sentence")
    options = parser.parse_args()
    spec = importlib.util.spec_from_file_location("metric", options.metric)
    metric = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(metric)
    speech = options.data / "speech"
    sets = {"lj": sorted((speech / "ljspeech").glob("*.wav"))[16 :: options.every]}
    if not options.transcript:
        sets["arctic"] = sorted((speech / "arctic_male").glob("*.wav"))[24 :: options.every]

    report = {}
    heard = seconds = 0.0
    print(f"{'':16}" + "".join(f"{column:>11}" for column in COLUMNS))
    for name, recordings in sets.items():
        for condition, change in CONDITIONS.items():
            with tempfile.TemporaryDirectory() as folder:
                for index, recording in enumerate(recordings):
                    rows = "".join(f"{start:.4f} {end:.4f} {phone}\n" for start, end, phone in phones(recording))
                    (Path(folder) / f"{recording.stem}.phn").write_text(rows)
                    audio = change(load_audio(recording, mono=True), index)
                    start = time.process_time()
                    text = transcript(recording) if options.transcript else None
                    motion = speech_to_motion(audio, Fraction(100), transcript=text, recognise=options.recognise)
                    seconds += time.process_time() - start
                    heard += audio.duration
                    opening = motion.channel("jaw_open") * (1 - motion.channel("mouth_close"))
                    centres = (np.arange(len(opening)) + 0.5) / 100
                    cues = motion.visemes.cues
                    at = np.searchsorted([cue.start for cue in cues], centres, side="right") - 1
                    prediction = {
                        "fps": 100,
                        "openness": np.interp(centres, np.arange(len(opening)) / 100, opening).tolist(),
                        "classes": [CLASSES[cues[cue].viseme] for cue in at],
                    }
                    (Path(folder) / f"{recording.stem}.json").write_text(json.dumps(prediction))
                scores = metric.score(folder, folder, [recording.stem for recording in recordings])
            report[f"{name} {condition}"] = {column: round(scores[column], 3) for column in COLUMNS}
            print(f"{name + ' ' + condition:16}" + "".join(f"{scores[column]:11.2f}" for column in COLUMNS), flush=True)
    report["times_real_time"] = round(heard / seconds, 1)
    report["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    report |= {"transcript": options.transcript, "recognise": options.recognise}
    print(json.dumps(report))
