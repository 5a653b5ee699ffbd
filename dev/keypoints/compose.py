"""Make the training pictures that no camera took: drawn animals, art of open packages, painted and rendered people,
rendered toys and dogs, patterns, opened mouths, tongues, turned heads, heads without a face.

    python dev/keypoints/compose.py --data DATA --art ART --things THINGS --empty FOLDER --people PEOPLE --toys TOYS \\
        --dogs DOGS --out MORE

ART holds the pictures that art.json names, THINGS transparent pictures of people and things (KIND_STYLE-NAME.png, KIND
people or thing), FOLDER pictures without any animal, PEOPLE, TOYS and DOGS what render_people.py, render_toys.py and
render_dogs.py made.
Into MORE go JPEGs and faces.json: what train.py reads besides labels.json. What is drawn in a held-out style, every
sixth drawing, dog and empty picture and every eighth person and toy is never trained on.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from backs import hide_face
from draw import draw_head
from people import paint_person
from PIL import Image, ImageFilter
from tongue import hang_tongue
from train import HERE, empty_crop, is_held_out, load_pictures
from turn import MUZZLE, turn_head

from animal_lipsync.detection import face_roll
from animal_lipsync.detector import SPECIES
from animal_lipsync.engine import WarpEngine
from animal_lipsync.rig import build_rig
from animal_lipsync.types import FaceTrack, MouthMotion
from animal_lipsync.warp import jaw_field

SIDE = 320
WITHIN = 0.05
"""How far a turned head may reach out of its picture, over the picture's width."""
HELD_OUT_STYLES = ("twemoji", "micah", "notionists")


class Album:
    """Pictures and their labels, written as they come."""

    def __init__(self, folder: Path):
        self.folder, self.faces = folder, []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, image: Image.Image, **label):
        image.convert("RGB").save(self.folder / f"{name}.jpg", quality=90)
        self.faces.append({"file": f"{name}.jpg", **label})

    def write(self):
        (self.folder / "faces.json").write_text("[\n" + ",\n".join(json.dumps(face) for face in self.faces) + "\n]\n")


# ---------------------------------------------------------------- what stands behind


class Backgrounds:
    """Plain and graded colours, patterns, and cut-outs of pictures that show no head."""

    def __init__(self, empty: list[Image.Image], pictures: list[dict]):
        self.empty, self.pictures = empty, pictures

    def draw(self, rng: np.random.Generator) -> Image.Image:
        kind = rng.random()
        if kind < 0.25:
            return Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in rng.integers(0, 256, 3)))
        if kind < 0.45:
            corners = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
            return Image.fromarray(corners).resize((SIDE, SIDE), Image.BICUBIC)
        if kind < 0.7:
            picture = self.empty[rng.integers(len(self.empty))]
            side = int(min(picture.size) * rng.uniform(0.3, 1))
            x, y = (int(rng.integers(0, length - side + 1)) for length in picture.size)
            return picture.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.BICUBIC)
        while True:
            picture = self.pictures[rng.integers(len(self.pictures))]
            crop = empty_crop(picture, SIDE)
            if crop is not None:
                x, y, side, _ = crop.tolist()
                box = [int(v) for v in (x - side / 2, y - side / 2, x + side / 2, y + side / 2)]
                pixels = picture["mips"][0][0].permute(1, 2, 0).numpy()
                return Image.fromarray(pixels).crop(box).resize((SIDE, SIDE), Image.BICUBIC)


def paste(rng, background: Image.Image, art: Image.Image, label: dict, *, share: float) -> tuple[Image.Image, dict]:
    """`art` (RGBA), turned and mirrored at random, on `background`: the head's box spans about `share` of it."""
    box, points = np.array(label["box"], float).reshape(2, 2), np.array(label["keypoints"], float)
    scale = share * SIDE / max(box[1] - box[0])
    turn = math.radians(rng.normal(0, 9))
    axes = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    slack = max(0.0, (1 - share) / 2) * SIDE
    shift = SIDE / 2 + rng.uniform(-slack, slack, 2) - axes @ box.mean(0)
    inverse = np.linalg.inv(axes)
    # shrunk first, so that the turn does not alias
    factor = min(1.0, 1.5 * scale)
    small = art.resize([max(1, round(n * factor)) for n in art.size], Image.LANCZOS)
    coefficients = np.column_stack([inverse, -inverse @ shift]) * factor
    laid = small.convert("RGBa").transform((SIDE, SIDE), Image.AFFINE, coefficients.ravel(), Image.BICUBIC)
    laid = laid.convert("RGBA")
    image = background.copy()
    image.paste(laid, (0, 0), laid)
    middle, half = box.mean(0) @ axes.T + shift, (box[1] - box[0]) * scale / 2
    placed = np.concatenate([np.maximum(middle - half, 0), np.minimum(middle + half, SIDE)])
    if points.size:
        points[:, :2] = points[:, :2] @ axes.T + shift
    return image, label | {"box": placed.round(1).tolist(), "keypoints": points.round(1).tolist() or None}


