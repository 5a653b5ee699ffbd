"""The face editors in ComfyUI's own page, in both renderers: look, drag, run, save and open again."""

import json
from io import BytesIO
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import TimeoutError, expect

from animal_lipsync.clip import Clip
from animal_lipsync.image import read_picture, write_picture
from animal_lipsync.types import Faces
from animal_lipsync.video_writer import VideoWriter

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SAMPLES = ROOT / "animal_lipsync" / "samples"
SCREENSHOTS = ROOT / ".cache" / "screenshots"
KEYPOINTS = (SAMPLES / "fox.faces.json").read_text()
OPEN = json.dumps({"version": 1, "frame_rate": "25", "keyframes": [{"time": t, "jaw_open": 0.9} for t in (0, 0.08)]})


class Editor:
    """One node with an editor, its source and what animates it, in an open page."""

    def __init__(self, page, kind: str = "EditKeypoints"):
        self.kind, self.comfy, self.page = kind, page, page.page

    def open(self, loader: str = "LoadImage", file: str = "animal-lipsync-fox.jpg", value: str = ""):
        self.page.mouse.move(5, 500)  # a point that is pointed at has its own note
        self.page.evaluate("() => app.graph.clear()")
        self.page.evaluate(
            """([kind, loader, file, value, keyframes]) => {
                const add = (type, x, y) => {
                    const node = LiteGraph.createNode(type)
                    node.pos = [x, y]
                    app.graph.add(node)
                    return node
                }
                const set = (node, name, value) => node.widgets.find(w => w.name === name).value = value
                const editor = add("AnimalLipSync_" + kind, 420, 40)
                set(editor, kind === "EditKeypoints" ? "keypoints" : "pick", value)
                if (!loader) return
                const source = add(loader, 40, 40)
                set(source, loader === "LoadImage" ? "image" : "file", file)
                const motion = add("AnimalLipSync_MotionFromKeyframes", 40, 560)
                set(motion, "keyframes", keyframes)
                const warp = add("AnimalLipSync_AnimateMouthWarp", 900, 40)
                source.connect(0, editor, "source")
                source.connect(0, warp, "source")
                editor.connect(0, warp, "face")
                motion.connect(0, warp, "motion")
            }""",
            [self.kind, loader, file, value, OPEN],
        )
        self.page.wait_for_timeout(300)
        self.show(1.0)

    def show(self, scale: float):
        """Bring the node into view at this zoom."""
        self.page.evaluate(
            """([kind, scale]) => {
                const node = app.graph.nodes.find(n => n.type === "AnimalLipSync_" + kind)
                app.canvas.ds.scale = scale
                app.canvas.ds.offset = [300 / scale - node.pos[0], 110 / scale - node.pos[1]]
                app.canvas.setDirty(true, true)
            }""",
            [self.kind, scale],
        )
        self.page.wait_for_timeout(400)

    @property
    def value(self) -> str:
        name = "keypoints" if self.kind == "EditKeypoints" else "pick"
        (node,) = [n for n in self.comfy.prompt().values() if n["class_type"] == f"AnimalLipSync_{self.kind}"]
        return node["inputs"][name]

    @property
    def note(self) -> str:
        return self.page.locator(".als-note").inner_text()

    def wait_for(self, note: str):
        try:
            self.page.wait_for_function(
                "text => [...document.querySelectorAll('.als-note')].some(note => note.textContent.includes(text))",
                arg=note,
                timeout=40_000,
            )
        except TimeoutError:
            raise AssertionError(f"{self.page.locator('.als-note').all_inner_texts()} says not {note!r}") from None

    def point(self, name: str) -> tuple[float, float]:
        box = self.page.locator(f"[data-point={name}]:visible").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(self, name: str, dx: float, dy: float):
        x, y = self.point(name)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + dx / 2, y + dy / 2)
        self.page.mouse.move(x + dx, y + dy)
        self.page.mouse.up()

    def press(self, tool: str):
        self.page.locator(f".als-tool-{tool} input:visible").click()

    def scrub(self, frame: int):
        self.page.evaluate(
            """frame => {
                const scrubber = document.querySelector(".als-track input")
                scrubber.value = frame
                scrubber.dispatchEvent(new Event("input"))
            }""",
            frame,
        )
        self.page.wait_for_function(
            "text => document.querySelector('.als-number').textContent.startsWith(text + ' /')", arg=str(frame + 1)
        )
        self.page.wait_for_timeout(700)  # the faces of that frame

    def run(self, comfyui) -> list[np.ndarray]:
        """Frames of the animated result."""
        entry = comfyui.wait(self.comfy.press_run())
        assert entry["status"]["status_str"] == "success", entry["status"]
        (warp,) = [id for id, n in entry["prompt"][2].items() if n["class_type"].endswith("AnimateMouthWarp")]
        clip = Clip.open(comfyui.path(entry["outputs"][warp]["images"][0]))
        return list(clip.read(clip.frames))


