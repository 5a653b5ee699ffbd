"""Load MuseTalk, Speech Features (Whisper), Prepare Animal, Animate Mouth (Inpaint)."""

from __future__ import annotations

from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.utils
import folder_paths
from comfy_api.latest import io

from ..animal_lipsync.checkpoints import load_whisper
from ..animal_lipsync.engine import WarpEngine
from ..animal_lipsync.inpaint import OPENING, InpaintEngine, fitting_batch
from ..animal_lipsync.keeping import Keeper
from ..animal_lipsync.lower_face import calm
from ..animal_lipsync.musetalk import MouthNetworks
from ..animal_lipsync.prepared import PreparedAnimal, prepare, remembering
from ..animal_lipsync.speech_features import speech_features
from .animate import SILENCE, make_video
from .inputs import crf_input, frame_rate_input, source_input
from .media import open_source, with_progress
from .motion import in_seconds
from .networks import load_model, to_encoder, to_networks
from .types import CATEGORY, AnimalFace, Features, Prepared, chosen, to_audio
from .weights import missing, weights_file, weights_input

UNETS = ("musetalk-1.5", "musetalk-1.0")


class LoadMuseTalk(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_LoadMuseTalk",
            display_name="Load MuseTalk",
            category=CATEGORY,
            description="Loads the network that paints mouths, and its VAE. When they are not there yet, choose to "
            "download them. LoRA loaders go between this node and Animate Mouth (Inpaint).",
            search_aliases=["musetalk", "lip sync model", "mouth model", "inpaint model", "download"],
            inputs=[
                weights_input("model", "musetalk", *UNETS, tooltip="The network: MuseTalk 1.5, or the older 1.0."),
                weights_input(
                    "vae",
                    "mse",
                    "sd-vae-ft-mse",
                    tooltip="The autoencoder it was trained with: sd-vae-ft-mse.",
                ),
            ],
            outputs=[io.Model.Output("model"), io.Vae.Output("vae")],
        )

    @classmethod
    def validate_inputs(cls, model, vae):
        return missing(model, *UNETS) or missing(vae, "sd-vae-ft-mse") or True

    @classmethod
    def execute(cls, model, vae) -> io.NodeOutput:
        unet_file, vae_file = weights_file(model, *UNETS), weights_file(vae, "sd-vae-ft-mse")
        state, metadata = comfy.utils.load_torch_file(str(vae_file), safe_load=True, return_metadata=True)
        codec = comfy.sd.VAE(sd=state, metadata=metadata)
        codec.throw_exception_if_invalid()
        return io.NodeOutput(load_model(unet_file), codec)


class SpeechFeatures(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_SpeechFeatures",
            display_name="Speech Features (Whisper)",
            category=CATEGORY,
            description="Listens to a voice as Animate Mouth (Inpaint) needs it.",
            search_aliases=["whisper", "audio features", "speech encoder", "musetalk audio"],
            inputs=[
                io.Audio.Input("voice", tooltip="A recording of someone speaking or singing, in any language."),
                weights_input(
                    "whisper", "whisper", "whisper-tiny", tooltip="Whisper tiny, which MuseTalk listens with."
                ),
                io.Combo.Input(
                    "layout",
                    options=["hf_post_ln", "openai_pre_ln"],
                    advanced=True,
                    tooltip="hf_post_ln for MuseTalk 1.5. Try openai_pre_ln, as it was trained, when MuseTalk 1.0 "
                    "moves the mouth too little.",
                ),
            ],
            outputs=[Features.Output("features")],
        )

    @classmethod
    def validate_inputs(cls, whisper):
        return missing(whisper, "whisper-tiny") or True

    @classmethod
    def execute(cls, voice, whisper, layout) -> io.NodeOutput:
        management = comfy.model_management
        encoder = load_whisper(weights_file(whisper, "whisper-tiny"))
        patcher = comfy.model_patcher.CoreModelPatcher(
            encoder, load_device=management.get_torch_device(), offload_device=management.unet_offload_device()
        )
        management.load_models_gpu([patcher])
        encoder.register_forward_pre_hook(lambda *_: management.throw_exception_if_processing_interrupted())
        features = speech_features(in_seconds(to_audio(voice)), encoder, layout=layout, keeper=keeper("features"))
        return io.NodeOutput(features)


def keeper(noun: str) -> Keeper:
    """Of what was heard or encoded, in ComfyUI's user folder, where the faces are kept too."""
    return Keeper(Path(folder_paths.get_user_directory()) / "animal-lipsync" / noun, ".safetensors", noun=noun)


def open_mouth_input():
    return io.Boolean.Input(
        "open_mouth",
        default=True,
        tooltip="Show the network this animal with its mouth opened by the warp engine, to copy from. Turn it off "
        "when the mouth is open in the source already.",
    )


