"""The real classes of transformers, tiny and with random weights: that they are asked and read correctly."""

import json

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers")

from animal_lipsync.prompted import AnimalPose, PromptedFinder  # noqa: E402

PIXELS = np.random.default_rng(0).integers(0, 255, (90, 130, 3), np.uint8)


@pytest.fixture(scope="module")
def grounding_dino(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grounding-dino")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "dog", "face", "parrot", "head"]
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt"))
    images = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    transformers.GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    torch.manual_seed(0)
    swin = transformers.SwinConfig(
        image_size=64,
        embed_dim=12,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        out_features=["stage2", "stage3", "stage4"],
    )
    bert = transformers.BertConfig(
        vocab_size=32, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    config = transformers.GroundingDinoConfig(
        backbone_config=swin,
        text_config=bert,
        d_model=32,
        num_queries=7,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_feature_levels=4,
    )
    transformers.GroundingDinoForObjectDetection(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def owlv2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("owlv2")
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = ["!", "<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16)
    images = transformers.Owlv2ImageProcessor(size={"height": 64, "width": 64})
    transformers.Owlv2Processor(images, tokenizer).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.Owlv2Config(
        text_config={**sizes, "vocab_size": 64, "max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 2},
        vision_config={**sizes, "image_size": 64, "patch_size": 16},
        projection_dim=16,
    )
    transformers.Owlv2ForObjectDetection(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("model", ["grounding_dino", "owlv2"])
def test_what_is_found_is_in_pixels_best_first_and_named_by_the_prompt(model, request):
    folder = request.getfixturevalue(model)
    finder = PromptedFinder(folder, "Dog face, parrot head", min_score=0.0)
    found = finder(0, PIXELS)
    assert len(found.boxes) == len(found.scores) == len(found.species) > 0
    assert (np.diff(found.scores) <= 0).all()
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    # OWLv2 pads a picture to a square; a box in the padding has its centre below the picture
    assert (centres > -1).all() and (centres < 135).all() and found.boxes.max() > 20
    assert set(found.species) <= {"dog", "parrot", ""}
    assert len(PromptedFinder(folder, "dog face", min_score=1.0)(0, PIXELS).boxes) == 0


def test_eyes_and_nose_come_back_in_the_order_of_the_schema(tmp_path):
    torch.manual_seed(0)
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[64, 48],
        patch_size=[16, 16],
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_experts=6,
        part_features=4,
        out_features=["stage1"],
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=17)
    transformers.VitPoseForPoseEstimation(config).save_pretrained(tmp_path)
    transformers.VitPoseImageProcessor(size={"height": 64, "width": 48}).save_pretrained(tmp_path)
    boxes = np.array([[10.0, 10, 70, 80], [60, 5, 120, 85]])
    points, score = AnimalPose(tmp_path)(PIXELS, boxes)
    assert points.shape == (2, 9, 2) and (score[:, 3:] == 0).all()
    assert (points[:, 0, 0] <= points[:, 1, 0]).all(), "the left eye is the viewer's"
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert (np.abs(points[:, :3] - middle[:, None]) < 80).all()
    assert AnimalPose(tmp_path)(PIXELS, np.zeros((0, 4)))[0].shape == (0, 9, 2)


def test_a_folder_without_a_model_and_an_empty_prompt_are_named(tmp_path, owlv2):
    with pytest.raises(ValueError, match="holds no model"):
        PromptedFinder(tmp_path, "dog face")
    with pytest.raises(ValueError, match="prompt is empty"):
        PromptedFinder(owlv2, " , ")
    with pytest.raises(ValueError, match="family owlv2; expected vitpose"):
        AnimalPose(owlv2)
