"""LoRAs: names, files, and that putting one on, merging it and loading it through core are the same."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from animal_lipsync.checkpoints import UnsupportedCheckpointError
from animal_lipsync.lora import Lora, core_name, named_layers, network_hash, new_lora

pytest.importorskip("diffusers", reason="diffusers is not installed")
from animal_lipsync.networks import build_unet  # noqa: E402

ALL = ("audio", "self", "feed_forward", "convolutions")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_unet(32).eval().requires_grad_(False)


@torch.no_grad()
def draw(network: nn.Module) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    latents, tokens = torch.randn(1, 8, 16, 16, generator=random), torch.randn(1, 50, 384, generator=random)
    return network(latents, torch.zeros(1), encoder_hidden_states=tokens).sample


def filled(network: nn.Module, **options) -> Lora:
    lora = new_lora(network, ALL, rank=4, **options)
    random = torch.Generator().manual_seed(2)
    for tensor in lora.up.values():
        tensor.copy_(torch.randn(tensor.shape, generator=random) * 0.1)
    return lora


def test_a_new_one_changes_nothing_and_a_filled_one_only_within_its_block(network):
    plain = draw(network)
    with new_lora(network, ALL).on(network):
        assert torch.equal(draw(network), plain)
    with filled(network).on(network):
        assert (draw(network) - plain).abs().max() > 1e-3
    assert torch.equal(draw(network), plain)


def test_merged_it_draws_as_put_on():
    torch.manual_seed(0)
    network = build_unet(32).eval().requires_grad_(False)
    lora = filled(network, early=True)
    with lora.on(network, 0.7):
        worn = draw(network)
    lora.merge(network, 0.7)
    assert (draw(network) - worn).abs().max() < 1e-4


def test_at_full_size_it_has_as_many_numbers_as_counted_by_hand():
    with torch.device("meta"):
        layers = named_layers(build_unet())
    network = nn.Module()
    network.named_modules = layers.items
    sizes = [
        sum(tensor.numel() for tensor in new_lora(network, parts, rank=16, early=True).tensors())
        for parts in (("audio", "self"), ALL[:3], ALL)
    ]
    assert sizes == [2_992_128, 5_787_648, 14_972_928]


def test_early_layers_are_left_alone_unless_asked_for(network):
    assert not any(name.startswith("input_blocks.1.") for name in new_lora(network).down)
    assert any(name.startswith("input_blocks.1.") for name in new_lora(network, early=True).down)


def test_names_of_the_same_layer_in_both_implementations():
    assert core_name("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q") == (
        "input_blocks.4.1.transformer_blocks.0.attn2.to_q"
    )
    assert core_name("up_blocks.2.upsamplers.0.conv") == "output_blocks.8.2.conv"
    assert core_name("mid_block.resnets.1.conv2") == "middle_block.2.out_layers.3"


def test_a_file_holds_all_and_says_where_it_comes_from(tmp_path, network):
    lora = filled(network)
    lora.told.update(species="dog")
    lora.save(tmp_path / "rex.safetensors")
    again = Lora.load(tmp_path / "rex.safetensors")
    assert again.told["species"] == "dog"
    assert (again.alpha, again.rank, list(again.down)) == (lora.alpha, lora.rank, list(lora.down))
    assert all(torch.equal(a, b) for a, b in zip(again.tensors(), lora.tensors(), strict=True))
    names = set(load_file(tmp_path / "rex.safetensors"))
    assert all(name.startswith("diffusion_model.") for name in names)


def test_files_that_are_none_are_refused(tmp_path, network):
    (tmp_path / "torn.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    save_file({"unet.x.lora_A.weight": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    for name in ("torn", "foreign", "missing"):
        with pytest.raises(UnsupportedCheckpointError, match=name):
            Lora.load(tmp_path / f"{name}.safetensors")


def test_one_of_another_network_is_refused(network):
    other = filled(build_unet(64))
    with pytest.raises(UnsupportedCheckpointError, match="another size"), other.on(network):
        pass


def test_networks_are_told_apart_by_their_weights(network):
    torch.manual_seed(1)
    assert network_hash(network) == network_hash(network) != network_hash(build_unet(32))