# ---------------------------------------------------------------- the kinds


def compose_drawings(album: Album, backgrounds: Backgrounds, count: int):
    for i in range(count):
        rng = np.random.default_rng(i)
        art, label = draw_head(rng)
        image, label = paste(rng, backgrounds.draw(rng), art, label, share=rng.uniform(0.3, 0.85))
        name = f"drawing_{i}"
        album.add(name, image, **label, source="drawn", held_out=is_held_out(name))


def compose_art(album: Album, backgrounds: Backgrounds, folder: Path, times: int):
    for entry in json.loads((HERE / "art.json").read_text()):
        art = Image.open(folder / entry["file"]).convert("RGBA")
        per_cent = max(art.size) / 100
        left, top = ((max(art.size) - n) / 2 for n in art.size)
        box = np.array(entry["box"]) * per_cent - (left, top, left, top)
        points = np.array(entry["keypoints"] or np.zeros((0, 3)))
        points[:, :2] = points[:, :2] * per_cent - (left, top)
        style = entry["file"].split("_")[0]
        label = {"species": entry["species"], "box": box.tolist(), "keypoints": points.tolist()}
        label |= {"pose": entry["pose"], "source": style, "held_out": style in HELD_OUT_STYLES}
        for i in range(times):
            name = f"{Path(entry['file']).stem}_{i}"
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            share = rng.uniform(0.3, 0.95) if max(box[2:] - box[:2]) > 60 else rng.uniform(0.15, 0.35)
            image, placed = paste(rng, backgrounds.draw(rng), art, label, share=share)
            album.add(name, image, **placed)


def compose_nothing(album: Album, folder: Path):
    for path in sorted(folder.iterdir()):
        image = Image.open(path).convert("RGB")
        album.add(f"nothing_{path.stem}", image, species=None, box=None, keypoints=None, source="nothing",
                  held_out=is_held_out(path.stem))  # fmt: skip


def compose_collages(album: Album, backgrounds: list[Image.Image], folder: Path, count: int):
    """People and things, one in eight collages of held-out styles only."""
    things = {True: {"people": [], "thing": []}, False: {"people": [], "thing": []}}
    for path in sorted(folder.iterdir()):
        kind, style = path.stem.split("-")[0].split("_")
        things[style in HELD_OUT_STYLES][kind].append(path)
    for i in range(count):
        rng, held_out = np.random.default_rng(i), i % 8 == 0
        background = backgrounds[rng.integers(len(backgrounds))].resize((SIDE, SIDE), Image.BICUBIC)
        if rng.random() < 0.4:
            background = Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in rng.integers(0, 256, 3)))
        for _ in range(rng.integers(1, 7)):
            kind = "thing" if rng.random() < 0.25 and not held_out else "people"
            paths = things[held_out][kind]
            thing = Image.open(paths[rng.integers(len(paths))]).convert("RGBA")
            size = SIDE * math.exp(rng.uniform(math.log(0.15), math.log(0.95)))
            thing = thing.resize([max(1, round(n * size / max(thing.size))) for n in thing.size], Image.BICUBIC)
            if rng.random() < 0.5:
                thing = thing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            thing = thing.rotate(rng.normal(0, 12), Image.BICUBIC, expand=True)
            at = [int(rng.uniform(-0.15 * n, SIDE - 0.85 * n)) for n in thing.size]
            background.paste(thing, at, thing)
        album.add(f"collage_{i}", background, species=None, box=None, keypoints=None, source="nothing",
                  held_out=held_out)  # fmt: skip


