"""Whether files made to hurt are refused in words: changes bytes of good files and reads them, so many seconds each.

    python benchmarks/fuzz.py [--seconds 60] [--seed 0] [--keep FOLDER] [--inputs 10000] [pictures clips ...]

A reader may raise ValueError with the file's name (of a text: FormatError) and nothing else, within 20 s and 1.5 GB.
Targets are pictures, clips, sounds, documents (texts that nodes and options hold), tables (those that are read from
their file) and tensors. With --inputs a target ends when it has had so many.
40 inputs share a process, so that one that crashes is found. What breaks a reader is kept; tests/data/damaged holds
what did. POSIX only. The last line is JSON.
"""

import argparse
import collections
import io
import json
import logging
import os
import random
import resource
import signal
import sys
import tempfile
import warnings
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from animal_lipsync import cues, performance  # noqa: E402
from animal_lipsync.audio import load_audio, probe_audio  # noqa: E402
from animal_lipsync.batch import Journal, Result, read_manifest  # noqa: E402
from animal_lipsync.cache import FaceCache  # noqa: E402
from animal_lipsync.checkpoints import load_whisper, read_unet, read_vae  # noqa: E402
from animal_lipsync.clip import Clip  # noqa: E402
from animal_lipsync.commands.batch import columns  # noqa: E402
from animal_lipsync.dataset import PetDataset, Piece, PieceEntry, to_jpeg  # noqa: E402
from animal_lipsync.edits import Edits  # noqa: E402
from animal_lipsync.formats import read_motion  # noqa: E402
from animal_lipsync.image import is_picture, read_picture  # noqa: E402
from animal_lipsync.lora import Lora  # noqa: E402
from animal_lipsync.motion import keyframes_to_motion  # noqa: E402
from animal_lipsync.prepared import PreparedAnimal  # noqa: E402
from animal_lipsync.speaker import Pick  # noqa: E402
from animal_lipsync.study import read_answers  # noqa: E402
from animal_lipsync.table import faces_to_csv, read_faces  # noqa: E402
from animal_lipsync.train_config import TrainConfig  # noqa: E402
from animal_lipsync.types import Audio, Cue, Faces, FormatError, MouthMotion, VisemeTrack  # noqa: E402

SAMPLES = ROOT / "animal_lipsync" / "samples"
BATCH = 40
PATIENCE = 20  # seconds
MEMORY = 1500  # MB
EDGES = (b"\0", b"\1", b"\x7f", b"\x80", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x80")
WORDS = (b"NaN", b"Infinity", b"null", b"1e999", b"[[", b'"', b"-", b"{}", b"9" * 50, b",", b"\n", b"\\ud800")


def pictures() -> dict[str, bytes]:
    y, x = np.mgrid[:16, :16]
    image = Image.fromarray(np.stack([x * 16, y * 16, (x ^ y) * 16], axis=-1).astype(np.uint8))
    turned = Image.Exif()
    turned[0x112] = 6
    kinds = {
        "a.png": {}, "a.jpg": {}, "a.webp": {}, "a.gif": {}, "a.bmp": {}, "a.avif": {}, "turned.jpg": {"exif": turned},
        "a.tif": {}, "lzw.tif": {"compression": "tiff_lzw"}, "jpeg.tif": {"compression": "jpeg"},
    }  # fmt: skip
    return {name: _saved(image, name, options) for name, options in kinds.items()} | {
        "cmyk.jpg": _saved(image.convert("CMYK"), "a.jpg"),
        "lab.tif": _saved(image.convert("LAB"), "a.tif"),
        "palette.png": _saved(image.convert("P"), "a.png", {"transparency": 3}),
    }


def _saved(image: Image.Image, name: str, options: dict | None = None) -> bytes:
    file = io.BytesIO()
    image.save(file, Image.registered_extensions()[Path(name).suffix], **(options or {}))
    return file.getvalue()


def clips() -> dict[str, bytes]:
    codecs = {"a.mp4": "libx264", "a.mkv": "libx264", "a.ts": "libx264", "a.webm": "libvpx-vp9", "a.avi": "mpeg4"}
    seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, codec in codecs.items():
            with av.open(f"{folder}/{name}", "w") as container:
                stream = container.add_stream(codec, rate=25)
                stream.width = stream.height = 32
                stream.pix_fmt = "yuv420p"
                for shade in range(0, 240, 30):
                    frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), shade, np.uint8), format="rgb24")
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            seeds[name] = Path(folder, name).read_bytes()
    frames = [Image.new("RGB", (16, 16), (shade, 0, 0)) for shade in (0, 99, 255)]
    moving = {"save_all": True, "append_images": frames[1:], "duration": 40}
    return seeds | {name: _saved(frames[0], name, moving) for name in ("a.gif", "a.png")}


