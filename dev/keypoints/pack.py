"""Put the three trained networks into the one file that ships, with calibrated keypoint scores.

    python dev/keypoints/pack.py --data DATA --faces faces.pt --head head.pt --mouth mouth.pt

Two numbers per keypoint network turn the spread of a heatmap into the probability that the point lies within 5 % of the
head, three more turn what the head network sees into the probability that there is a face. They are fitted by logistic
regression on held-out pictures, the boxes of the heads shaken as a detector would.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from train import HERE, load_pictures

from animal_lipsync.detection import (
    WEIGHTS,
    Detector,
    KeypointNet,
    box_iou,
    face_features,
    face_roll,
    find_boxes,
    look,
)


@torch.no_grad()
def doubts_and_errors(net: KeypointNet, pictures: list[dict]) -> tuple[torch.Tensor, torch.Tensor]:
    """Over all points labelled as seen: log of the doubt, and the error as a share of the head."""
    doubts, errors = [], []
    for picture in pictures:
        frame = picture["mips"][0][0].permute(1, 2, 0).contiguous()
        x1, y1, x2, y2 = picture["box"].tolist()
        size, truth = max(x2 - x1, y2 - y1), picture["keypoints"][list(net.points)]
        is_mouth = len(net.points) < 9
        for _ in range(4):
            middle = truth[:, :2].mean(0) if is_mouth else torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2])
            middle = middle + (0.03 if is_mouth else 0.05) * size * torch.randn(2)
            side = net.margin * size * torch.exp(0.1 * torch.randn(1))
            roll = face_roll(picture["keypoints"][None, :, :2]) if is_mouth else torch.zeros(1)
            seen = look(net, frame, torch.cat([middle, side, roll])[None])
            keep = truth[:, 2] > 0
            doubts.append(seen.doubt[0][keep])
            errors.append((seen.points[0] - truth[:, :2]).norm(dim=-1)[keep] / size)
    return torch.cat(doubts).log(), torch.cat(errors)


@torch.no_grad()
def faces_and_others(detector: Detector, pictures: list[dict]) -> tuple[torch.Tensor, torch.Tensor]:
    """Over all boxes that the detector proposes: `face_features`, and whether it is the labelled head."""
    features, is_face = [], []
    for picture in pictures:
        frame = picture["mips"][0][0].permute(1, 2, 0).contiguous()
        boxes, _ = find_boxes(detector.faces, frame, min_score=0.15)
        overlap = box_iou(boxes, picture["box"][None])[:, 0]
        boxes = torch.cat([boxes[(overlap < 0.2) | (overlap > 0.5)], picture["box"][None]])
        middle, side = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).amax(1)
        crops = torch.cat([middle, torch.stack([detector.head.margin * side, 0 * side], 1)], 1)
        features.append(face_features(look(detector.head, frame, crops)))
        is_face.append(box_iou(boxes, picture["box"][None])[:, 0] > 0.5)
    return torch.cat(features, 1), torch.cat(is_face)


def logistic(features: torch.Tensor, outcome: torch.Tensor) -> torch.Tensor:
    """Offset and slopes of the log odds of `outcome` (M,), linear in `features` (N, M)."""
    weights = torch.zeros(1 + len(features), requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200)

    def closure():
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(weights[0] + weights[1:] @ features, outcome.float())
        loss = loss + 1e-3 * weights.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weights.detach()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    for name in ("faces", "head", "mouth"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    detector = Detector().eval()
    for name in ("faces", "head", "mouth"):
        getattr(detector, name).load_state_dict(torch.load(getattr(args, name)))
    pictures = load_pictures(args.data, HERE / "labels.json")
    all_held_out = [p for p in pictures if p["held_out"]]
    held_out = [p for p in all_held_out if p["keypoints"] is not None]
    for name in ("head", "mouth"):
        net = getattr(detector, name)
        doubt, error = doubts_and_errors(net, held_out)
        net.calibration.copy_(logistic(doubt[None], error < 0.05))
        sure = (net.calibration[0] + net.calibration[1] * doubt).sigmoid()
        near = 100 * (error < 0.05).float().mean()
        print(f"{name}: {len(held_out)} heads, error {100 * error.mean():.2f} %, {near:.1f} % within 5 %")
        for low, high in ((0, 0.5), (0.5, 0.8), (0.8, 0.9), (0.9, 1)):
            inside = (sure >= low) & (sure < high)
            share = (error[inside] < 0.05).float().mean()
            print(f"  score {low} to {high}: {int(inside.sum())} points, {100 * share:.0f} % of them within 5 %")
    features, is_face = faces_and_others(detector, all_held_out)
    detector.trust.copy_(logistic(features, is_face))
    sure = (detector.trust[0] + detector.trust[1:] @ features).sigmoid()
    print(f"trust {detector.trust.tolist()}")
    print(f"  {int(is_face.sum())} faces, {100 * (sure[is_face] > 0.3).float().mean():.1f} % over 0.3")
    print(f"  {int((~is_face).sum())} others, {100 * (sure[~is_face] > 0.3).float().mean():.1f} % over 0.3")
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in detector.state_dict().items()}
    save_file({k: v.contiguous() for k, v in tensors.items()}, args.out)
    print(f"{args.out.name}: {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
