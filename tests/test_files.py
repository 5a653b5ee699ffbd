import os
import subprocess
import sys
from pathlib import Path

import pytest

from animal_lipsync.files import make_folder, replacing, require_file, require_output, write_text

ROOT = Path(__file__).parents[1]

posix = pytest.mark.skipif(os.name != "posix", reason="pipes and permissions are POSIX")


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.txt").symlink_to("folder/real.txt")
    for text in ("one", "two"):
        write_text(tmp_path / "link.txt", text)
        assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "folder" / "real.txt").read_text() == text
    assert len(list((tmp_path / "folder").iterdir())) == 1


@posix
def test_nobody_waits_for_a_pipe_to_be_filled(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="There is no picture at .*pipe.png"):
        require_file(tmp_path / "pipe.png", "picture")


@posix
def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_text(tmp_path / "pipe", "hello")
    assert os.read(reader, 10) == b"hello"
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@posix
def test_standard_output_is_written_to_whether_pipe_or_file(tmp_path):
    code = "from animal_lipsync.files import *; require_output('/dev/stdout', '.json', or_stream=True)\n"
    code += "write_text('/dev/stdout', 'hello')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "hello", done.stderr
    with open(tmp_path / "a.txt", "w") as file:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=file, check=True)
    assert (tmp_path / "a.txt").read_text() == "hello"


@posix
def test_a_device_is_no_picture_and_no_video():
    require_output("/dev/null", ".json", or_stream=True)
    with pytest.raises(ValueError, match="ends in .png"):
        require_output("/dev/null", ".png")


def test_a_folder_that_cannot_be_is_told_with_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Cannot make the folder .*new .Not a directory.; check its name and the perm"):
        make_folder(tmp_path / "file" / "new")


def test_the_old_file_stays_when_the_new_one_fails(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert (tmp_path / "a.txt").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["gone/a.txt", "folder"])
def test_an_error_names_the_output_and_no_other_file(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=rf"Cannot write \S*{name} \([^)/]*\); check the folder"):
        write_text(tmp_path / name, "")


@pytest.mark.parametrize(
    "name, named",
    [("a.mp4", ""), ("a.avi", "ends in .mp4"), ("folder.mp4", "no file"), ("gone/a.mp4", "No such folder")],
)
def test_an_output_is_checked_before_the_work(tmp_path, name, named):
    (tmp_path / "folder.mp4").mkdir()
    if not named:
        return require_output(tmp_path / name, ".mp4")
    with pytest.raises((ValueError, OSError), match=named):
        require_output(tmp_path / name, ".mp4")


def test_a_file_without_permission_is_not_called_damaged(tmp_path, without_privileges):
    (tmp_path / "a.png").write_text("x")
    (tmp_path / "a.png").chmod(0)
    with without_privileges(), pytest.raises(ValueError, match="a.png cannot be read .Permission denied.; check"):
        require_file(tmp_path / "a.png", "picture")


def test_an_output_that_is_write_protected_is_not_replaced(tmp_path, without_privileges):
    (tmp_path / "a.mp4").write_text("x")
    (tmp_path / "a.mp4").chmod(0o444)
    with without_privileges(), pytest.raises(OSError, match="a.mp4 .it is write-protected.; choose another name"):
        require_output(tmp_path / "a.mp4", ".mp4")


@posix
def test_what_a_killed_program_left_is_gone_after_the_next_and_nothing_that_is_in_use(tmp_path):
    code = (
        "import sys, time\nfrom animal_lipsync.files import replacing\nfrom pathlib import Path\n"
        "with replacing(Path(sys.argv[1]) / 'a.mp4') as partial:\n"
        "    partial.write_text('half')\n    print(flush=True)\n    time.sleep(60)"
    )
    killed, working = (
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(2)
    )
    for process in (killed, working):
        process.stdout.readline()
    killed.kill()
    killed.wait()
    (tmp_path / ".mine-12345678.mp4").touch()
    write_text(tmp_path / "b.txt", "")
    names = sorted(path.name for path in tmp_path.iterdir())
    working.kill()
    working.wait()
    assert len(names) == 3 and [names[1], names[2]] == [".mine-12345678.mp4", "b.txt"]
    assert names[0].startswith(".a-") and names[0].endswith(".partial")
