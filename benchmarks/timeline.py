"""Milliseconds a frame of the viseme editor takes with ten minutes of voice and 5,000 cues, in Chromium.

    python benchmarks/timeline.py [--picture LOOK.png]

Every frame draws all lanes anew and waits until the picture is there: more than the editor does while it plays, when
only the red line moves. Ends in one JSON line: for each thing an artist does, the mean CPU time of 200 frames and their
median, 95 % and worst wall time, which on a busy machine is longer.
"""

import argparse
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
FRAMES = 200
BUDGET = 8.0  # milliseconds


class _Quiet(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", help="save how it looks")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=ROOT))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 920, "height": 480})
        page.on("pageerror", lambda error: print(error))
        devtools = browser.new_browser_cdp_session()
        page.goto(f"http://127.0.0.1:{server.server_port}/benchmarks/timeline.html")
        page.wait_for_function("window.ready")
        result = {}
        for scene in page.evaluate("Object.keys(scenes)"):
            before = _cpu_seconds(devtools)
            times = page.evaluate(f"scenes.{scene}()")
            result[scene] = {"cpu": round((_cpu_seconds(devtools) - before) / FRAMES * 1000, 2), **times}
        if options.picture:
            page.screenshot(path=options.picture)
        browser.close()
    server.shutdown()
    for name, times in result.items():
        print(f"{name:8}" + "".join(f"{name:>8} {value:6.2f} ms" for name, value in times.items()))
    print(json.dumps({"frame_ms": result, "within_budget": all(times["cpu"] < BUDGET for times in result.values())}))


def _cpu_seconds(devtools) -> float:
    """That all processes of the browser have worked."""
    return sum(process["cpuTime"] for process in devtools.send("SystemInfo.getProcessInfo")["processInfo"])


if __name__ == "__main__":
    main()
