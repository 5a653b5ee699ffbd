"""Writes `locales/` from what a running ComfyUI says of the pack's nodes and from the phrases beside this file.

    python dev/locales/build.py http://127.0.0.1:8188

A phrase is an English text of the nodes and its translation. Those that are missing are listed; the page shows them in
English until they are added.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
LOCALES = HERE.parents[1] / "locales"


def translate(nodes: dict, phrases: dict[str, str]) -> dict:
    """`nodeDefs.json` of one language: names and tooltips of nodes, as `/object_info` gives them in English."""

    def known(**texts: str | None) -> dict[str, str]:
        return {key: phrases[text] for key, text in texts.items() if text in phrases}

    definitions = {}
    for id, node in sorted(nodes.items()):
        inputs = {
            name: known(tooltip=(rest[0] if rest else {}).get("tooltip"))
            for kind in ("required", "optional")
            for name, (_, *rest) in node["input"].get(kind, {}).items()
        }
        tooltips = node.get("output_tooltips") or []
        outputs = {str(index): known(tooltip=text) for index, text in enumerate(tooltips) if text in phrases}
        definitions[id] = known(display_name=node["display_name"], description=node["description"])
        definitions[id] |= {"inputs": {name: texts for name, texts in inputs.items() if texts}}
        definitions[id] |= {"outputs": outputs} if outputs else {}
    return definitions


def texts_of(nodes: dict) -> set[str]:
    """All that is to be translated."""
    texts = set()
    for node in nodes.values():
        texts |= {node["display_name"], node["description"], *(node.get("output_tooltips") or [])}
        for kind in ("required", "optional"):
            texts |= {(rest[0] if rest else {}).get("tooltip") for _, *rest in node["input"].get(kind, {}).values()}
    return texts - {None, ""}


def main(url: str):
    with urllib.request.urlopen(f"{url}/object_info") as answer:
        nodes = {id: node for id, node in json.load(answer).items() if id.startswith("AnimalLipSync_")}
    for path in sorted(HERE.glob("*.json")):
        phrases = json.loads(path.read_text())
        target = LOCALES / path.stem / "nodeDefs.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(translate(nodes, phrases), ensure_ascii=False, indent=1) + "\n")
        for text in sorted(texts_of(nodes) - phrases.keys()):
            print(f"{path.stem}: no translation of {text!r}")


if __name__ == "__main__":
    main(sys.argv[1])
