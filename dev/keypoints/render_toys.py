"""Render plush toys of animals that nobody sewed: what has an animal's face and is none.

    python dev/keypoints/render_toys.py --panoramas PANORAMAS --out TOYS --count 1200

A toy is a dozen sewn balls: head, muzzle, ears, body and limbs of cloth, short or long of pile, with beads, buttons,
discs or stitches for eyes, a nose and a mouth. PANORAMAS holds panoramas of places as EXR. Needs Blender as a module,
bpy 4.2; four seconds of one core a picture; one in eight is held out by compose.py. The unit is about three heads' half
widths; x to the right of who looks, y up, z to the front. Nobody's picture or model went into it.
"""

from __future__ import annotations

import argparse
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import bpy
import numpy as np
from blender import add_ball, light_by_panorama, light_scene, place_camera, plain, start_scene
from mathutils import Vector

CLOTHS = (
    (0.36, 0.19, 0.08), (0.55, 0.34, 0.17), (0.7, 0.52, 0.32), (0.16, 0.08, 0.04), (0.8, 0.77, 0.7),
    (0.85, 0.85, 0.85), (0.35, 0.35, 0.36), (0.04, 0.04, 0.045), (0.8, 0.35, 0.42), (0.75, 0.16, 0.25),
    (0.25, 0.45, 0.75), (0.4, 0.65, 0.75), (0.8, 0.6, 0.12), (0.8, 0.33, 0.05), (0.3, 0.55, 0.2), (0.45, 0.28, 0.6),
)  # fmt: skip
BLACK = (0.012, 0.011, 0.011)
NOSES = (BLACK, BLACK, (0.08, 0.035, 0.02), (0.7, 0.25, 0.3), (0.4, 0.1, 0.08))
IRISES = (
    (0.45, 0.25, 0.05),
    (0.1, 0.3, 0.6),
    (0.1, 0.45, 0.15),
    (0.6, 0.5, 0.05),
    (0.55, 0.1, 0.5),
    (0.85, 0.85, 0.85),
)
RED, WHITE = (0.4, 0.05, 0.06), (0.85, 0.85, 0.85)


