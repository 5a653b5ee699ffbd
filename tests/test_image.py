import io
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms

from animal_lipsync import image
from animal_lipsync.image import is_picture, read_picture, to_frames, to_pixels, write_picture


def gradient(width=40, height=24):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) % 256], axis=-1).astype(np.uint8)


def png_header(width, height):
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_pixels_survive_the_round_trip_through_frames(pixels):
    frames = to_frames(pixels)
    assert frames.shape == (len(pixels), 3, *pixels.shape[1:3])
    assert frames.dtype == torch.float32
    np.testing.assert_array_equal(to_pixels(frames), pixels)


def test_to_frames_maps_0_to_black_and_255_to_1():
    frames = to_frames(np.arange(256, dtype=np.uint8).reshape(1, 256, 1, 1).repeat(3, axis=3))
    assert frames.min() == 0 and frames.max() == 1


def test_pixels_that_must_not_be_written_to_are_read_without_a_warning():
    pixels = np.asarray(Image.fromarray(gradient()))[None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = to_frames(pixels)
    np.testing.assert_array_equal(to_pixels(frames), pixels)


def test_to_pixels_rounds_and_clamps_without_touching_its_input():
    frames = (
        torch.tensor([-1.0, 0.0, 0.49 / 255, 0.51 / 255, 254.6 / 255, 1.0, 2.0]).reshape(1, 1, 1, 7).repeat(1, 3, 1, 1)
    )
    before = frames.clone()
    assert to_pixels(frames)[0, 0, :, 0].tolist() == [0, 0, 0, 1, 255, 255, 255]
    assert torch.equal(frames, before)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = gradient()
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(undo(upright))).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), upright)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    image = Image.fromarray(gradient()).convert(mode)
    name = tmp_path / ("a.tiff" if mode in {"CMYK", "YCbCr"} else "a.png")
    image.save(name, compression="tiff_lzw")  # for TIFF; Pillow before 13 reads no YCbCr without any
    pixels = read_picture(name)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels, np.array(image.convert("RGB")).astype(int), atol=2)


@pytest.mark.parametrize("mode, grey", [("RGBA", (100, 100, 100)), ("LA", (100,)), ("PA", (0,))])
def test_transparency_is_flattened_over_white(tmp_path, mode, grey):
    image = Image.new(mode, (4, 1), (*grey, 255))
    if mode == "PA":
        image.putpalette([100, 100, 100])
    for x, alpha in enumerate((0, 128, 255)):
        image.putpixel((x, 0), (*grey, alpha))
    name = tmp_path / ("a.tiff" if mode == "PA" else "a.png")
    image.save(name)
    row = read_picture(name)[0, :, 0]
    np.testing.assert_allclose(row.astype(int), [255, 177, 100, 100], atol=1)


def test_a_transparent_palette_colour_is_white(tmp_path):
    image = Image.new("P", (2, 1), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    assert read_picture(tmp_path / "a.png")[0].tolist() == [[255, 255, 255], [0, 0, 255]]


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png")[0, :, 1].tolist() == [0, 100, 255]


@pytest.mark.parametrize("white", [1, 255])
def test_grey_in_fractions_is_not_taken_for_black(tmp_path, white):
    Image.fromarray(np.array([[0, 100 / 255 * white, white]], np.float32)).save(tmp_path / "a.tif")
    np.testing.assert_allclose(read_picture(tmp_path / "a.tif")[0, :, 1].astype(int), [0, 100, 255], atol=1)


def test_of_a_tiff_of_several_pages_the_largest_is_read(tmp_path):
    preview, photograph = Image.new("RGB", (8, 6)), Image.fromarray(gradient())
    preview.save(tmp_path / "middle.tif", save_all=True, append_images=[photograph, preview])
    photograph.save(tmp_path / "first.tif", save_all=True, append_images=[preview])
    for name in ("middle.tif", "first.tif"):
        np.testing.assert_array_equal(read_picture(tmp_path / name), gradient())


@pytest.mark.parametrize("tag, value", [(254, 1), (50706, b"\1\4\0\0")])
def test_the_preview_of_a_raw_picture_is_not_taken_for_it(tmp_path, tag, value):
    exif = Image.Exif()
    exif[tag] = value
    Image.fromarray(gradient()).save(tmp_path / "a.dng", "TIFF", exif=exif)
    assert is_picture(tmp_path / "a.dng")
    with pytest.raises(ValueError, match="a.dng is a raw picture.*export it as JPEG"):
        read_picture(tmp_path / "a.dng")


def test_an_srgb_profile_changes_nothing_and_a_broken_one_is_ignored(tmp_path):
    pixels = gradient()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"not a profile"):
        Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=profile)
        np.testing.assert_allclose(read_picture(tmp_path / "a.png").astype(int), pixels, atol=1)


def test_one_pixel_and_twelve_megapixels_are_fine(tmp_path):
    for width, height in ((1, 1), (4000, 3000)):
        Image.new("RGB", (width, height), (9, 8, 7)).save(tmp_path / "a.bmp")
        pixels = read_picture(tmp_path / "a.bmp")
        assert pixels.shape == (height, width, 3) and pixels[-1, -1].tolist() == [9, 8, 7]


