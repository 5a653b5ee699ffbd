"""Render heads of dogs that do not live, from the side, and where their keypoints are: photographed profiles are few.

    python dev/keypoints/render_dogs.py --out DOGS --count 165

A head is a handful of ellipsoids melted into one surface (skull, muzzle, lips, cheeks, brows, neck), a jaw, ears, eyes
and a nose, with fur on it. Needs Blender as a module, bpy 4.2, and scikit-image; three seconds of one core a picture.
The unit is about three skulls' half widths; x to the right of who looks the dog in the face, y up, z to the front.
Nobody's picture or model went into it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from blender import add_ball, light_scene, place_camera, plain, start_scene
from mathutils import Vector
from skimage.measure import marching_cubes

COATS = (
    (0.012, 0.01, 0.009), (0.05, 0.03, 0.018), (0.12, 0.065, 0.03), (0.3, 0.17, 0.08), (0.5, 0.33, 0.18),
    (0.75, 0.66, 0.52), (0.85, 0.83, 0.78), (0.3, 0.29, 0.28), (0.22, 0.07, 0.025),
)  # fmt: skip
NOSES = ((0.012, 0.011, 0.011), (0.012, 0.011, 0.011), (0.09, 0.05, 0.035), (0.3, 0.16, 0.13))
EYES = ((0.02, 0.01, 0.006), (0.06, 0.028, 0.012), (0.12, 0.06, 0.02), (0.25, 0.35, 0.45))
BLACK, RED = (0.012, 0.01, 0.01), (0.35, 0.08, 0.07)
EYE = np.array((0.165, 0.085, 0.305))

# ---------------------------------------------------------------- surfaces


def ellipsoid(at: np.ndarray, centre, radii, turn: float = 0.0, axis: str = "x") -> np.ndarray:
    """About the distance of places (..., 3) from an ellipsoid turned by `turn` radians, negative inside."""
    a, b = {"x": (1, 2), "z": (0, 1)}[axis]
    q, radii = at - np.array(centre), np.array(radii)
    turned = q.copy()
    turned[..., a] = math.cos(turn) * q[..., a] + math.sin(turn) * q[..., b]
    turned[..., b] = math.cos(turn) * q[..., b] - math.sin(turn) * q[..., a]
    length = np.linalg.norm(turned / radii, axis=-1)
    return length * (length - 1) / np.maximum(np.linalg.norm(turned / radii**2, axis=-1), 1e-6)


def melt(a: np.ndarray, b: np.ndarray, reach: float) -> np.ndarray:
    """The union of two distances, smooth over `reach`."""
    share = np.clip(0.5 + 0.5 * (b - a) / reach, 0, 1)
    return b + (a - b) * share - reach * share * (1 - share)


def surface_of(distance, low, high, step: float = 0.027) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles where `distance` is 0."""
    axes = [np.arange(a, b, step) for a, b in zip(low, high, strict=True)]
    vertices, faces, _, _ = marching_cubes(distance(np.stack(np.meshgrid(*axes, indexing="ij"), -1)), 0.0)
    return vertices * step + np.array(low), faces[:, ::-1]


# ---------------------------------------------------------------- one dog


