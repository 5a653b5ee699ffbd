"""An animal is encoded once for the inpaint engine, to speak often or live."""

from __future__ import annotations

import argparse

from ..files import require_output
from .inpainting import inpaint_options, load_engine
from .options import UsageError, command, face_options, rate


def add(commands) -> None:
    parser = command(commands, "prepare", run, "Encode a picture or clip once for --engine inpaint.")
    parser.add_argument("source", metavar="PICTURE|VIDEO")
    parser.add_argument("-o", "--output", required=True, metavar="OUT.safetensors")
    parser.add_argument("--frame-rate", type=rate, metavar="25", help="default: the video's own")
    face_options(parser)
    inpaint_options(parser)


def run(options: argparse.Namespace) -> dict:
    from fractions import Fraction

    from tqdm import tqdm

    from ..clip import Clip
    from ..image import fingerprint
    from ..lower_face import calm
    from ..prepared import PreparedAnimal, prepare
    from ..types import Faces
    from .inputs import chosen_face

    require_output(options.output, ".safetensors")
    if options.prepared:
        raise UsageError("--prepared does nothing here: it is what this command writes.")
    clip = Clip.open(options.source, frame_rate=options.frame_rate)
    face = calm(chosen_face(clip, options), clip.frame_rate)
    speed, picture = clip.frame_rate if len(face) > 1 else Fraction(0), fingerprint(next(clip.read(1)))
    faces = Faces(clip.width, clip.height, speed, len(face), (face,), picture=picture)
    faces = Faces.from_json(faces.to_json())  # as it will be read again, to the last digit
    engine = load_engine(options)
    frames = prepare(clip, faces.tracks[0], engine)
    for _ in tqdm(frames, total=clip.frames, unit="frame", disable=options.json):
        pass
    PreparedAnimal(faces, dict(engine.latents), not options.no_open_mouth, engine.opening).save(options.output)
    return {"output": options.output, "frames": clip.frames, "encoded": len(engine.latents)}
