import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.host.browser import RENDERERS, ComfyPage, find_chromium
from tests.host.server import ComfyUI, find_comfyui

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.host)


@pytest.fixture(scope="session")
def comfyui(tmp_path_factory, shipped):
    path = find_comfyui()
    if path is None:
        pytest.skip("no ComfyUI; scripts/test.sh fetches one, or set COMFYUI_PATH")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a test run that is ended ends its server too
    with ComfyUI(path, tmp_path_factory.mktemp("comfyui"), ROOT, shipped) as server:
        yield server


@pytest.fixture(scope="session")
def browser():
    chromium = os.environ.get("CHROMIUM") or find_chromium()
    if chromium is None:
        pytest.skip("no Chromium; scripts/test.sh installs Debian's, or set CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=RENDERERS)
def page(request, browser, comfyui):
    page = ComfyPage(browser, comfyui.url, request.param)
    yield page
    page.page.close()
    assert not page.errors