@dataclass(frozen=True)
class Build:
    """How one dog's head is made."""

    skull: tuple[float, float, float]
    length: float
    """Of the muzzle, from the brow."""
    width: float
    height: float
    y: float
    """Of the muzzle's middle."""
    slope: float
    lips: float
    """How far they hang."""
    gape: float
    """Radians the jaw is open."""
    jaw: float
    ear: tuple[float, float]
    """Half its height and half its width."""
    ears_hang: bool
    nose_size: tuple[float, float]
    """Half its width and half its height."""

    @classmethod
    def draw(cls, rng: random.Random) -> Build:
        length = rng.uniform(0.22, 0.72)
        return cls(
            skull=(rng.uniform(0.3, 0.38), rng.uniform(0.29, 0.36), rng.uniform(0.34, 0.44)),
            length=length,
            width=rng.uniform(0.13, 0.22),
            height=rng.uniform(0.12, 0.19),
            y=-0.14 + rng.uniform(-0.04, 0.03),
            slope=rng.uniform(-0.05, 0.12),
            lips=rng.uniform(0, 0.1),
            gape=rng.choice([0, 0, 0, rng.uniform(0.1, 0.5)]),
            jaw=length * rng.uniform(0.86, 0.95),
            ear=(rng.uniform(0.24, 0.46), rng.uniform(0.14, 0.24)),
            ears_hang=rng.random() < 0.6,
            nose_size=(rng.uniform(0.075, 0.105), rng.uniform(0.06, 0.08)),
        )

    @property
    def tip(self) -> float:
        return 0.32 + self.length

    @property
    def nose(self) -> np.ndarray:
        return np.array((0, self.y + 0.02 + self.height * 0.5, self.tip + 0.1))

    @property
    def seam(self) -> float:
        """Height of the line of the lips."""
        return self.y - 0.8 * self.height - 0.5 * self.lips

    def head(self, at: np.ndarray) -> np.ndarray:
        sides = np.concatenate([np.abs(at[..., :1]), at[..., 1:]], -1)
        muzzle = (0, self.y + 0.02, 0.2 + self.length / 2), (self.width, self.height, self.length / 2 + 0.26)
        end = (0, self.y + 0.01 + self.height * 0.3, self.tip + 0.02), (self.width * 0.62, self.height * 0.6, 0.13)
        lip = (
            (0.5 * self.width, self.y - 0.03 - self.lips / 2, 0.28 + self.length * 0.62),
            (0.62 * self.width, self.height * 0.82 + self.lips / 2, 0.12 + self.length * 0.36),
        )
        shape = melt(ellipsoid(at, (0, 0, 0), self.skull), ellipsoid(at, *muzzle, turn=self.slope), 0.12)
        shape = melt(shape, ellipsoid(at, *end), 0.07)
        shape = melt(shape, ellipsoid(sides, *lip), 0.06)
        shape = melt(shape, ellipsoid(sides, (0.2, -0.1, 0.1), (0.17, 0.2, 0.22)), 0.1)
        shape = melt(shape, ellipsoid(sides, (0.15, 0.15, 0.24), (0.1, 0.08, 0.1)), 0.08)
        shape = melt(shape, ellipsoid(at, (0, -0.55, -0.45), (0.34, 0.75, 0.36), turn=0.5), 0.15)
        socket = ellipsoid(sides, EYE + (0.025, 0, 0.055), (0.075, 0.06, 0.075))
        return np.maximum(shape, -socket)

    def lower_jaw(self, at: np.ndarray) -> np.ndarray:
        y, low = self.y - 0.4 * self.lips, self.height
        bar = (0, y - low * 0.98, 0.22 + self.jaw / 2), (self.width * 0.8, low * 0.42, self.jaw / 2 + 0.1)
        chin = (0, y - low * 0.93, 0.3 + self.jaw * 0.85), (self.width * 0.6, low * 0.4, 0.1)
        return melt(ellipsoid(at, *bar), ellipsoid(at, *chin), 0.05)

    def ear_on(self, side: int):
        tall, wide = self.ear
        if self.ears_hang:
            ear = (side * 0.34, 0.12 - tall * 0.75, -0.06), (0.06, tall, wide)
            return lambda at: ellipsoid(at, *ear, turn=side * -0.15, axis="z")
        ear = (side * 0.22, 0.26, -0.06), (wide, tall * 1.3, 0.06)
        return lambda at: np.maximum(ellipsoid(at, *ear, turn=side * 0.25, axis="z"), 0.15 - at[..., 1])

    def open(self, at: np.ndarray) -> np.ndarray:
        """Where places (N, 3) of the jaw are when it is open."""
        hinge = np.array((0, self.y - 0.02, 0.12))
        x, y, z = (at - hinge).T
        cos, sin = math.cos(self.gape), math.sin(self.gape)
        return np.stack([x, cos * y - sin * z, sin * y + cos * z], 1) + hinge

    def keypoints(self) -> np.ndarray:
        """`animal9`, (9, 3)."""
        y = self.y - 0.4 * self.lips
        upper = np.array((0, y - self.height * 0.72, self.tip + 0.04))
        jaw = np.array(
            ((0, y - self.height * 0.75, 0.33 + self.jaw), (0, y - self.height * 1.38, 0.28 + self.jaw * 0.9))
        )
        lower, chin = self.open(jaw)
        corner = np.array((self.width * 0.95, self.seam + self.height * 0.1, 0.27 + self.length * 0.1))
        eye = EYE + (0, 0, 0.025)
        mirror = (-1, 1, 1)
        return np.array([eye * mirror, eye, self.nose + (0, 0, 0.05), corner * mirror, corner, upper,
                         lower if self.gape else upper, chin, (0, 0.13, 0.36)])  # fmt: skip


