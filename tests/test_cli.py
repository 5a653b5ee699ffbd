import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import wave
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animal_lipsync import espeak
from animal_lipsync.audio import probe_audio
from animal_lipsync.cli import main
from animal_lipsync.image import read_picture, to_pixels, write_picture
from animal_lipsync.types import Faces, MouthMotion
from animal_lipsync.video import probe
from animal_lipsync.video_writer import VideoWriter
from tests.animals import as_document, make_face, pose, sample_fox, soft_picture

ROOT = Path(__file__).parents[1]
SAMPLES = files("animal_lipsync") / "samples"
WIDTH, HEIGHT = 96, 80


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a picture, its keypoints, a short voice and a motion."""
    monkeypatch.chdir(tmp_path)
    write_picture("cat.png", to_pixels(soft_picture(WIDTH, HEIGHT))[0])
    face = make_face(at=(48, 40), size=12, species="cat")
    Path("cat.json").write_text(as_document(face, WIDTH, HEIGHT).to_json())
    Path("motion.json").write_text(pose(5, jaw_open=[0, 0.5, 1, 0.5, 0]).to_json())
    with wave.open(str(SAMPLES / "voice.wav")) as voice, wave.open("voice.wav", "wb") as cut:
        cut.setparams(voice.getparams())
        cut.writeframes(voice.readframes(voice.getframerate() // 5))
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """Run a command in the folder: (exit code, stdout, stderr)."""

    def call(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def report(run):
    """Run a command with --json that must succeed: the object it prints."""

    def call(*arguments):
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        lines = out.splitlines()
        assert len(lines) == 1, out
        return json.loads(lines[0])

    return call


ANIMATE = ("animate", "cat.png", "voice.wav", "--keypoints", "cat.json", "-o", "out.mp4")
FRAME = ("frame", "cat.png", "--keypoints", "cat.json", "-o", "out.png")
CONVERT = ("motion", "--motion", "motion.json", "-o", "out.json")
"""Without PyTorch, which takes a second and a half to import."""


def python(*arguments, **options):
    command = [sys.executable, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, **options)


# ---- what succeeds ---------------------------------------------------------------------------------------------------


def test_animate_reports_the_video_it_wrote(report):
    told = report(*ANIMATE)
    info = probe("out.mp4")
    assert told["output"] == "out.mp4" and told["frame_rate"] == "25"
    assert (told["width"], told["height"], told["frames"]) == (info.width, info.height, info.frames)
    assert told["duration_s"] == pytest.approx(info.duration, abs=0.01)


def test_animate_names_its_output_after_the_source_and_replaces_none(report):
    Path("cat-talking.mp4").write_text("mine")
    assert [report(*ANIMATE[:-2])["output"] for _ in range(2)] == ["cat-talking-2.mp4", "cat-talking-3.mp4"]
    assert Path("cat-talking.mp4").read_text() == "mine" and probe("cat-talking-3.mp4")
    Path("cat-talking.mp4").unlink()
    assert report(*ANIMATE[:-2])["output"] == "cat-talking.mp4"


def test_animate_takes_a_motion_a_rate_and_a_nod(report):
    told = report(*ANIMATE, "--motion", "motion.json", "--frame-rate", "30000/1001", "--nod", "2")
    assert told["frame_rate"] == "30000/1001" and told["frames"] == 6


@pytest.mark.parametrize("values", [[[0.0], [1.0], [0.0]], []])
def test_a_motion_of_the_jaw_alone_takes_nods_and_blinks(report, values):
    motion = {"version": 1, "frame_rate": "25", "channels": ["jaw_open"], "values": values}
    Path("jaw.json").write_text(json.dumps(motion))
    assert report(*ANIMATE, "--motion", "jaw.json", "--nod", "2", "--blinks", "20")["frames"] == 5


def test_animate_takes_a_video_and_keypoints_for_each_of_its_frames(report):
    with VideoWriter("clip.mp4", WIDTH, HEIGHT, 20) as video:
        for seed in range(6):
            video.write(to_pixels(soft_picture(WIDTH, HEIGHT, seed=seed))[0])
    face = make_face(at=(48, 40), size=12, frames=6)
    Path("clip.json").write_text(as_document(face, WIDTH, HEIGHT, frame_rate=20).to_json())
    told = report("animate", "clip.mp4", "voice.wav", "--keypoints", "clip.json", "-o", "out.mp4")
    assert told["frame_rate"] == "20" and told["frames"] == probe("out.mp4").frames >= 6


def test_animate_takes_a_reference_with_an_open_mouth(report):
    write_picture("open.png", to_pixels(soft_picture(WIDTH, HEIGHT))[0])
    Path("open.json").write_text(as_document(make_face(at=(48, 34), size=14, gap=0.8), WIDTH, HEIGHT).to_json())
    reference = ("--reference", "open.png", "--reference-keypoints", "open.json")
    assert report(*ANIMATE, "--motion", "motion.json", *reference)["frames"] >= 5


def test_motion_writes_what_the_mouth_does(report):
    told = report("motion", "voice.wav", "-o", "said.json", "--frame-rate", "50")
    motion = MouthMotion.from_json(Path("said.json").read_text())
    assert told["frames"] == len(motion) and motion.frame_rate == 50 and told["output"] == "said.json"


@pytest.mark.skipif(not espeak.available(), reason="eSpeak NG is not installed")
def test_a_text_is_spoken_and_animated(report):
    said = ("--text", "My puppy barks.", "--language", "en-us+f3", "--speed", "200", "--pitch", "80")
    told = report("animate", "cat.png", *said, "--keypoints", "cat.json", "--style", "cartoon", "-o", "spoken.mp4")
    heard = report("motion", *said, "--wav", "said.wav", "-o", "said.json")
    assert told["frames"] == heard["frames"] == round(probe_audio("said.wav").duration * 25)
    motion = MouthMotion.from_json(Path("said.json").read_text())
    assert motion.visemes.text == "My puppy barks." and motion.channel("jaw_open").max() > 0.5


def test_motion_writes_for_every_program_what_animate_reads_again(report):
    names = {"rhubarb": "a.tsv", "moho": "a.dat", "papagayo": "a.pgo", "arkit": "a.csv", "ovr": "a.json"}
    exports = [part for option, name in names.items() for part in (f"--{option}", name)]
    frames = report("motion", SAMPLES / "voice.wav", *exports, "--draw", "a.png", "-o", "a.motion.json")["frames"]
    for name in (*names.values(), "a.motion.json"):
        again = report("motion", "--motion", name, "-o", "again.json")
        assert abs(again["frames"] - frames) <= 1 and 0.15 < again["mean_jaw_open"] < 0.6, name
    assert read_picture("a.png").shape == (800, 1600, 3)
    assert report(*ANIMATE, "--motion", "a.pgo")["frames"] == frames


def test_motion_without_an_output_reports_only(report, folder):
    before = sorted(folder.iterdir())
    assert report("motion", "voice.wav")["output"] is None
    assert sorted(folder.iterdir()) == before


def test_a_face_from_a_file_is_doubted_as_one_that_was_found(report, caplog):
    face = make_face(at=(48, 40), size=12, species="cat")
    doubted = replace(as_document(face, WIDTH, HEIGHT), scores=(0.4,))
    Path("cat.json").write_text(doubted.to_json())
    report(*FRAME)
    assert "Not sure about face 0 (0.40)" in caplog.text


def test_frame_poses_the_picture(report):
    assert report(*FRAME) == {"output": "out.png", "width": WIDTH, "height": HEIGHT}
    np.testing.assert_array_equal(read_picture("out.png"), read_picture("cat.png"))
    report(*FRAME, "--set", "jaw_open=0.6", "--set", "head_yaw=-5")
    assert (read_picture("out.png") != read_picture("cat.png")).any()


def test_detect_finds_the_sample_animal(report):
    pytest.importorskip("animal_lipsync.detection")
    picture, face = sample_fox()
    write_picture("fox.png", to_pixels(picture)[0])
    told = report("detect", "fox.png", "-o", "faces.json", "--draw", "drawn.png")
    assert told["output"] == "faces.json" and len(told["faces"]) == 1 and told["faces"][0]["mouth_score"] > 0.8
    found = Faces.from_json(Path("faces.json").read_text())
    off = np.linalg.norm(found.tracks[0].keypoints[0] - face.keypoints[0], axis=1)
    assert off.max() < 0.15 * (face.boxes[0, 2] - face.boxes[0, 0])
    assert read_picture("drawn.png").shape == (256, 256, 3)


def test_without_json_the_report_is_for_people(run):
    code, out, _ = run(*FRAME)
    assert code == 0 and "output: out.png" in out.splitlines()


def test_the_module_runs_the_demo_with_one_object_on_stdout_and_nothing_else(tmp_path):
    (tmp_path / "talking.mp4").write_text("mine")
    done = python("-m", "animal_lipsync", "demo", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1 and "Traceback" not in done.stderr
    assert told["output"] == "talking-2.mp4" and (tmp_path / "talking.mp4").read_text() == "mine"
    assert probe(tmp_path / "talking-2.mp4").frames == told["frames"]
    assert abs(told["duration_s"] - 6.4) < 0.1


def test_what_is_logged_goes_to_stderr(folder):
    cat = Image.open("cat.png")
    cat.save("cat.webp", save_all=True, append_images=[cat.rotate(90)])
    done = python("-m", "animal_lipsync", *replaced(FRAME, source="cat.webp"), "--json")
    assert json.loads(done.stdout) and "cat.webp moves, but only its first picture is used" in done.stderr


def test_help_of_every_command_names_its_options():
    done = python("-m", "animal_lipsync", "--help")
    assert done.returncode == 0
    for command in ("animate", "detect", "motion", "frame", "demo"):
        assert command in done.stdout
    assert "--keypoints" in python("-m", "animal_lipsync", "animate", "--help").stdout


def test_help_and_bad_usage_need_neither_torch_nor_av():
    code = "import sys; from animal_lipsync.cli import main\ntry: main(['{}'])\nexcept SystemExit: print(*sys.modules)"
    for argument in ("--help", "nonsense"):
        loaded = python("-c", code.format(argument), cwd=ROOT).stdout.split()
        assert "animal_lipsync.cli" in loaded and not {"torch", "av", "PIL"} & set(loaded)


# ---- bad usage: 2 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, named",
    [
        ((), "COMMAND"),
        (("sing",), "sing"),
        (("animate", "cat.png"), "VOICE"),
        (("frame", "cat.png"), "--output"),
        ((*FRAME, "--set", "jaw=1"), "jaw_open"),
        ((*FRAME, "--set", "jaw_open=2"), "[0, 1]"),
        ((*FRAME, "--set", "jaw_open"), "CHANNEL=NUMBER"),
        ((*FRAME, "--set", "jaw_open=nan"), "[0, 1]"),
        ((*FRAME, "--set", "head_yaw=90"), "[-45, 45]"),
        ((*ANIMATE, "--frame-rate", "0"), "between 1 and 1000"),
        ((*ANIMATE, "--frame-rate", "0.0001"), "between 1 and 1000"),
        ((*ANIMATE, "--frame-rate", "-5"), "25 or 30000/1001"),
        ((*ANIMATE, "--frame-rate", "1e999999999"), "25 or 30000/1001"),
        ((*ANIMATE, "--frame-rate", "1/0"), "25 or 30000/1001"),
        ((*ANIMATE, "--frame-rate", "fast"), "25 or 30000/1001"),
        ((*ANIMATE, "--frame-rate", "nan"), "25 or 30000/1001"),
        ((*ANIMATE, "--face", "first"), "--face"),
        ((*ANIMATE, "--key", "cat.json"), "--key"),
        ((*ANIMATE, "--min-score", "nan"), "from 0 to 1"),
        ((*ANIMATE, "--language", "de"), "--transcript"),
        ((*ANIMATE, "--reference-keypoints", "cat.json"), "--reference"),
        ((*ANIMATE, "--motion", "motion.json", "--transcript", "motion.json"), "--motion"),
        (("motion", "voice.wav", "--language", "de"), "--transcript"),
        (("motion", "voice.wav", "--text", "Hello"), "either VOICE or --text"),
        (("motion", "--text", "Hello", "--motion", "motion.json"), "--motion"),
        (("motion", "--text", "Hello", "--transcript", "motion.json"), "--text, which is what is said"),
        (("motion", "voice.wav", "--recognise", "--transcript", "motion.json"), "--recognise"),
        (("motion", "voice.wav", "--pitch", "20"), "--text"),
        (("motion", "voice.wav", "--wav", "out.wav"), "--text"),
        (("motion",), "either VOICE or --text"),
        (("animate", "cat.png", "--motion", "motion.json"), "VOICE"),
        ((*ANIMATE, "--style", "epic"), "cartoon"),
        ((*ANIMATE, "--nod", "nan"), "--nod: expected a number from -45 to 45, got nan"),
        ((*ANIMATE, "--nod", "-50"), "from -45 to 45"),
        ((*ANIMATE, "--blinks", "inf"), "from 0 to 40"),
        ((*ANIMATE, "--strength", "3"), "from 0 to 2"),
        ((*ANIMATE, "--split", "0"), "expected seconds from 1 to 3600"),
        (("demo", "--blinks", "often"), "from 0 to 40, got often"),
        ((*ANIMATE, "--variation", "-1"), "a whole number from 0"),
        ((*ANIMATE, "--engine", "inpaint", "--device", "nonsense"), "no device nonsense here"),
        ((*ANIMATE, "--engine", "inpaint", "--device", "meta"), "no device meta here"),
        (("detect", "cat.png", "--box", "1e99,0,2e99,5"), "top left corner"),
        ((*ANIMATE, "--speaker", ""), "speaker is empty; say what it is, or leave it out"),
        ((*ANIMATE, "--reference-keypoints", ""), "reference-keypoints is empty"),
        (("animate", "", "voice.wav"), "source is empty"),
        (("study", "-o", "study", "a=.", ""), "is empty"),
        (("study", "-o", "study", "a", "b"), "a is not NAME=FOLDER"),
    ],
)
def test_bad_usage_exits_2_and_says_what_is_expected(run, folder, arguments, named):
    before = sorted(folder.iterdir())
    code, out, err = run(*arguments)
    assert code == 2 and out == "" and named in err.splitlines()[-1]
    assert sorted(folder.iterdir()) == before


# ---- failure: 1, one line, nothing written ---------------------------------------------------------------------------


def spoil(name):
    """Write the broken files of the cases below."""
    faces = json.loads(Path("cat.json").read_text())
    picture = Path("cat.png").read_bytes()
    Path("cut.png").write_bytes(picture[: len(picture) // 2])
    Path("empty.png").touch()
    Path("text.png").write_text("not a picture")
    Path("bytes.json").write_bytes(b"\xff\xfe\x00{")
    Path("broken.json").write_text('{"version": 1,')
    Path("list.json").write_text("[]")
    Path("future.json").write_text(json.dumps({**faces, "version": 2}))
    other = {**faces, "source": {**faces["source"], "width": 4 * WIDTH}}
    Path("other.json").write_text(json.dumps(other))
    faces["faces"][0]["keypoints"][0][4][0] = float("nan")
    Path("nan.json").write_text(json.dumps(faces))
    Path("nobody.json").write_text(json.dumps({**faces, "faces": []}))
    faces["faces"][0]["keypoints"][0][4][0] = -1e6
    Path("far.json").write_text(json.dumps(faces))
    faces["faces"][0]["hidden"] = [[0, 0]]
    Path("hidden.json").write_text(json.dumps(faces))
    Path("wild.json").write_text(Path("motion.json").read_text().replace("0.5", "7.5"))
    Path("folder").mkdir()
    assert Path(name).exists() or name.startswith("missing")


def replaced(arguments, **options):
    """The arguments with another source, voice or value of an option."""
    arguments = list(arguments)
    for name, value in options.items():
        if name in ("source", "voice"):
            arguments[{"source": 1, "voice": 2}[name]] = value
        elif f"--{name}" in arguments:
            arguments[arguments.index(f"--{name}") + 1] = value
        elif name == "output":
            arguments[arguments.index("-o") + 1] = value
        else:
            arguments += [f"--{name}", value]
    return arguments


CASES = [
    ({"source": "missing.png"}, "missing.png"),
    ({"source": "cut.png"}, "cut.png"),
    ({"source": "empty.png"}, "empty.png"),
    ({"source": "text.png"}, "text.png"),
    ({"source": "folder"}, "folder"),
    ({"voice": "missing.wav"}, "missing.wav"),
    ({"voice": "text.png"}, "text.png"),
    ({"voice": "empty.png"}, "empty.png"),
    ({"voice": "folder"}, "folder"),
    ({"keypoints": "missing.json"}, "missing.json"),
    ({"keypoints": "folder"}, "folder"),
    ({"keypoints": "bytes.json"}, "bytes.json is not a text file in UTF-8; save it as one"),
    ({"keypoints": "broken.json"}, "broken.json: faces is not JSON"),
    ({"keypoints": "list.json"}, "must be a JSON object"),
    ({"keypoints": "future.json"}, "version must be 1"),
    ({"keypoints": "motion.json"}, "Such files come of detect -o"),
    ({"keypoints": "other.json"}, "same picture"),
    ({"keypoints": "nan.json"}, "finite"),
    ({"keypoints": "nobody.json"}, "face"),
    ({"keypoints": "far.json"}, "far outside the picture of 96 x 80 pixels"),
    ({"keypoints": "hidden.json"}, "hidden in every frame, so nothing would move"),
    ({"face": "3"}, "face number 3"),
    ({"face": "-1"}, "face number -1"),
    ({"motion": "missing.json"}, "missing.json"),
    ({"motion": "cat.json"}, "cat.json: The file's JSON holds version, source, faces"),
    ({"motion": "wild.json"}, "jaw_open must stay within"),
    ({"transcript": "missing.txt"}, "missing.txt"),
    ({"reference": "cut.png"}, "cut.png"),
    ({"reference": "cat.png", "reference-keypoints": "cat.json"}, "mouth is shut"),
    ({"output": "missing/out.mp4"}, "check the folder"),
    ({"output": "out.avi"}, ".mp4"),
    ({"output": "folder"}, ".mp4"),
]


@pytest.mark.parametrize("options, named", CASES, ids=[" ".join(options.values()) for options, _ in CASES])
def test_a_failure_is_one_line_that_names_the_remedy(run, folder, options, named):
    spoil(next(iter(options.values())) if "face" not in options and "output" not in options else "cat.png")
    before = sorted(folder.rglob("*"))
    code, out, err = run(*replaced(ANIMATE, **options), "--json")
    assert code == 1 and out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("animal-lipsync: ") and named in lines[0], err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("motion", "voice.wav", "-o", "missing/motion.json"),
        ("motion", "voice.wav", "-o", "/dev/full"),
        ("motion", "voice.wav", "--rhubarb", "missing/cues.tsv"),
        replaced(FRAME, output="missing/out.png"),
        replaced(FRAME, output="folder"),
        replaced(FRAME, output="out.nonsense"),
        replaced(FRAME, output="out.fits"),
        ("detect", "cat.png", "-o", "out.jpg"),
        ("motion", "voice.wav", "-o", "out.wav"),
        ("batch", "jobs.csv", "--report", "out.png"),
        ("detect", "cat.png", "-o", "out.json", "--draw", "out.json"),
    ],
    ids=" ".join,
)
def test_an_output_that_cannot_be_written_is_named(run, folder, arguments):
    Path("folder").mkdir()
    Path("jobs.csv").write_text("source,voice\ncat.png,voice.wav\n")
    before = sorted(folder.rglob("*"))
    code, out, err = run(*arguments)
    assert code == 1 and out == "" and arguments[-1] in err and len(err.strip().splitlines()) == 1
    assert sorted(folder.rglob("*")) == before


def test_what_the_system_refuses_is_told_with_a_remedy(run):
    code, _, err = run("study", "-o", "voice.wav", "a=.", "b=.")
    assert code == 1 and "voice.wav: Not a directory; check the name, the permissions and the free space." in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("batch", "motion.json", "--report", "motion.json"),
        ("compare", "voice.wav", "cat.png", "-o", "cat.png"),
        ("train", ".", "--voice", "cat.png", "--voice", "voice.wav", "-o", "voice.wav"),
    ],
    ids=" ".join,
)
def test_nothing_that_is_read_is_written_over(run, folder, arguments):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, _, err = run(*arguments)
    assert code == 1 and f"{arguments[-1]} is also what is read" in err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    "outputs",
    [("-o", "a.json", "--ovr", "a.json"), ("--rhubarb", "folder/a.json", "--ovr", "folder/../folder/a.json")],
    ids=" ".join,
)
def test_no_two_outputs_are_one_file(run, folder, outputs):
    Path("folder").mkdir()
    code, _, err = run("motion", "voice.wav", *outputs)
    assert code == 1 and f"{outputs[-1]} would be written twice; choose another name" in err
    assert not list(folder.rglob("a.json"))


@pytest.mark.skipif(os.name != "posix", reason="links in a circle are POSIX")
@pytest.mark.parametrize("arguments", [("batch", "loop"), ("prepare-clips", "loop", "-o", "set"),
                                       ("prepare-clips", ".", "-o", "loop")], ids=" ".join)  # fmt: skip
def test_links_in_a_circle_are_one_line(run, folder, arguments):
    os.symlink("loop", "loop")
    code, _, err = run(*arguments, "--json")
    assert code == 1 and "loop" in err and len(err.strip().splitlines()) == 1


def test_an_output_is_looked_at_before_the_input(run):
    for arguments in (("animate", "gone.mp4", "gone.wav", "-o", "out.avi"), ("frame", "gone.png", "-o", "gone/out.png"),
                      ("detect", "gone.png", "-o", "."), ("motion", "gone.wav", "--rhubarb", "out.txt")):  # fmt: skip
        code, _, err = run(*arguments)
        assert code == 1 and arguments[-1] in err and "gone.wav" not in err


@pytest.mark.parametrize("box", ["700,700,900,900", "-50,-50,-10,-10", "10,10,10.5,10.5"])
def test_a_box_that_holds_no_head_is_refused(run, box):
    code, _, err = run("detect", "cat.png", f"--box={box}", "-o", "out.json")
    assert code == 1 and "holds no head: the picture has 96 x 80 pixels" in err and not Path("out.json").exists()


def test_a_picture_without_an_animal_is_refused(run):
    pytest.importorskip("animal_lipsync.detection")
    code, out, err = run("animate", "cat.png", "voice.wav", "-o", "out.mp4")
    assert code == 1 and out == "" and len(err.strip().splitlines()) == 1 and "face" in err
    assert not Path("out.mp4").exists()


# ---- pictures of every kind ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode, name", [("L", "png"), ("P", "png"), ("RGBA", "png"), ("CMYK", "jpg"), ("I;16", "png")])
def test_a_picture_of_any_kind_is_posed(report, mode, name):
    colours = Image.open("cat.png")
    if mode == "I;16":
        Image.fromarray(np.asarray(colours.convert("L")).astype(np.uint16) * 257).save("kind.png")
    else:
        colours.convert(mode).save(f"kind.{name}")
    report(*replaced(FRAME, source=f"kind.{name}"), "--set", "jaw_open=0.7")
    assert read_picture("out.png").shape == (HEIGHT, WIDTH, 3)


def test_a_picture_of_one_pixel_is_animated(report):
    write_picture("dot.png", np.full((1, 1, 3), 99, np.uint8))
    Path("dot.json").write_text(as_document(make_face(at=(0.5, 0.5), size=0.2), 1, 1).to_json())
    told = report("animate", "dot.png", "voice.wav", "--keypoints", "dot.json", "-o", "out.mp4")
    assert (told["width"], told["height"]) == (2, 2)


def test_a_picture_of_twelve_megapixels_is_posed(report):
    Image.fromarray(np.full((3000, 4000, 3), 140, np.uint8)).save("huge.jpg", quality=60)
    face = make_face(at=(2100, 1600), size=300)
    Path("huge.json").write_text(as_document(face, 4000, 3000).to_json())
    frame = ("frame", "huge.jpg", "--keypoints", "huge.json", "--set", "jaw_open=1", "-o", "out.jpg")
    assert report(*frame)["width"] == 4000
    posed = read_picture("out.jpg")
    assert posed.shape == (3000, 4000, 3) and posed[1500:1900, 1800:2400].min() < 60 < posed[:1000].min()


def test_no_command_replaces_what_it_reads(run):
    for arguments in (("detect", "cat.png", "-o", "cat.png"), ("motion", "voice.wav", "-o", "voice.wav")):
        before = Path(arguments[1]).read_bytes()
        code, _, err = run(*arguments)
        assert code == 1 and "choose another name for the output" in err
        assert Path(arguments[1]).read_bytes() == before


# ---- ends ------------------------------------------------------------------------------------------------------------


def heed_signals() -> None:
    """In a process to come: programs started in the background or by nohup ignore some, and so would their children."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize("signals", [[signal.SIGINT] * 3, [signal.SIGTERM], [signal.SIGHUP]])
