"""Put the four trained networks into the one file that ships, with calibrated keypoint scores.

    python dev/keypoints/pack.py --data DATA --more MORE --faces faces.pt --head head.pt --mouth mouth.pt \
        --verifier verifier.pt

Two numbers per keypoint network turn the spread of a heatmap into the probability that the point lies within 5 % of the
head, two more the detector's odds into a probability, five more that and what the head network and the verifier see
into the probability of a face. They are fitted by logistic regression on held-out pictures, the boxes of the heads
shaken as a detector would; a face must be a little surer than these pictures ask for, as most of them show an animal.
"""

import argparse
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from train import HERE, load_pictures

from animal_lipsync.boxes import box_iou
from animal_lipsync.detection import (
    CANDIDATE,
    CANDIDATES,
    face_features,
    face_scores,
    find_boxes,
    look_at_heads,
    look_at_mouths,
    point_scores,
    verify_faces,
)
from animal_lipsync.detector import MOUTH_POINTS, POINTS, WEIGHTS, Detector

STRANGERS = 5.5
"""How many times commoner what is no face is taken to be in an artist's folder than where the scores are fitted."""


@torch.no_grad()
def doubts_and_errors(detector: Detector, pictures: list[dict]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Of the head network and the mouth network, over all points labelled as seen: log of the doubt, and the error as a
    share of the head."""
    found = {"head": ([], []), "mouth": ([], [])}
    for picture in pictures:
        frame = picture["mips"][0][0].permute(1, 2, 0).contiguous()
        size = (picture["box"][2:] - picture["box"][:2]).max()
        for _ in range(4):
            box = (picture["box"] + (0.05 * size * torch.randn(2)).repeat(2))[None]
            middle, grown = (box[:, :2] + box[:, 2:]) / 2, torch.exp(0.1 * torch.randn(1))
            box = torch.cat([middle + grown * (box[:, :2] - middle), middle + grown * (box[:, 2:] - middle)], 1)
            head, _ = look_at_heads(frame, box, detector.head, refine=False)
            mouth = look_at_mouths(frame, box, head.points[:, :POINTS], detector.mouth)
            for (doubts, errors), seen, points in zip(
                found.values(), (head, mouth), (range(POINTS), MOUTH_POINTS), strict=True
            ):
                truth = picture["keypoints"][list(points)]
                keep = truth[:, 2] > 0
                doubts.append(seen.doubt[0, : len(truth)][keep])
                errors.append((seen.points[0, : len(truth)] - truth[:, :2]).norm(dim=-1)[keep] / size)
    return {name: (torch.cat(doubts).log(), torch.cat(errors)) for name, (doubts, errors) in found.items()}


@torch.no_grad()
def judge_candidates(detector: Detector, pictures: list[dict], min_score: float):
    """Of all that the detector proposes: scores (M,), `face_features` (4, M), whether it is the labelled head (M,)."""
    all_scores, features, is_face = [], [], []
    for picture in pictures:
        frame = picture["mips"][0][0].permute(1, 2, 0).contiguous()
        boxes, scores = find_boxes(detector.faces, frame, min_score=min_score, limit=CANDIDATES)
        if not len(boxes):
            continue
        head, boxes = look_at_heads(frame, boxes, detector.head, refine=True)
        right = clear = torch.ones(len(boxes), dtype=torch.bool)
        if picture["box"] is None:
            right = ~clear
        else:
            overlap = box_iou(boxes, picture["box"][None])[:, 0]
            right, clear = overlap > 0.5, (overlap > 0.5) | (overlap < 0.2)
        all_scores.append(scores[clear])
        sure, verified = point_scores(detector.head, head)[:, :POINTS], verify_faces(frame, boxes, detector.verifier)
        features.append(face_features(scores, head.species, sure, verified)[:, clear])
        is_face.append(right[clear])
    return torch.cat(all_scores), torch.cat(features, 1), torch.cat(is_face)


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


def report(scores: torch.Tensor, is_face: torch.Tensor):
    for low, high in ((0, 0.15), (0.15, 0.3), (0.3, 0.5), (0.5, 0.8), (0.8, 1)):
        inside = (scores >= low) & (scores < high)
        share = 100 * is_face[inside].float().mean()
        print(f"  score {low} to {high}: {int(inside.sum())}, {share:.0f} % of them faces")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--more", type=Path, required=True, help="what compose.py made")
    for name in ("faces", "head", "mouth", "verifier"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    detector = Detector().eval()
    for name in ("faces", "head", "mouth", "verifier"):
        getattr(detector, name).load_state_dict(torch.load(getattr(args, name)))
    pictures = load_pictures(args.data, HERE / "labels.json", args.more)
    all_held_out = [p for p in pictures if p["held_out"] and p["source"] == "oxford"]
    more = [p for p in pictures if p["source"] != "oxford"]
    held_out = [p for p in all_held_out if p["keypoints"] is not None]
    for name, (doubt, error) in doubts_and_errors(detector, held_out).items():
        net = getattr(detector, name)
        net.calibration.copy_(logistic(doubt[None], error < 0.05))
        sure = (net.calibration[0] + net.calibration[1] * doubt).sigmoid()
        near = 100 * (error < 0.05).float().mean()
        print(f"{name}: {len(held_out)} heads, error {100 * error.mean():.2f} %, {near:.1f} % within 5 %")
        for low, high in ((0, 0.5), (0.5, 0.8), (0.8, 0.9), (0.9, 1)):
            inside = (sure >= low) & (sure < high)
            share = (error[inside] < 0.05).float().mean()
            print(f"  score {low} to {high}: {int(inside.sum())} points, {100 * share:.0f} % of them within 5 %")
    judged = all_held_out + [p for p in more if p["held_out"] and p["source"] != "drawn"]
    scores, _, is_face = judge_candidates(detector, judged, 0.08)
    odds = torch.logit(scores, 1e-4)
    offset, slope = detector.faces.calibration.copy_(logistic(odds[None], is_face))
    print(f"detector alone: calibration {offset:.3f} {slope:.3f}")
    report((offset + slope * odds).sigmoid(), is_face)
    _, features, is_face = judge_candidates(detector, judged, CANDIDATE)
    detector.trust.copy_(logistic(features, is_face))
    detector.trust[0] -= math.log(STRANGERS)
    print(f"with keypoints: trust {detector.trust.tolist()}")
    report(face_scores(detector.trust, features), is_face)
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in detector.state_dict().items()}
    save_file({k: v.contiguous() for k, v in tensors.items()}, args.out)
    print(f"{args.out.name}: {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
