"""Pictures in and out, and the only conversions between uint8 (T, H, W, 3) and float32 (T, 3, H, W).

Files are read upright, flattened over white and converted to sRGB. Knows nothing of video or of faces.
"""

from __future__ import annotations

import io
import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageOps, ImageSequence, UnidentifiedImageError

from .files import replacing, require_file, require_output
from .memory import is_out_of_memory

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

PIXEL_BUDGET = 100_000_000
"""Pixels of a picture or frame; a larger one is refused before it is decoded."""

SIDE_BUDGET = 16_384
"""Pixels; H.264 has no longer sides."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")

HEIC_SUFFIXES = (".heic", ".heif", ".hif")
READABLE = (*SUFFIXES, ".avif", *(HEIC_SUFFIXES if find_spec("pillow_heif") else ()))

HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
HEIC_REMEDY = "Pictures of an iPhone (HEIC) need one more package: pip install pillow-heif; or share them as JPEG"

NEW_SUBFILE_TYPE, DNG_VERSION = 254, 50706
"""Tags of TIFF; the first bit of the one marks a page as a smaller copy of a picture."""


class _RefusedPicture(ValueError):
    """It is a picture, but cannot be used."""


def is_picture(path: str | os.PathLike) -> bool:
    """Whether the file is a still picture, as opposed to a clip; an animated GIF or PNG is a clip.

    One that is damaged counts as a picture if its suffix says so, and `read_picture` tells what is wrong.
    """
    try:
        with _opened(path) as image:
            return image.format not in ("GIF", "PNG") or getattr(image, "n_frames", 1) == 1
    except _RefusedPicture:
        return True
    except ValueError:
        return Path(path).suffix.lower() in READABLE


def read_picture(path: str | os.PathLike) -> np.ndarray:
    """The picture as (H, W, 3) uint8 sRGB: turned upright by its EXIF orientation, transparency over white.

    Of an animated WebP or AVIF it is the first one, of a TIFF of several pages the largest.

    Raises:
        ValueError: missing, empty, damaged, not a picture, larger than `PIXEL_BUDGET` or `SIDE_BUDGET`, raw, or
            a HEIC without pillow-heif.
    """
    with _opened(path) as image:
        if image.format in ("WEBP", "AVIF") and getattr(image, "n_frames", 1) > 1:
            logger.warning("%s moves, but only its first picture is used; export it as GIF or mp4 to use all.", path)
        return np.array(_to_srgb(ImageOps.exif_transpose(image)))


def write_picture(path: str | os.PathLike, pixels: np.ndarray) -> None:
    """Save (H, W, 3) uint8 in the format that the suffix, one of `SUFFIXES`, names.

    It appears under its name only when complete.
    """
    require_output(path, *SUFFIXES)
    with replacing(path) as partial:
        is_jpeg = partial.suffix.lower() in (".jpg", ".jpeg")
        Image.fromarray(pixels).save(partial, **({"quality": 95} if is_jpeg else {}))


def fingerprint(pixels: np.ndarray) -> str:
    """What tells (H, W, 3) uint8 from other pictures, however it was decoded or resized: 64 grey levels as hex."""
    return np.asarray(Image.fromarray(pixels).convert("L").resize((8, 8), Image.Resampling.BOX)).tobytes().hex()


def is_same_picture(a: str, b: str) -> bool:
    """Whether two fingerprints are of one picture, give or take compression."""
    try:
        levels = [np.frombuffer(bytes.fromhex(text), np.uint8).astype(int) for text in (a, b)]
    except ValueError:
        return False
    return levels[0].shape == levels[1].shape == (64,) and bool((np.abs(levels[0] - levels[1]) <= 4).all())


def to_frames(pixels: np.ndarray) -> torch.Tensor:
    """(T, H, W, 3) uint8 -> (T, 3, H, W) float32 in [0, 1]; 0 is black, 255 is 1."""
    import torch

    # torch takes no array that must not be written to, such as Pillow's
    planes = torch.from_numpy(np.require(pixels, requirements="CW")).permute(0, 3, 1, 2)
    return planes.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def to_pixels(frames: torch.Tensor) -> np.ndarray:
    """(T, 3, H, W) float in [0, 1] -> (T, H, W, 3) uint8, rounded to nearest: the exact inverse of `to_frames`.

    Values outside [0, 1] are clamped.
    """
    import torch

    planes = frames.detach().mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8).cpu().numpy()
    pixels = np.empty((len(planes), *planes.shape[2:], 3), np.uint8)
    for channel in range(3):  # a third faster than permuting
        pixels[..., channel] = planes[:, channel]
    return pixels


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[Image.Image]:
    """The file as Pillow sees it, within the budgets. Whatever a decoder stumbles on is a ValueError with a remedy."""
    path = require_file(path, "picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes, which are checked here, and of odd EXIF
            with _heic(path) if _is_heic(path) else Image.open(path) as image:
                if image.format == "TIFF":
                    _turn_to_largest_page(image, path)
                if image.width * image.height > PIXEL_BUDGET or max(image.size) > SIDE_BUDGET:
                    raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
                yield image
    except Image.DecompressionBombError as error:
        raise _RefusedPicture(
            f"The picture {path} is too large ({error}); the most is {PIXEL_BUDGET // 1_000_000} megapixels "
            f"and {SIDE_BUDGET} pixels a side. Make it smaller."
        ) from None
    except _RefusedPicture:
        raise
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not a picture that can be read; save it as PNG or JPEG.") from None
    except Exception as error:  # Pillow's decoders raise OSError, RuntimeError, TypeError, struct.error and others
        if is_out_of_memory(error):
            raise
        raise ValueError(f"The picture {path} is damaged ({error}); save or download it again.") from None


def _is_heic(path: Path) -> bool:
    with open(path, "rb") as file:
        start = file.read(64)
    # an AVIF may begin as a HEIC does, and names itself after that
    return start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS and b"avif" not in start


def _heic(path: Path) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise _RefusedPicture(f"{path} cannot be read. {HEIC_REMEDY}.") from None
    return HeifImageFile(path)


def _turn_to_largest_page(image: Image.Image, path: Path) -> None:
    is_raw = DNG_VERSION in image.tag_v2
    _, before = max((math.prod(page.size), -page.tell()) for page in ImageSequence.Iterator(image))
    image.seek(-before)
    if is_raw or image.tag_v2.get(NEW_SUBFILE_TYPE, 0) & 1:
        raise _RefusedPicture(f"{path} is a raw picture, of which only a preview can be read; export it as JPEG.")


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip instead of scale
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8))
    if image.mode == "F" and image.getextrema()[1] <= 1:  # as far as white; Pillow takes 255 for it
        image = image.point(lambda grey: grey * 255)
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if image.mode not in {"RGB", "L", "CMYK"}:
        image = image.convert("RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (OSError, ImageCms.PyCMSError):  # broken, or of another colour space: browsers ignore it too
            pass
    image = image.convert("RGB")
    if alpha is not None:
        image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    return image