class Coat:
    """Two colours and where each is."""

    def __init__(self, rng: random.Random):
        self.noise = np.random.default_rng(rng.randrange(10**6))
        self.colours = [np.array(rng.choice(COATS)) for _ in range(2)]
        self.kind = rng.choice(["plain", "plain", "mask", "blaze", "patches", "tan"])
        self.waves, self.phases = self.noise.normal(0, 4, (3, 6)), self.noise.uniform(0, 6.28, 6)

    def at(self, places: np.ndarray) -> np.ndarray:
        x, y, z = places.T
        spots = np.sin(places @ self.waves + self.phases).sum(1) / 2.5
        share = {
            "plain": 0.15 * spots,
            "mask": (z - 0.35) * 8 + 0.6 * spots,
            "blaze": (0.07 - np.abs(x)) * 20 * (z > 0) + np.maximum(0, z - 0.5) * 8 - 0.2,
            "patches": 3 * spots,
            "tan": (0.05 - y - 0.2 * (z < 0.2)) * 10 * (z > 0.1),
        }[self.kind].clip(0, 1)[:, None]
        grain = 1 + 0.12 * self.noise.standard_normal((len(places), 1))
        return ((self.colours[0] * (1 - share) + self.colours[1] * share) * grain).clip(0, 1)


# ---------------------------------------------------------------- Blender


def coat_material():
    material = bpy.data.materials.new("coat")
    material.use_nodes = True
    tree = material.node_tree
    colour = tree.nodes.new("ShaderNodeVertexColor")
    colour.layer_name = "coat"
    surface = tree.nodes["Principled BSDF"].inputs
    surface["Roughness"].default_value, surface["Specular IOR Level"].default_value = 0.6, 0.25
    tree.links.new(colour.outputs["Color"], surface["Base Color"])
    return material


def add_surface(vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray, material):
    mesh = bpy.data.meshes.new("surface")
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    layer = mesh.color_attributes.new("coat", "BYTE_COLOR", "CORNER")
    opaque = np.concatenate([colours[faces].reshape(-1, 3), np.ones((faces.size, 1))], 1)
    layer.data.foreach_set("color", opaque.astype(np.float32).ravel())
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    mesh.materials.append(material)
    thing = bpy.data.objects.new("surface", mesh)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def add_fur(rng, thing, where: np.ndarray, *, count: int, length: float, curl: float, back: float):
    """Strands of `length`, shorter where `where` (one number a vertex) is below 1, laid down and `back`wards."""
    group = thing.vertex_groups.new(name="fur")
    for vertex in np.flatnonzero(where > 0.01):
        group.add([int(vertex)], float(where[vertex]), "REPLACE")
    system = thing.modifiers.new("fur", "PARTICLE_SYSTEM").particle_system
    system.seed = rng.randrange(10**6)
    system.vertex_group_density = system.vertex_group_length = group.name
    fur = system.settings
    fur.type, fur.count, fur.use_advanced_hair = "HAIR", count, True
    fur.hair_step = fur.render_step = 3
    fur.normal_factor = 0.55 * length / 4
    fur.object_align_factor = (0, -rng.uniform(0.2, 0.8) * length / 4, -back * rng.uniform(0.3, 1) * length / 4)
    fur.child_type, fur.rendered_child_count, fur.clump_factor = "INTERPOLATED", 28, rng.uniform(-0.1, 0.5)
    fur.brownian_factor = fur.roughness_1 = fur.roughness_2 = fur.roughness_endpoint = rng.uniform(0.005, 0.03)
    if curl:
        fur.kink, fur.kink_amplitude, fur.kink_frequency = "CURL", curl, rng.uniform(2, 5)
    fur.material, fur.radius_scale, fur.root_radius, fur.tip_radius = 1, 1, 0.0035, 0.001


def add_mouth(build: Build):
    black, red = plain(BLACK, roughness=0.35), plain(RED, roughness=0.35)
    half = build.length / 2
    add_ball(black, (0, build.seam, 0.24 + half), (build.width * 0.96, build.height * 0.11, half + 0.08))
    if build.gape:
        tongue, gum = build.open(np.array(((0, build.y - build.height * 0.62, 0.25 + half),
                                           (0, build.y - build.height * 0.65, 0.22 + build.jaw / 2))))  # fmt: skip
        add_ball(red, tongue, (build.width * 0.62, build.height * 0.16, half * 0.84), (build.gape, 0, 0))
        add_ball(black, gum, (build.width * 0.7, build.height * 0.2, build.jaw / 2), (build.gape, 0, 0))


