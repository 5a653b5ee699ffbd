"""The inpaint engine: against a slow pipeline of single steps, and what it promises about pixels, memory and errors."""

from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings

from animal_lipsync.animate import animate
from animal_lipsync.clip import Clip
from animal_lipsync.crop import cut_mouth
from animal_lipsync.engine import WarpEngine
from animal_lipsync.image import to_frames, to_pixels
from animal_lipsync.inpaint import OPENING, InpaintEngine, composite, match_colours
from animal_lipsync.lower_face import lower_face_mask, place_lower_face
from animal_lipsync.musetalk import MouthNetworks, token_positions
from animal_lipsync.render import render
from animal_lipsync.speech_features import SpeechFeatures, SpeechFrames
from animal_lipsync.types import Audio, FaceTrack
from tests.animals import any_faces, joined, make_face, rough_picture, sample_fox, soft_picture

RATE = Fraction(25)


def simple_networks(**options) -> MouthNetworks:
    """Networks of one line each: the reference, blurred, brighter by what is heard."""

    def encode(crops):
        pooled = F.avg_pool2d(crops, 8)
        return torch.cat([pooled, pooled.mean(1, keepdim=True)], 1)

    def unet(latents, tokens):
        return latents[:, 4:] + tokens.mean((1, 2))[:, None, None, None]

    def decode(latents):
        return F.interpolate(latents[:, :3], scale_factor=8, mode="bilinear").clamp(0, 1)

    return MouthNetworks(encode, unet, decode, positions=False, **options)


def heard(frames: int, *, seed=0, speaking=None) -> SpeechFrames:
    states = np.random.default_rng(seed).uniform(0, 0.4, (2 * frames, 5, 384)).astype(np.float16)
    spoken = np.ones(2 * frames, np.float32)
    speech = SpeechFeatures(states, spoken, Fraction(frames, 25)).resampled(RATE, frames)
    return speech if speaking is None else speech.eased(np.asarray(speaking, np.float32))


def moving_face(frames: int) -> FaceTrack:
    return joined(*(make_face(at=(120 + 2 * t, 110 + t), size=36 + t / 4, turn=t) for t in range(frames)))


# ---- against a pipeline of single steps ------------------------------------------------------------------------------


def slow_pipeline(frames, face, speech, networks, unet, vae):
    """What upstream's steps are, one frame at a time in NumPy: spec 2.2 to 2.4, pasted as 8 bits."""
    done = []
    for t in range(len(speech)):
        crop = place_lower_face(face[t : t + 1], drop=OPENING)
        grid = np.stack(np.meshgrid(np.arange(256) + 0.5, np.arange(256) + 0.5), -1).reshape(1, -1, 2)
        at = crop.to_frame(grid)[0].reshape(256, 256, 2)
        image = np.clip(np.round(255 * look_up(frames[t], at)), 0, 255)
        masked = image.copy()
        masked[128:] = 0
        latents = []
        for part in (masked, image):
            x = torch.from_numpy(((part / 255 - 0.5) / 0.5).astype(np.float32)).permute(2, 0, 1)[None]
            latents.append(0.18215 * vae.encode(x).latent_dist.mode())
        tokens = speech[t : t + 1].tokens()[0].numpy()
        for p in range(50):
            for i in range(192):
                angle = p * np.exp(-2 * i * np.log(10000) / 384)
                tokens[p, 2 * i] += np.sin(angle)
                tokens[p, 2 * i + 1] += np.cos(angle)
        latents = unet(torch.cat(latents, 1), torch.tensor([0]), torch.from_numpy(tokens)[None]).sample
        pixels = vae.decode(latents / 0.18215).sample[0].permute(1, 2, 0).numpy()
        painted = np.round(np.clip(pixels / 2 + 0.5, 0, 1) * 255)
        mask = lower_face_mask(crop)[0].numpy()
        done.append(paste(frames[t], painted, mask, crop))
    return np.stack(done)


def look_up(frame, at):
    """Colours of (3, H, W) at (h, w, 2) pixels, linear in between, the frame's edge repeated."""
    height, width = frame.shape[1:]
    x, y = np.clip(at[..., 0] - 0.5, 0, width - 1), np.clip(at[..., 1] - 0.5, 0, height - 1)
    x0, y0 = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    u, v = (x - x0)[..., None], (y - y0)[..., None]
    pixel = frame.permute(1, 2, 0).numpy()
    upper = pixel[y0, x0] * (1 - u) + pixel[y0, x0 + 1] * u
    return upper * (1 - v) + (pixel[y0 + 1, x0] * (1 - u) + pixel[y0 + 1, x0 + 1] * u) * v