@pytest.fixture
def editor(page):
    return Editor(page)


def points_of(value: str, row: int = 0) -> np.ndarray:
    return np.array(json.loads(value)["faces"][0]["keypoints"][row])


def test_a_dragged_point_is_in_the_prompt_and_in_the_frames(editor, comfyui):
    editor.open()
    editor.wait_for("Found automatically")
    assert editor.value == "", "nothing is written before the artist does something"
    before = editor.run(comfyui)
    editor.drag("mouth_left", -60, 0)
    moved = points_of(editor.value)
    assert Faces.from_json(editor.value).picture
    assert moved[3][2] == 1
    after = editor.run(comfyui)
    assert np.abs(after[0].astype(int) - before[0]).max() > 60
    editor.press("undo")
    assert editor.value == ""
    editor.press("redo")
    assert np.array_equal(points_of(editor.value), moved)


def test_a_saved_edit_opens_as_it_was(editor, page):
    editor.open()
    editor.wait_for("Found automatically")
    editor.drag("chin", 8, 30)
    value, (x, y) = editor.value, editor.point("chin")
    page.open(page.workflow())
    editor.show(1.0)
    editor.wait_for("Set by hand")
    assert editor.value == value
    page.page.wait_for_timeout(500)
    assert np.hypot(*np.subtract(editor.point("chin"), (x, y))) < 60
    copies = page.page.evaluate(
        """() => {
            const node = app.graph.nodes.find(n => n.type === "AnimalLipSync_EditKeypoints")
            const copy = node.clone()
            app.graph.add(copy)
            const values = [node, copy].map(n => n.widgets.find(w => w.name === "keypoints").value)
            app.graph.remove(copy)
            return values
        }"""
    )
    assert copies == [value, value]


def test_the_note_of_a_point_leaves_the_picture_as_large_as_it_was(editor):
    editor.open(value=KEYPOINTS)
    editor.wait_for("Set by hand")
    stage = editor.page.locator(".als-stage:visible")
    size = stage.bounding_box()
    editor.page.locator("[data-point=mouth_right]:visible").focus()
    editor.wait_for("Right corner of the mouth: drag")
    assert stage.bounding_box() == size


def test_keys_do_what_the_mouse_does(editor):
    editor.open(value=KEYPOINTS)
    editor.wait_for("Set by hand")
    start = points_of(editor.value)
    corner = editor.page.locator("[data-point=mouth_left]:visible")
    assert corner.get_attribute("aria-label") == "Left corner of the mouth"
    corner.focus()
    editor.page.keyboard.press("ArrowLeft")
    one = start[3] - points_of(editor.value)[3]
    assert one[0] > 0 and one[1] == 0
    editor.page.keyboard.press("Shift+ArrowLeft")
    assert (start[3] - points_of(editor.value)[3])[0] == pytest.approx(11 * one[0], rel=0.02)
    editor.page.keyboard.press("Alt+ArrowDown")
    moved = points_of(editor.value) - start
    assert moved[3][1] > 0 and moved[4][1] > 0, "both corners"
    editor.page.keyboard.press("Control+z")
    editor.page.keyboard.press("Control+z")
    assert editor.value == KEYPOINTS
    editor.page.keyboard.press("Control+y")
    assert editor.value != KEYPOINTS
    assert editor.page.evaluate("() => app.graph.nodes.length") == 4, "the page's own undo kept out of it"


