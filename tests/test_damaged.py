"""Files that once broke a reader: found by changing bytes of sound ones, and kept."""

from pathlib import Path

import pytest

from animal_lipsync.audio import load_audio, probe_audio
from animal_lipsync.clip import Clip

FILES = sorted((Path(__file__).parent / "data" / "damaged").iterdir())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_damaged_file_is_refused_by_name(path, recwarn):
    for read in (probe_audio, load_audio) if path.suffix == ".aac" else (Clip.open,):
        with pytest.raises(ValueError, match=path.name):
            read(path)
    assert not recwarn.list
