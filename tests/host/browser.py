"""ComfyUI's own page in a real browser: open a workflow, let the frontend convert it, press Run."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Browser, Page, TimeoutError

from tests.host.server import FOLDER

RENDERERS = ("classic", "nodes-2.0")


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


class ComfyPage:
    """One tab with one renderer."""

    def __init__(self, browser: Browser, url: str, renderer: str):
        self.page: Page = browser.new_page(viewport={"width": 1600, "height": 1000})
        self.renderer = renderer
        self.page.set_default_timeout(90_000)
        self.errors: list[str] = []
        """What the page threw, what our scripts complained of, and what was asked of another server."""
        self._url = url
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", self._watch)
        self.page.goto(url)
        self.page.wait_for_function("window.app?.vueAppReady && app.extensionManager")
        self.page.evaluate(
            """async vue => {
                const {setting} = app.extensionManager
                await setting.set('Comfy.TutorialCompleted', true)
                await setting.set('Comfy.VueNodes.Enabled', vue)
            }""",
            renderer == "nodes-2.0",
        )
        # A first visit brings the templates dialog; with the setting above a second one does not.
        self.page.reload()
        self.page.wait_for_function("window.app?.vueAppReady && app.extensionManager")
        # The page opens a workflow of its own, which would take the place of one opened before it; on a slow machine
        # it has kept an empty one from before it was loaded anew.
        with suppress(TimeoutError):
            self.page.wait_for_function("app.graph?.nodes.length", timeout=15_000)

    def _hear(self, message):
        if message.type in ("error", "warning") and (FOLDER in message.location["url"] or "animal" in message.text):
            self.errors.append(f"{message.type}: {message.text}")

    def _watch(self, request):
        is_own = request.url.startswith((self._url, "data:", "blob:"))
        # which the page itself asks for the size of models that a workflow names
        if not is_own and "huggingface.co" not in request.url:
            self.errors.append(f"asked {request.url}")

    def open(self, workflow: dict):
        self.page.evaluate("workflow => app.loadGraphData(JSON.parse(workflow))", json.dumps(workflow))
        self.page.wait_for_timeout(1500)
        opened = self.page.evaluate("() => app.graph.nodes.map(node => node.type).sort()")
        assert opened == sorted(node["type"] for node in workflow["nodes"])

    def prompt(self) -> dict:
        """The API form of the open workflow, converted by the frontend."""
        return self.page.evaluate("async () => (await app.graphToPrompt()).output")

    def workflow(self) -> dict:
        """The open workflow as the frontend would save it."""
        return self.page.evaluate("async () => (await app.graphToPrompt()).workflow")

    def press_run(self) -> str:
        """Queue the open workflow; the id of the prompt."""
        with self.page.expect_response("**/prompt") as answer:
            self.page.evaluate("async () => await app.queuePrompt(0, 1)")
        assert answer.value.ok, answer.value.text()
        return answer.value.json()["prompt_id"]

    def move_and_undo(self):
        """Move the first node, then press Ctrl+Z: the frontend makes every node anew with the number it had."""
        x, y = self.page.evaluate(
            """() => {
                const [node] = app.graph.nodes
                const place = [...node.pos]
                const { changeTracker } = app.extensionManager.workflow.activeWorkflow
                changeTracker.captureCanvasState()
                window.undone = node
                node.pos = [place[0] + 40, place[1]]
                changeTracker.captureCanvasState()
                return place
            }"""
        )
        self.page.locator("body").press("Control+z")
        self.page.wait_for_function(
            "([x, y]) => app.graph.nodes.some(node => node.id === undone.id && node !== undone && node.pos[0] === x)",
            arg=[x, y],
        )

    def wait_for_video(self, filename: str):
        """Until a node shows this video, decoded."""
        self.page.wait_for_function(
            """name => [...document.querySelectorAll("video")]
                .some(video => video.currentSrc.includes(name) && video.videoWidth > 0)""",
            arg=filename,
        )

    def fit(self):
        """Bring the whole graph into view."""
        self.page.evaluate(
            """() => {
                const nodes = app.graph.nodes
                const left = Math.min(...nodes.map(n => n.pos[0])), top = Math.min(...nodes.map(n => n.pos[1])) - 40
                const right = Math.max(...nodes.map(n => n.pos[0] + n.size[0]))
                const bottom = Math.max(...nodes.map(n => n.pos[1] + n.size[1]))
                const {ds, canvas} = app.canvas
                ds.scale = Math.min((innerWidth - 120) / (right - left), (innerHeight - 140) / (bottom - top), 1)
                ds.offset = [90 / ds.scale - left, 100 / ds.scale - top]
                app.canvas.setDirty(true, true)
            }"""
        )

    def red_nodes(self) -> list[str]:
        """Titles of nodes the page marks as unknown or faulty."""
        return self.page.evaluate(
            """() => app.graph.nodes
                .filter(node => node.has_errors || !LiteGraph.registered_node_types[node.type])
                .map(node => node.title)"""
        )

    def screenshot(self, path: Path):
        self.fit()
        self.page.wait_for_timeout(1500)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))