def sounds() -> dict[str, bytes]:
    codecs = {"a.wav": "pcm_s16le", "float.wav": "pcm_f32le", "a.flac": "flac", "a.mp3": "libmp3lame", "a.m4a": "aac"}
    codecs |= {"a.aac": "aac", "a.ogg": "libopus"}
    waveform = np.tile(0.3 * np.sin(np.arange(9600) / 10), (2, 1)).astype(np.float32)
    seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, codec in codecs.items():
            with av.open(f"{folder}/{name}", "w") as container:
                stream = container.add_stream(codec, rate=48_000)
                stream.layout = "stereo"
                frame = av.AudioFrame.from_ndarray(waveform, format="fltp", layout="stereo")
                frame.sample_rate = 48_000
                for block in av.AudioResampler(stream.codec_context.format.name, "stereo", 48_000).resample(frame):
                    container.mux(stream.encode(block))
                container.mux(stream.encode(None))
            seeds[name] = Path(folder, name).read_bytes()
    return seeds


def documents() -> dict[str, bytes]:
    """Texts by the name of what reads them."""
    said = (("PP", 0, 0.2), ("aa", 0.2, 0.5), ("sil", 0.5, 0.6), ("ou", 0.6, 0.9))
    track = VisemeTrack(tuple(Cue(start, end, viseme) for viseme, start, end in said), "hello you")
    sample = SAMPLES / "fox.faces.json"
    motion = MouthMotion.from_channels(Fraction(25), 5, jaw_open=0.5, head_yaw=3.0)
    keyframes = [{"time": 0, "jaw_open": 0.2}, {"time": 1, "jaw_open": 0.9, "brow": 1}]
    texts = {
        "faces.json": sample.read_text(),
        "faces.csv": faces_to_csv(Faces.from_json(sample.read_text())),
        "motion.json": motion.to_json(),
        "keyframes.json": json.dumps({"version": 1, "frame_rate": "25", "keyframes": keyframes}),
        "pick.json": '{"version": 1, "width": 64, "height": 48, "frame": 3, "box": [1.5, 2, 30, 40]}',
        "settings.json": TrainConfig().to_json(),
        "edits.json": Edits(track.cues, {"jaw_open": ((0.0, 0.0), (0.5, 1.0))}).to_json(),
        "motion.tsv": cues.to_rhubarb(track),
        "motion.rhubarb": cues.to_rhubarb(track, form="json"),
        "motion.xml": cues.to_rhubarb(track, form="xml"),
        "motion.dat": cues.to_moho(track),
        "motion.pgo": cues.to_papagayo(track),
        "motion.csv": performance.to_arkit(motion),
        "motion.ovr": performance.to_ovr(track),
    }
    return {name: text.encode() for name, text in texts.items()}


def tables() -> dict[str, bytes]:
    """Texts that are read from their file, by the name of what reads them."""
    rows = [
        {"source": "a.png", "voice": "b.wav", "nod": 2},
        {"source": "ä, b.png", "voice": "b.wav", "output": "o.mp4"},
    ]
    lines = "\n".join(map(json.dumps, rows))
    entry = PieceEntry("a-0001", "a.mp4", 0.5, 2.5, 50, has_sound=True, opening=(0.7, 0.2))
    dropped = PieceEntry("", "b.mp4", 0.0, 1.0, 25, "No face was found.")
    pieces = [asdict(entry), asdict(dropped)]
    rating = {"realism": 4, "sync": 2}
    answer = {"clips": ["a.mp4", "b.mp4"], "ratings": [rating, rating], "preferred": 1}
    result = asdict(Result(1, "key", "a.mp4", 0.5))
    texts = {
        "manifest.csv": 'source,voice,output\na.png,b.wav,o.mp4\n"a, b.png",b.wav,\n',
        "manifest.jsonl": lines,
        "dataset.json": json.dumps({"version": 1, "species": "cat", "pieces": pieces}, indent=1),
        "answers.json": json.dumps({"answers": [answer, answer]}),
        "journal.jsonl": "\n".join([json.dumps(result)] * 3),
    }
    return {name: text.encode() for name, text in texts.items()}


