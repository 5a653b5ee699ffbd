"""Pets that speak, made of the samples that ship by the warp engine, and networks small enough to train in a test."""

from __future__ import annotations

from fractions import Fraction
from importlib.resources import files

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from animal_lipsync.audio import load_audio, resample
from animal_lipsync.dataset import SAMPLE_RATE, FramePart, Piece, cut_faces, place_face, to_jpeg
from animal_lipsync.engine import WarpEngine
from animal_lipsync.image import read_picture, to_frames, to_pixels
from animal_lipsync.motion import speech_to_motion
from animal_lipsync.musetalk import MouthNetworks, Painter
from animal_lipsync.openness import openness
from animal_lipsync.pairs import RATE
from animal_lipsync.speech_features import SpeechFeatures
from animal_lipsync.types import Audio, Faces, FaceTrack

SAMPLES = files("animal_lipsync") / "samples"


def sample_pet(name: str = "fox", index: int = 0) -> tuple[torch.Tensor, FaceTrack]:
    """A picture that ships, its head about 200 pixels wide, and one of the faces in it."""
    faces = Faces.from_json((SAMPLES / f"{name}.faces.json").read_text())
    picture, face = to_frames(read_picture(SAMPLES / f"{name}.jpg")[None]), faces.tracks[index]
    shrink = max(1, int((face.boxes[0, 2] - face.boxes[0, 0]) / 200))
    return F.avg_pool2d(picture, shrink), face.scaled(1 / shrink)


def sample_voice(name: str = "voice") -> Audio:
    return resample(load_audio(SAMPLES / f"{name}.wav", mono=True), SAMPLE_RATE)


def make_piece(frames: torch.Tensor, face: FaceTrack, *, frame_rate=RATE, sound=None, origin="clip.mp4") -> Piece:
    """A piece of (N, 3, H, W) frames and a face of one row, or as many."""
    face = face[np.zeros(len(frames), int)] if len(face) == 1 else face
    crop, inside = place_face(face)
    pictures = tuple(map(to_jpeg, cut_faces([FramePart(pixels) for pixels in to_pixels(frames)], crop)))
    return Piece(origin, 0.0, Fraction(frame_rate), pictures, inside, openness(frames, face).numpy(), sound)


def speaking_piece(name: str, index: int, voice: Audio, *, frames: int | None = None) -> Piece:
    """A pet that says what is heard, as if it had been filmed."""
    picture, face = sample_pet(name, index)
    motion = speech_to_motion(voice, RATE)[:frames]
    spoken = WarpEngine()(picture, face, motion)
    return make_piece(spoken, face, sound=voice, origin=f"{name}{index}.mp4")


def hear(voice: Audio) -> SpeechFeatures:
    """What Whisper would hear, told plainly: how far a mouth is open that says it."""
    length = int(voice.duration * 50)
    opening = speech_to_motion(voice, Fraction(50)).resampled(Fraction(50), length).channel("jaw_open")
    states = np.zeros((length, 5, 384), np.float16)
    states[..., :64] = 3 * (opening - 0.3)[:, None, None]
    return SpeechFeatures(states, np.ones(length, np.float32), Fraction(length, 50))


def small_painter(seed: int = 0) -> Painter:
    """A painter of two levels and a codec without weights: eight pixels are a latent, three of its channels colours."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(seed)
    network = UNet2DConditionModel(
        sample_size=32,
        in_channels=8,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(32, 64),
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=384,
        attention_head_dim=2,
    )
    network.requires_grad_(False).eval()
    now = torch.zeros(1)

    def encode(crops: torch.Tensor) -> torch.Tensor:
        colours = F.avg_pool2d(crops, 8) * 2 - 1
        return torch.cat([colours, colours.mean(1, keepdim=True)], 1)

    def paint(latents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return latents[:, 4:] + network(latents, now, encoder_hidden_states=tokens, return_dict=False)[0]

    decoder = nn.Module()
    decoder.up_blocks = nn.ModuleList([nn.Identity(), nn.Upsample(scale_factor=8, mode="bicubic")])

    def decode(latents: torch.Tensor) -> torch.Tensor:
        picture = latents[:, :3]
        for level in decoder.up_blocks:
            picture = level(picture)
        return (picture / 2 + 0.5).clamp(0, 1)

    return Painter(MouthNetworks(encode, paint, decode), network, decoder)
