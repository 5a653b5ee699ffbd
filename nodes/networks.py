"""MuseTalk's networks as ComfyUI's own: a MODEL of Stable Diffusion 1's kind and the VAE that the artist connects."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.supported_models
import comfy.utils
import torch

from ..animal_lipsync.checkpoints import UnsupportedCheckpointError, converted, fill, read_unet
from ..animal_lipsync.lora import network_hash
from ..animal_lipsync.musetalk import LATENT_SCALE, TOKEN_WIDTH, MouthNetworks, Painter


class MuseTalk(comfy.supported_models.SD15):
    """Core's model of Stable Diffusion 1, so that core's LoRA, offload, attention and compile nodes apply."""

    unet_config = comfy.supported_models.SD15.unet_config | {"context_dim": TOKEN_WIDTH}
    custom_operations = comfy.ops.manual_cast  # computes in the precision of its input

    def inpaint_model(self):
        return False  # eight channels in, but no mask among them


CONFIG = {
    "image_size": 32,
    "in_channels": 8,
    "out_channels": 4,
    "use_checkpoint": False,
    "use_spatial_transformer": True,
    "legacy": False,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "use_temporal_resblock": False,
}


def load_model(path: Path, *, disable_dynamic: bool = False):
    """The MODEL of a UNet's file.

    Raises:
        UnsupportedCheckpointError: the file holds another network, or is damaged.
    """
    management = comfy.model_management
    state = read_unet(converted(path))
    config = MuseTalk(MuseTalk.unet_config | CONFIG | {"model_channels": len(state["conv_in.weight"])})
    names = comfy.utils.unet_to_diffusers(config.unet_config)
    if unknown := state.keys() - names.keys():
        raise UnsupportedCheckpointError(
            f"{path.name} is not MuseTalk's UNet: it has {min(unknown)}. Download it again."
        )
    weights = {names[name]: tensor for name, tensor in state.items()}
    device = management.get_torch_device()
    dtypes = config.supported_inference_dtypes
    dtype = management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(weights),
        supported_dtypes=dtypes,
        weight_dtype=comfy.utils.weight_dtype(weights),
    )
    config.set_inference_dtype(dtype, management.unet_manual_cast(dtype, device, dtypes), device=device)
    model = config.get_model(weights, "")
    patcher_class = comfy.model_patcher.ModelPatcher if disable_dynamic else comfy.model_patcher.CoreModelPatcher
    patcher = patcher_class(model, load_device=device, offload_device=management.unet_offload_device())
    fill(model.diffusion_model, weights, path, assign=patcher.is_dynamic())
    patcher.cached_patcher_init = (load_model, (path,))
    return patcher


def to_encoder(vae):
    """The library's `MouthNetworks.encode` of a VAE.

    Raises:
        ValueError: the VAE is of another kind.
    """
    if vae.latent_channels != 4 or vae.latent_dim != 2:
        raise ValueError("The VAE is not one of Stable Diffusion 1; take that of Load MuseTalk.")
    return lambda crops: LATENT_SCALE * vae.encode(crops.movedim(1, -1)).float()


def to_networks(model, vae, *, decoder=None, positions: bool = True) -> MouthNetworks:
    """The library's callables of a MODEL and a VAE.

    Args:
        decoder: a VAE that decodes in place of `vae`, e.g. TAESD.

    Raises:
        ValueError: the MODEL or a VAE is of another kind.
    """
    _require_musetalk(model)
    network = model.model.diffusion_model
    to_encoder(decoder or vae)
    device = model.load_device

    def unet(latents, tokens):
        comfy.model_management.load_models_gpu([model])
        now = torch.zeros(len(latents), device=device)
        options = model.model_options["transformer_options"]
        return network(latents.to(device), now, context=tokens.to(device), transformer_options=options)

    def decode(latents):
        return (decoder or vae).decode(latents.float() / LATENT_SCALE).movedim(-1, 1).float()

    dtype, encoder = model.model.get_dtype_inference(), network_hash(vae.first_stage_model)
    return MouthNetworks(to_encoder(vae), unet, decode, device, dtype, positions, encoder)


def to_painter(model, vae, *, positions: bool = True) -> Painter:
    """Copies of a MODEL and a VAE that can be trained; call it outside of inference mode.

    Raises:
        ValueError: as `to_networks`.
    """
    _require_musetalk(model)
    to_encoder(vae)
    management = comfy.model_management
    device = model.load_device
    dtype = torch.bfloat16 if management.should_use_bf16(device) else torch.float32
    patcher = model.clone(force_deepcopy=True)
    management.load_models_gpu([patcher], force_full_load=True)
    network = patcher.model.diffusion_model.eval().requires_grad_(False)
    codec = deepcopy(vae.first_stage_model).to(device, dtype).eval().requires_grad_(False)

    def encode(crops):
        return LATENT_SCALE * codec.encode((2 * crops - 1).to(device, dtype)).float()

    def unet(latents, tokens):
        now = torch.zeros(len(latents), device=device)
        return network(latents.to(device), now, context=tokens.to(device))

    def decode(latents):
        return (codec.decode(latents.to(dtype) / LATENT_SCALE).float() / 2 + 0.5).clamp(0, 1)

    networks = MouthNetworks(encode, unet, decode, device, dtype, positions)
    return Painter(networks, network, getattr(codec, "decoder", codec))  # TAESD is all in one


def _require_musetalk(model) -> None:
    config = model.model.model_config.unet_config
    if config.get("in_channels") != 8 or config.get("context_dim") != TOKEN_WIDTH:
        raise ValueError("The model is not MuseTalk; connect Load MuseTalk, with LoRA loaders behind it if you like.")
