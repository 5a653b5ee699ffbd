"""The training dashboard in ComfyUI's own page, in both renderers, while a recorded training is played."""

import json
import re
import shutil
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.host.browser import RENDERERS, ComfyPage
from tests.host.server import ComfyUI, find_comfyui

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCREENSHOTS = ROOT / ".cache" / "screenshots"
CHART = ".als-training canvas:visible"
SHOWN = "[...document.querySelectorAll('.als-training')].filter(shown => shown.offsetParent)"


@pytest.fixture(scope="module")
def server(tmp_path_factory, shipped):
    path = find_comfyui()
    if path is None:
        pytest.skip("no ComfyUI; scripts/test.sh fetches one, or set COMFYUI_PATH")
    base = tmp_path_factory.mktemp("comfyui-training")
    shutil.copytree(HERE / "recorded_training", base / "custom_nodes" / "recorded_training")
    with ComfyUI(path, base, ROOT, shipped) as server:
        yield server


@pytest.fixture(scope="module", params=RENDERERS)
def page(request, browser, server):
    page = ComfyPage(browser, server.url, request.param)
    yield page
    page.page.close()
    assert not page.errors


class Training:
    """An open workflow with nodes that play a training."""

    def __init__(self, page: ComfyPage, server: ComfyUI):
        self.comfy, self.page, self.server = page, page.page, server

    def open(self, *nodes: dict):
        """Every value is written: a node that takes an earlier one's number may keep its widgets' values."""
        self.page.evaluate(
            """nodes => {
                app.graph.clear()
                nodes.forEach((values, i) => {
                    const node = LiteGraph.createNode("RecordedTraining")
                    node.pos = [60 + 560 * i, 80]
                    app.graph.add(node)
                    for (const [name, value] of Object.entries(values)) {
                        node.widgets.find(widget => widget.name === name).value = value
                    }
                })
                app.canvas.ds.scale = 1
                app.canvas.ds.offset = [40, 40]
                app.canvas.setDirty(true, true)
            }""",
            [{"ends": "finished"} | values for values in nodes],
        )
        self.page.wait_for_timeout(500)

    def dashboard(self, index: int = 0):
        return self.page.locator(".als-training:visible").nth(index)

    def state(self, index: int = 0) -> str:
        return self.dashboard(index).locator(".state").inner_text()

    def wait_for(self, text: str):
        """Until one of the nodes says so; they lie in the page in no order."""
        state = "shown.querySelector('.state').textContent"
        self.page.wait_for_function(f"text => {SHOWN}.some(shown => {state}.includes(text))", arg=text, timeout=60_000)

    def wait_for_step(self, step: int):
        chart = "Number(shown.querySelector('canvas').ariaValueMax)"
        self.page.wait_for_function(f"step => {SHOWN}.some(shown => {chart} >= step)", arg=step, timeout=60_000)

    def total_at_start(self) -> str:
        """What the first row of the chart shows."""
        chart = self.page.locator(CHART).first
        chart.focus()
        self.page.keyboard.press("Home")
        self.page.wait_for_timeout(100)
        return chart.get_attribute("aria-valuetext")

    def history(self) -> dict:
        """What the server knows of the first node."""
        place = self.page.evaluate("() => ({ node: String(app.graph.nodes[0].id), workflow: app.rootGraph.id })")
        return self.server.get(f"/animal_lipsync/training?{urlencode(place)}")


@pytest.fixture
def training(page, server):
    return Training(page, server)


def test_a_training_survives_that_the_page_is_loaded_anew(training, server):
    training.open({"steps": 540, "steps_per_second": 40})
    prompt_id = training.comfy.press_run()
    training.wait_for("Training pet-")
    training.wait_for_step(60)
    training.page.wait_for_timeout(800)  # until the page keeps the workflow
    training.page.reload()
    training.page.wait_for_function("window.app?.vueAppReady && app.graph?.nodes.length")
    training.wait_for("Training pet-")
    training.wait_for_step(120)
    first = {name: losses[0] for name, losses in training.history()["curve"]["losses"].items()}
    assert training.total_at_start().startswith(f"Step 1, total {first['total']:.3g}, latent {first['latent']:.3g}")
    facts = training.dashboard().locator("dd").all_inner_texts()
    assert facts[0].endswith("/ 540") and facts[1] == "40" and facts[3:] == ["9.0 GB", "1.0e-4"]
    training.wait_for("Finished: pet-")
    training.wait_for_step(540)
    assert server.wait(prompt_id)["status"]["status_str"] == "success"
    known = training.history()
    assert known["curve"]["step"] == list(range(1, 541))
    assert known["curve"]["losses"]["total"][6] is None, "a loss that is no number"
    image = training.dashboard().locator("img")
    assert "-540.png" in image.get_attribute("src")
    training.page.wait_for_function("() => document.querySelector('.als-training img').naturalWidth === 512")
    assert training.dashboard().get_by_role("button", name="Stop and keep").count() == 0