def tensors() -> dict[str, bytes]:
    """Files of tensors by the name of what reads them."""
    faces = Faces.from_json((SAMPLES / "fox.faces.json").read_text())
    track = faces.tracks[0]
    picture = to_jpeg(np.full((320, 320, 3), 99, np.uint8))
    two = track[np.zeros(2, int)]
    sound = Audio(np.zeros((1, 1600), np.float32), 16_000)
    lora = Lora({"a": torch.zeros(2, 8), "b": torch.zeros(2, 4)}, {"a": torch.zeros(8, 2), "b": torch.zeros(8, 2)}, 2.0)
    unet = {"conv_in.weight": torch.zeros(4, 8, 3, 3), "a.attn2.to_k.weight": torch.zeros(4, 384)}
    vae = {name: torch.zeros(8, 2) for name in ("quant_conv.weight", "encoder.conv_in.weight")}
    vae |= {
        name: torch.zeros(1) for name in ("encoder.mid_block.resnets.0.conv1.weight", "decoder.attentions.0.query.bias")
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        PreparedAnimal(faces, {bytes(16): torch.zeros(8, 32, 32)}, True, 0.6).save(folder / "prepared.safetensors")
        Piece("a.mp4", 0.0, Fraction(25), (picture,) * 2, two, np.zeros(2), sound).save(folder / "piece.safetensors")
        lora.save(folder / "lora.safetensors")
        torch.save(unet, folder / "unet.pth")
        save_file(vae, folder / "vae.safetensors")
        torch.save({"encoder.conv1.weight": torch.zeros(384, 80, 3)}, folder / "whisper.bin")
        FaceCache(folder).put("cache", faces)
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_dataset(path: Path) -> None:
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    (folder / "dataset.json").write_bytes(path.read_bytes())
    PetDataset.open(folder)


def read_piece(path: Path) -> None:
    piece = Piece.load(path)
    try:
        assert piece.crop(0).ndim == 3
    except FormatError:  # which names the clip
        pass


def read_answer(path: Path) -> None:
    read_answers({"a.mp4": "a", "b.mp4": "b"}, [path.read_bytes().decode(errors="replace")])


READERS = {
    "manifest": lambda path: read_manifest(path, columns()),
    "dataset": read_dataset,
    "answers": read_answer,
    "journal": lambda path: Journal(path).has("key", path.parent),
    "prepared": PreparedAnimal.load,
    "piece": read_piece,
    "lora": Lora.load,
    "unet": read_unet,
    "vae": read_vae,
    "whisper": load_whisper,
    "cache": lambda path: FaceCache(path.parent).get(path.stem),
}
"""Of tables and tensors."""


def read(path: Path, target: str) -> None:
    if target == "pictures":
        if is_picture(path):
            assert read_picture(path).ndim == 3
    elif target == "clips":
        clip = Clip.open(path)
        if clip.width * clip.height < 4_000_000:
            for frame in clip.read(min(clip.frames + 2, 20)):
                assert frame.shape == (clip.height, clip.width, 3)
    elif target == "sounds":
        probe_audio(path)
        assert len(load_audio(path).waveform) <= 2
    elif target in ("tables", "tensors"):
        READERS[path.name.split("-")[-1].split(".")[0]](path)
    else:
        text = path.read_bytes().decode(errors="replace")
        kind = path.name.split("-")[-1].split(".")[0]
        {
            "faces": read_faces,
            "edits": Edits.from_json,
            "keyframes": keyframes_to_motion,
            "pick": Pick.from_json,
            "settings": TrainConfig.from_json,
        }.get(kind, lambda text: read_motion(text, Fraction(25)))(text)


def changed(data: bytes, draw: random.Random, words: tuple[bytes, ...]) -> bytes:
    """A few bytes flipped, set to an edge, cut out or doubled; most often near the beginning."""
    data = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        at = draw.randrange(min(len(data), draw.choice([64, 300, 2000, 10**9])) or 1)
        kind = draw.random()
        if kind < 0.4 and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif kind < 0.75:
            edge = draw.choice(words)
            data[at : at + draw.choice([0, len(edge)])] = edge
        elif kind < 0.85:
            del data[at : at + draw.choice([1, 4, 100])]
        elif kind < 0.95:
            data[at:at] = data[draw.randrange(len(data) or 1) :][: draw.choice([1, 4, 100])]
        else:
            del data[at:]
    return bytes(data) or b"\0"


def verdict(path: Path, target: str) -> str:
    """`read`, `refused`, or what is wrong."""
    signal.alarm(PATIENCE)
    try:
        read(path, target)
        answer = "read"
    except ValueError as error:
        is_clear = isinstance(error, FormatError) if target == "documents" else path.stem in str(error)
        is_clear |= path.stem.endswith("answers")  # several are read at once, and told apart by their number
        answer = (
            "refused" if is_clear and len(str(error)) < 400 + len(str(path)) else f"{type(error).__name__}: {error}"
        )
    except BaseException as error:
        answer = f"{type(error).__name__}: {error}"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return answer if memory < MEMORY else f"{memory} MB"


def batch(folder: Path, target: str, inputs: list[tuple[str, bytes]]) -> list[str]:
    """The verdicts, read in another process; fewer than `inputs` when it died of the one after the last."""
    source, sink = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        for number, (name, data) in enumerate(inputs):
            path = folder / f"{number}-{name}"
            path.write_bytes(data)
            os.write(sink, (" ".join(verdict(path, target)[:200].split()) + "\n").encode(errors="replace"))
        os._exit(0)
    os.close(sink)
    with open(source) as answers:
        verdicts = answers.read().splitlines()
    os.waitpid(child, 0)
    return verdicts


def campaign(target: str, seconds: float, most: int, seed: int, keep: Path) -> dict:
    draw, seeds = random.Random(seed), globals()[target]()
    words = WORDS if target in ("documents", "tables") else EDGES + WORDS if target == "tensors" else EDGES
    counts, broken = collections.Counter(), collections.Counter()

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    end = spent() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while spent() < end and sum(counts.values()) < most:
            names = draw.choices(list(seeds), k=BATCH)
            inputs = [(name, changed(seeds[name], draw, words)) for name in names]
            verdicts = batch(Path(folder), target, inputs)
            if len(verdicts) < BATCH:
                verdicts.append("crash or hang")
            for (name, data), answer in zip(inputs, verdicts, strict=False):
                answer = answer.replace(folder, "")
                counts[answer if answer in ("read", "refused") else "broken"] += 1
                if answer not in ("read", "refused"):
                    if not broken[answer]:
                        (keep / f"{target}-{seed}-{len(broken)}-{name}").write_bytes(data)
                    broken[answer] += 1
    for answer, count in broken.most_common():
        print(f"{count:6} {target}: {answer}")
    return {"inputs": sum(counts.values()), **{name: counts[name] for name in ("read", "refused", "broken")}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="*", default=["pictures", "clips", "sounds", "documents", "tables", "tensors"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--inputs", type=int, default=10**9, help="of each target, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("broken"))
    options = parser.parse_args()
    logging.disable()
    warnings.simplefilter("error")  # a warning would be a line on an artist's screen
    warnings.filterwarnings("ignore", "Detected pickle protocol")  # torch's, of a damaged pickle, before it is refused
    options.keep.mkdir(exist_ok=True)
    limits = options.seconds, options.inputs
    print(json.dumps({t: campaign(t, *limits, options.seed, options.keep) for t in options.targets}))


if __name__ == "__main__":
    main()
