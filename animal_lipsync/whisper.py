"""The encoder of OpenAI's Whisper and the spectrogram it reads, in plain PyTorch with Hugging Face's names of weights.

Radford et al., 2022. Knows nothing of frames or mouths; `spoken.py` makes of its states what a network draws from.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLE_RATE = 16_000  # Hz
WINDOW = 400  # samples of a spectrum
HOP = 160  # samples
BANDS = 80
BLOCK = 30 * SAMPLE_RATE  # samples that the encoder reads at once
STATES_PER_SECOND = SAMPLE_RATE // (2 * HOP)  # 50
HEAD = 64
"""Numbers of a state that one head of attention reads; the same in every size of Whisper."""


def log_mel(waveform: Tensor) -> Tensor:
    """Spectrogram of at most 30 s of sound: (S,) samples at 16 kHz, padded with silence -> (80, 3000).

    It reaches 80 dB below the block's own loudest moment, so that it depends on the whole block.
    """
    return log_mel_of_all(F.pad(waveform, (0, BLOCK - len(waveform))))


def log_mel_of_all(waveform: Tensor) -> Tensor:
    """Spectrogram of a whole voice, down to 80 dB below its loudest moment: (S,) at 16 kHz -> (80, S // 160)."""
    sound = F.pad(waveform, (0, max(0, WINDOW - len(waveform))))[None]
    sound = F.pad(sound, (WINDOW // 2, WINDOW // 2), mode="reflect")[0]
    window = torch.hann_window(WINDOW, device=waveform.device)
    parts = []
    for start in range(0, len(waveform), BLOCK):
        part = sound[start : start + BLOCK + WINDOW - HOP]
        spectrum = torch.stft(part, WINDOW, HOP, window=window, center=False, return_complex=True).abs() ** 2
        parts.append((_mel_filters().to(waveform.device) @ spectrum).clamp(min=1e-10).log10())
    bands = torch.cat(parts, 1)[:, : len(waveform) // HOP]
    return (torch.maximum(bands, bands.max() - 8) + 4) / 4


@cache
def _mel_filters() -> Tensor:
    """(80, 201) triangles of equal area on Slaney's scale: linear to 1 kHz, logarithmic above."""
    log_step = np.log(6.4) / 27
    top = 15 + np.log(SAMPLE_RATE / 2 / 1000) / log_step
    mels = np.linspace(0, top, BANDS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(log_step * (mels - 15)))  # Hz
    hertz = np.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1)
    rising = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(triangles.astype(np.float32))


class WhisperEncoder(nn.Module):
    """Two convolutions and some layers of attention over 30 s of sound."""

    def __init__(self, width: int = 384, layers: int = 4):
        super().__init__()
        self.conv1 = nn.Conv1d(BANDS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(BLOCK // HOP // 2, width)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, bands: Tensor, *, normalize_last: bool = True) -> Tensor:
        """(B, 80, 3000) -> (B, 1500, layers + 1, width): what goes into the first layer and what leaves each of them.

        Args:
            normalize_last: whether the last of them has passed the final LayerNorm.
        """
        x = F.gelu(self.conv2(F.gelu(self.conv1(bands)))).transpose(1, 2) + self.embed_positions.weight
        states = [x]
        for layer in self.layers:
            x = layer(x)
            states.append(x)
        if normalize_last:
            states[-1] = self.layer_norm(x)
        return torch.stack(states, dim=2)


class _Layer(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.self_attn = _Attention(width)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class _Attention(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            project(x).unflatten(-1, (-1, HEAD)).transpose(1, 2) for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.out_proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(-2))
