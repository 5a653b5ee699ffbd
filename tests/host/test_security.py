"""What a page, a workflow or another program on the network can ask of the server, and what it is not told."""

import json
import urllib.error
import urllib.request

import pytest

ROUTES = {"frame": {}, "faces": {}, "mouth": {"faces": {}, "motion": {}}, "voice": {}}
OUTSIDE = [
    "/etc/passwd", "../secret.png", "..\\secret.png", "sub/../../secret.png", "../secret.png [output]", "link.png",
    "../input/../secret.png", "\\\\host\\share\\secret.png", "//host/secret.png", "file:///secret.png", "http://host/a",
    "..%2fsecret.png", "\u2025/secret.png", "secret\0.png", "", ".", "missing.png", ["secret.png"], None, 5,
]  # fmt: skip


def ask(comfyui, route: str, body: bytes, **headers: str) -> tuple[int, str]:
    """Status and text of what the server answers."""
    headers = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
    request = urllib.request.Request(f"{comfyui.url}/animal_lipsync/{route}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


@pytest.fixture(scope="module")
def secret(comfyui):
    """A picture beside ComfyUI's input folder, and a link to it within."""
    sample = comfyui.base / "input" / "animal-lipsync-fox.jpg"
    (comfyui.base / "secret.png").write_bytes(sample.read_bytes())
    (comfyui.base / "input" / "link.png").symlink_to(comfyui.base / "secret.png")
    yield
    (comfyui.base / "input" / "link.png").unlink()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("file", OUTSIDE, ids=repr)
def test_no_file_outside_comfyuis_folders_is_opened(comfyui, secret, route, file):
    status, text = ask(comfyui, route, json.dumps(ROUTES[route] | {"file": file}).encode())
    assert status == 400 and json.loads(text)["error"]
    assert str(comfyui.base) not in text


@pytest.mark.parametrize("route", ROUTES)
def test_an_error_names_a_file_but_not_its_folder(comfyui, route):
    (comfyui.base / "input" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    status, text = ask(comfyui, route, json.dumps(ROUTES[route] | {"file": "broken.png"}).encode())
    assert status == 400 and "broken.png" in text and str(comfyui.base) not in text


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "body, headers, status",
    [
        (b'{"file": "animal-lipsync-fox.jpg"}', {"Content_Type": "text/plain"}, 415),
        (b'{"file": "animal-lipsync-fox.jpg"}', {"Origin": "https://example.com"}, 403),
        (b" " * 9_000_000, {}, 413),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"file": "animal-lipsync-fox.jpg", "nonsense": 1}', {}, 400),
        (b'{"file": "animal-lipsync-voice.wav", "frame_rate": 1e400, "frame": {}}', {}, 400),
    ],
)
def test_a_question_that_no_editor_asks_is_refused(comfyui, route, body, headers, status):
    assert ask(comfyui, route, body, **headers)[0] == status


@pytest.mark.parametrize("file", ["../secret.json", "/etc/passwd"])
def test_a_workflow_names_no_file_outside_the_input_folder(comfyui, file):
    load = {"class_type": "AnimalLipSync_LoadMouthMotion", "inputs": {"file": file, "frame_rate": 25.0}}
    load["inputs"] |= {"style": "natural", "strength": 1.0, "species": "dog"}
    shown = comfyui.node("PreviewAny", source=["load", 0])
    answer = comfyui.post("/prompt", {"prompt": {"load": load, "shown": shown}, "client_id": "tests"})
    assert "prompt_id" not in answer and "not in list" in json.dumps(answer)