class Ball(NamedTuple):
    """An ellipsoid, turned about x, y and then z (radians)."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    turn: tuple[float, float, float] = (0, 0, 0)

    def front(self, x: float, y: float) -> tuple[float, float, float]:
        """The place in front at so many radii to the right and up."""
        (cx, cy, cz), (rx, ry, rz) = self.centre, self.radii
        return cx + x * rx, cy + y * ry, cz + rz * math.sqrt(max(0.0, 1 - x * x - y * y))


@dataclass(frozen=True)
class Cloth:
    """What the balls are covered with; `pile` in units, 0 without."""

    material: bpy.types.Material
    pile: float
    curl: float


class Toy:
    """A toy that is being sewn: its cloths and its head."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.pile = rng.choice([0, 0, 0.008, 0.012, 0.015, 0.02, 0.03, 0.05])
        self.curl = rng.choice([0, 0, 0.006, 0.012])
        self.main, self.second = self.cloth(draw_colour(rng, CLOTHS[:8])), self.cloth(draw_colour(rng, CLOTHS[2:6]))
        self.thread = plain(rng.choice([BLACK, BLACK, (0.1, 0.04, 0.02), (0.5, 0.15, 0.2)]), roughness=0.8)
        self.head = Ball((0, 0, 0), (rng.uniform(0.32, 0.42), rng.uniform(0.26, 0.38), rng.uniform(0.28, 0.36)))

    def cloth(self, colour) -> Cloth:
        shade = [min(0.95, c * self.rng.uniform(0.8, 1.2)) for c in colour]
        return Cloth(sewn(self.rng, shade), self.pile, self.curl)

    def add(self, ball: Ball, cloth: Cloth, *, squareness: float = 1.0):
        thing = add_ball(cloth.material, *ball, squareness=squareness)
        if cloth.pile:
            add_pile(self.rng, thing, cloth, area=math.prod(ball.radii) ** (2 / 3))

    def both(self, ball: Ball, cloth: Cloth):
        (x, y, z), (a, b, c) = ball.centre, ball.turn
        self.add(ball, cloth)
        self.add(Ball((-x, y, z), ball.radii, (a, -b, -c)), cloth)

    # ------------------------------------------------------------ parts

    def add_head(self):
        rng, (wide, high, deep) = self.rng, self.head.radii
        self.add(self.head, self.main, squareness=rng.uniform(0.8, 1.05))
        self.add_ears()
        self.muzzle = self.add_muzzle()
        if rng.random() < 0.12:  # a mane
            mane = self.cloth(rng.choice(CLOTHS))
            for i in range(14):
                angle = i / 14 * 2 * math.pi
                at = (1.0 * wide * math.cos(angle), 1.05 * high * math.sin(angle), -0.25 * deep)
                self.add(Ball(at, (0.13, 0.13, 0.12)), mane)

    def add_ears(self):
        rng, (wide, high, _) = self.rng, self.head.radii
        kind = rng.choice(["round", "round", "pointed", "hanging", "tall", "wide", "none"])
        size, lining = rng.uniform(0.8, 1.25), rng.choice([self.main, self.second, self.second])
        ears = {
            "round": Ball((0.72 * wide, 0.82 * high, -0.03), (0.15 * size, 0.15 * size, 0.06)),
            "pointed": Ball((0.6 * wide, 1.0 * high, -0.02), (0.13 * size, 0.2 * size, 0.06), (0, 0, -0.4)),
            "hanging": Ball((1.02 * wide, 0.1 * high, 0.02), (0.07, 0.26 * size, 0.15), (0, 0, 0.25)),
            "tall": Ball((0.4 * wide, 1.7 * high, -0.04), (0.1, 0.36 * size, 0.06), (0, 0, -rng.uniform(0.05, 0.5))),
            "wide": Ball((1.15 * wide, 0.2 * high, -0.03), (0.24 * size, 0.24 * size, 0.05), (0, -0.3, 0)),
        }
        if kind != "none":
            ear = ears[kind]
            self.both(ear, self.main)
            (x, y, z), radii = ear.centre, [0.68 * r for r in ear.radii]
            self.both(Ball((x, y - 0.015, z + 0.04), tuple(radii), ear.turn), lining)

    def add_muzzle(self) -> Ball:
        """Where the nose and the mouth are sewn on."""
        rng, (_, high, deep) = self.rng, self.head.radii
        kind = rng.choice(["ball", "ball", "ball", "cheeks", "snout", "beak", "trunk", "none", "none"])
        cloth = rng.choice([self.main, self.second, self.second])
        low = -rng.uniform(0.22, 0.42) * high
        if kind == "ball":
            muzzle = Ball((0, low, 0.72 * deep), (rng.uniform(0.15, 0.24), rng.uniform(0.12, 0.17),
                                                  rng.uniform(0.13, 0.26)))  # fmt: skip
            self.add(muzzle, cloth)
        elif kind == "cheeks":
            muzzle = Ball((0, low, 0.8 * deep), (0.2, 0.12, 0.12))
            self.both(Ball((0.09, low, 0.82 * deep), (0.12, 0.1, 0.12)), cloth)
            self.add(Ball((0, low - 0.1, 0.78 * deep), (0.1, 0.07, 0.1)), cloth)
        elif kind == "snout":
            muzzle = Ball((0, low, 0.9 * deep), (0.14, 0.11, 0.12))
            self.add(muzzle, cloth, squareness=0.6)
            self.both(Ball((0.05, low, 1.0 * deep + 0.11), (0.022, 0.03, 0.01)), Cloth(self.thread, 0, 0))
        elif kind == "beak":
            muzzle = Ball((0, low, 0.9 * deep), (0.15, 0.06, 0.18))
            beak = self.cloth(rng.choice(CLOTHS[12:14]))
            self.add(muzzle, beak)
            self.add(Ball((0, low - 0.06, 0.86 * deep), (0.12, 0.045, 0.14), (0.2, 0, 0)), beak)
        elif kind == "trunk":
            muzzle = Ball((0, low, 0.85 * deep), (0.1, 0.1, 0.12))
            for i in range(6):
                at = (0, low - 0.075 * i, 0.9 * deep + 0.05 + 0.1 * math.sin(i / 5 * math.pi * 0.9))
                self.add(Ball(at, (0.1 - 0.006 * i, 0.09, 0.09)), self.main)
        else:
            muzzle = self.head
        self.muzzle_kind = kind
        return muzzle

    def add_eyes(self):
        rng = self.rng
        x, y = rng.uniform(0.32, 0.6), rng.uniform(-0.05, 0.35)
        kind = rng.choice(["bead", "bead", "bead", "disc", "glass", "glass", "white", "stitched"])
        size = rng.uniform(0.03, 0.06) * (1.8 if kind in ("glass", "white") else 1)
        black = plain(BLACK, roughness=rng.choice([0.04, 0.1, 0.5]))
        iris, around = plain(WHITE if kind == "white" else rng.choice(IRISES), roughness=0.06), rng.random() < 0.15
        for side in (-1, 1):
            at, yaw = self.head.front(side * x, y), side * math.asin(x) * 0.8
            turn = (-0.6 * y, yaw, 0)

            def out(distance, at=at, yaw=yaw):
                return at[0] + math.sin(yaw) * distance, at[1], at[2] + math.cos(yaw) * distance

            if around:
                self.add(Ball(at, (2 * size, 2.2 * size, 0.03), turn), self.second)
            lift = 0.03 if around else 0.6 * self.pile
            if kind == "bead":
                add_ball(black, out(lift), (size, size, size))
            elif kind == "disc":
                add_ball(black, out(lift), (size, 1.1 * size, 0.015), turn)
            elif kind == "stitched":
                bend = rng.choice([-1, 1])
                arc = [(math.cos(a), bend * math.sin(a)) for a in np.linspace(0.3, math.pi - 0.3, 9)]
                add_thread(
                    [(out(lift)[0] + 0.07 * u, at[1] + 0.05 * v, out(lift)[2] + 0.01) for u, v in arc], self.thread
                )
            else:
                pupil = size * (0.5 if kind == "white" else 0.68)
                add_ball(iris, out(lift), (size, 1.05 * size, 0.5 * size), turn)
                add_ball(black, out(lift + 0.3 * size), (pupil, pupil, 0.3 * size), turn)

    def add_nose_and_mouth(self):
        rng, muzzle = self.rng, self.muzzle
        has_muzzle = muzzle is not self.head
        up = 0.55 if has_muzzle else -0.12
        if self.muzzle_kind not in ("snout", "beak", "trunk") and rng.random() < 0.92:
            size = rng.uniform(0.045, 0.085)
            nose = plain(rng.choice(NOSES), roughness=rng.choice([0.08, 0.3, 0.8]))
            add_ball(nose, muzzle.front(0, up), (size, size * rng.uniform(0.6, 0.9), 0.045))
        if self.muzzle_kind in ("beak", "trunk") or rng.random() < 0.15:
            return
        low, lift = (-0.35, self.pile / 2) if has_muzzle else (-0.5, self.pile / 2)
        across = rng.uniform(0.25, 0.6) if has_muzzle else rng.uniform(0.12, 0.3)
        bend = rng.choice([0.3, 0.3, 0.15, -0.2]) * across * 2

        def sewn_line(places):
            add_thread([(x, y, z + lift) for x, y, z in (muzzle.front(*place) for place in places)], self.thread)

        if rng.random() < 0.6:
            sewn_line([(0, v) for v in np.linspace(up, low, 6)])
        for side in (-1, 1):
            sewn_line([(side * across * t, low + bend * t * t) for t in np.linspace(0, 1, 8)])
        if rng.random() < 0.12:
            x, y, z = muzzle.front(0, low)
            tongue = plain(RED, roughness=0.6)
            add_ball(tongue, (x, y - 0.04, z), (0.05, 0.06, 0.02))

    def add_body(self):
        rng, (_, high, _) = self.rng, self.head.radii
        kind = rng.choice(["sits", "sits", "stands", "lies"])
        wide, tall = rng.uniform(0.24, 0.38), rng.uniform(0.3, 0.5)
        belly = rng.choice([self.main, self.main, self.second])
        if kind == "lies":
            self.add(Ball((0, -0.75 * high, -0.45), (wide, 0.27, 0.6)), self.main)
            self.both(Ball((0.24, -high - 0.05, 0.15), (0.1, 0.1, 0.28)), self.main)
            return
        y = -0.85 * high - tall
        self.add(Ball((0, y, -0.05), (wide, tall, 0.85 * wide)), self.main)
        self.add(Ball((0, y - 0.02, 0.1), (0.7 * wide, 0.75 * tall, 0.7 * wide)), belly)
        arm = rng.uniform(0.3, 1.2)
        self.both(Ball((wide + 0.1, y + 0.35 * tall, 0.08), (0.1, 0.26, 0.1), (-0.4, 0, arm)), self.main)
        if kind == "sits":
            self.both(Ball((wide * 0.85, y - 0.75 * tall, 0.3), (0.13, 0.13, 0.3), (0, 0.35, 0)), self.main)
            self.both(Ball((wide * 0.85 + 0.1, y - 0.75 * tall, 0.55), (0.11, 0.13, 0.06), (0, 0.35, 0)), self.second)
        else:
            self.both(Ball((wide * 0.55, y - 1.1 * tall, 0.02), (0.13, 0.28, 0.14)), self.main)

    def add_dress(self):
        rng, (wide, high, _) = self.rng, self.head.radii
        kind, cloth = rng.random(), plain(rng.choice(CLOTHS), roughness=0.85)
        if kind < 0.2:  # a bow at the neck
            for side in (-1, 1):
                add_ball(cloth, (side * 0.12, -0.98 * high, 0.26), (0.12, 0.08, 0.04), (0, 0, side * 0.3))
            add_ball(cloth, (0, -0.98 * high, 0.28), (0.04, 0.04, 0.04))
        elif kind < 0.35:  # a scarf
            add_ball(cloth, (0, -0.98 * high, 0), (0.3, 0.07, 0.28))
        elif kind < 0.45:  # a hat
            add_ball(cloth, (0, 0.85 * high, -0.02), (1.0 * wide, 0.03, 0.36))
            add_ball(cloth, (0, 1.0 * high, -0.02), (0.65 * wide, 0.2, 0.24), squareness=0.6)


