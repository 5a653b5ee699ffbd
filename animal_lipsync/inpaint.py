"""The inpaint engine: a network paints the lower half of the face, its mouth and jaw are set into the picture.

Drawn by MuseTalk's networks (`musetalk.py`), wherever they come from. What lies outside the mask is never changed.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from hashlib import blake2b

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .crop import MouthCrop
from .engine import WarpEngine
from .lower_face import LOWER_FACE, Geometry
from .memory import is_out_of_memory
from .musetalk import MouthNetworks, latents_of, paint_latents
from .sampling import sample_grid
from .speech_features import SpeechFrames
from .types import FaceTrack, MouthMotion

logger = logging.getLogger(__name__)

KEPT = 2048
"""Faces whose latents are kept, 32 KB each in single precision; a clip played forth and back is encoded once."""
OPENING = 0.6
"""How far a mouth may open, as `jaw_open`."""
CELL = 8
"""Pixels of the crop over which colours are compared."""
SPREAD = 5
"""Cells over which a difference in colour is carried into the mouth."""
FACE_BYTES = 160_000_000
"""Memory of a graphics card for one face on its way through UNet and decoder in half precision, roughly."""
LARGEST_SHIFT = 0.2
"""Of a colour of [0, 1]; more is a different picture, not a different light."""


class InpaintEngine:
    """Paints the mouth: the `MouthEngine` driven by a voice's `SpeechFrames`.

    Args:
        batch: faces painted at once; halved when the memory does not suffice.
        guide: opens the mouth of the picture that the network copies from, for animals that keep theirs shut.
        opening: how far the jaw may come down from where the source has it: the network's square reaches as far, and
            the guide opens the mouth so much. 0 is what upstream does.
        match_colours: bring the painted face to the colours round it.
        latents: of faces encoded before (`prepared.py`).
        geometry: where the network's square lies and what is kept of it; that of MuseTalk's scripts is `upstream.py`.
    """

    def __init__(
        self,
        networks: MouthNetworks,
        *,
        batch: int = 8,
        guide: WarpEngine | None = None,
        opening: float = OPENING,
        match_colours: bool = True,
        latents: dict[bytes, Tensor] | None = None,
        geometry: Geometry = LOWER_FACE,
    ):
        self.networks = networks
        self.batch = batch
        self.guide = guide
        self.opening = opening
        self.match_colours = match_colours
        self.geometry = geometry
        self.latents: OrderedDict[bytes, Tensor] = OrderedDict(latents or {})
        self.kept = max(KEPT, len(self.latents))
        self._dtype = networks.dtype

    def region(self, face: FaceTrack, speech: SpeechFrames, width: int, height: int) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 of the part of a `width` x `height` frame that these frames need; may be empty."""
        rows = np.flatnonzero(np.broadcast_to(face.visible, len(speech)) & (speech.speaking > 0))
        if not len(rows):
            return 0, 0, 0, 0
        boxes = _boxes(self._place(face if len(face) == 1 else face[rows]), width, height)
        boxes = boxes[(boxes[:, :2] < boxes[:, 2:]).all(1)]
        if not len(boxes):
            return 0, 0, 0, 0
        return *boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist()

    @torch.no_grad()
    def __call__(
        self,
        frames: Tensor,
        face: FaceTrack,
        speech: SpeechFrames,
        *,
        canvas: tuple[float, float, float, float] | None = None,
        is_still: bool = True,
    ) -> Tensor:
        """Frames in which the animal says what is heard.

        Args:
            frames: (N, 3, H, W) float32 sRGB in [0, 1]; N = 1 is a still that stands for every frame.
            face: N frames in the same pixels; those not visible pass through untouched.
            speech: the frames to make; its length is N unless N is 1.
            canvas: not needed, as nothing but the lower face moves.
            is_still: as of `WarpEngine`, for the guide.

        Returns:
            (len(speech), 3, H, W). Where nobody speaks, `frames` bit for bit.

        Raises:
            ValueError: the networks paint no numbers, or the memory does not suffice for a single face.
        """
        if len(face) != len(frames) or len(frames) not in (1, len(speech)):
            raise ValueError(f"{len(frames)} frames, {len(face)} faces and {len(speech)} of speech do not match.")
        out = frames.expand(len(speech), -1, -1, -1).clone()
        seen = np.broadcast_to(self.sees(face, *frames.shape[:1:-1]), len(speech))
        rows = np.flatnonzero(seen & (speech.speaking > 0))
        if not len(rows):
            return out
        if len(frames) > 1:
            frames, face = frames[rows], face[rows]
        crop = self._place(face)
        crops, latents = self.encode(frames, face, is_still=is_still)
        painted = self._paint(latents.expand(len(rows), -1, -1, -1), speech[rows]).to(frames)
        mask = self.geometry.mask(crop).to(frames.device)
        if self.match_colours:
            painted = match_colours(painted, crops, mask)
        shown = torch.from_numpy(speech.speaking[rows]).to(frames.device)[:, None, None] * mask
        if len(rows) == len(out):
            return composite(out, painted, shown, crop)
        out[rows] = composite(out[rows], painted, shown, crop)
        return out

    def sees(self, face: FaceTrack, width: int, height: int) -> np.ndarray:
        """(N,) whether there is anything of each face in a frame of that size."""
        boxes = _boxes(self._place(face), width, height)
        return face.visible & (boxes[:, :2] < boxes[:, 2:]).all(1)

    @torch.no_grad()
    def encode(self, frames: Tensor, face: FaceTrack, *, is_still: bool = True) -> tuple[Tensor, Tensor]:
        """Crops (N, 3, 256, 256) of faces that lie in these frames, and latents (N, 8, 32, 32), remembered."""
        crop = self._place(face)
        boxes = _boxes(crop, *frames.shape[:1:-1])
        crops = self._cut(frames, crop, boxes)
        names = [self._name(*face) for face in zip(frames, crop.centre, crop.across, crop.side, boxes, strict=True)]
        new = [index for index, name in enumerate(names) if name not in self.latents and name not in names[:index]]
        if new:
            references = crops[new]
            if self.guide:
                one = (slice(index, index + 1) for index in new)
                references = torch.cat([self._open(frames[i], face[i], crop[i], boxes[i], is_still) for i in one])
            encode = partial(latents_of, encode=self.networks.encode)
            encoded = self._in_batches(encode, crops[new], references, pictures=2)
            _require_numbers(encoded)
            self.latents.update(zip((names[index] for index in new), encoded, strict=True))
        latents = torch.stack([self.latents[name].to(self.networks.device) for name in names])
        for name in names:
            self.latents.move_to_end(name)
        while len(self.latents) > self.kept:
            self.latents.popitem(last=False)
        return crops, latents

    def _place(self, face: FaceTrack) -> MouthCrop:
        return self.geometry.place(face, drop=self.opening)

    def _cut(self, frames: Tensor, crop: MouthCrop, boxes: np.ndarray) -> Tensor:
        """(N, 3, 256, 256) crops in 8-bit colours, each from its own box alone, wherever that lies in the frame."""
        cuts = [
            self.geometry.cut(frames[index : index + 1, :, y1:y2, x1:x2], crop[index : index + 1].shifted(x1, y1))
            for index, (x1, y1, x2, y2) in enumerate(boxes.tolist())
        ]
        return (torch.cat(cuts) * 255).round() / 255

    def _open(self, frame: Tensor, face: FaceTrack, crop: MouthCrop, boxes: np.ndarray, is_still: bool) -> Tensor:
        """(1, 3, 256, 256) crop of a frame (1, 3, H, W), its mouth opened by the guide, out of its box alone."""
        x1, y1, x2, y2 = boxes[0].tolist()
        pose = MouthMotion.from_channels(25, 1, jaw_open=self.opening)
        opened = self.guide(frame[:, :, y1:y2, x1:x2], face.shifted(x1, y1), pose, is_still=is_still)
        return self._cut(opened, crop.shifted(x1, y1), boxes - np.tile(boxes[:, :2], 2))

    def _name(self, frame: Tensor, centre: np.ndarray, across: np.ndarray, side: float, box: np.ndarray) -> bytes:
        """What a face is remembered by: every fourth pixel of its box and, to a 64th, where in it the crop lies."""
        x1, y1, x2, y2 = box
        pixels = (frame[:, y1:y2:2, x1:x2:2] * 255).round().to(torch.uint8).cpu().numpy()
        place = np.round(64 * np.concatenate([centre - box[:2], side * across]))
        content = blake2b(pixels.tobytes(), digest_size=16, salt=b"guided" if self.guide else b"")
        content.update(place.astype(np.int64).tobytes())
        return content.digest()

    def _paint(self, latents: Tensor, speech: SpeechFrames) -> Tensor:
        painted = self._in_batches(self._paint_batch, latents, speech.tokens())
        _require_numbers(painted)
        return painted

    def _paint_batch(self, latents: Tensor, tokens: Tensor) -> Tensor:
        painted = self.networks.decode(paint_latents(latents, tokens, self.networks, self._dtype))
        if self._dtype != torch.float32 and not painted.isfinite().all():
            logger.warning("Half precision is not enough for this face on this machine; going on in single precision.")
            self._dtype = torch.float32
            painted = self.networks.decode(paint_latents(latents, tokens, self.networks, self._dtype))
        return painted

    def _in_batches(self, function: Callable[..., Tensor], *tensors: Tensor, pictures: int = 1) -> Tensor:
        """The function of so many rows at once that `self.batch` pictures lie in memory, some of each row."""
        parts, start = [], 0
        while start < len(tensors[0]):
            try:
                end = start + max(1, self.batch // pictures)
                parts.append(function(*(tensor[start:end] for tensor in tensors)))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.batch == 1:
                    raise ValueError(
                        "The memory does not suffice for one face; close other programs that use the graphics card, "
                        "or use the warp engine."
                    ) from None
                self.batch //= 2
                logger.warning("Not enough memory; going on with %d faces at once.", self.batch)
            else:
                start += len(parts[-1])
        return torch.cat(parts)


def _require_numbers(made: Tensor) -> None:
    if not made.isfinite().all():
        raise ValueError(
            "The networks paint values that are not numbers; a file of theirs is damaged, or the VAE is not that "
            "of Stable Diffusion 1. Download them again with Load MuseTalk or animal-lipsync models download."
        )


def fitting_batch(free: int) -> int:
    """Faces that are painted at once where so many bytes of memory are free: from 1 to 8, more are hardly faster."""
    return int(np.clip(free / 2 // FACE_BYTES, 1, 8))


def match_colours(painted: Tensor, crops: Tensor, mask: Tensor) -> Tensor:
    """Painted faces in the light of what surrounds them: the difference outside the mask, carried smoothly into it.

    Args:
        painted: (N, 3, S, S) sRGB in [0, 1].
        crops: (N or 1, 3, S, S), what was there before.
        mask: (N or 1, S, S), 1 where only the painted face is seen.
    """
    outside = (1 - mask)[:, None]
    difference = F.avg_pool2d((crops - painted) * outside, CELL)
    known = F.avg_pool2d(outside, CELL)
    at = torch.arange(-2 * SPREAD, 2 * SPREAD + 1, device=painted.device)
    kernel = torch.exp(-0.5 * (at / SPREAD) ** 2)[None, None]

    def spread(cells: Tensor) -> Tensor:
        flat = cells.flatten(0, 1)[:, None]
        flat = F.conv2d(F.conv2d(flat, kernel[..., None], padding="same"), kernel[:, :, None], padding="same")
        return flat.reshape(cells.shape)

    shift = (spread(difference) / spread(known).clamp(min=1e-3)).clamp(-LARGEST_SHIFT, LARGEST_SHIFT)
    shift = F.interpolate(shift, size=painted.shape[2:], mode="bilinear", align_corners=False)
    return (painted + shift).clamp(0, 1)


def composite(frames: Tensor, painted: Tensor, mask: Tensor, crop: MouthCrop) -> Tensor:
    """Set painted mouths into frames, in place. Where the mask is 0 the frames keep every bit.

    Args:
        frames: (N, 3, H, W).
        painted: (N, 3, S, S).
        mask: (N, S, S) in [0, 1], 0 outside `crop.mouth`.
        crop: where the N faces, or a single one for all, lie in the frames.
    """
    height, width = frames.shape[2:]
    middle, reach = crop.mouth[:, None, :2] + 0.5, crop.mouth[:, None, 2:]
    corners = crop.to_frame(crop.size * (middle + reach * np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]])))
    x1, y1 = np.floor(corners.min((0, 1))).clip(0, (width, height)).astype(int).tolist()
    x2, y2 = np.ceil(corners.max((0, 1))).clip(0, (width, height)).astype(int).tolist()
    if x1 >= x2 or y1 >= y2:
        return frames
    shrink = int(np.clip(crop.size / crop.side.max(), 1, crop.size))
    layers = torch.cat([painted, mask[:, None]], 1)
    layers = F.avg_pool2d(layers, shrink) if shrink > 1 else layers
    # from a pixel of the mouth's box to one of the crop, both counted from -1 to 1
    axes = np.stack([crop.across, np.stack([-crop.across[:, 1], crop.across[:, 0]], 1)], 1) / crop.shape[..., None]
    half = np.array([x2 - x1, y2 - y1]) / 2
    places = np.concatenate([axes * half, (axes @ (half + (x1, y1) - crop.centre)[..., None])], 2)
    places = torch.as_tensor(places * (2 / crop.side)[:, None, None], dtype=frames.dtype, device=frames.device)
    grid = F.affine_grid(places, [len(crop), 1, y2 - y1, x2 - x1], align_corners=False)
    layers = sample_grid(layers, grid, align_corners=False)
    colour, cover = layers[:, :3], layers[:, 3:]
    part = frames[:, :, y1:y2, x1:x2]
    part += torch.where(cover > 0, (colour - part) * cover, 0)
    return frames


def _boxes(crop: MouthCrop, width: int, height: int) -> np.ndarray:
    """(N, 4) x1, y1, x2, y2: whole pixels of the frame round each crop; empty where it lies outside."""
    size = crop.size
    corners = crop.to_frame(np.array([[[0, 0], [size, 0], [0, size], [size, size]]], float))
    # rounded first, so that the place of the frame's origin does not decide
    low, high = (np.floor(np.round(edge, 2)) for edge in (corners.min(1) - 1, corners.max(1) + 2))
    return np.concatenate([low.clip(0, (width, height)), high.clip(0, (width, height))], 1).astype(int)
