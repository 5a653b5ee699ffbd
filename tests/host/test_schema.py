"""What workflows rely on: node ids, the order and defaults of inputs, the order and types of outputs."""

import json
from pathlib import Path

PROMISES = Path(__file__).with_name("schema.json")


def schemas(comfyui) -> dict:
    promises = {}
    for id, info in comfyui.get("/object_info").items():
        if not info["python_module"].endswith("Animal-Lip-Sync"):
            continue
        inputs = []
        for kind in ("required", "optional"):
            for name in info["input_order"].get(kind, ()):
                socket, *rest = info["input"][kind][name]
                options = rest[0] if rest else {}
                kept = {key: options[key] for key in ("default", "min", "max", "options", "template") if key in options}
                inputs.append({"name": name, "type": socket, "required": kind == "required", **kept})
        outputs = [list(pair) for pair in zip(info["output"], info["output_name"], strict=True)]
        promises[id] = {"inputs": inputs, "outputs": outputs, "output_node": info["output_node"]}
    return promises


def test_no_node_breaks_a_saved_workflow(comfyui, tmp_path):
    """A difference is meant: copy the file the message names. New inputs go to the end of their kind, nothing moves."""
    now = schemas(comfyui)
    (tmp_path / "schema.json").write_text(json.dumps(now, indent=1) + "\n")
    assert now == json.loads(PROMISES.read_text()), f"{tmp_path / 'schema.json'} is not {PROMISES}"


def test_every_node_explains_itself(comfyui, shipped):
    docs = {path.stem: path for path in shipped if path.parent == Path("web/docs")}
    root = Path(__file__).parents[2]
    for id, info in comfyui.get("/object_info").items():
        if not info["python_module"].endswith("Animal-Lip-Sync"):
            continue
        assert id.startswith("AnimalLipSync_")
        assert info["category"] == "Animal Lip-Sync"
        assert info["description"] and info["search_aliases"]
        assert len((root / docs[id]).read_text()) > 300
        for kind in ("required", "optional"):
            for name, (_, *rest) in info["input"].get(kind, {}).items():
                assert rest and rest[0].get("tooltip", "").endswith("."), f"{id}.{name} has no tooltip"


def test_help_pages_are_served(comfyui):
    import urllib.request

    url = f"{comfyui.url}/extensions/ComfyUI-Animal-Lip-Sync/docs/AnimalLipSync_MakeAnimalTalk.md"
    with urllib.request.urlopen(url) as answer:
        assert b"Make Animal Talk" in answer.read()


def test_the_pack_adds_less_than_a_second_to_the_start(comfyui):
    assert comfyui.import_seconds < 1.0


def test_the_server_starts_without_a_complaint_about_the_pack(comfyui):
    start = comfyui.log.split("To see the GUI go to")[0]
    assert "Traceback" not in start
    assert "IMPORT FAILED" not in start
    assert "Animal" in start
