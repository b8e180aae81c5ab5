"""Functions of at most 60 lines, modules of at most 500 (STYLE 29): a ratchet. What is over is
listed in size_baseline.json with its size and may only shrink; the aim is an empty list."""

import ast
import json
from pathlib import Path

from tests.architecture.source import modules

FUNCTION_LINES = 60
MODULE_LINES = 500
BASELINE = Path(__file__).parent / "size_baseline.json"


def oversized() -> dict[str, int]:
    """Lines of each function and module over its limit."""
    sizes = {}
    for module in modules("gateway", "migrations", "bench", "tests"):
        lines = len(module.text.splitlines())
        if lines > MODULE_LINES:
            sizes[module.path] = lines
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    sizes[f"{module.path}::{node.name}"] = lines
    return sizes


def test_nothing_grows_over_its_limit() -> None:
    baseline: dict[str, int] = json.loads(BASELINE.read_text())

    grown = {name: lines for name, lines in oversized().items() if lines > baseline.get(name, 0)}

    assert not grown


def test_the_list_of_what_is_over_only_shrinks() -> None:
    baseline: dict[str, int] = json.loads(BASELINE.read_text())

    assert baseline == {name: oversized().get(name, 0) for name in baseline}