def test_stop_and_keep_reaches_the_node(training, server):
    training.open({"steps": 4000, "steps_per_second": 40})
    prompt_id = training.comfy.press_run()
    training.wait_for("Training pet-")
    stop = training.dashboard().get_by_role("button", name="Stop and keep")
    stop.focus()
    training.page.keyboard.press("Enter")
    training.wait_for("Stopped at step")
    server.wait(prompt_id)
    end = training.history()["end"]
    assert end["reason"] == "stopped" and end["step"] < 400


def test_several_nodes_show_each_its_own(training, server):
    training.open({"steps": 60, "steps_per_second": 200}, {"steps": 90, "steps_per_second": 200, "ends": "failed"})
    server.wait(training.comfy.press_run())
    states = f"{SHOWN}.map(shown => shown.querySelector('.state').textContent)"
    training.page.wait_for_function(f"() => {states}.filter(text => /^(Finished|Failed)/.test(text)).length === 2")
    shown = {(training.state(i), training.dashboard(i).locator("dd").first.inner_text()) for i in (0, 1)}
    assert shown == {
        ("Finished: pet-1.safetensors in models/loras", "60 / 60"),
        ("Failed at step 90. The loss is no number.", "90 / 90"),
    }


@pytest.mark.parametrize(
    "steps, goes_on", [(150, "Run goes on from step 100."), (60, "Nothing was kept yet; Run begins anew.")]
)
def test_a_cancelled_training_says_where_run_goes_on(steps, goes_on, training, server):
    training.open({"steps": steps, "steps_per_second": 500, "ends": "cancelled"})
    server.wait(training.comfy.press_run())
    training.wait_for(f"Cancelled at step {steps}. {goes_on}")


def test_until_the_first_step_it_says_what_it_waits_for(training, server):
    training.open({"steps": 2, "steps_per_second": 0.9, "ends": "painting"})
    prompt_id = training.comfy.press_run()
    training.wait_for("Getting ready")
    training.wait_for("Training pet-")
    training.wait_for("is saved. Paints your pet before and after")
    server.wait(prompt_id)


def test_a_server_that_was_started_anew_knows_nothing_of_a_training(training, server):
    training.open({"steps": 4000, "steps_per_second": 40})
    prompt_id = training.comfy.press_run()
    training.wait_for("Training pet-")
    asked = re.compile(r"/animal_lipsync/training\?")
    training.page.route(asked, lambda route: route.fulfill(json={}))
    training.page.evaluate("() => comfyAPI.api.api.dispatchEvent(new CustomEvent('reconnected'))")
    training.wait_for("ComfyUI was started anew")
    training.page.unroute(asked)
    place = training.page.evaluate("() => ({ node: String(app.graph.nodes[0].id), workflow: app.rootGraph.id })")
    assert server.post("/animal_lipsync/stop_training", place) == {}
    server.wait(prompt_id)


def test_another_workflow_with_a_node_of_the_same_number_shows_nothing_of_it(training, server):
    training.open({"steps": 30, "steps_per_second": 500})
    workflow = training.comfy.workflow() | {"id": "99999999-1111-2222-3333-444444444444"}
    workflow["nodes"][0]["id"] = workflow["last_node_id"] = 77
    training.comfy.open(workflow)
    server.wait(training.comfy.press_run())
    training.wait_for("Finished")
    training.comfy.open(workflow | {"id": "00000000-1111-2222-3333-444444444444"})
    training.page.wait_for_timeout(1200)
    assert training.state() == "" and "Press Run to train" in training.dashboard().inner_text()
    training.comfy.open(workflow)
    training.wait_for("Finished")


