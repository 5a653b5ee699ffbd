"""The real ComfyUI as a child process, and what a test asks of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import websocket

FOLDER = "ComfyUI-Animal-Lip-Sync"
"""The pack's folder in custom_nodes: hyphens on purpose, as a clone of the repository would be called."""


class ComfyUI:
    """A server with the shipped files of the pack as its only custom node; a context manager."""

    def __init__(self, comfyui: Path, base: Path, root: Path, shipped: list[Path]):
        self.base = base
        pack = base / "custom_nodes" / FOLDER
        for path in shipped:
            (pack / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / path, pack / path)
        for folder in ("input", "models", "user"):
            (base / folder).mkdir()
        self.port, self.hub_port = free_ports(2)
        """Of the server, and where it looks for Hugging Face: a test may put a `Hub` there."""
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = base / "server.log"
        self._command = [sys.executable, "main.py", "--cpu", "--port", str(self.port), "--base-directory", str(base)]
        self._command += ["--disable-auto-launch", "--disable-api-nodes"]
        self._command += ["--database-url", f"sqlite:///{base}/user/comfyui.db"]
        self._comfyui = comfyui

    def __enter__(self) -> ComfyUI:
        environment = os.environ | {"HF_ENDPOINT": f"http://127.0.0.1:{self.hub_port}"}
        streams = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, cwd=self._comfyui, env=environment, stdout=log, **streams)
        deadline = time.monotonic() + 180
        while True:
            try:
                self.get("/system_stats")
                return self
            except urllib.error.URLError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise RuntimeError(f"ComfyUI did not start:\n{self.log[-4000:]}") from None
                time.sleep(0.2)

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self._log.read_text(errors="replace"))

    @property
    def import_seconds(self) -> float:
        """What ComfyUI says the pack added to its start."""
        return float(re.search(rf"([\d.]+) seconds.*{FOLDER}", self.log)[1])

    def get(self, path: str):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict) -> dict:
        """The answer, also where the server refuses."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return json.load(error)

    def node(self, kind: str, **inputs) -> dict:
        """A node of an API prompt; widgets that are not given rest at their defaults."""
        values = {}
        schema = self.get(f"/object_info/{urllib.parse.quote(kind)}")[kind]
        for name, (_, *options) in schema["input"]["required"].items():
            options = options[0] if options else {}
            if "default" in options or "options" in options:
                values[name] = options.get("default", (options.get("options") or [None])[0])
        return {"class_type": kind, "inputs": values | inputs}

    def queue(self, prompt: dict, client_id: str = "tests") -> str:
        answer = self.post("/prompt", {"prompt": prompt, "client_id": client_id})
        assert "prompt_id" in answer, json.dumps(answer, indent=1)
        return answer["prompt_id"]

    def wait(self, prompt_id: str, timeout: float = 300) -> dict:
        """The history entry of a prompt that has ended, well or not."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            history = self.get(f"/history/{prompt_id}")
            if prompt_id in history:
                return history[prompt_id]
            time.sleep(0.1)
        raise TimeoutError(f"prompt still runs after {timeout} s:\n{self.log[-4000:]}")

    def run(self, prompt: dict, timeout: float = 300) -> dict:
        """The outputs of a prompt by node id; raises with the node's message if it failed."""
        entry = self.wait(self.queue(prompt), timeout)
        assert entry["status"]["status_str"] == "success", error_of(entry) or entry["status"]
        return entry["outputs"]

    def fail(self, prompt: dict, timeout: float = 300) -> str:
        """What the artist reads when a node of the prompt raises."""
        message = error_of(self.wait(self.queue(prompt), timeout))
        assert message, "the prompt did not fail"
        return message

    def cancel(self, prompt: dict, node: str) -> dict:
        """The history entry of a prompt during which Cancel was pressed, when that node had come some of its way."""
        watching = websocket.create_connection(f"ws://127.0.0.1:{self.port}/ws?clientId=canceller", timeout=120)
        prompt_id = self.queue(prompt, "canceller")
        while True:
            message = watching.recv()
            if isinstance(message, str) and '"progress"' in message and json.loads(message)["data"]["node"] == node:
                break
        watching.close()
        self.interrupt()
        return self.wait(prompt_id)

    @property
    def unfinished(self) -> list[Path]:
        """Files of the pack in the temp folder that are no result of any prompt."""
        results = {
            result["filename"]
            for entry in self.get("/history").values()
            for output in entry["outputs"].values()
            for result in output.get("images", ())
        }
        results |= {
            name.removesuffix(" [temp]")
            for entry in self.get("/history").values()
            for output in entry["outputs"].values()
            for name in output.get("animal_source", ())
        }
        found = (self.base / "temp").glob("*animal-lipsync*")
        return [path for path in found if path.name not in results]

    def interrupt(self):
        urllib.request.urlopen(urllib.request.Request(self.url + "/interrupt", method="POST"), timeout=60).close()

    def path(self, result: dict) -> Path:
        """Where the file of one UI result lies."""
        return self.base / result["type"] / result["subfolder"] / result["filename"]


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def error_of(entry: dict) -> str | None:
    """The message of the node that failed, as the artist reads it."""
    for kind, content in entry["status"]["messages"]:
        if kind == "execution_error":
            return content["exception_message"].strip()
    return None


def find_comfyui() -> Path | None:
    here = Path(__file__).parents[2]
    path = Path(os.environ.get("COMFYUI_PATH", here / ".cache" / "ComfyUI"))
    return path if (path / "main.py").is_file() else None