def test_escape_takes_a_drag_back(editor):
    editor.open(value=KEYPOINTS)
    editor.wait_for("Set by hand")
    x, y = editor.point("nose")
    editor.page.mouse.move(x, y)
    editor.page.mouse.down()
    editor.page.mouse.move(x + 40, y + 40)
    assert editor.value != KEYPOINTS
    editor.page.keyboard.press("Escape")
    editor.page.mouse.up()
    assert editor.value == KEYPOINTS


def test_the_open_mouth_is_what_a_run_shows(editor, comfyui):
    editor.open(value=KEYPOINTS)
    editor.wait_for("Set by hand")
    with editor.page.expect_request("**/animal_lipsync/mouth") as asked:
        editor.page.evaluate(
            """() => {
                const slider = document.querySelector(".als-open input")
                slider.value = 0.9
                slider.dispatchEvent(new Event("input"))
            }"""
        )
    question = asked.value.post_data_json
    assert question["motion"] == {"jaw_open": 0.9}
    headers = {"Content-Type": "application/json"}
    request = Request(comfyui.url + "/animal_lipsync/mouth", json.dumps(question).encode(), headers)
    with urlopen(request, timeout=60) as answer:
        picture = np.asarray(Image.open(BytesIO(answer.read())).convert("RGB")).astype(int)
        x1, y1, x2, y2 = json.loads(answer.headers["X-Box"])
    frame = Image.fromarray(editor.run(comfyui)[0]).crop((x1, y1, x2, y2)).resize(picture.shape[1::-1], Image.BOX)
    assert np.abs(np.asarray(frame).astype(int) - picture).mean() < 4
    editor.page.wait_for_timeout(300)
    assert editor.page.evaluate("() => [...document.querySelectorAll('.als-picture')].every(i => i.naturalWidth > 0)")


def test_a_video_is_set_in_some_frames_and_follows_in_the_others(editor, comfyui):
    editor.open("LoadVideo", "animal-lipsync-fox-clip.mp4")
    editor.wait_for("Found automatically")
    editor.scrub(10)
    editor.drag("mouth_left", -30, 0)
    editor.scrub(60)
    editor.drag("mouth_left", 0, 20)
    (face,) = json.loads(editor.value)["faces"]
    assert face["frames"] == [10, 60] and face["follow"] is True
    editor.page.mouse.move(5, 500)
    editor.page.wait_for_timeout(300)
    editor.page.screenshot(path=SCREENSHOTS / f"keypoints-video-{editor.comfy.renderer}.png")
    editor.press("earlier")
    editor.page.wait_for_function("() => document.querySelector('.als-number').textContent.startsWith('11 /')")
    entry = comfyui.wait(editor.comfy.press_run())
    assert entry["status"]["status_str"] == "success", entry["status"]


def test_the_wheel_and_two_fingers_magnify_the_picture_and_not_the_graph(editor, page):
    editor.open(value=KEYPOINTS)
    editor.wait_for("Set by hand")

    def apart() -> float:
        return float(np.hypot(*np.subtract(editor.point("left_eye"), editor.point("right_eye"))))

    editor.press("fit")
    page.page.wait_for_timeout(200)
    whole, scale = apart(), page.page.evaluate("() => app.canvas.ds.scale")
    page.page.mouse.click(*editor.point("nose"))  # Nodes 2.0 keeps the wheel for the graph until then
    for _ in range(3):
        page.page.mouse.wheel(0, -200)
        page.page.wait_for_timeout(400)
    near = apart()
    assert near > 1.3 * whole
    assert page.page.evaluate("() => app.canvas.ds.scale") == scale
    stage = page.page.locator(".als-stage:visible").bounding_box()
    x, y = stage["x"] + 30, stage["y"] + stage["height"] - 30  # beside the points
    devtools = page.page.context.new_cdp_session(page.page)
    for kind, spread in (("touchStart", 10), ("touchMove", 20), ("touchMove", 25), ("touchEnd", None)):
        fingers = [] if spread is None else [{"x": x - spread, "y": y}, {"x": x + spread, "y": y}]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    page.page.wait_for_timeout(300)
    assert apart() > 1.3 * near