def paste(frame, painted, mask, crop):
    height, width = frame.shape[1:]
    pixels = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1).astype(float)
    at = crop.to_crop(pixels.reshape(1, -1, 2))[0].reshape(height, width, 2)
    inside = ((at > 0) & (at < 256)).all(-1)
    layers = torch.from_numpy(np.concatenate([painted / 255, mask[..., None]], 2)).permute(2, 0, 1)
    layers = look_up(layers, at)
    cover = np.where(inside, layers[..., 3], 0)[..., None]
    below = frame.permute(1, 2, 0).numpy()
    return np.round(255 * (below + (layers[..., :3] - below) * cover))


def test_frames_are_those_of_a_slow_pipeline_of_single_steps():
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    from animal_lipsync.networks import build_unet, build_vae, connect

    torch.manual_seed(0)
    unet, vae = build_unet(32).eval().requires_grad_(False), build_vae(32).eval().requires_grad_(False)
    networks = connect(unet, vae)
    frames, face, speech = rough_picture(240, 220), moving_face(1), heard(1)
    ours = 255 * InpaintEngine(networks, match_colours=False)(frames, face, speech).permute(0, 2, 3, 1).numpy()
    with torch.no_grad():
        slow = slow_pipeline(frames, face, speech, networks, unet, vae)
    changed = np.abs(slow - 255 * frames.permute(0, 2, 3, 1).numpy()).max(-1) > 1
    assert changed.mean() > 0.05
    assert np.abs(ours - slow)[changed].mean() < 1
    assert np.abs(ours - slow).max() < 4


def test_positions_are_the_sines_and_cosines_of_the_paper():
    table = token_positions()
    assert table.shape == (50, 384)
    assert table[0, :4].tolist() == [0, 1, 0, 1]
    assert float(table[7, 10]) == pytest.approx(np.sin(7 * 10_000 ** (-10 / 384)), abs=1e-5)
    assert float(table[49, 383]) == pytest.approx(np.cos(49 * 10_000 ** (-382 / 384)), abs=1e-5)


# ---- what does not change --------------------------------------------------------------------------------------------


def test_outside_the_mask_every_bit_stays():
    frames, face = rough_picture(240, 220, frames=4), moving_face(4)
    out = InpaintEngine(simple_networks())(frames, face, heard(4))
    crop = place_lower_face(face, drop=OPENING)
    ys, xs = np.mgrid[:220, :240] + 0.5
    at = crop.to_crop(np.stack([xs, ys], -1).reshape(1, -1, 2).repeat(4, 0))
    x, y, half_width, half_height = crop.mouth.T[..., None]
    far = (np.abs(at[..., 0] / 256 - 0.5 - x) > half_width + 0.01) | (
        np.abs(at[..., 1] / 256 - 0.5 - y) > half_height + 0.01
    )
    far = torch.from_numpy(far.reshape(4, 1, 220, 240)).expand_as(frames)
    assert torch.equal(out[far], frames[far])
    assert (out != frames)[~far].float().mean() > 0.3


def test_in_silence_and_where_the_face_is_not_seen_the_frame_is_the_source():
    frames, face = rough_picture(240, 220, frames=4), moving_face(4)
    face.visible[2] = False
    out = InpaintEngine(simple_networks())(frames, face, heard(4, speaking=[0, 1, 1, 0.5]))
    same = [torch.equal(a, b) for a, b in zip(out, frames, strict=True)]
    assert same == [True, False, True, False]
    assert torch.equal(InpaintEngine(simple_networks())(frames, face, heard(4, speaking=[0] * 4)), frames)


def test_nothing_is_painted_in_silence():
    painted = []
    networks = simple_networks()
    counting = MouthNetworks(
        networks.encode, lambda x, t: painted.append(len(x)) or networks.unet(x, t), networks.decode, positions=False
    )
    InpaintEngine(counting)(rough_picture(240, 220), moving_face(1), heard(6, speaking=[0, 0, 1, 1, 0, 0]))
    assert painted == [2]


