import ast
import io
import re
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_the_library_imports_neither_torch_nor_the_host():
    loaded = run("import animal_lipsync, sys; print(*sys.modules)").split()
    heavy = {"torch", "av", "PIL", "cv2", "librosa", "scipy", "diffusers", "transformers"}
    host = {"comfy", "comfy_api", "folder_paths", "nodes", "server"}
    assert not (heavy | host) & set(loaded)


def test_the_library_imports_in_less_than_300_ms_of_a_core():
    code = "import time; start = time.process_time(); import animal_lipsync; print(time.process_time() - start)"
    assert min(float(run(code)) for _ in range(3)) < 0.3


def test_the_pack_holds_what_comfyui_needs_and_nothing_of_ours(shipped):
    names = {str(path) for path in shipped}
    assert {"__init__.py", "pyproject.toml", "requirements.txt", "LICENSE", "README.md", "SECURITY.md"} <= names
    assert any(name.startswith("web/docs/") for name in names)
    assert any(name.startswith("workflows/") for name in names)
    ours = {"tests", "scripts", "dev", "benchmarks", ".ci", ".github", ".comfyignore", ".gitignore"}
    assert not {name.split("/")[0] for name in names} & ours


def test_the_pack_is_small_enough_for_the_registry(shipped):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as pack:
        for path in shipped:
            pack.write(ROOT / path, path)
    assert archive.tell() < 25_000_000


def test_shipped_python_holds_nothing_the_registry_refuses(shipped):
    """The scanner flags network, environment and process code, wherever in a pack it stands."""
    modules = {"subprocess", "urllib", "requests", "socket", "http", "ftplib", "aiohttp", "httpx"}
    names = {"eval", "exec", "__import__", "environ", "getenv", "putenv", "system", "popen"}
    found = []
    for path in (path for path in shipped if path.suffix == ".py"):
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.Import):
                used = {alias.name.split(".")[0] for alias in node.names} & modules
            elif isinstance(node, ast.ImportFrom):
                used = {alias.name for alias in node.names}
                if node.module == "aiohttp" and used == {"web"}:  # answers ComfyUI's own page, asks nobody
                    continue
                used = {(node.module or "").split(".")[0]} & modules | used & names
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                used = {node.func.id} & names
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                used = {node.attr} & names
            else:
                continue
            found += [f"{path}:{node.lineno}: {name}" for name in used]
    assert not found


def test_every_python_file_of_the_pack_imports_its_own_files_relatively(shipped):
    """ComfyUI loads the pack from a folder of any name, so an absolute import finds another copy or none."""
    absolute = re.compile(r"^\s*(from|import) (animal_lipsync|nodes)\b")
    found = [
        f"{path}: {line}"
        for path in shipped
        if path.suffix == ".py"
        for line in (ROOT / path).read_text().splitlines()
        if absolute.match(line)
    ]
    assert not found


def test_requirements_are_those_of_the_project():
    tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    assert sorted(filter(None, lines)) == sorted(project["dependencies"])


def test_licences_of_what_it_stands_on_let_everybody_use_it():
    """eSpeak NG in espeakng-loader is under the GPL-3, and the wheels of pillow-heif under the GPL-2 for the x265 in
    them, so nothing brings either but the extras that say so."""
    tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: needs for name, needs in project["optional-dependencies"].items() if name != "test"}
    assert [name for name, needs in extras.items() if "espeakng-loader" in needs] == ["transcript", "speak"]
    assert [name for name, needs in extras.items() if any("pillow-heif" in need for need in needs)] == ["heic"]
    names = {re.match(r"[\w.-]+", text)[0] for needs in (project["dependencies"], *extras.values()) for text in needs}
    free = re.compile(r"\b(MIT|BSD|Apache|MPL-2\.0)\b")
    refused = {}
    for name in sorted(names - {"espeakng-loader", "pillow-heif", "animal-lipsync"}):
        try:
            told = metadata(name)
        except PackageNotFoundError:
            continue
        said = [told.get("License-Expression"), told.get("License"), *(told.get_all("Classifier") or ())]
        said = " ".join(line for line in filter(None, said) if len(line) < 200)
        if not free.search(said) or "GPL" in said:
            refused[name] = said
    assert not refused