def test_a_picture_out_of_other_nodes_shows_after_a_run(editor, comfyui, page):
    editor.open()
    page.page.evaluate(
        """() => {
            const find = type => app.graph.nodes.find(n => n.type === type)
            const invert = LiteGraph.createNode("ImageInvert")
            app.graph.add(invert)
            find("LoadImage").connect(0, invert, 0)
            invert.connect(0, find("AnimalLipSync_EditKeypoints"), "source")
            app.graph.remove(find("AnimalLipSync_AnimateMouthWarp"))
            const keep = LiteGraph.createNode("PreviewAny")
            app.graph.add(keep)
            find("AnimalLipSync_EditKeypoints").connect(1, keep, 0)
        }"""
    )
    editor.wait_for("Press Run once")
    assert comfyui.wait(page.press_run())["status"]["completed"]
    editor.wait_for("Found automatically")
    editor.drag("chin", 0, 20)
    assert Faces.from_json(editor.value).tracks
    page.page.mouse.move(5, 500)
    comfyui.wait(page.press_run())
    editor.wait_for("Set by hand")


@pytest.mark.parametrize("inside", ["AnimalLipSync_EditKeypoints", "LoadImage"])
def test_the_source_is_found_through_a_subgraph(inside, editor, page):
    editor.open()
    page.page.evaluate(
        """inside => {
            const node = app.graph.nodes.find(n => n.type === inside)
            const { subgraph } = app.graph.convertToSubgraph(new Set([node]))
            if (inside !== "LoadImage") app.canvas.setGraph(subgraph)
        }""",
        inside,
    )
    try:
        page.page.wait_for_function(
            """() => [...document.querySelectorAll(".als-note")]
                .some(note => note.isConnected && note.textContent.includes("Found automatically"))"""
        )
    finally:
        page.page.evaluate("() => app.canvas.setGraph(app.rootGraph)")


def test_the_source_is_found_where_a_subgraph_shows_its_file(editor, page):
    editor.open()
    page.page.evaluate(
        """() => {
            const node = app.graph.nodes.find(n => n.type === "LoadImage")
            const { subgraph } = app.graph.convertToSubgraph(new Set([node]))
            const [inner] = subgraph.nodes
            for (const input of inner.inputs.filter(input => input.link == null))
                subgraph.addInput(input.name, input.type).connect(input, inner)
        }"""
    )
    editor.wait_for("Found automatically")


GARBAGE = ["rubbish", '{"version": 9}', '{"version":1,"faces":"x"}', "[]", '{"version":1,"source":{"width":-1}}']


@pytest.mark.parametrize("value", GARBAGE)
def test_what_is_not_keypoints_is_told_and_kept(value, editor):
    editor.open(value=value)
    editor.wait_for("is not keypoints")
    assert editor.value == value
    editor.drag("nose", 10, 0)
    assert Faces.from_json(editor.value).tracks
    editor.press("undo")
    assert editor.value == value


def test_points_of_another_picture_are_told(editor, comfyui):
    write_picture(comfyui.base / "input" / "mirrored.png", read_picture(SAMPLES / "fox.jpg")[:, ::-1])
    editor.open(file="mirrored.png", value=KEYPOINTS)
    editor.wait_for("another picture")
    write_picture(comfyui.base / "input" / "nobody.png", np.full((600, 800, 3), 90, np.uint8))
    editor.open(file="nobody.png", value=KEYPOINTS)
    editor.wait_for("drag a box round the head")
    assert editor.value == KEYPOINTS