def test_a_face_painted_as_it_was_is_the_face_that_was():
    """Out of the frame, through the crop and back: only interpolation is lost."""
    picture, face = soft_picture(320, 300), make_face(at=(150, 140), size=50, turn=17)
    crop = place_lower_face(face)
    back = composite(picture.clone(), cut_mouth(picture, crop), lower_face_mask(crop), crop)
    assert (back - picture).abs().max() < 0.02
    assert not torch.equal(back, picture)


def test_a_small_face_is_averaged_when_it_is_set_back():
    crop = place_lower_face(make_face(at=(30, 30), size=8))
    stripes = (torch.arange(256) % 2).float().expand(1, 3, 256, 256)
    mask = (lower_face_mask(crop) > 0).float()
    out = composite(torch.zeros(1, 3, 60, 60), stripes, mask, crop)
    full = composite(torch.zeros(1, 3, 60, 60), torch.ones(1, 3, 256, 256), mask, crop) == 1
    assert full.sum() > 100 and (out[full] - 0.5).abs().max() < 0.05


@settings(max_examples=60)
@given(any_faces())
@example(make_face(at=(40.5, 30.5), size=0.1))
def test_any_face_is_painted_or_left_alone_and_never_breaks(face):
    frames = rough_picture(96, 64)
    engine = InpaintEngine(simple_networks())
    x1, y1, x2, y2 = engine.region(face, heard(2), 96, 64)
    assert 0 <= x1 <= x2 <= 96 and 0 <= y1 <= y2 <= 64
    if x1 < x2:
        part = engine(frames[:, :, y1:y2, x1:x2], face.shifted(x1, y1), heard(2))
        assert part.isfinite().all() and part.min() >= 0 and part.max() <= 1


# ---- colours ---------------------------------------------------------------------------------------------------------


def test_a_face_painted_in_another_light_comes_to_that_of_the_picture():
    picture, face = soft_picture(256, 256), make_face(at=(128, 120), size=40)
    mask = lower_face_mask(place_lower_face(face))
    tinted = (picture + torch.tensor([0.1, -0.08, 0.05])[:, None, None]).clamp(0, 1)
    assert (match_colours(tinted, picture, mask) - picture).abs().max() < 0.01
    assert torch.allclose(match_colours(picture, picture, mask), picture, atol=1e-6)


@settings(max_examples=30)
@given(any_faces())
def test_the_mask_fades_without_an_edge_and_stays_below_the_muzzles_root(face):
    mask = lower_face_mask(place_lower_face(face))[0]
    assert mask[:128].max() == 0 and mask[[0, -1]].max() == 0 and mask[:, [0, -1]].max() == 0
    if mask.max() == 1:
        assert max(mask.diff(dim=0).abs().max(), mask.diff(dim=1).abs().max()) < 0.35


# ---- speed and memory ------------------------------------------------------------------------------------------------


def count_encodes(networks: MouthNetworks) -> tuple[MouthNetworks, list[int]]:
    seen = []

    def encode(crops):
        seen.append(len(crops))
        return networks.encode(crops)

    return MouthNetworks(encode, networks.unet, networks.decode, positions=False), seen


def test_a_still_is_encoded_once_and_a_clip_played_back_is_not_encoded_again():
    networks, seen = count_encodes(simple_networks())
    picture = to_pixels(rough_picture(240, 220))[0]
    list(render([picture] * 20, moving_face(1), heard(20), InpaintEngine(networks, batch=4)))
    assert seen == [2]

    networks, seen = count_encodes(simple_networks())
    clip = to_pixels(rough_picture(240, 220, frames=3))
    order = [0, 1, 2, 1, 0, 1, 2, 1]
    face = moving_face(3)[np.array(order)]
    list(render((clip[i] for i in order), face, heard(8), InpaintEngine(networks, batch=2)))
    assert sum(seen) == 2 * 3


def test_batches_of_any_size_paint_the_same_frames():
    frames, face, speech = rough_picture(240, 220, frames=5), moving_face(5), heard(5)
    one, many = (InpaintEngine(simple_networks(), batch=n)(frames, face, speech) for n in (1, 8))
    assert (one - many).abs().max() < 1e-5


