"""Every dependency is asked for, locked by hash, and owned by one part of the gateway (STYLE 51)."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.source import ROOT, Module, modules

LEVELS = {"run": (), "demo": ("demo",), "test": ("test",), "dev": ("dev",)}
LOCKS = sorted(path.name for path in (ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[\w.+!-]+)", re.MULTILINE)
# Parts of a dependency with a name of their own: the whole is what is asked for and owned.
PARTS = {"pydantic-core": "pydantic", "starlette": "fastapi", "httpcore2": "httpx2"}
ROW = re.compile(r"^\| `(?P<dependency>[\w-]+)` \| (?P<owner>[^|]+) \| (?P<why>[^|]+) \|$")


@cache
def project() -> dict[str, list[str]]:
    """Dependencies by extra, those without one under '' and the build's under 'build'."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = {"": declared["project"]["dependencies"], "build": declared["build-system"]["requires"]}
    return {**found, **declared["project"]["optional-dependencies"]}


def names(extra: str) -> set[str]:
    """Distributions an extra asks for, those of the extras it includes among them."""
    found = set()
    for line in project()[extra]:
        requirement = Requirement(line)
        if requirement.name == "fareway":
            found |= {name for inner in requirement.extras for name in names(inner)}
        else:
            found.add(canonicalize_name(requirement.name))
    return found


@cache
def usable() -> set[str]:
    """All that the gateway may use: its dependencies, the extras', and the demo's small model,
    which no extra can hold since it is installed without its own dependencies."""
    lines = (ROOT / "requirements" / "local-model.in").read_text().splitlines()
    local_model = {canonicalize_name(line) for line in lines if not line.startswith("#")}
    return names("") | names("demo") | names("train") | local_model


def pins(lock: str) -> dict[str, str]:
    return {
        canonicalize_name(pin["name"]): pin["version"]
        for pin in PIN.finditer((ROOT / "requirements" / f"{lock}.txt").read_text())
    }


@cache
def imported() -> dict[str, set[str]]:
    """Distribution → the gateway's modules that import it, lazily or not, or read its files."""
    distributions = packages_distributions()
    found: dict[str, set[str]] = {}
    for module in modules("gateway"):
        for top in {name.partition(".")[0] for name in names_imported(module)}:
            if top != "gateway" and top not in sys.stdlib_module_names:
                distribution = canonicalize_name(distributions.get(top, [top])[0])
                found.setdefault(PARTS.get(distribution, distribution), set()).add(module.path)
    return found


def names_imported(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(name), level=0):
                yield name
            case ast.Call(
                func=ast.Name("files" | "import_module" | "find_spec"),
                args=[ast.Constant(str(name)), *_],
            ):
                yield name


@cache
def owners() -> dict[str, set[str]]:
    """ARCHITECTURE's table: dependency → where it may be imported, or which one loads it."""
    rows = [ROW.match(line) for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines()]
    return {
        canonicalize_name(row["dependency"]): set(re.findall(r"`([^`]+)`", row["owner"]))
        for row in rows
        if row
    }


def owned_by(path: str, owner: str) -> bool:
    return path == owner or path.startswith(owner.rstrip("/") + "/")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address_and_hashes_every_pin(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()

    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash=sha256:", ""), re.MULTILINE)
    assert text.count(" \\\n    --hash=sha256:") >= len(PIN.findall(text)) > 0


@pytest.mark.parametrize("level", LEVELS)
def test_a_lock_holds_all_that_its_level_asks_for(level: str) -> None:
    asked = names("").union(names("build"), *(names(extra) for extra in LEVELS[level]))

    assert asked <= pins(level).keys()


def test_each_level_holds_the_one_before_it_at_the_same_versions() -> None:
    run, demo, test, dev = (pins(level).items() for level in ("run", "demo", "test", "dev"))

    assert run <= demo <= test <= dev


def test_locked_versions_are_within_what_the_project_asks_for() -> None:
    locked = pins("dev")
    asked = [Requirement(line) for lines in project().values() for line in lines]

    assert not [
        str(requirement)
        for requirement in asked
        if requirement.name != "fareway"
        and locked[canonicalize_name(requirement.name)] not in requirement.specifier
    ]


def test_what_the_gateway_imports_is_asked_for() -> None:
    assert imported().keys() <= usable()


def test_every_dependency_has_a_row_in_the_architecture_table() -> None:
    assert owners().keys() == usable()


@pytest.mark.parametrize("dependency", sorted(usable()))
def test_a_dependency_is_used_by_its_owner_and_nobody_else(dependency: str) -> None:
    owner = owners()[dependency]
    users = imported().get(dependency, set())

    loaders = {name for name in owner if "/" not in name}
    folders = owner - loaders
    assert owner
    assert loaders <= owners().keys() - {dependency}
    assert all(any(owned_by(path, folder) for folder in folders) for path in users), users
    assert all(any(owned_by(path, folder) for path in users) for folder in folders), folders
