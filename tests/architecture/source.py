"""The project's own Python files, parsed once for the tests beside this module."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Module:
    path: str  # from the project's root, with slashes
    text: str
    tree: ast.Module


@cache
def tracked_files() -> tuple[str, ...]:
    """What a clone holds."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return tuple(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Every tracked module in these folders."""
    found = []
    for name in tracked_files():
        if name.endswith(".py") and name.split("/")[0] in folders:
            text = (ROOT / name).read_text()
            found.append(Module(name, text, ast.parse(text, name)))
    return tuple(found)