def add_nose_and_eyes(rng, build: Build):
    wide, high = build.nose_size
    leather, black = plain(rng.choice(NOSES), roughness=rng.uniform(0.25, 0.5)), plain(BLACK, roughness=0.35)
    add_ball(leather, build.nose, (wide, high, 0.075))
    add_ball(leather, build.nose - (0, high * 0.9, 0.015), (wide * 0.35, high * 0.6, 0.035))
    iris = plain(rng.choice(EYES), roughness=0.05)
    for side in (-1, 1):
        at = EYE * (side, 1, 1)
        add_ball(iris, at, (0.062, 0.062, 0.062))
        add_ball(black, at + (side * 0.022, 0, 0.037), (0.03, 0.03, 0.024))
        add_ball(black, at - (0, 0, 0.004), (0.085, 0.06, 0.06))


def add_dog(rng: random.Random, build: Build) -> np.ndarray:
    """All of it; returns the places that its box holds."""
    coat, material = Coat(rng), coat_material()
    curl, length = rng.choice([0, 0, 0, 0.015, 0.03]), rng.choice([0.02, 0.03, 0.03, 0.05, 0.09, 0.16])

    def cover(vertices, faces, *, shade=1.0, opened=False):
        colours = coat.at(vertices) * shade
        return add_surface(build.open(vertices) if opened else vertices, faces, colours, material)

    head, faces = surface_of(build.head, (-0.62, -1.2, -0.95), (0.62, 0.6, 1.35))
    sides = np.abs(head) * (1, 0, 0) + head * (0, 1, 1)
    wide, high = build.nose_size
    bare = np.linalg.norm((head - build.nose) / (wide * 1.1, high * 1.1, 0.09), axis=1) < 1
    bare |= np.linalg.norm((sides - EYE - (0, 0, 0.025)) / 0.085, axis=1) < 1
    muzzle = np.where(head[:, 2] > 0.42, rng.choice([0.35, 0.35, 0.5, 1.0]), 1)
    add_fur(rng, cover(head, faces), muzzle * ~bare, count=2200, length=length, curl=curl, back=1)

    jaw, faces = surface_of(build.lower_jaw, (-0.5, -0.7, -0.2), (0.5, 0.4, 1.3))
    below = jaw[:, 1] < np.quantile(jaw[:, 1], 0.75)
    add_fur(rng, cover(jaw, faces, opened=True), below.astype(float), count=500, length=length, curl=curl, back=1)

    shade, held = rng.uniform(0.5, 1), [head[(head[:, 1] > -0.42) & (head[:, 2] > -0.42)], build.open(jaw)]
    for side in (-1, 1):
        ear, faces = surface_of(build.ear_on(side), (-0.8, -0.9, -0.5), (0.8, 1.1, 0.4))
        fur = {"count": 700, "length": length, "curl": curl, "back": 0}
        add_fur(rng, cover(ear, faces, shade=shade), np.ones(len(ear)), **fur)
        held.append(ear)
    add_mouth(build)
    add_nose_and_eyes(rng, build)
    return np.concatenate(held)


def render_dog(rng: random.Random, side: int, path: Path):
    """The picture at `path`, and its label beside it."""
    start_scene(side, rng)
    build = Build.draw(rng)
    held = add_dog(rng, build)
    yaw = math.radians(rng.choice([-1, 1]) * rng.uniform(48, 102))
    pitch, tilt, angle = (math.radians(v) for v in (rng.gauss(0, 12), rng.gauss(0, 15), rng.uniform(14, 40)))
    look = Vector((0, -0.12, 0.3))
    light_scene(rng, look, yaw, reach=0.4)
    place_camera(look, yaw, pitch, tilt, angle, rng.uniform(1.5, 2.3))
    bpy.context.view_layer.update()
    to_camera = np.array(bpy.context.scene.camera.matrix_world.inverted())

    def project(places: np.ndarray) -> np.ndarray:
        x, y, z = (places @ to_camera[:3, :3].T + to_camera[:3, 3]).T
        return (np.stack([x, -y], 1) / -z[:, None] / math.tan(angle / 2) + 1) / 2 * side

    far = 0 if yaw > 0 else 1
    hidden = [far, far + 3] if abs(yaw) > math.radians(60) else [far + 3]
    points = np.concatenate([project(build.keypoints()), np.ones((9, 1))], 1)
    points[hidden, 2] = 0
    outline = project(held)
    box = np.concatenate([outline.min(0) - 2, outline.max(0) + 2])
    label = {"species": "dog", "pose": "profile", "box": box.round(1).tolist(), "keypoints": points.round(1).tolist()}
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    path.with_suffix(".json").write_text(json.dumps(label))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--count", type=int, default=165)
    parser.add_argument("--side", type=int, default=224, help="pixels")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in range(args.first, args.first + args.count):
        render_dog(random.Random(seed), args.side, args.out / f"dog_{seed}.png")


if __name__ == "__main__":
    main()