def compose_people(album: Album, backgrounds: Backgrounds, count: int):
    for i in range(count):
        rng = np.random.default_rng(i)
        image = backgrounds.draw(rng)
        for _ in range(rng.choice([1, 1, 2, 3])):
            person, size = paint_person(rng), int(SIDE * rng.uniform(0.3, 1.1))
            person = person.resize((size, size), Image.LANCZOS).rotate(rng.normal(0, 8), Image.BICUBIC)
            image.paste(person, [int(rng.uniform(-0.2 * size, SIDE - 0.8 * size)) for _ in range(2)], person)
        album.add(f"person_{i}", image, species=None, box=None, keypoints=None, source="people",
                  held_out=i % 8 == 0)  # fmt: skip


def compose_rendered(album: Album, backgrounds: Backgrounds, folder: Path, times: int, name: str, source: str,
                     crowds: float = 0):  # fmt: skip
    """One person or toy, seldom two, mostly before something out of focus; one in eight is held out.

    A share of `crowds` of them, each cut out, is shown in rows of many.
    """
    paths = sorted(folder.glob("*.png"))
    for held_out, some in ((True, paths[::8]), (False, [path for i, path in enumerate(paths) if i % 8])):
        for i in range(times * len(some)):
            rng = np.random.default_rng([held_out, i])
            image = Image.open(some[i % len(some)])
            if rng.random() < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            if image.getextrema()[3][0] == 255:  # with a place behind
                side = int(image.width * rng.uniform(0.6, 1))
                x, y = (int(rng.integers(0, length - side + 1)) for length in image.size)
                image = image.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.LANCZOS)
            elif crowds and rng.random() < crowds:
                image = crowd(rng, image, some, backgrounds)
            else:
                image = before_something(rng, image, some, backgrounds)
            album.add(f"{name}_{int(held_out)}_{i}", image, species=None, box=None, keypoints=None,
                      source=source, held_out=held_out)  # fmt: skip


def before_something(rng, person: Image.Image, others: list[Path], backgrounds: Backgrounds) -> Image.Image:
    image = backgrounds.draw(rng)
    if rng.random() < 0.6:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(1, 8)))
    behind = [Image.open(others[rng.integers(len(others))])] if rng.random() < 0.25 else []
    for some in [*behind, person]:
        size = int(SIDE * rng.uniform(0.4, 1.5))
        some = some.resize((size, size), Image.LANCZOS)
        at = int(rng.uniform(-0.2 * size, SIDE - 0.8 * size)), SIDE - int(size * rng.uniform(0.6, 1))
        image.paste(some, at, some)
    return image


def crowd(rng, first: Image.Image, others: list[Path], backgrounds: Backgrounds) -> Image.Image:
    """Rows of them, as on the shelves of a shop; half of the time all are alike."""
    image, some = backgrounds.draw(rng), [first]
    if rng.random() < 0.5:
        some += [Image.open(others[i]) for i in rng.integers(len(others), size=6)]
        some = [one for one in some if one.getextrema()[3][0] < 255]
    rows = int(rng.integers(1, 4))
    size = int(SIDE / rows * rng.uniform(1.0, 1.5))
    for y in np.linspace(0, SIDE, rows, endpoint=False):
        for x in np.arange(rng.uniform(-0.5, 0) * size, SIDE, size * rng.uniform(0.55, 0.9)):
            one = some[rng.integers(len(some))].resize((size, size), Image.LANCZOS)
            one = one.rotate(rng.normal(0, 8), Image.BICUBIC)
            image.paste(one, (int(x), int(y + rng.uniform(-0.1, 0.1) * size)), one)
    return image


def compose_rendered_dogs(album: Album, backgrounds: Backgrounds, folder: Path, times: int):
    for path in sorted(folder.glob("*.png")):
        label = json.loads(path.with_suffix(".json").read_text())
        for i in range(times):
            name = f"{path.stem}_{i}"
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            image, placed = paste(rng, backgrounds.draw(rng), Image.open(path), label, share=rng.uniform(0.4, 0.95))
            album.add(name, image, **placed, source="rendered", held_out=is_held_out(path.stem))