def test_it_goes_on_in_the_other_renderer_and_in_a_subgraph(training, server):
    training.open({"steps": 300, "steps_per_second": 30})
    prompt_id = training.comfy.press_run()
    training.wait_for("Training pet-")
    training.wait_for_step(20)
    toggle = "vue => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', vue)"
    vue = training.comfy.renderer == "nodes-2.0"
    training.page.evaluate(toggle, not vue)
    training.page.wait_for_timeout(500)
    training.wait_for_step(60)
    training.page.evaluate(toggle, vue)
    training.wait_for_step(100)
    training.dashboard().get_by_role("button", name="Stop and keep").click()
    server.wait(prompt_id)
    training.page.evaluate(
        """() => {
            const { subgraph } = app.graph.convertToSubgraph(new Set([app.graph.nodes[0]]))
            app.canvas.setGraph(subgraph)
        }"""
    )
    try:
        training.page.wait_for_timeout(500)
        prompt_id = training.comfy.press_run()
        training.wait_for("Training pet-")
        training.dashboard().get_by_role("button", name="Stop and keep").click()
        training.wait_for("Stopped at step")
        server.wait(prompt_id)
    finally:
        training.page.evaluate("() => app.canvas.setGraph(app.rootGraph)")


def test_it_goes_on_after_undo(training, server):
    training.open({"steps": 4000, "steps_per_second": 40})
    workflow = training.comfy.workflow() | {"id": "99999999-1111-2222-3333-444444444444"}
    training.comfy.open(workflow)  # Undo gives a new one its id
    prompt_id = training.comfy.press_run()
    training.wait_for("Training pet-")
    training.wait_for_step(20)
    training.comfy.move_and_undo()
    training.wait_for_step(80)
    training.dashboard().get_by_role("button", name="Stop and keep").click()
    training.wait_for("Stopped at step")
    server.wait(prompt_id)
    assert training.history()["end"]["reason"] == "stopped"


def test_a_hundred_thousand_steps_stay_few_rows(training, server):
    training.open({"steps": 100_000, "steps_per_second": 1e6})
    server.wait(training.comfy.press_run())
    training.wait_for("Finished")
    training.wait_for_step(100_000)
    curve = training.history()["curve"]
    assert 1000 <= len(curve["step"]) <= 2000 and curve["step"][-1] == sum(curve["steps"]) == 100_000
    training.page.locator(CHART).first.hover()
    assert "Step" in training.dashboard().locator(".at").inner_text()


@pytest.mark.parametrize(
    "body, headers, status",
    [
        (b'{"node": "nothing", "workflow": ""}', {}, 400),
        (b'{"node": "1"}', {"Content-Type": "text/plain"}, 415),
        (b'{"node": "1"}', {"Origin": "https://example.com"}, 403),
        (b'{"node": ["1"]}', {}, 400),
    ],
)
def test_only_the_page_stops_a_training(body, headers, status, server):
    request = Request(
        server.url + "/animal_lipsync/stop_training", body, {"Content-Type": "application/json"} | headers
    )
    with pytest.raises(HTTPError) as refused:
        urlopen(request, timeout=30)
    assert refused.value.code == status


def test_what_was_never_trained_has_no_history(server):
    assert server.get("/animal_lipsync/training?node=999") == {}
    assert server.get("/animal_lipsync/training") == {}


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_screenshots(theme, training, server):
    training.page.evaluate("theme => app.extensionManager.setting.set('Comfy.ColorPalette', theme)", theme)
    training.open({"steps": 300 + len(theme), "steps_per_second": 60}, {})  # not the same again: that is cached
    training.page.evaluate("() => { app.graph.nodes[1].mode = 2 }")
    prompt_id = training.comfy.press_run()
    training.wait_for("Training pet-")
    training.wait_for_step(230)
    training.page.locator(CHART).first.hover(position={"x": 220, "y": 60})
    for scale in (1.0, 0.5):
        training.page.evaluate("scale => { app.canvas.ds.scale = scale; app.canvas.setDirty(true, true) }", scale)
        training.page.wait_for_timeout(700)
        name = f"training-{training.comfy.renderer}-{theme}-{int(scale * 100)}.png"
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        training.page.screenshot(path=SCREENSHOTS / name)
    server.wait(prompt_id)
    training.page.evaluate("() => app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
    assert json.dumps(training.history())