def draw_colour(rng, likely) -> tuple[float, float, float]:
    return rng.choice(likely if rng.random() < 0.65 else CLOTHS)


# ---------------------------------------------------------------- Blender


def sewn(rng, colour):
    """Cloth with a sheen and a grain."""
    material = plain(colour, roughness=0.95)
    tree = material.node_tree
    surface = tree.nodes["Principled BSDF"].inputs
    surface["Specular IOR Level"].default_value, surface["Sheen Weight"].default_value = 0.05, rng.uniform(0.1, 0.7)
    grain, bump = tree.nodes.new("ShaderNodeTexNoise"), tree.nodes.new("ShaderNodeBump")
    grain.inputs["Scale"].default_value, grain.inputs["Detail"].default_value = rng.uniform(25, 110), 4
    bump.inputs["Strength"].default_value, bump.inputs["Distance"].default_value = rng.uniform(0.2, 0.9), 0.03
    tree.links.new(grain.outputs["Fac"], bump.inputs["Height"])
    tree.links.new(bump.outputs["Normal"], surface["Normal"])
    spread = tree.nodes.new("ShaderNodeMapRange")
    contrast = rng.uniform(0, 0.3)
    spread.inputs["To Min"].default_value, spread.inputs["To Max"].default_value = 1 - 1.2 * contrast, 1 + contrast
    shade = tree.nodes.new("ShaderNodeMix")
    shade.data_type, shade.blend_type = "RGBA", "MULTIPLY"
    shade.inputs["Factor"].default_value, shade.inputs["A"].default_value = 1, (*colour, 1)
    tree.links.new(grain.outputs["Fac"], spread.inputs["Value"])
    tree.links.new(spread.outputs["Result"], shade.inputs["B"])
    tree.links.new(shade.outputs["Result"], surface["Base Color"])
    return material


