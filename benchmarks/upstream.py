"""MuseTalk 1.5's published steps from landmarks and a voice to frames, one at a time, as specs describe them.

Written from descriptions of its pipeline, with OpenCV and Pillow where that uses them. Its detectors and its face
parser are networks of their own: what they would give is an argument. The encoder's mode takes the place of a sample.
"""

from dataclasses import replace
from importlib.resources import files
from math import ceil, floor

import cv2
import numpy as np
import torch
from PIL import Image

SAMPLES = files("animal_lipsync") / "samples"
NOSE_BRIDGE = 29
"""Of 68 landmarks, the one that comes to lie in the middle of the box."""


def face_box(landmarks: np.ndarray, height: int, margin: int = 10) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of (68, 2) landmarks, in whole pixels: the nose bridge in the middle, a margin below the chin."""
    points = landmarks.astype(int)
    bridge, chin = points[NOSE_BRIDGE, 1], points[:, 1].max()
    top = max(0, bridge - (chin - bridge))
    return int(points[:, 0].min()), int(top), int(points[:, 0].max()), int(min(chin + margin, height))


def windows(states: np.ndarray, samples: int, fps: float) -> np.ndarray:
    """(T, 50, 384): ten states (L, 5, 384) about each frame, zeros beyond the ends, at a rate cut to a whole number."""
    rate = int(fps)
    stride, length = 50 / rate, floor(samples / 16_000 * 50)
    pad = ceil(stride)
    before, after = (np.zeros((count * pad, 5, 384), np.float32) for count in (2, 6))
    padded = np.concatenate([before, states[:length].astype(np.float32), after])
    starts = [floor(frame * stride) for frame in range(floor(samples / 16_000 * rate))]
    return np.stack([padded[start : start + 10].reshape(50, 384) for start in starts])


def positions() -> np.ndarray:
    table = np.zeros((50, 384), np.float32)
    for p in range(50):
        for i in range(192):
            angle = p * np.exp(-2 * i * np.log(10_000) / 384)
            table[p, 2 * i], table[p, 2 * i + 1] = np.sin(angle), np.cos(angle)
    return table


def paint(frame: np.ndarray, box: tuple[int, int, int, int], tokens: np.ndarray, unet, vae) -> np.ndarray:
    """(256, 256, 3) uint8: the face in the box of a frame (H, W, 3) uint8, saying tokens (50, 384)."""
    x1, y1, x2, y2 = box
    crop = cv2.resize(frame[y1:y2, x1:x2], (256, 256), interpolation=cv2.INTER_LANCZOS4)
    shown = crop / np.float32(255)
    hidden = shown.copy()
    hidden[128:] = 0
    latents = []
    for image in (hidden, shown):
        pixels = torch.from_numpy((image - 0.5) / 0.5).permute(2, 0, 1)[None]
        latents.append(0.18215 * vae.encode(pixels).latent_dist.mode())
    heard = torch.from_numpy(tokens + positions())[None]
    painted = unet(torch.cat(latents, 1), torch.tensor([0]), encoder_hidden_states=heard).sample
    image = (vae.decode(painted / 0.18215).sample / 2 + 0.5).clamp(0, 1)
    return (image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


def paste(frame: np.ndarray, painted: np.ndarray, box: tuple[int, int, int, int], segments: np.ndarray) -> np.ndarray:
    """The frame with the painted face in its box where (h, w) uint8 segments of the box say so, lower half, blurred."""
    x1, y1, x2, y2 = box
    face = Image.fromarray(cv2.resize(painted, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR))
    body = Image.fromarray(frame)
    middle, half = ((x1 + x2) // 2, (y1 + y2) // 2), int((max(x2 - x1, y2 - y1) // 2) * 1.5)
    left, top = middle[0] - half, middle[1] - half
    large = body.crop((left, top, left + 2 * half, top + 2 * half))
    mask = np.zeros((2 * half, 2 * half), np.uint8)
    mask[y1 - top : y2 - top, x1 - left : x2 - left] = segments
    mask[:half] = 0
    kernel = int(0.05 * 2 * half // 2 * 2) + 1
    mask = Image.fromarray(cv2.GaussianBlur(mask, (kernel, kernel), 0))
    pasted = large.copy()
    pasted.paste(face, (x1 - left, y1 - top))
    large.paste(pasted, (0, 0), mask)
    body.paste(large, (left, top))
    return np.asarray(body)


def segments_of(box: tuple[int, int, int, int]) -> np.ndarray:
    """(h, w) uint8: an ellipse in place of what a face parser sees of jaw and cheeks."""
    width, height = box[2] - box[0], box[3] - box[1]
    drawn = np.zeros((height, width), np.uint8)
    return cv2.ellipse(drawn, (width // 2, height // 2), (width * 2 // 5, height * 9 // 20), 0, 0, 360, 255, -1)


@torch.no_grad()
def compare(seconds: float = 1.0, at: tuple[int, ...] = (0, 12, 24)) -> dict:
    """The sample picture and voice through these steps and through the inpaint engine, with the same random networks.

    Returns:
        Mean difference of a colour, of 255, over the pixels that speech changes and over the whole frames.
    """
    from animal_lipsync.audio import load_audio
    from animal_lipsync.image import read_picture, to_frames, to_pixels
    from animal_lipsync.inpaint import InpaintEngine
    from animal_lipsync.networks import build_unet, build_vae, connect
    from animal_lipsync.speech_features import speech_features
    from animal_lipsync.types import Audio, Faces
    from animal_lipsync.upstream import upstream_geometry
    from animal_lipsync.whisper import WhisperEncoder

    torch.manual_seed(0)
    unet, vae, encoder = build_unet(32), build_vae(32), WhisperEncoder()
    for network in (unet, vae, encoder):
        network.eval().requires_grad_(False)
    frame = read_picture(SAMPLES / "fox.jpg")
    (face,) = Faces.from_json((SAMPLES / "fox.faces.json").read_text()).tracks
    said = load_audio(SAMPLES / "voice.wav", sample_rate=16_000, mono=True).waveform[
        :, 8000 : 8000 + int(16_000 * seconds)
    ]

    turn = np.linspace(0, 2 * np.pi, 68)  # a face's outline is all that counts of most landmarks
    landmarks = np.stack([485 + 215 * np.sin(turn), 485 + 250 * np.cos(turn)], 1)
    landmarks[NOSE_BRIDGE] = 485, 485
    box = face_box(landmarks, len(frame))
    segments = segments_of(box)

    features = speech_features(Audio(said, 16_000), encoder, like_upstream=True)
    tokens = windows(features.states, said.shape[1], 25.0)
    theirs = np.stack([paste(frame, paint(frame, box, tokens[t], unet, vae), box, segments) for t in at])

    geometry = upstream_geometry(torch.from_numpy(segments / np.float32(255)))
    engine = InpaintEngine(connect(unet, vae), geometry=geometry, match_colours=False)
    speech = features.resampled(25)
    boxed = replace(face, boxes=np.array([box], np.float32))
    ours = to_pixels(engine(to_frames(frame[None]), boxed, speech[np.array(at)]))
    difference, change = (np.abs(theirs.astype(int) - other) for other in (ours, frame))
    changed = change.max(-1) > 8
    return {
        "frames": len(at),
        "windows_alike": len(speech) == len(tokens) and bool(np.array_equal(speech.tokens().numpy(), tokens)),
        "changed": round(float(changed.mean()), 3),
        "mean_where_changed": round(float(difference[changed].mean()), 2),
        "mean": round(float(difference.mean()), 3),
    }
