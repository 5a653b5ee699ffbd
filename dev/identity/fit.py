"""The directions by which `identity.py` tells one animal from another, and how well it does.

    python dev/identity/fit.py ../shared/data/train

Each picture is of another animal; pictures of one animal are made of it: mirrored, turned, squeezed, blurred,
compressed, cut loosely and in another light. Fisher's linear discriminant of the two kinds of difference. About half a
minute of one core. Ends in one JSON line.
"""

from __future__ import annotations

import io
import json
import random
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[2]))

from animal_lipsync import identity  # noqa: E402
from animal_lipsync.detector import load_detector  # noqa: E402
from animal_lipsync.head_crops import load_frame  # noqa: E402
from animal_lipsync.image import read_picture  # noqa: E402

FITTED, JUDGED, PICTURES = 400, 80, 3
"""Animals, and pictures of each."""
DIRECTIONS = 128
SHRINKAGE = 0.2
"""Share of a round cloud in what is taken for the difference within an animal."""
WEIGHTS = Path(identity.__file__).parent / "weights" / "identity.safetensors"
ENHANCED = ((ImageEnhance.Brightness, 0.6, 1.45), (ImageEnhance.Color, 0.65, 1.3), (ImageEnhance.Contrast, 0.65, 1.3))


def another_picture(pixels: np.ndarray, box: np.ndarray, chance: random.Random) -> tuple[np.ndarray, np.ndarray]:
    picture = Image.fromarray(pixels)
    for enhance, low, high in ENHANCED:
        picture = enhance(picture).enhance(chance.uniform(low, high))
    tint = np.array([chance.uniform(0.85, 1.15), 1, chance.uniform(0.85, 1.15)])
    picture = Image.fromarray((np.asarray(picture) * tint).clip(0, 255).astype(np.uint8))
    if chance.random() < 0.5:
        picture, box = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), box[[2, 1, 0, 3]]
        box[[0, 2]] = picture.width - box[[0, 2]]
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    picture = picture.rotate(chance.uniform(-15, 15), Image.Resampling.BILINEAR, center=middle)
    size, squeezed = chance.uniform(0.5, 1), chance.uniform(0.8, 1)
    picture = picture.resize((round(picture.width * size * squeezed), round(picture.height * size)))
    box = box * (np.array([*picture.size] * 2) / np.array([*pixels.shape[1::-1]] * 2))
    side = float(box[2] - box[0])
    picture = picture.filter(ImageFilter.GaussianBlur(chance.choice([0, 0, 0.01, 0.02, 0.03]) * side))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=chance.randint(25, 90))
    box = box + [chance.uniform(-0.1, 0.1) * side for _ in range(4)]
    return np.asarray(Image.open(file).convert("RGB")), box


def discriminant(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (F,) and directions (F, D), the most telling first, of (animals, pictures, F)."""
    mean, deviation = features.mean((0, 1)), features.std((0, 1)) + 1e-4
    evened = (features - mean) / deviation
    animals = evened.mean(1)
    off = (evened - animals[:, None]).reshape(-1, evened.shape[-1])
    within = off.T @ off / (len(off) - len(animals))
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.eye(len(within)) * np.trace(within) / len(within)
    whitened = np.linalg.cholesky(np.linalg.inv(within))
    _, turned = np.linalg.eigh(whitened.T @ np.cov(animals.T) @ whitened)
    return mean, whitened @ turned[:, ::-1][:, :DIRECTIONS] / deviation[:, None]


@torch.inference_mode()
def main(folder: Path) -> None:
    torch.set_num_threads(1)
    chance = random.Random(0)
    listed = [one for one in json.loads((folder / "annotations.json").read_text()) if one["set"] == "oxford_pets"]
    chance.shuffle(listed)
    detector, features = load_detector(), []
    for one in listed[: FITTED + JUDGED]:
        pixels, box = read_picture(folder / one["file"]), np.array(one["boxes"][0], float)
        pictures = [(pixels, box), *(another_picture(pixels, box.copy(), chance) for _ in range(PICTURES - 1))]
        for picture, head in pictures:
            frame, head = load_frame(picture, detector.device), torch.tensor(head[None], dtype=torch.float32)
            features.append(identity.head_features(frame, head, detector)[0].numpy())
    features = np.array(features, float).reshape(-1, PICTURES, len(features[0]))
    mean, directions = discriminant(features[:FITTED])
    directions /= np.abs(directions).max()
    tensors = {"mean": torch.tensor(mean).float(), "directions": torch.tensor(directions.copy()).half()}
    save_file(tensors, WEIGHTS)

    looks = (features[FITTED:] - mean) @ tensors["directions"].double().numpy()
    looks /= np.linalg.norm(looks, axis=2, keepdims=True)
    kinds = np.array([one["species"] for one in listed[FITTED : FITTED + JUDGED]])
    likeness = np.einsum("apf,bqf->abpq", looks, looks)
    itself = np.eye(JUDGED, dtype=bool)
    same = likeness[itself][:, np.triu(np.ones((PICTURES, PICTURES), bool), 1)].ravel()
    kin = likeness[(kinds[:, None] == kinds) & ~itself].ravel()
    for bound in (identity.ALIKE, identity.SURELY_ALIKE):
        print(f"at {bound}: {100 * (same < bound).mean():.1f} % of one animal taken for two, "
              f"{100 * (kin < bound).mean():.1f} % of two of a kind told apart")  # fmt: skip
    print(json.dumps({"auc_of_a_kind": round(float((same[:, None] > kin).mean()), 4), "animals": JUDGED}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
