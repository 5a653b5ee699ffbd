"""Train the network of animal_lipsync/openness.py, on a CPU, in reading order.

    python dev/openness/train.py --data DATA --minutes 6

DATA holds the Oxford-IIIT Pet pictures; their keypoints are ../keypoints/labels.json. Shut mouths are opened by the
warp engine by known amounts; mouths that are open in the picture count as labelled by hand. The pictures that the
keypoint networks hold out are held out here too.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "dev" / "keypoints")]

from train import is_held_out  # noqa: E402

from animal_lipsync.engine import WarpEngine  # noqa: E402
from animal_lipsync.image import read_picture, to_frames  # noqa: E402
from animal_lipsync.openness import SIZE, OpennessNet, even_out, mouth_crop  # noqa: E402
from animal_lipsync.rig import build_rig  # noqa: E402
from animal_lipsync.types import FaceTrack, MouthMotion  # noqa: E402

POSES = 8
"""Ways in which each shut mouth is shown; the first is as it is."""
VIEWS = 4
"""Placements of the crop, as keypoints found by a network would be off."""


def faces(data: Path):
    """(picture (1, 3, H, W), face, whether it is open, whether it is held out) of every labelled head."""
    for label in json.loads((ROOT / "dev" / "keypoints" / "labels.json").read_text())["faces"]:
        if label["keypoints"] is None:
            continue
        points = np.array(label["keypoints"], np.float32)[None]
        box = np.array([label["box"]], np.float32)
        face = FaceTrack(box, points[..., :2], points[..., 2], np.ones(1, bool), label["species"])
        yield to_frames(read_picture(data / label["file"])[None]), face, label["mouth"], is_held_out(label["file"])


def shown(picture: torch.Tensor, face: FaceTrack, mouth: str, random: np.random.Generator):
    """(n, 3, H, W) ways in which this mouth can be seen and (n,) how far it is open in each."""
    rig = build_rig(face)
    own = torch.tensor(rig.gap / rig.half_width)
    if mouth != "shut":
        return picture, own
    amounts = random.uniform(0, 1, POSES) * (np.arange(POSES) > 0)
    wide = random.uniform(0, 0.7, POSES) * (random.random(POSES) < 0.3) * (amounts > 0)
    motion = MouthMotion.from_channels(25, POSES, jaw_open=amounts, mouth_wide=wide)
    size = picture.shape[:1:-1]
    x1, y1, x2, y2 = WarpEngine().region(face, motion, *size)
    posed = picture.repeat(POSES, 1, 1, 1)
    if x2 > x1 and y2 > y1:
        part = picture[..., y1:y2, x1:x2].contiguous()
        posed[..., y1:y2, x1:x2] = WarpEngine()(part, face.shifted(x1, y1), motion)
    return posed, torch.tensor(amounts * rig.reach / rig.half_width, dtype=torch.float32)


def misplaced(face: FaceTrack, random: np.random.Generator) -> FaceTrack:
    """The face with points as far off as a network puts them."""
    size = float(np.max(face.boxes[0, 2:] - face.boxes[0, :2]))
    points = face.keypoints + random.normal(0, 0.02 * size, face.keypoints.shape).astype(np.float32)
    points[:, 6] += points[:, 5] - face.keypoints[:, 5] - (points[:, 6] - face.keypoints[:, 6])
    return FaceTrack(face.boxes, points, face.score, face.visible, face.species)


def collect(data: Path):
    """Crops and openness of the training heads and of the held out ones."""
    random = np.random.default_rng(0)
    found = {False: ([], []), True: ([], [])}
    for picture, face, mouth, held_out in faces(data):
        posed, amount = shown(picture, face, mouth, random)
        for view in range(1 if held_out else VIEWS):
            crops = mouth_crop(posed, misplaced(face, random) if view else face)
            found[held_out][0].append(crops.half())
            found[held_out][1].append(amount.float())
    return {held: (torch.cat(crops), torch.cat(amounts)) for held, (crops, amounts) in found.items()}


def changed(crops: torch.Tensor) -> torch.Tensor:
    """Crops seen in other light, blurred, mirrored, noisy."""
    count = len(crops)
    crops = torch.where(torch.rand(count, 1, 1, 1) < 0.5, crops.flip(3), crops)
    crops = crops * (1 + 0.2 * torch.randn(count, 3, 1, 1)) + 0.25 * torch.randn(count, 3, 1, 1)
    soft = F.interpolate(F.avg_pool2d(crops, 2), size=SIZE, mode="bilinear")
    crops = torch.where(torch.rand(count, 1, 1, 1) < 0.3, soft, crops)
    return even_out(crops + 0.15 * torch.rand(count, 1, 1, 1) * torch.randn_like(crops))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=6, help="of processor time")
    parser.add_argument("--crops", type=Path, default=ROOT / ".cache" / "openness.pt", help="made once")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    if not options.crops.exists():
        options.crops.parent.mkdir(exist_ok=True)
        torch.save(collect(options.data), options.crops)
    data = torch.load(options.crops)
    (crops, amounts), (unseen, truth) = data[False], data[True]
    print(f"{len(crops)} crops to train on, {len(unseen)} held out")

    network = OpennessNet()
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.02)
    start, step, spent = time.process_time(), 0, 0.0
    while spent < 1:
        spent = (time.process_time() - start) / (60 * options.minutes)
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, step / 100) * (1 - min(spent, 1)) ** 0.7
        chosen = torch.randint(len(crops), (64,))
        loss = F.smooth_l1_loss(network(changed(crops[chosen].float()))[:, 0], amounts[chosen], beta=0.1)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 500 == 0 or spent >= 1:
            network.eval()
            with torch.no_grad():
                guess = torch.cat([network(part.float())[:, 0] for part in unseen.split(256)])
            network.train()
            error = (guess - truth).abs().mean()
            print(f"{spent:4.0%} step {step}  loss {loss:.4f}  held out: error {error:.3f}, r {corr(guess, truth):.3f}")
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, ROOT / "animal_lipsync" / "weights" / "openness.safetensors")


def corr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


if __name__ == "__main__":
    main()
