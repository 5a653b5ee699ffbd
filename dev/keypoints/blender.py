"""A scene of Blender's Cycles: plain things, light from somewhere, a camera that looks from somewhere."""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector


def plain(colour, *, roughness: float):
    material = bpy.data.materials.new("plain")
    material.use_nodes = True
    inputs = material.node_tree.nodes["Principled BSDF"].inputs
    inputs["Base Color"].default_value = (*colour, 1)
    inputs["Roughness"].default_value = roughness
    return material


def primitive(shape: str, material, **options):
    scale = options.pop("scale", (1, 1, 1))
    getattr(bpy.ops.mesh, f"primitive_{shape}_add")(**options)
    bpy.context.object.scale = scale
    bpy.context.object.data.materials.append(material)


def add_ball(material, centre, radii, turn=(0.0, 0.0, 0.0), *, squareness: float = 1.0):
    """An ellipsoid turned about x, y and then z (radians); boxier below a squareness of 1."""
    bpy.ops.mesh.primitive_uv_sphere_add(location=tuple(centre), rotation=turn, segments=40, ring_count=24)
    thing = bpy.context.object
    vertices = np.empty(3 * len(thing.data.vertices))
    thing.data.vertices.foreach_get("co", vertices)
    vertices = np.sign(vertices) * np.abs(vertices) ** squareness * np.tile(radii, len(vertices) // 3)
    thing.data.vertices.foreach_set("co", vertices)
    bpy.ops.object.shade_smooth()
    thing.data.materials.append(material)
    return thing


def start_world(samples: int):
    """The nodes of a world whose light is sampled by a map so many pixels wide."""
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", samples
    bpy.context.scene.world = world
    return world.node_tree


def light_scene(rng, look: Vector, yaw: float, *, reach: float):
    """A sky of two shades and up to two lamps, 8 to 18 times `reach` away from `look`, mostly on the camera's side."""
    tree = start_world(samples=64)
    place, axes = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeSeparateXYZ")
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    tree.links.new(place.outputs["Generated"], axes.inputs[0])
    tree.links.new(axes.outputs[rng.choice("YYX")], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], tree.nodes["Background"].inputs["Color"])
    warmth = rng.uniform(-0.15, 0.15)
    for end, bounds in zip(ramp.color_ramp.elements, ((0.1, 0.7), (0.5, 1.4)), strict=True):
        level = rng.uniform(*bounds)
        end.color = (level * (1 + warmth), level, level * (1 - warmth), 1)
    tree.nodes["Background"].inputs["Strength"].default_value = rng.uniform(0.5, 1.3)
    for _ in range(rng.choice([0, 1, 1, 2])):
        lamp = bpy.data.lights.new("lamp", "AREA")
        away, warmth = rng.uniform(8, 18), rng.uniform(-0.2, 0.2)
        lamp.size, lamp.energy = reach * rng.uniform(0.5, 12), rng.uniform(300, 2500) * (reach * away / 12) ** 2
        lamp.color = (1.1 + warmth / 2, 1, 1 - warmth)
        round_it, above = yaw + rng.gauss(0, 0.9), rng.uniform(-0.1, 1.2)
        towards = Vector((math.sin(round_it) * math.cos(above), math.sin(above), math.cos(round_it) * math.cos(above)))
        thing = bpy.data.objects.new("lamp", lamp)
        thing.location, thing.rotation_euler = look + reach * away * towards, towards.to_track_quat("Z", "Y").to_euler()
        bpy.context.scene.collection.objects.link(thing)


def light_by_panorama(rng, path: Path):
    """The light of a place, which half of the time is seen behind."""
    tree = start_world(samples=128)
    place, turn = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeMapping")
    turn.inputs["Rotation"].default_value = (math.pi / 2, 0, rng.uniform(0, 2 * math.pi))
    panorama = tree.nodes.new("ShaderNodeTexEnvironment")
    panorama.image = bpy.data.images.load(str(path), check_existing=True)
    panorama.interpolation = "Cubic"
    tree.links.new(place.outputs["Generated"], turn.inputs["Vector"])
    tree.links.new(turn.outputs["Vector"], panorama.inputs["Vector"])
    tree.links.new(panorama.outputs["Color"], tree.nodes["Background"].inputs["Color"])
    tree.nodes["Background"].inputs["Strength"].default_value = math.exp(rng.gauss(0, 0.35))
    bpy.context.scene.render.film_transparent = rng.random() < 0.5


def place_camera(look: Vector, yaw: float, pitch: float, tilt: float, field: float, extent: float):
    """Turned `yaw` round the upright axis; a thing of `extent` at `look` fills the picture. All angles in radians."""
    towards = Vector((math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)))
    across = Vector((0, 1, 0)).cross(towards).normalized()
    turn = Matrix((across, towards.cross(across), towards)).transposed() @ Matrix.Rotation(tilt, 3, "Z")
    camera = bpy.data.cameras.new("camera")
    camera.angle = field
    thing = bpy.data.objects.new("camera", camera)
    thing.matrix_world = Matrix.Translation(look + towards * extent / 2 / math.tan(field / 2)) @ turn.to_4x4()
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.scene.camera = thing


def start_scene(side: int, rng):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 8
    scene.cycles.use_denoising, scene.cycles.max_bounces, scene.cycles.seed = True, 4, rng.randrange(10**6)
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.film_transparent = True
    scene.render.resolution_x = scene.render.resolution_y = side
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGBA"
    scene.view_settings.view_transform = rng.choice(["Standard", "Standard", "Filmic"])
