"""What a training node tells the page while it works, and what the page can ask and tell it.

A page that is loaded anew, or opened meanwhile, asks for the history and goes on from there.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from aiohttp import web
from comfy_execution.utils import get_executing_context
from server import PromptServer

from ..animal_lipsync.files import write_text
from ..animal_lipsync.loss_curve import LossCurve, Row, finite, mean_of
from .routes import add_route

logger = logging.getLogger(__name__)

EVENT = "animal_lipsync.training"
TELLING = 0.2
"""Seconds between two steps that the page is told of; it gets the mean of those between."""
KEEPING = 30.0
"""Seconds between two times that the losses are written down."""
REMEMBERED = 32
"""Trainings that the page can ask for."""

NO_ID = "00000000-0000-0000-0000-000000000000"
"""Of a workflow that was begun in an empty graph; it gets its own when the page is loaded anew."""

_trainings: dict[tuple[str, str], Dashboard] = {}
"""By workflow and node: two workflows have nodes of the same number."""


class Dashboard:
    """One training of one node."""

    def __init__(self, node_id: str, folder: Path):
        """
        Args:
            folder: where the losses are written down, for when the training is resumed.
        """
        self.node_id = str(node_id)
        self.workflow = _running_workflow()
        self._path = Path(folder) / "losses.json"
        self._curve = _read_curve(self._path)
        self._untold: list[Row] = []
        self._told_at = self._kept_at = 0.0
        self._events: dict[str, dict] = {}
        self._stopped = False
        key = (self.workflow, self.node_id)
        _trainings.pop(key, None)
        _trainings[key] = self
        for oldest in list(_trainings)[:-REMEMBERED]:
            del _trainings[oldest]

    @property
    def stopped(self) -> bool:
        """Whether the artist pressed Stop and keep."""
        return self._stopped

    @property
    def step(self) -> int:
        """The last one that was posted; 0 before the first."""
        return self._events.get("step", {}).get("step", 0)

    def post(self, event: dict) -> None:
        """Keep what happened and tell every open page: {"kind": "start" | "step" | "preview" | "end", ...}.

        A step that the page gets says in "steps" of how many it is the mean.
        """
        if event["kind"] != "step":
            self._tell_steps()
            self._events[event["kind"]] = event
            self._send(event)
            self._keep()
            return
        event = event | {name: finite(event.get(name)) for name in ("steps_per_second", "memory", "learning_rate")}
        losses = {name: float(loss) for name, loss in event["losses"].items()}
        self._curve.add(event["step"], losses)
        self._untold.append(Row(event["step"], 1, losses))
        self._events["step"] = event | {"losses": {name: finite(loss) for name, loss in losses.items()}}
        now = time.monotonic()
        if now - self._told_at > TELLING:
            self._told_at = now
            self._tell_steps()
        if now - self._kept_at > KEEPING:
            self._kept_at = now
            self._keep()

    def stop(self) -> None:
        """Let the node end after the step it is at and keep what it has learned."""
        if "end" in self._events:
            raise ValueError("This training has ended already.")
        self._stopped = True
        self._send({"kind": "stopping"})

    def history(self) -> dict:
        """The last event of each kind, and the losses of all steps as `LossCurve.columns`."""
        return {"node": self.node_id, "stopping": self._stopped, "curve": self._curve.columns(), **self._events}

    def _tell_steps(self) -> None:
        if not self._untold:
            return
        row = mean_of(self._untold)
        self._untold = []
        losses = {name: finite(loss) for name, loss in row.losses.items()}
        self._send(self._events["step"] | {"steps": row.steps, "losses": losses})

    def _send(self, event: dict) -> None:
        PromptServer.instance.send_sync(EVENT, {"node": self.node_id, "workflow": self.workflow, **event})

    def _keep(self) -> None:
        try:
            if self._curve.rows:
                write_text(self._path, json.dumps(self._curve.columns()))
        except OSError as error:  # no reason to end a training
            logger.warning("The curve of this training will be gone when ComfyUI is started anew: %s", error)


def history(node_id: str, workflow: str = "") -> dict:
    """What `Dashboard.history` says of the newest training of a node; {} when there was none."""
    training = _find(node_id, workflow)
    return training.history() if training else {}


def stop(node: str, workflow: str = "") -> web.Response:
    """Have a node stop and keep what it has."""
    training = _find(node, workflow)
    if training is None:
        raise ValueError("Nothing is being trained in this node.")
    training.stop()
    return web.json_response({})


def _find(node: str, workflow: str) -> Dashboard | None:
    """Of this workflow, else of one that had no id."""
    return _trainings.get((workflow, node)) or _trainings.get(("", node))


def add_training_routes(routes: web.RouteTableDef) -> None:
    add_route(routes, "stop_training", stop)

    @routes.get("/animal_lipsync/training")
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(history(request.query.get("node", ""), request.query.get("workflow", "")))


def _read_curve(path: Path) -> LossCurve:
    try:
        return LossCurve.from_columns(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, LookupError):
        return LossCurve()  # a new training, or a file that a crash left; only the picture of the past is lost


def _running_workflow() -> str:
    """Id of the workflow in which the node runs; "" when it has none, or no page sent it."""
    context = get_executing_context()
    running, _ = PromptServer.instance.prompt_queue.get_current_queue_volatile()
    for _, prompt_id, _, extra, *_ in running:
        if context and prompt_id == context.prompt_id:
            id = str(extra.get("extra_pnginfo", {}).get("workflow", {}).get("id", NO_ID))
            return "" if id == NO_ID else id
    return ""
