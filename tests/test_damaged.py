"""Files that once broke a reader: found by changing bytes of sound ones, and kept."""

from pathlib import Path

import PIL
import pytest

from animal_lipsync.audio import load_audio, probe_audio
from animal_lipsync.batch import Journal
from animal_lipsync.cache import FaceCache
from animal_lipsync.checkpoints import UnsupportedCheckpointError, read_unet
from animal_lipsync.clip import Clip
from animal_lipsync.dataset import Piece
from animal_lipsync.documents import FormatError
from animal_lipsync.study import read_answers
from animal_lipsync.table import read_faces

DATA = Path(__file__).parent / "data"
FILES = sorted((DATA / "damaged").iterdir())
BROKEN = DATA / "broken"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_damaged_file_is_refused_by_name(path, recwarn):
    if path.name == "tile-outside.gif" and tuple(map(int, PIL.__version__.split(".")[:2])) < (12, 2):
        pytest.skip("Pillow before 12.2 reads a GIF whose frame lies outside, without what does")
    for read in (probe_audio, load_audio) if path.suffix == ".aac" else (Clip.open,):
        with pytest.raises(ValueError, match=path.name):
            read(path)
    assert not recwarn.list


def test_damaged_documents_and_weights_are_read_or_refused():
    assert read_faces((BROKEN / "separators.csv").read_text(encoding="utf-8")).width == 1024
    with pytest.raises(ValueError, match="results file number 1"):
        read_answers({"a.mp4": "a", "b.mp4": "b"}, [(BROKEN / "infinite-rating.json").read_text()])
    with pytest.raises(UnsupportedCheckpointError, match=r"pop\.pth is damaged"):
        read_unet(BROKEN / "pop.pth")
    with pytest.raises(FormatError, match=r"A picture of a\.mp4 is damaged"):
        Piece.load(BROKEN / "torn-picture.safetensors").crop(0)


def test_what_can_be_made_again_is_not_missed(caplog):
    assert FaceCache(BROKEN).get("compression") is None and "looked for again" in caplog.text
    assert not Journal(BROKEN / "not-utf8.jsonl").has("key", BROKEN)