def add_thread(places: list[tuple[float, float, float]], material, thick: float = 0.009):
    curve = bpy.data.curves.new("thread", "CURVE")
    curve.dimensions, curve.bevel_depth = "3D", thick
    line = curve.splines.new("POLY")
    line.points.add(len(places) - 1)
    for point, place in zip(line.points, places, strict=True):
        point.co = (*place, 1)
    curve.materials.append(material)
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("thread", curve))


def add_pile(rng, thing, cloth: Cloth, *, area: float):
    """Strands that stand in all directions, `area` in square units."""
    system = thing.modifiers.new("pile", "PARTICLE_SYSTEM").particle_system
    system.seed = rng.randrange(10**6)
    pile = system.settings
    pile.type, pile.count, pile.use_advanced_hair = "HAIR", int(60 + 9000 * area), True
    pile.hair_step = pile.render_step = 2
    pile.normal_factor, pile.factor_random = cloth.pile / 4, cloth.pile / 10
    pile.object_align_factor = (0, -rng.uniform(0, 0.4) * cloth.pile / 4, 0)
    pile.child_type, pile.rendered_child_count = "INTERPOLATED", 24
    pile.clump_factor = rng.uniform(-0.1, 0.6)
    pile.brownian_factor = pile.roughness_1 = pile.roughness_2 = rng.uniform(0.003, 0.02)
    if cloth.curl:
        pile.kink, pile.kink_amplitude, pile.kink_frequency = "CURL", cloth.curl, rng.uniform(2, 5)
    pile.material, pile.radius_scale, pile.root_radius, pile.tip_radius = 1, 1, 0.006, 0.002


