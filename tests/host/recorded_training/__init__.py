"""A node for tests: plays a training's events through the pack's dashboard as if it trained."""

import sys
import time
from math import exp, sin
from pathlib import Path

import folder_paths
from comfy_api.latest import ComfyExtension, io
from PIL import Image

WEB_DIRECTORY = "./js"


class RecordedTraining(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="RecordedTraining",
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Int.Input("steps", default=300, min=1, max=1_000_000),
                io.Float.Input("steps_per_second", default=40.0, min=0.0, max=1e9),
                io.String.Input("ends", default="finished"),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs):
        return time.time_ns()  # every run plays it again

    @classmethod
    def execute(cls, steps, steps_per_second, ends) -> io.NodeOutput:
        (module,) = [module for name, module in sys.modules.items() if name.endswith(".nodes.dashboard")]
        folder = Path(folder_paths.get_temp_directory())
        folder.mkdir(exist_ok=True)
        id = cls.hidden.unique_id
        own = folder / f"recorded-{id.replace(':', '-')}-{time.time_ns()}"
        own.mkdir()
        dashboard = module.Dashboard(id, own)
        parts = ["latent", "pixel", "perceptual", "openness"]
        output = f"pet-{id.replace(':', '-')}.safetensors"
        dashboard.post({"kind": "start", "steps": steps, "parts": parts, "preset": "quick", "output": output})
        if steps_per_second < 1:
            time.sleep(2)  # gets ready
        step = 0
        for step in range(1, steps + 1):
            total = 0.05 + 0.9 * exp(-step / 80) + 0.02 * sin(step) if step != 7 else float("nan")
            losses = {"total": total} | {name: total / 2**i for i, name in enumerate(parts, 1)}
            event = {"kind": "step", "step": step, "losses": losses, "steps_per_second": steps_per_second}
            dashboard.post(event | {"memory": 9 << 30, "learning_rate": 1e-4, "kept": step // 100 * 100})
            if step % max(1, steps // 6) == 0:
                name = f"preview-{id.replace(':', '-')}-{step}.png"
                strip = Image.linear_gradient("L").resize((512, 256)).rotate(step % 360).convert("RGB")
                strip.save(folder / name)
                file = {"filename": name, "subfolder": "", "type": "temp"}
                dashboard.post({"kind": "preview", "step": step, "file": file})
            if dashboard.stopped:
                break
            if steps_per_second < 1e5:
                time.sleep(1 / steps_per_second)
        message = "The loss is no number." if ends == "failed" else ""
        dashboard.post(
            {"kind": "end", "step": step, "reason": "stopped" if dashboard.stopped else ends, "message": message}
        )
        return io.NodeOutput()


class Recorded(ComfyExtension):
    async def get_node_list(self):
        return [RecordedTraining]


async def comfy_entrypoint():
    return Recorded()
