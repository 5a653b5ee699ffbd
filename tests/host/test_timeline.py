"""The viseme editor in ComfyUI's own page, in both renderers: hear, edit, run, save, open again."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from animal_lipsync.audio import load_audio
from animal_lipsync.clip import Clip
from animal_lipsync.edits import Edits
from animal_lipsync.performance import from_arkit
from animal_lipsync.types import Faces

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "animal_lipsync" / "samples"
SCREENSHOTS = ROOT / ".cache" / "screenshots"
SECONDS = 2.2
SIDE = 256
PAUSE = 0.95
"""Seconds, in the middle of a pause."""


@pytest.fixture(scope="module")
def inputs(comfyui):
    """A short voice, the same as a file no browser plays, and a small fox, in the input folder."""
    folder = comfyui.base / "input"
    voice = load_audio(SAMPLES / "voice.wav")
    samples = (voice.waveform[:, : round(SECONDS * voice.sample_rate)] * 32767).astype(np.int16)
    for name, codec in (("short.wav", "pcm_s16le"), ("short.aiff", "pcm_s16be")):
        with av.open(folder / name, "w") as file:
            stream = file.add_stream(codec, rate=voice.sample_rate, layout="mono" if len(samples) == 1 else "stereo")
            frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1), format="s16", layout=stream.layout.name)
            frame.sample_rate = voice.sample_rate
            file.mux([*stream.encode(frame), *stream.encode(None)])
    picture = Image.open(SAMPLES / "fox.jpg")
    picture.resize((SIDE, SIDE)).save(folder / "small-fox.png")
    faces = json.loads((SAMPLES / "fox.faces.json").read_text())
    scale = SIDE / faces["source"]["width"]
    faces["source"] = {"width": SIDE, "height": SIDE, "frame_rate": "0", "frames": 1}
    for face in faces["faces"]:
        face["boxes"] = (np.array(face["boxes"]) * scale).tolist()
        face["keypoints"] = (np.array(face["keypoints"]) * [scale, scale, 1]).tolist()
    return {"keypoints": Faces.from_json(json.dumps(faces)).to_json()}


def graph(edits: str = "", voice: str = "short.wav") -> dict:
    """Load Audio → Edit Visemes."""
    load = {"id": 1, "type": "LoadAudio", "pos": [40, 80], "size": [280, 140], "inputs": []}
    load |= {"outputs": [{"name": "AUDIO", "type": "AUDIO", "links": [1]}], "widgets_values": [voice, None, None]}
    edit = {"id": 2, "type": "AnimalLipSync_EditVisemes", "pos": [380, 80], "size": [700, 620]}
    edit["inputs"] = [
        {"name": "voice", "type": "AUDIO", "link": 1},
        {"name": "visemes", "type": "VISEME_TRACK", "link": None},
    ]
    edit["outputs"] = [
        {"name": "motion", "type": "MOUTH_MOTION", "links": None},
        {"name": "visemes", "type": "VISEME_TRACK", "links": None},
    ]
    edit["widgets_values"] = [25, edits]
    links = [[1, 1, 0, 2, 0, "AUDIO"]]
    return {"last_node_id": 2, "last_link_id": 1, "nodes": [load, edit], "links": links, "version": 0.4}


class Editor:
    def __init__(self, page):
        self.comfy = page
        self.page = page.page
        self.element = self.page.locator(".animal-timeline").first
        self.lanes = self.element.locator("canvas.lanes")

    def open(self, edits: str = "", voice: str = "short.wav"):
        self.comfy.open(graph(edits, voice))
        self.look(1.0)

    def look(self, scale: float):
        self.page.evaluate(
            """scale => {
                app.canvas.ds.scale = scale
                app.canvas.ds.offset = [-300, 20]
                app.canvas.setDirty(true, true)
            }""",
            scale,
        )
        self.page.wait_for_timeout(500)

    def listen(self):
        self.element.get_by_role("button", name="Listen").click()
        self.settle()

    def settle(self):
        self.page.wait_for_function("() => !document.querySelector('.animal-timeline .notice').childElementCount")

    @property
    def text(self) -> str:
        return self.page.evaluate("() => app.graph.getNodeById(2).widgets.find(w => w.name === 'edits').value")

    @property
    def edits(self) -> Edits:
        return Edits.from_json(self.text)

    @property
    def notice(self) -> str:
        return self.element.locator(".notice").inner_text()

    def click(self, time: float, lane: float = 0.45):
        """A mouse click at a time of the voice, all of which is in view; `lane` from the top, 0 to 1."""
        box = self.lanes.bounding_box()
        self.page.mouse.click(box["x"] + box["width"] * time / SECONDS, box["y"] + box["height"] * lane)

    def drag(self, start: tuple[float, float], end: tuple[float, float]):
        """(seconds, lane) to (seconds, lane)."""
        box = self.lanes.bounding_box()
        at = [
            (box["x"] + box["width"] * time / SECONDS, box["y"] + box["height"] * lane) for time, lane in (start, end)
        ]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        self.page.mouse.move(*at[1], steps=6)
        self.page.mouse.up()

    def choose(self, viseme: str):
        self.element.locator(f"button[data-viseme={viseme}]").click()


@pytest.fixture
def editor(page, inputs):
    return Editor(page)


def render(comfyui, inputs, edit_node: dict) -> list[np.ndarray]:
    """Frames of the small fox saying the short voice with these edits."""
    prompt = {
        "1": comfyui.node("LoadAudio", audio="short.wav"),
        "2": edit_node,
        "fox": comfyui.node("LoadImage", image="small-fox.png"),
        "face": comfyui.node("AnimalLipSync_EditKeypoints", source=["fox", 0], keypoints=inputs["keypoints"]),
        "video": comfyui.node("AnimalLipSync_AnimateMouthWarp", source=["fox", 0], face=["face", 0], motion=["2", 0]),
    }
    clip = Clip.open(comfyui.path(comfyui.run(prompt)["video"]["images"][0]))
    return [frame.astype(int) for frame in clip.read(clip.frames)]


def test_a_viseme_edited_before_the_first_run_moves_the_mouth_there_and_stays(editor, page, comfyui, inputs):
    editor.open()
    before = page.prompt()["2"]
    assert before["inputs"]["edits"] == "" and "Listen" in editor.notice
    editor.listen()
    editor.click(1.9)  # a pause, heard as rest
    editor.choose("aa")
    page.screenshot(SCREENSHOTS / f"timeline-{page.renderer}.png")
    changed = [cue for cue in editor.edits.cues if cue.viseme == "aa" and cue.start < 1.9 < cue.end]
    assert len(changed) == 1 and editor.edits.voice
    after = page.prompt()["2"]
    assert after["inputs"]["edits"] == editor.text

    frames = zip(render(comfyui, inputs, before), render(comfyui, inputs, after), strict=True)
    differences = np.array([np.abs(a - b).mean() for a, b in frames])
    assert differences[46:49].min() > 1 and differences[:36].max() < 0.2

    text = editor.text
    page.open(page.workflow())
    assert editor.text == text and page.prompt()["2"] == after


def test_blocks_edges_and_curves_are_dragged(editor):
    editor.open()
    editor.listen()
    editor.click(PAUSE)
    editor.choose("aa")
    cue = next(cue for cue in editor.edits.cues if cue.start < PAUSE < cue.end)
    editor.drag((PAUSE, 0.45), (PAUSE + 0.08, 0.45))
    moved = next(c for c in editor.edits.cues if c.viseme == "aa" and c.start < PAUSE + 0.08 < c.end)
    assert moved.start == pytest.approx(cue.start + 0.08, abs=0.021)
    editor.drag((moved.start, 0.45), (moved.start - 0.12, 0.45))
    resized = next(c for c in editor.edits.cues if c.viseme == "aa" and c.start < PAUSE + 0.08 < c.end)
    assert resized.start == pytest.approx(moved.start - 0.12, abs=0.021)
    assert not editor.edits.curves
    # the curve of a mouth at rest lies on the floor of its lane; it is taken there and lifted
    editor.drag((0.12, 0.965), (0.12, 0.75))
    ((time, value),) = editor.edits.curves["jaw_open"]
    assert time == pytest.approx(0.12, abs=0.021) and 0.4 < value < 0.9


def test_the_keyboard_edits_and_the_graph_does_not_hear_it(editor):
    editor.open()
    editor.listen()
    editor.page.evaluate("() => app.canvas.selectNode(app.graph.getNodeById(2))")
    editor.click(PAUSE)
    keyboard = editor.page.keyboard
    keyboard.press("ArrowUp")
    first = editor.edits
    keyboard.press("ArrowRight")
    keyboard.press("ArrowRight")
    moved = editor.edits
    (before,), (after,) = ([c for c in edits.cues if c.start < PAUSE < c.end] for edits in (first, moved))
    assert after.start - before.start == pytest.approx(2 / 25, abs=1e-3)
    keyboard.press("Delete")
    assert len(editor.edits.cues) == len(moved.cues) - 1
    for _ in range(3):  # the two nudges are one step
        keyboard.press("Control+z")
    editor.page.wait_for_timeout(300)
    assert editor.text == ""
    keyboard.press("Control+y")
    assert editor.edits == first
    keyboard.press("Space")
    assert editor.page.evaluate("() => app.graph.nodes.length") == 2


@pytest.mark.parametrize(
    "text", ["not json {", '{"version": 7, "cues": []}', '{"version": 1, "cues": [{"viseme": "Z"}]}']
)
def test_a_value_that_cannot_be_read_is_kept_and_told(text, editor, page):
    editor.open(text)
    assert "cannot be read" in editor.notice
    assert editor.text == text and page.workflow()["nodes"][1]["widgets_values"][-1] == text
    editor.element.get_by_role("button", name="Start over").click()
    assert editor.text == ""


def test_edits_of_another_voice_are_told_and_left_out_until_wanted(editor, comfyui, inputs):
    other = Edits(cues=(), voice="ff" * 64).to_json()
    editor.open(other)
    editor.page.wait_for_function(
        "() => document.querySelector('.animal-timeline .notice').innerText.includes('another voice')"
    )
    plain = comfyui.node("AnimalLipSync_EditVisemes", voice=["1", 0], edits="")
    frames = [
        render(comfyui, inputs, node | {"inputs": node["inputs"] | {"edits": edits}})
        for node, edits in ((plain, ""), (plain, other))
    ]
    np.testing.assert_array_equal(*frames)
    editor.element.get_by_role("button", name="Use them here").click()
    assert editor.edits.cues == () and editor.edits.voice != "ff" * 64


def test_a_sound_the_browser_cannot_play_and_one_that_is_gone(editor):
    editor.open(voice="short.aiff")
    editor.settle()
    assert "0:02.20" in editor.element.locator(".time").inner_text()
    editor.open(voice="gone.wav")
    editor.page.wait_for_function(
        "() => document.querySelector('.animal-timeline .notice').innerText.includes('missing')"
    )


@pytest.mark.parametrize(
    "cues",
    [
        [],
        [{"start": 0.1, "end": 0.9, "viseme": "aa"}, {"start": 0.3, "end": 0.5, "viseme": "PP"}],
        [{"start": 1.0, "end": 9.0, "viseme": "oh"}, {"start": 0.2, "end": 0.2, "viseme": "aa"}],
    ],
    ids=["none", "overlapping", "late and empty"],
)
def test_cues_that_no_voice_has_can_be_edited(cues, editor):
    text = json.dumps({"version": 1, "voice": "", "track": "", "cues": cues, "curves": {}})
    editor.open(text)
    editor.settle()
    assert editor.text == text
    box = editor.lanes.bounding_box()
    editor.page.mouse.dblclick(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.45)
    edited = editor.edits.cues
    assert len(edited) >= 1
    assert all(a.end <= b.start for a, b in zip(edited, edited[1:], strict=False))
    editor.lanes.focus()
    editor.page.keyboard.press("Control+z")
    assert editor.edits.cues is not None


def test_without_a_voice_it_says_what_to_connect(editor, page):
    alone = graph()
    alone["nodes"], alone["links"] = alone["nodes"][1:], []
    alone["nodes"][0]["inputs"][0]["link"] = None
    page.open(alone)
    editor.page.wait_for_function(
        "() => document.querySelector('.animal-timeline .notice').innerText.includes('Connect a voice')"
    )


def test_files_of_other_programs_are_read_and_written(editor, tmp_path):
    editor.open()
    editor.listen()
    rhubarb = tmp_path / "mouth.tsv"
    rhubarb.write_text("0.00\tX\n0.25\tD\n0.50\tA\n0.75\tF\n2.20\tX\n")
    editor.element.locator("input.file").set_input_files(str(rhubarb))
    editor.page.wait_for_function(
        "() => document.querySelector('.animal-timeline .status').innerText.includes('was read')"
    )
    assert [cue.viseme for cue in editor.edits.cues] == ["sil", "aa", "PP", "ou"]
    with editor.page.expect_download() as download:
        editor.element.locator("select.export").select_option("tsv")
    assert Path(download.value.path()).read_text() == rhubarb.read_text()
    with editor.page.expect_download() as download:
        editor.element.locator("select.export").select_option("csv")
    arkit = tmp_path / "motion.csv"
    arkit.write_bytes(Path(download.value.path()).read_bytes())
    assert len(from_arkit(arkit.read_text(), Fraction(25))) == 55
    editor.element.locator("input.file").set_input_files(str(arkit))
    editor.page.wait_for_function(
        "() => document.querySelector('.animal-timeline .status').innerText.includes('motion.csv')"
    )
    assert "jaw_open" in editor.edits.curves
    text = editor.text
    arkit.write_text("nothing, that anybody, knows\n1,2,3\n")
    editor.element.locator("input.file").set_input_files(str(arkit))
    editor.page.wait_for_function(
        "() => document.querySelector('.animal-timeline .status').innerText.includes('not read')"
    )
    assert editor.text == text


def test_copies_are_independent_and_deleted_ones_leave_nothing(editor, page):
    editor.open()
    editor.listen()
    editor.click(PAUSE)
    editor.choose("oh")
    text = editor.text
    editor.page.evaluate(
        """() => {
            app.canvas.selectNode(app.graph.getNodeById(2))
            app.canvas.copyToClipboard()
            app.canvas.pasteFromClipboard()
        }"""
    )
    editor.page.wait_for_timeout(800)
    edited = "app.graph.nodes.filter(n => n.type === 'AnimalLipSync_EditVisemes')"
    values = f"() => {edited}.map(n => n.widgets.find(w => w.name === 'edits').value)"
    assert editor.page.evaluate(values) == [text, text]
    editor.page.evaluate(
        "() => { const n = app.graph.getNodeById(2).widgets.find(w => w.name === 'edits'); n.value = '' }"
    )
    assert sorted(editor.page.evaluate(values)) == ["", text]
    editor.page.evaluate(f"() => {edited}.forEach(n => app.graph.remove(n))")
    editor.page.wait_for_timeout(500)
    assert editor.page.locator(".animal-timeline").count() == 0


@pytest.mark.parametrize("file", ["../../etc/passwd", "/etc/passwd", "gone.wav", "small-fox.png", 5, None])
def test_the_server_listens_only_to_voices_in_its_folders(file, comfyui, inputs):
    answer = comfyui.post("/animal_lipsync/voice", {"file": file, "frame_rate": 25})
    assert list(answer) == ["error"] and "/" not in answer["error"].replace(str(file), "")


def test_videos_are_compared_in_step(page, comfyui):
    load = {"id": 1, "type": "LoadVideo", "pos": [20, 80], "size": [270, 200], "inputs": []}
    load |= {"outputs": [{"name": "VIDEO", "type": "VIDEO", "links": [1, 2]}]}
    load |= {"widgets_values": ["animal-lipsync-fox-clip.mp4", "image"]}
    compare = {
        "id": 2,
        "type": "AnimalLipSync_Compare",
        "pos": [360, 80],
        "size": [480, 560],
        "widgets_values": [0, 20],
    }
    compare["inputs"] = [{"name": f"videos.video_{i}", "type": "VIDEO", "link": i + 1} for i in range(2)]
    compare["outputs"] = [{"name": "side_by_side", "type": "VIDEO", "links": None}]
    links = [[1, 1, 0, 2, 0, "VIDEO"], [2, 1, 0, 2, 1, "VIDEO"]]
    page.open({"last_node_id": 2, "last_link_id": 2, "nodes": [load, compare], "links": links, "version": 0.4})
    prompt = page.prompt()
    assert prompt["2"]["inputs"] == {"sound": 0, "crf": 20, "videos.video_0": ["1", 0], "videos.video_1": ["1", 0]}
    entry = comfyui.wait(page.press_run())
    assert entry["status"]["status_str"] == "success"
    element = page.page.locator(".animal-compare")
    videos = "[...document.querySelectorAll('.animal-compare video')]"
    page.page.wait_for_function(f"() => {videos}.length === 2 && {videos}.every(video => video.readyState >= 3)")
    element.get_by_role("button", name="Play").click()
    page.page.wait_for_function(f"() => {videos}.every(video => video.currentTime > 0.5)")
    element.get_by_role("button", name="Pause").click()
    lower, upper = page.page.evaluate(f"() => {videos}.map(video => video.currentTime)")
    assert lower == pytest.approx(upper, abs=0.1)
    box = element.locator(".stage").bounding_box()
    page.page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + 50)
    assert element.locator(".handle").get_attribute("aria-valuenow") == "25"
    page.open(page.workflow())
    assert page.prompt() == prompt