def test_saved_workflows_of_every_version_still_open(page, editor):
    for path in sorted((HERE / "saved").glob("*.json")):
        workflow = json.loads(path.read_text())
        page.open(workflow)
        assert page.red_nodes() == []
        (saved,) = [n for n in workflow["nodes"] if n["type"] == "AnimalLipSync_EditKeypoints"]
        (node,) = [n for n in page.prompt().values() if n["class_type"] == "AnimalLipSync_EditKeypoints"]
        names = ("keypoints", "face", "min_score")
        assert [node["inputs"][name] for name in names] == saved["widgets_values"]


def test_bad_sources_say_what_is_missing(editor, comfyui):
    editor.open(loader="")
    editor.wait_for("Connect a picture or video")
    write_picture(comfyui.base / "input" / "gone.png", np.zeros((64, 64, 3), np.uint8))
    editor.open(file="gone.png")
    editor.wait_for("No face found")
    (comfyui.base / "input" / "gone.png").unlink()
    editor.open(file="gone.png")
    editor.wait_for("choose it again")
    (comfyui.base / "input" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    editor.open(file="broken.png")
    editor.wait_for("broken.png")


def test_a_head_that_was_not_found_is_drawn(editor, comfyui):
    picture = np.full((600, 800, 3), 90, np.uint8)
    write_picture(comfyui.base / "input" / "empty.png", picture)
    editor.open(file="empty.png")
    editor.wait_for("No face found")
    editor.press("box")
    stage = editor.page.locator(".als-stage:visible").bounding_box()
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    editor.page.mouse.move(x - 60, y - 60)
    editor.page.mouse.down()
    editor.page.mouse.move(x, y)
    editor.page.mouse.move(x + 60, y + 60)
    editor.page.mouse.up()
    editor.page.mouse.move(5, 500)
    editor.wait_for("Set by hand")
    (track,) = Faces.from_json(editor.value).tracks
    (x1, y1, x2, y2) = track.boxes[0]
    assert x2 - x1 == pytest.approx(y2 - y1, rel=0.02) and 0 < x1 < x2 < 800
    editor.page.locator("[data-point=chin]:visible").wait_for(timeout=10_000)  # drawn with the next picture


def test_a_large_picture_and_a_video_of_one_frame(editor, comfyui):
    large = Image.open(SAMPLES / "fox.jpg").resize((4000, 3000))
    large.save(comfyui.base / "input" / "large.jpg")
    editor.open(file="large.jpg")
    editor.wait_for("Found automatically")
    editor.drag("chin", 0, 10)
    assert json.loads(editor.value)["source"]["width"] == 4000
    with VideoWriter(comfyui.base / "input" / "one.mp4", 512, 512, 25) as video:
        video.write(np.asarray(Image.open(SAMPLES / "fox.jpg").convert("RGB").resize((512, 512))))
    editor.open("LoadVideo", "one.mp4")
    editor.wait_for("Found automatically")
    assert not editor.page.locator(".als-track").is_visible()
    editor.drag("chin", 0, 10)
    assert "follow" not in json.loads(editor.value)["faces"][0]


def test_a_deleted_node_leaves_nothing_behind(editor, page):
    editor.open()
    editor.wait_for("Found automatically")
    asked = []
    page.page.on("request", lambda request: "/animal_lipsync/" in request.url and asked.append(request.url))
    page.page.evaluate(
        """() => {
            const [editor] = app.graph.nodes.filter(n => n.type === "AnimalLipSync_EditKeypoints")
            window.orphan = document.querySelector(".als-editor")
            app.graph.remove(editor)
        }"""
    )
    page.page.evaluate(
        """() => {
            const slider = orphan.querySelector(".als-open input")
            slider.value = 0.5
            slider.dispatchEvent(new Event("input"))
        }"""
    )
    page.page.wait_for_timeout(900)
    assert asked == []


def test_undo_of_the_page_leaves_the_editors_that_listen(page):
    page.page.evaluate(
        """() => {
            app.graph.clear()
            const kinds = ["EditKeypoints", "EditVisemes", "Compare", "ChooseFace", "MakeAnimalTalk", "TrainPetLora"]
            kinds.forEach((kind, i) => {
                const node = LiteGraph.createNode("AnimalLipSync_" + kind)
                node.pos = [60 + 720 * (i % 3), 80 + 900 * Math.floor(i / 3)]
                app.graph.add(node)
            })
        }"""
    )
    page.open(page.workflow() | {"id": "99999999-1111-2222-3333-444444444444"})  # Undo gives a new one its id
    page.fit()
    shown = """() => app.graph.nodes.flatMap(node => node.widgets)
        .filter(({ element }) => element?.matches("[class*=als-], .animal-timeline"))
        .map(({ name, element }) => [name, element.isConnected])"""
    names = ["keypoints", "edits", "comparison", "pick", "by_hand", "training"]
    page.page.wait_for_timeout(500)
    assert page.page.evaluate(shown) == [[name, True] for name in names]
    page.move_and_undo()
    page.page.wait_for_timeout(500)
    assert page.page.evaluate(shown) == [[name, True] for name in names]


def test_a_click_chooses_who_speaks(page, comfyui):
    fox = read_picture(SAMPLES / "fox.jpg")[::2, ::2]
    write_picture(comfyui.base / "input" / "two.png", np.concatenate([fox, fox[:, ::-1]], axis=1))
    picker = Editor(page, "ChooseFace")
    picker.open(file="two.png")
    picker.wait_for("speaks")
    assert picker.value == ""
    page.page.screenshot(path=SCREENSHOTS / f"choose-{page.renderer}.png")
    picker.page.locator(".als-chip >> nth=1").click()
    pick = json.loads(picker.value)
    assert pick["version"] == 1 and pick["frame"] == 0 and pick["width"] == 1024
    assert pick["point"][0] > 512
    entry = comfyui.wait(page.press_run())
    assert entry["status"]["status_str"] == "success", entry["status"]
    picker.press("reset")
    assert picker.value == ""


def test_the_mouth_is_set_from_make_animal_talk(page):
    page.open(json.loads((ROOT / "workflows" / "picture_talks.json").read_text()))
    node = "app.graph.nodes.find(n => n.type === 'AnimalLipSync_MakeAnimalTalk')"
    page.page.evaluate(f"() => {{ const n = {node}; n.setSize([n.size[0], n.size[1] + 60]) }}")
    page.fit()
    page.page.wait_for_timeout(600)
    page.page.screenshot(path=SCREENSHOTS / f"talk-{page.renderer}.png")
    assert page.page.locator(".als-compact:visible").bounding_box()["height"] < 60
    page.page.locator(".als-button").click()
    page.page.mouse.move(2, 2)  # or it may rest on a point, and the note says what that is
    dialog = Editor(page)
    expect(page.page.locator("dialog[open] .als-note")).to_contain_text("Found", timeout=90_000)
    page.page.screenshot(path=SCREENSHOTS / f"talk-dialog-{page.renderer}.png")
    box = page.page.locator("dialog [data-point=chin]").bounding_box()
    page.page.mouse.move(box["x"] + 16, box["y"] + 16)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 16, box["y"] + 60)
    page.page.mouse.up()
    dialog.page.keyboard.press("Escape")
    (talk,) = [n for n in page.prompt().values() if n["class_type"] == "AnimalLipSync_MakeAnimalTalk"]
    assert Faces.from_json(talk["inputs"]["by_hand"]).tracks
    page.page.wait_for_function("() => document.querySelector('.als-state').textContent === 'Set by hand'")
    page.page.locator("dialog.als-dialog").wait_for(state="detached")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_screenshots(theme, scale, editor, page):
    page.page.evaluate("theme => app.extensionManager.setting.set('Comfy.ColorPalette', theme)", theme)
    editor.open(value="")
    editor.wait_for("Found automatically")
    editor.show(scale)
    page.page.mouse.move(5, 500)
    page.page.wait_for_timeout(600)
    page.page.screenshot(path=SCREENSHOTS / f"keypoints-{page.renderer}-{theme}-{int(scale * 100)}.png")
    stage = page.page.locator(".als-stage:visible").bounding_box()
    assert stage["width"] > 250 * scale and stage["height"] > 150 * scale
    page.page.evaluate("() => app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