@pytest.mark.parametrize("size", [(12_000, 9_000), (100_000, 1), (100_000, 100_000)])
def test_a_picture_over_the_budget_is_refused_before_decoding(tmp_path, recwarn, size):
    (tmp_path / "huge.png").write_bytes(png_header(*size))
    with pytest.raises(ValueError, match="huge.png.*100 megapixels.*Make it smaller"):
        read_picture(tmp_path / "huge.png")
    assert not recwarn.list


def test_broken_exif_is_no_ones_business(tmp_path, recwarn):
    Image.fromarray(gradient()).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_picture(tmp_path / "a.jpg").shape == (24, 40, 3)
    assert not recwarn.list


def test_bad_files_are_refused_by_name(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(gradient(400, 300)).save(buffer, "JPEG")
    files = {
        "empty.png": (b"", "empty"),
        "text.png": (b"hello", "not a picture"),
        "cut.jpg": (buffer.getvalue()[:2000], "damaged"),
        "noise.png": (png_header(40, 40), "damaged"),
    }
    for name, (content, reason) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name}.*{reason}|{reason}.*{name}"):
            read_picture(tmp_path / name)
        assert is_picture(tmp_path / name)
    for missing in ("nothing.png", "."):
        with pytest.raises(ValueError, match="no picture at"):
            read_picture(tmp_path / missing)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"])
def test_a_telephones_picture_needs_a_package_or_another_format_whatever_its_name(tmp_path, monkeypatch, brand):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for name in ("IMG_1.HEIC", "a.jpg", "b"):
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic")
        assert is_picture(tmp_path / name)
        with pytest.raises(ValueError, match=f"{name} cannot be read.*pip install pillow-heif.*as JPEG"):
            read_picture(tmp_path / name)


@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])
def test_a_telephones_picture_is_read_upright_and_within_the_budget(tmp_path, monkeypatch, name):
    pillow_heif = pytest.importorskip("pillow_heif")
    turned, upright = Image.fromarray(gradient()), gradient().swapaxes(0, 1)[:, ::-1]
    exif = Image.Exif()
    exif[0x0112] = 6
    heic = pillow_heif.from_pillow(turned)
    heic.save(tmp_path / name, quality=-1, chroma=444, matrix_coefficients=0, exif=exif.tobytes())
    assert is_picture(tmp_path / name)
    np.testing.assert_allclose(read_picture(tmp_path / name).astype(int), upright, atol=2)
    (tmp_path / "cut.heic").write_bytes((tmp_path / name).read_bytes()[:300])
    with pytest.raises(ValueError, match="cut.heic is damaged"):
        read_picture(tmp_path / "cut.heic")
    monkeypatch.setattr(image, "PIXEL_BUDGET", 900)
    with pytest.raises(ValueError, match="too large .24 x 40 pixels"):
        read_picture(tmp_path / name)


def test_an_avif_that_begins_as_a_heic_does_is_none(tmp_path):
    if ".avif" not in Image.registered_extensions():
        pytest.skip("this Pillow reads no AVIF")
    Image.fromarray(gradient()).save(tmp_path / "a.avif")
    content = (tmp_path / "a.avif").read_bytes()
    (tmp_path / "a.avif").write_bytes(content[:8] + b"mif1" + content[12:])
    assert read_picture(tmp_path / "a.avif").shape == (24, 40, 3)


def test_a_still_is_a_picture_and_an_animation_is_not(tmp_path):
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 255)]
    frames[0].save(tmp_path / "still.gif")
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert is_picture(tmp_path / "still.gif")
    assert not is_picture(tmp_path / "moving.gif")
    (tmp_path / "clip.mp4").write_bytes(b"hello")
    assert not is_picture(tmp_path / "clip.mp4") and not is_picture(tmp_path / "missing.mp4")
    assert is_picture(tmp_path / "missing.png")


def test_the_first_picture_of_a_moving_webp_is_taken_and_this_is_said(tmp_path, caplog):
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 255)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert is_picture(tmp_path / "a.webp") and not read_picture(tmp_path / "a.webp").any()
    assert "only its first picture" in caplog.text


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_write_picture_leaves_one_complete_file(tmp_path, suffix):
    write_picture(tmp_path / f"a{suffix}", gradient())
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]
    assert read_picture(tmp_path / f"a{suffix}").shape == (24, 40, 3)


def test_write_picture_into_a_missing_folder_says_so(tmp_path):
    with pytest.raises(OSError, match="Cannot write .*check the folder"):
        write_picture(tmp_path / "gone" / "a.png", gradient())


@pytest.mark.parametrize("name", ["a.fits", "a.pdf", "a"])
def test_write_picture_refuses_what_it_cannot_write(tmp_path, name):
    with pytest.raises(ValueError, match="ends in .png or"):
        write_picture(tmp_path / name, gradient())
