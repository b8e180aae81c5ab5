"""A package that offers names says which in `__all__` (STYLE 31)."""

import ast
import importlib

import pytest

from tests.architecture.source import Module, modules

PACKAGES = [module for module in modules("gateway") if module.path.endswith("/__init__.py")]
WITH_ALL = [module for module in modules("gateway") if "__all__" in module.text]


def names_bound(module: Module) -> set[str]:
    """Public names a module's top level binds, by import, definition or assignment."""
    names: set[str] = set()
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom | ast.Import):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def exported(path: str) -> list[str]:
    dotted = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    names: list[str] = getattr(importlib.import_module(dotted), "__all__", [])
    return names


@pytest.mark.parametrize("package", PACKAGES, ids=lambda module: module.path)
def test_a_package_lists_exactly_what_it_exports(package: Module) -> None:
    assert set(exported(package.path)) - {"__version__"} == names_bound(package)


@pytest.mark.parametrize("module", WITH_ALL, ids=lambda module: module.path)
def test_what_is_listed_is_defined_there_and_listed_once(module: Module) -> None:
    names = exported(module.path)

    assert len(names) == len(set(names))
    assert set(names) - {"__version__"} <= names_bound(module)