def render_toy(rng: random.Random, panoramas: list[Path], side: int, path: Path):
    start_scene(side, rng)
    toy = Toy(rng)
    toy.add_head()
    toy.add_eyes()
    toy.add_nose_and_mouth()
    toy.add_body()
    toy.add_dress()
    yaw = math.radians(rng.gauss(0, 25) if rng.random() < 0.7 else rng.uniform(-110, 110))
    wide = rng.random() ** 1.5
    look, extent = Vector((0, -0.7 * wide * rng.random(), 0.1)), 1.0 + 1.9 * wide
    if rng.random() < 0.65:
        light_by_panorama(rng, rng.choice(panoramas))
    else:
        light_scene(rng, look, yaw, reach=0.4)
    pitch, tilt, angle = (math.radians(v) for v in (rng.gauss(8, 12), rng.gauss(0, 12), rng.uniform(14, 42)))
    place_camera(look, yaw, pitch, tilt, angle, extent)
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panoramas", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--side", type=int, default=224, help="pixels")
    args = parser.parse_args()
    panoramas = sorted(args.panoramas.glob("*.exr"))
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in range(args.first, args.first + args.count):
        render_toy(random.Random(seed), panoramas, args.side, args.out / f"toy_{seed}.png")


if __name__ == "__main__":
    main()