def opening_input():
    return io.Float.Input(
        "opening",
        default=OPENING,
        min=0.0,
        max=1.0,
        step=0.05,
        tooltip="How far the jaw may come down from where it is in the source. Raise it when an open mouth is cut off "
        "below, lower it for a face of which the chin hardly moves.",
    )


class PrepareAnimal(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_PrepareAnimal",
            display_name="Prepare Animal",
            category=CATEGORY,
            description="Does once what Animate Mouth (Inpaint) would do for every voice: a picture or video is "
            "encoded and remembered.",
            search_aliases=["avatar", "cache latents", "realtime", "prepare"],
            inputs=[
                source_input(),
                AnimalFace.Input("face", tooltip="The animal that will speak."),
                io.Vae.Input("vae", tooltip="From Load MuseTalk."),
                open_mouth_input(),
                opening_input(),
                frame_rate_input(),
            ],
            outputs=[Prepared.Output("prepared")],
        )

    @classmethod
    def execute(cls, source, face, vae, open_mouth, opening, frame_rate) -> io.NodeOutput:
        networks = MouthNetworks(to_encoder(vae), None, None)
        engine = InpaintEngine(networks, guide=WarpEngine() if open_mouth else None, opening=opening)
        with open_source(source, frame_rate) as (clip, _):
            track = calm(clip.face(face), clip.frame_rate)
            for _ in with_progress(prepare(clip, track, engine), clip.frames):
                pass
            return io.NodeOutput(PreparedAnimal(chosen(track, clip), dict(engine.latents), open_mouth, opening))


class AnimateMouthInpaint(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AnimalLipSync_AnimateMouthInpaint",
            display_name="Animate Mouth (Inpaint)",
            category=CATEGORY,
            description="Paints an animal's speaking mouth with MuseTalk. Wants a graphics card.",
            search_aliases=["musetalk", "talking animal", "lip sync", "latent inpaint", "mouth animation"],
            is_output_node=True,
            inputs=[
                source_input(),
                AnimalFace.Input("face", tooltip="The animal that speaks."),
                Features.Input("features", tooltip="What it says, from Speech Features (Whisper)."),
                io.Model.Input("model", tooltip="From Load MuseTalk, through LoRA loaders if you have trained one."),
                io.Vae.Input("vae", tooltip="From Load MuseTalk."),
                io.Audio.Input(
                    "voice",
                    optional=True,
                    tooltip="The sound of the result. When not connected, a video keeps its own; a picture is silent.",
                ),
                Prepared.Input(
                    "prepared",
                    optional=True,
                    tooltip="The same picture or video from Prepare Animal, to save its encoding.",
                ),
                io.Vae.Input(
                    "preview_vae",
                    optional=True,
                    tooltip="A small VAE that decodes instead, such as TAESD: faster and softer, for trying things.",
                ),
                open_mouth_input(),
                opening_input(),
                io.Boolean.Input(
                    "match_colours",
                    default=True,
                    tooltip="Bring the painted mouth to the colours round it. Turn it off when it takes on colours of "
                    "something else.",
                ),
                frame_rate_input(),
                crf_input(),
                io.Int.Input(
                    "batch",
                    default=0,
                    min=0,
                    max=64,
                    advanced=True,
                    tooltip="Frames painted at once; 0 is as many as the free memory allows. It is halved when the "
                    "memory does not suffice.",
                ),
                io.Boolean.Input(
                    "positions",
                    default=True,
                    advanced=True,
                    tooltip="Tell the network the order of what is heard. Turn it off for a LoRA or network trained "
                    "without it.",
                ),
            ],
            outputs=[io.Video.Output("video")],
        )

    @classmethod
    def execute(
        cls,
        source,
        face,
        features,
        model,
        vae,
        open_mouth,
        opening,
        match_colours,
        frame_rate,
        crf,
        batch,
        positions,
        voice=None,
        prepared=None,
        preview_vae=None,
    ) -> io.NodeOutput:
        networks = to_networks(model, vae, decoder=preview_vae, positions=positions)
        engine = InpaintEngine(
            networks,
            batch=batch or fitting_batch(comfy.model_management.get_free_memory(networks.device)),
            guide=WarpEngine() if open_mouth else None,
            opening=opening,
            match_colours=match_colours,
            latents=prepared.latents if prepared else None,
        )
        if prepared:
            prepared.require(engine)
        with open_source(source, frame_rate) as (clip, sound):
            if voice is not None:
                sound = to_audio(voice)
            track = calm(clip.face(face), clip.frame_rate)
            with remembering(engine, clip, keeper("latents")):
                video, preview = make_video(clip, track, features, sound or SILENCE, engine, crf)
            return io.NodeOutput(video, ui=preview)
