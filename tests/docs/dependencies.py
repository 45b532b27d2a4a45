"""Writes sbom.cdx.json from what cyclonedx-py tells of an environment with the constraints, addresses left out.

    uv pip compile constraints.txt --generate-hashes --no-annotate --no-header -o constraints-hashed.txt
    pip install --require-hashes -r constraints-hashed.txt
    cyclonedx-py environment --pyproject pyproject.toml --output-reproducible | python -m tests.docs.dependencies
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SBOM, CONSTRAINTS, HASHED = ROOT / "sbom.cdx.json", ROOT / "constraints.txt", ROOT / "constraints-hashed.txt"


def pins(path: Path) -> dict[str, str]:
    """Versions by name, as packages are named in an index, of a file of constraints."""
    found = re.findall(r"^([\w.\-]+)==([^\s\\;]+)", path.read_text(encoding="utf-8"), flags=re.M)
    return {_normal(name): version for name, version in found}


def components(sbom: dict[str, Any]) -> dict[str, str]:
    """Versions by name of a list of components."""
    return {_normal(one["name"]): one["version"] for one in sbom["components"]}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Keep what is pinned, and of each its name, version and licences."""
    told = json.load(sys.stdin)
    for one in [told["metadata"], told["metadata"]["component"], *told["components"]]:
        for name in ("externalReferences", "properties", "tools"):
            one.pop(name, None)
    told["components"] = [one for one in told["components"] if _normal(one["name"]) in pins(CONSTRAINTS)]
    SBOM.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
