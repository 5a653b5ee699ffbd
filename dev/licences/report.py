"""What this pack stands on, from an environment that holds it and nothing else: bill of materials and licences.

    python -m venv fresh && fresh/bin/pip install .
    pip install cyclonedx-bom && python dev/licences/report.py fresh/bin/python

Writes dev/licences/sbom.cdx.json (CycloneDX) and dev/licences/README.md.
"""

import argparse
import json
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def materials(python: str) -> dict:
    """The bill of an environment, without this pack, pip and the texts of licences."""
    command = ["cyclonedx-py", "environment", "--output-reproducible", "--of", "JSON", python]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    bill = json.loads(done.stdout)
    bill["components"] = [part for part in bill["components"] if part["name"] not in ("animal-lipsync", "pip")]
    for part in bill["components"]:
        for entry in part.get("licenses", []):
            entry.get("license", {}).pop("text", None)
        part.pop("externalReferences", None)
        part.pop("properties", None)
    return bill


def licence(part: dict) -> str:
    """As the package declares it."""
    found = []
    for entry in part.get("licenses", []):
        known = entry.get("license", {})
        found.append(entry.get("expression") or known.get("id") or known.get("name", ""))
    names = [name.split(" :: ")[-1] for name in found if len(name) < 120]
    return " / ".join(dict.fromkeys(filter(None, names))) or "not declared"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", help="of that environment")
    options = parser.parse_args()
    bill = materials(options.python)
    (HERE / "sbom.cdx.json").write_text(json.dumps(bill, indent=1) + "\n")
    parts = sorted(bill["components"], key=lambda part: part["name"].lower())
    rows = [f"| {part['name']} | {part['version']} | {licence(part)} |" for part in parts]
    version = subprocess.check_output([options.python, "--version"], text=True).strip()
    heading = (
        f"What `pip install animal-lipsync` brings on Linux ({version}), without extras; see sbom.cdx.json. NVIDIA's "
        "libraries come with PyTorch's CUDA build; its CPU build has none of them.\n\n"
        "To renew both, in the pack's folder:\n\n" + __doc__.split("\n\n")[1]
    )
    text = "\n".join(["# Licences", "", heading, "", "| package | version | licence |", "|---|---|---|", *rows, ""])
    (HERE / "README.md").write_text(text)
    print(json.dumps({"components": len(parts)}))


if __name__ == "__main__":
    main()
