"""Heads found by words, and eyes and noses of animals the pack does not know, with models of the artist's own choice.

Through `transformers`, from folders on disk; nothing is downloaded. Boxes by Grounding DINO or OWLv2, points by
ViTPose++ trained on AP-10K (quadrupeds); all three are published under Apache-2.0.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import torch

from .found_heads import Found

FINDERS = ("grounding-dino", "owlv2")
AP10K = 3
"""Number of the AP-10K data set, and so of its expert, in ViTPose++."""


class PromptedFinder:
    """A `found_heads.Finder` that looks for what words say: "dog face, parrot head"."""

    def __init__(self, folder: str | os.PathLike, prompt: str, *, min_score: float = 0.3, device: str = "cpu"):
        """
        Args:
            folder: of a Grounding DINO or OWLv2 model, as transformers saves it.
            prompt: kinds of heads, separated by commas; the first word of each becomes the species.

        Raises:
            ValueError: the folder holds no such model, or the prompt is empty.
        """
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        self.labels = [label.strip().lower() for label in prompt.split(",") if label.strip()]
        if not self.labels:
            raise ValueError('The prompt is empty; say what to look for, e.g. "dog face, parrot head".')
        self.processor = _load(AutoProcessor, folder, *FINDERS)
        self.model = _load(AutoModelForZeroShotObjectDetection, folder, *FINDERS).to(device).eval()
        self.min_score = min_score

    @torch.inference_mode()
    def __call__(self, index: int, pixels: np.ndarray) -> Found:
        inputs = self.processor(text=[self.labels], images=pixels, return_tensors="pt").to(self.model.device)
        outputs = self.model(**inputs)
        # Grounding DINO reads the label out of the words it looked at, OWLv2 knows its number
        words = {"input_ids": inputs.input_ids} if self.model.config.model_type == "grounding-dino" else {}
        (found,) = self.processor.post_process_grounded_object_detection(
            outputs, threshold=self.min_score, target_sizes=[pixels.shape[:2]], text_labels=[self.labels], **words
        )
        order = found["scores"].argsort(descending=True).cpu()
        names = [self._species(str(name)) for name in found["text_labels"]]
        return Found(
            found["boxes"].cpu().numpy()[order],
            found["scores"].cpu().numpy()[order],
            tuple(names[i] for i in order.tolist()),
        )

    def _species(self, words: str) -> str:
        """First word of the label that these words come from."""
        shared = [len(set(label.split()) & set(words.split())) for label in self.labels]
        return self.labels[int(np.argmax(shared))].split()[0] if max(shared) else ""


class AnimalPose:
    """Eyes and noses of animals, by ViTPose++."""

    def __init__(self, folder: str | os.PathLike, *, device: str = "cpu"):
        """
        Raises:
            ValueError: the folder holds no ViTPose model.
        """
        from transformers import VitPoseForPoseEstimation, VitPoseImageProcessor

        self.processor = _load(VitPoseImageProcessor, folder, "vitpose")
        self.model = _load(VitPoseForPoseEstimation, folder, "vitpose").to(device).eval()

    @torch.inference_mode()
    def __call__(self, pixels: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 9, 2) `animal9` points in boxes (N, 4) of a picture, and (N, 9) scores: 0 but for eyes and nose."""
        points, score = np.zeros((len(boxes), 9, 2), np.float32), np.zeros((len(boxes), 9), np.float32)
        if not len(boxes):
            return points, score
        corners = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        inputs = self.processor(pixels, boxes=[corners.tolist()], return_tensors="pt").to(self.model.device)
        expert = torch.full((len(boxes),), AP10K, device=self.model.device)
        outputs = self.model(**inputs, dataset_index=expert)
        (animals,) = self.processor.post_process_pose_estimation(outputs, boxes=[corners.tolist()])
        for i, animal in enumerate(animals):
            places, trust = animal["keypoints"].cpu().numpy(), animal["scores"].cpu().numpy()
            left, right = (0, 1) if places[0, 0] <= places[1, 0] else (1, 0)
            for point, source in enumerate((left, right, 2)):
                points[i, point], score[i, point] = places[source], np.clip(trust[source], 0, 1)
        return points, score


def _load(kind, folder: str | os.PathLike, *families: str):
    config = Path(folder) / "config.json"
    if not config.is_file():
        raise ValueError(f"{folder} holds no model: a folder with config.json, as transformers saves it, is needed.")
    # weights of another family would load, and be random
    family = json.loads(config.read_text()).get("model_type")
    if family not in families:
        raise ValueError(f"The model in {folder} is of the family {family}; expected {' or '.join(families)}.")
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except OSError as error:
        raise ValueError(f"The model in {folder} is incomplete ({error}); download it again.") from None