def compose_patterns(album: Album, count: int):
    """Noise, blocks, stripes and chequers in colours: nothing that could be an animal."""
    for i in range(count):
        rng = np.random.default_rng(i)
        cells = int(math.exp(rng.uniform(math.log(3), math.log(SIDE))))
        colours = rng.normal(rng.uniform(40, 215, 3), rng.uniform(10, 110), (cells, cells, 3))
        kind = rng.choice(["cells", "grey", "stripes", "chequers"])
        if kind == "grey":
            colours = colours[..., :1].repeat(3, 2)
        elif kind == "stripes":
            colours = colours[:1].repeat(cells, 0)
        elif kind == "chequers":
            colours = colours[0, (np.arange(cells)[:, None] + np.arange(cells)) % 2]
        image = Image.fromarray(colours.clip(0, 255).astype(np.uint8))
        image = image.resize((SIDE, SIDE), [Image.NEAREST, Image.BILINEAR, Image.BICUBIC][rng.integers(3)])
        if rng.random() < 0.3:
            image = image.rotate(rng.uniform(0, 90), Image.BICUBIC)
        album.add(f"pattern_{i}", image, species=None, box=None, keypoints=None, source="nothing",
                  held_out=i % 8 == 0)  # fmt: skip


def cut_head(picture: dict, room: float = 0.5) -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """The head of `picture`, at most 240 pixels large, `room` times that on each side, its points (9, 3), box (4,)."""
    x1, y1, x2, y2 = picture["box"].tolist()
    size = max(x2 - x1, y2 - y1)
    pixels = picture["mips"][0][0].permute(1, 2, 0).numpy()
    left, top = (int(max(0, v - room * size)) for v in (x1, y1))
    crop = Image.fromarray(pixels[top : int(y2 + (room + 0.2) * size), left : int(x2 + room * size)])
    scale = min(1.0, 240 / size)
    crop = crop.resize([max(2, round(n * scale)) for n in crop.size], Image.LANCZOS)
    points = picture["keypoints"][:9].numpy().astype(np.float64)
    points[:, :2] = (points[:, :2] - (left, top)) * scale
    return crop, points, (np.array([x1, y1, x2, y2]) - (left, top, left, top)) * scale


