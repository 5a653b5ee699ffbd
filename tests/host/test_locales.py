"""Names and tooltips in the languages that ComfyUI's page speaks."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LANGUAGES = ("de", "es", "fr", "ja", "ko", "ru", "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_node_and_input_is_translated(language, comfyui):
    """What is missing is added to dev/locales; dev/locales/build.py makes the files."""
    known = json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text())
    missing = []
    for id, info in comfyui.get("/object_info").items():
        if not id.startswith("AnimalLipSync_"):
            continue
        node = known.get(id, {})
        missing += [f"{id}.{key}" for key in ("display_name", "description") if not node.get(key)]
        names = [name for kind in ("required", "optional") for name in info["input"].get(kind, {})]
        missing += [f"{id}.{name}" for name in names if not node.get("inputs", {}).get(name, {}).get("tooltip")]
    assert not missing


def test_the_page_gets_every_language(comfyui):
    served = comfyui.get("/i18n")
    for language in LANGUAGES:
        name = served[language]["nodeDefs"]["AnimalLipSync_MakeAnimalTalk"]["display_name"]
        assert name and name != "Make Animal Talk"


def test_no_translation_holds_what_the_page_reads_as_a_command():
    """{name}, @:link and a | b mean something to the page's translator."""
    for path in (ROOT / "locales").rglob("nodeDefs.json"):
        texts = re.findall(r'": "((?:[^"\\]|\\.)*)"', path.read_text())
        assert texts and not [text for text in texts if re.search(r"[{}@|]", text)], path
