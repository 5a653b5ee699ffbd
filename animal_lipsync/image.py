"""Pictures in and out, and the only conversions between uint8 (T, H, W, 3) and float32 (T, 3, H, W).

Files are read upright, flattened over white and converted to sRGB. Knows nothing of video or of faces.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    import torch

PIXEL_BUDGET = 100_000_000
"""Pixels; a larger picture is refused before it is decoded."""

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def is_picture(path: str | os.PathLike) -> bool:
    """Whether the file is a still picture, as opposed to a clip (an animated GIF is a clip).

    One that is too large or damaged counts as a picture if its suffix says so, and `read_picture` tells what is wrong.
    """
    try:
        with Image.open(path) as image:
            return image.format == "MPO" or getattr(image, "n_frames", 1) == 1
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Path(path).suffix.lower() in SUFFIXES


def read_picture(path: str | os.PathLike) -> np.ndarray:
    """The picture as (H, W, 3) uint8 sRGB: turned upright by its EXIF orientation, transparency over white.

    Raises:
        ValueError: missing, empty, damaged, not a picture, or larger than `PIXEL_BUDGET`.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no picture at {path}; check the name.")
    if not path.stat().st_size:
        raise ValueError(f"The picture {path} is empty (0 bytes); save or download it again.")
    try:
        with Image.open(path) as image:
            if image.width * image.height > PIXEL_BUDGET:
                raise _too_large(path, f"{image.width} x {image.height} pixels")
            return np.array(_to_srgb(ImageOps.exif_transpose(image)))
    except Image.DecompressionBombError:
        raise _too_large(path, "several hundred megapixels") from None
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not a picture that can be read; save it as PNG or JPEG.") from None
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"The picture {path} is damaged ({error}); save or download it again.") from None


def write_picture(path: str | os.PathLike, pixels: np.ndarray) -> None:
    """Save (H, W, 3) uint8 in the format that the suffix names; appears under its name only when complete."""
    path = Path(path)
    if path.suffix.lower() not in Image.registered_extensions():
        raise ValueError(f"The picture must be written to a name that ends in .png or .jpg, got {path}.")
    partial = path.with_name(f".{path.stem}-{uuid4().hex[:8]}{path.suffix}")
    try:
        Image.fromarray(pixels).save(partial, **({"quality": 95} if path.suffix.lower() in {".jpg", ".jpeg"} else {}))
        os.replace(partial, path)
    except OSError as error:
        raise OSError(error.errno, f"Cannot write {path} ({error}); check the folder and the free space.") from None
    finally:
        partial.unlink(missing_ok=True)


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

    planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
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


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip instead of scale
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8))
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


def _too_large(path: Path, size: str) -> ValueError:
    return ValueError(
        f"The picture {path} has {size}; the most is {PIXEL_BUDGET // 1_000_000} megapixels. Make it smaller."
    )