def test_when_the_memory_does_not_suffice_the_batch_is_halved():
    sizes = []
    networks = simple_networks()

    def unet(latents, tokens):
        sizes.append(len(latents))
        if len(latents) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return networks.unet(latents, tokens)

    engine = InpaintEngine(MouthNetworks(networks.encode, unet, networks.decode, positions=False), batch=8)
    out = engine(rough_picture(240, 220), moving_face(1), heard(7))
    assert sizes == [7, 4, 2, 2, 2, 1]
    assert torch.equal(out, InpaintEngine(networks, batch=2)(rough_picture(240, 220), moving_face(1), heard(7)))

    def never(latents, tokens):
        raise torch.OutOfMemoryError("CUDA out of memory")

    engine = InpaintEngine(MouthNetworks(networks.encode, never, networks.decode))
    with pytest.raises(ValueError, match="does not suffice for one face"):
        engine(rough_picture(240, 220), moving_face(1), heard(1))


def test_a_batch_that_half_precision_spoils_is_painted_again(caplog):
    networks = simple_networks()

    def unet(latents, tokens):
        return networks.unet(latents, tokens) * (float("nan") if latents.dtype == torch.float16 else 1)

    spoilt = MouthNetworks(networks.encode, unet, networks.decode, dtype=torch.float16, positions=False)
    frames, face = rough_picture(240, 220), moving_face(1)
    out = InpaintEngine(spoilt)(frames, face, heard(3))
    assert "single precision" in caplog.text
    assert torch.equal(out, InpaintEngine(networks)(frames, face, heard(3)))


def test_networks_that_paint_no_numbers_are_named():
    networks = simple_networks()
    broken = MouthNetworks(networks.encode, lambda x, t: x[:, 4:] * float("nan"), networks.decode)
    with pytest.raises(ValueError, match="not numbers.*Download them again"):
        InpaintEngine(broken)(rough_picture(240, 220), moving_face(1), heard(1))
    broken = MouthNetworks(lambda crops: networks.encode(crops) / 0, networks.unet, networks.decode)
    engine = InpaintEngine(broken)
    with pytest.raises(ValueError, match="not numbers.*Download them again"):
        engine(rough_picture(240, 220), moving_face(1), heard(1))
    assert not engine.latents, "nothing is remembered of it"


# ---- the guide -------------------------------------------------------------------------------------------------------


def test_with_a_guide_the_network_copies_from_the_opened_mouth():
    picture, face = sample_fox()
    shut, opened = (InpaintEngine(simple_networks(), guide=guide) for guide in (None, WarpEngine()))
    plain, guided = (engine(picture, face, heard(1)) for engine in (shut, opened))
    darker = (guided - plain).mean(1)[0]
    assert darker.min() < -0.15, "the cavity of the opened mouth"


# ---- the whole job ---------------------------------------------------------------------------------------------------


def test_a_clip_speaks_and_is_as_long_as_its_voice(tmp_path):
    frames = to_pixels(rough_picture(240, 220, frames=4))
    clip = Clip.from_frames(frames, frame_rate=RATE)
    face = moving_face(4)
    face.visible[3] = False
    voice = Audio(np.random.default_rng(0).normal(0, 0.1, (1, 8000)).astype(np.float32), 16_000)
    states = np.random.default_rng(0).normal(0, 1, (25, 5, 384)).astype(np.float16)
    features = SpeechFeatures(states, np.ones(25, np.float32), Fraction(1, 2))
    output = tmp_path / "talking.mp4"
    made = [frame.copy() for frame in animate(clip, face, features, voice, output, InpaintEngine(simple_networks()))]
    assert len(made) == 12 and output.is_file()
    source = list(clip.read(12))
    unchanged = [np.array_equal(a, b) for a, b in zip(made, source, strict=True)]
    assert unchanged[3] and not unchanged[0] and not unchanged[6]


def test_pixels_survive_the_way_through_the_render(tmp_path):
    """What `render` cuts out for the engine is placed as in the whole frame."""
    picture, face, speech = rough_picture(240, 220), moving_face(1), heard(2)
    whole = to_pixels(InpaintEngine(simple_networks())(picture, face, speech))
    pixels = to_pixels(picture)[0]
    engine = InpaintEngine(simple_networks())
    through = [drawn.pixels.copy() for drawn in render([pixels] * 2, face, speech, engine)]
    assert np.abs(np.stack(through).astype(int) - whole).max() <= 1
    assert torch.equal(to_frames(pixels[None]), to_frames(to_pixels(picture)))