def open_mouth(picture: dict, amount: float) -> tuple[Image.Image, dict] | None:
    """The head of `picture`, its shut mouth opened by our own warp engine, and where the points went."""
    crop, points, box = cut_head(picture)
    kind = ("cat", "dog")[picture["species"]]
    face = FaceTrack(box[None].astype(np.float32), points[None, :, :2].astype(np.float32),
                     points[None, :, 2].astype(np.float32), np.ones(1, bool), kind)  # fmt: skip
    motion = MouthMotion.from_channels(Fraction(25), 1, jaw_open=np.array([amount], np.float32))
    rig = build_rig(face)
    if rig.gap[0] or rig.profile[0] > 0.2:
        return None
    frame = torch.from_numpy(np.asarray(crop).copy()).permute(2, 0, 1)[None].float() / 255
    opened = WarpEngine()(frame, face, motion, is_still=False)
    jaw = jaw_field(rig, motion, is_side=False)

    def tensors(k):
        return (torch.tensor(float(v)).reshape(1, 1, 1) for v in points[k, :2])

    a, _ = jaw.to_mouth(*tensors(5))
    upper, lower = jaw.lips(a)
    for k, b in ((5, upper), (6, lower)):
        points[k, :2] = [float(v) for v in jaw.to_frame(a, b)]
    a, shut = jaw.to_mouth(*tensors(7))
    at, low, high = jaw.profile(a), shut, shut + 2 * jaw.opening + 1
    for _ in range(30):  # where the chin went: `shut_jaw` is monotone
        b = (low + high) / 2
        below = jaw.shut_jaw(at, b) > shut
        low, high = torch.where(below, low, b), torch.where(below, b, high)
    points[7, :2] = [float(v) for v in jaw.to_frame(a, high)]
    points[5:7, 2] = 1
    image = Image.fromarray((opened[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy())
    box[3] = max(box[3], points[7, 1])
    return image, {"species": kind, "box": box.round(1).tolist(), "keypoints": points.round(1).tolist()}


def compose_open_mouths(album: Album, pictures: list[dict]):
    for picture in pictures:
        points = picture["keypoints"]
        if points is None or picture["mouth"] != "shut" or points[3:8, 2].sum() < 4 or points[5:7, 2].min() == 0:
            continue
        name = f"opened_{Path(picture['file']).stem}"
        opened = open_mouth(picture, np.random.default_rng(len(album.faces)).uniform(0.25, 0.9))
        if opened is not None:
            album.add(name, opened[0], **opened[1], source="opened", pose=picture["pose"], held_out=False)


def compose_tongues(album: Album, pictures: list[dict], times: int):
    """Dogs whose mouths are open, or are opened a little, with a tongue that hangs out."""
    for picture in pictures:
        points = picture["keypoints"]
        if points is None or SPECIES[picture["species"]] != "dog" or points[5:8, 2].min() == 0:
            continue
        for i in range(times):
            name = f"tongue_{Path(picture['file']).stem}_{i}"
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            if picture["mouth"] == "shut":
                opened = open_mouth(picture, rng.uniform(0.05, 0.5))
                if opened is None:
                    continue
                image, points, box = opened[0], np.array(opened[1]["keypoints"]), np.array(opened[1]["box"])
            else:
                image, points, box = cut_head(picture)
            image, points = hang_tongue(rng, image, points, max(box[2:] - box[:2]))
            album.add(name, image, species="dog", box=box.round(1).tolist(), keypoints=points.round(1).tolist(),
                      source="opened", pose=picture["pose"], held_out=False)  # fmt: skip


def compose_turned(album: Album, pictures: list[dict], times: dict[str, int]):
    """Heads turned further, to 45 to 80 degrees; `times` by pose."""
    for picture in pictures:
        points = picture["keypoints"]
        if points is None or abs(float(face_roll(points[None, :9, :2]))) > math.radians(20):
            continue
        kind = SPECIES[picture["species"]]
        for i in range(times.get(picture["pose"], 0)):
            name = f"turned_{Path(picture['file']).stem}_{i}"
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            wanted = math.radians(rng.uniform(45, 80))
            image, points, box = turn_head(rng, *cut_head(picture, room=0.9), wanted, MUZZLE[kind])
            if box[0] < -WITHIN * image.width or box[2] > (1 + WITHIN) * image.width:
                continue
            label = {"species": kind, "box": box.round(1).tolist(), "keypoints": points.round(1).tolist()}
            album.add(name, image, **label, source="turned", pose="profile", held_out=False)


def compose_backs(album: Album, pictures: list[dict]):
    """Heads as from behind: what has ears and fur but no face is no face."""
    for picture in pictures:
        if picture["keypoints"] is not None and picture["pose"] != "profile":
            name = f"back_{Path(picture['file']).stem}"
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            image, points, box = cut_head(picture, room=0.9)
            album.add(name, hide_face(rng, image, points[:, :2], box), species=None, box=None, keypoints=None,
                      source="nothing", held_out=False)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "art", "things", "empty", "people", "toys", "dogs", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--drawings", type=int, default=900)
    parser.add_argument("--collages", type=int, default=480)
    parser.add_argument("--painted", type=int, default=1400)
    parser.add_argument("--patterns", type=int, default=160)
    parser.add_argument("--times", type=int, default=3, help="how often each piece of art is shown")
    args = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    pictures = [p for p in load_pictures(args.data, HERE / "labels.json") if not p["held_out"]]
    album = Album(args.out)
    compose_nothing(album, args.empty)
    empty = [Image.open(path).convert("RGB") for path in sorted(args.empty.iterdir()) if not is_held_out(path.stem)]
    backgrounds = Backgrounds(empty, pictures)
    compose_collages(album, empty, args.things, args.collages)
    compose_people(album, backgrounds, args.painted)
    compose_rendered(album, backgrounds, args.people, 2, "portrait", "people")
    compose_rendered(album, backgrounds, args.toys, 2, "toy", "toys", crowds=0.4)
    compose_rendered_dogs(album, backgrounds, args.dogs, times=2)
    compose_patterns(album, args.patterns)
    compose_art(album, backgrounds, args.art, args.times)
    compose_drawings(album, backgrounds, args.drawings)
    compose_open_mouths(album, pictures)
    compose_tongues(album, pictures, times=2)
    compose_turned(album, pictures, times={"threequarter": 3, "frontal": 1})
    compose_backs(album, pictures)
    album.write()
    print(len(album.faces), "pictures in", args.out)


if __name__ == "__main__":
    main()