def test_whatever_ends_a_command_leaves_no_unfinished_file(folder, signals):
    command = [sys.executable, "-m", "animal_lipsync", *ANIMATE, "--motion", "long.json"]
    Path("long.json").write_text(pose(100_000, jaw_open=np.full(100_000, 0.5)).to_json())
    before = sorted(folder.iterdir())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = {"stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, preexec_fn=heed_signals, **pipe) as process:
        deadline = time.monotonic() + 60
        while not list(folder.glob(".out-*.partial/*.mp4")) and time.monotonic() < deadline:
            time.sleep(0.05)
        for number in signals:
            process.send_signal(number)
            time.sleep(0.01)
        message = process.stderr.read()
    assert process.returncode == 1 and "Traceback" not in message
    assert message.splitlines()[-1] == "animal-lipsync: cancelled; no unfinished file is left."
    assert sorted(folder.iterdir()) == before


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_ctrl_c_while_the_program_starts_says_nothing(tmp_path):
    code = "import os, signal, sys; sys.argv[1:] = ['--help']\nfrom animal_lipsync.__main__ import main\n"
    code += "class Finder:\n  def find_spec(*_): os.kill(os.getpid(), signal.SIGINT)\n"
    code += "sys.meta_path.insert(0, Finder)\nmain()"
    done = python("-c", code, preexec_fn=heed_signals)
    assert done.returncode == -signal.SIGINT and not done.stderr


@pytest.mark.skipif(os.name != "posix", reason="shells are POSIX")
@pytest.mark.parametrize(
    "redirection, code, named",
    [(">&-", 0, ""), ("> /dev/full", 1, "the report cannot be printed (No space left"), ("| true", 1, "Broken pipe")],
)
def test_a_report_that_nobody_can_read_is_one_line_at_most(folder, redirection, code, named):
    command = f"set -o pipefail; {sys.executable} -m animal_lipsync {' '.join(CONVERT)} {redirection}"
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == code and named in done.stderr and done.stderr.count("\n") == bool(named)
    assert len(MouthMotion.from_json(Path("out.json").read_text())) == 5


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
@pytest.mark.parametrize("encoding", ["ascii", "utf-8:strict"])
def test_a_name_that_cannot_be_printed_is_printed_escaped(folder, encoding):
    shutil.copy("motion.json", b"\xff\n.json")
    arguments = ["motion", "--motion", b"\xff\n.json", "-o", b"\xffout.json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-m", "animal_lipsync", *arguments], env=environment, capture_output=True)
    assert done.returncode == 0 and b"output: \\udcffout.json" in done.stdout and not done.stderr


def test_a_newline_in_a_name_does_not_break_the_line(run):
    code, _, err = run("frame", "a\nb.png", "-o", "out.png")
    assert code == 1 and err.count("\n") == 1


def test_only_what_this_program_does_is_logged(run):
    root = logging.getLogger()
    run(*FRAME)
    assert not root.isEnabledFor(logging.INFO) and logging.getLogger("animal_lipsync.clip").isEnabledFor(logging.INFO)
