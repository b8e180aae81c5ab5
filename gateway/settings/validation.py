"""From a tree of texts to Settings, with every problem told at once.

pydantic stops at the first damaged object, and rules across sections need sound objects. So what is
damaged is reported and cut out, and the rest is validated again until it stands; the rules across
sections then run on the rest. Nothing is reported that only follows from a cut.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.settings.problems import KeyPath, Problem, Source, found, redacted
from gateway.settings.root import Settings

_KEY_STEP = "[key]"  # what pydantic appends where a mapping's key itself is refused
_FOLLOWS = "default_factory_not_called"  # the field it is made from was refused, and reported

_MUST_BE = {
    "bool": "must be true or false",
    "dict": "must be a mapping (`key: value`)",
    "float": "must be a number",
    "int": "must be a whole number",
    "list": "must be a list (`[a, b]`)",
    "mapping": "must be a mapping (`key: value`)",
    "model": "must be a mapping (`key: value`)",
    "string": "must be text",
    "tuple": "must be a list (`[a, b]`)",
}
_BOUNDS = {
    "greater_than": ("gt", "must be more than"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be less than"),
    "less_than_equal": ("le", "must be at most"),
}


@dataclass(slots=True)
class Pruned:
    """A tree whose damaged parts are cut out; list items keep their index of the file."""

    tree: Mapping[str, object]
    cuts: set[KeyPath] = field(default_factory=set)

    def rest(self) -> Any:  # noqa: ANN401 (a tree of mappings, lists and texts)
        return self._rest(self.tree, ())

    def _rest(self, node: object, path: KeyPath) -> object:
        if isinstance(node, Mapping):
            return {
                key: self._rest(value, (*path, key))
                for key, value in node.items()
                if (*path, key) not in self.cuts
            }
        if isinstance(node, list):
            return [self._rest(node[index], (*path, index)) for index in self._kept(node, path)]
        return node

    def _kept(self, items: list[object], path: KeyPath) -> list[int]:
        return [index for index in range(len(items)) if (*path, index) not in self.cuts]

    def path_in_file(self, path: KeyPath) -> KeyPath:
        """The path of the file for one of the rest, where lists may be shorter."""
        node: object = self.tree
        steps: list[str | int] = []
        for step in path:
            actual = step
            if isinstance(node, list) and isinstance(step, int):
                actual = self._kept(node, tuple(steps))[step]
                node = node[actual]
            elif isinstance(node, Mapping):
                node = node.get(step)
            steps.append(actual)
        return tuple(steps)

    def touches(self, path: KeyPath) -> bool:
        """Whether something was cut at, in or around `path`."""
        return any(cut[: len(path)] == path or path[: len(cut)] == cut for cut in self.cuts)

    def standing(self, path: KeyPath) -> KeyPath:
        """The closest part at or around `path` that is in the file and not cut; () if none is."""
        while path and (path in self.cuts or not self._is_in_file(path)):
            path = path[:-1]
        return path

    def _is_in_file(self, path: KeyPath) -> bool:
        node: object = self.tree
        for step in path:
            if isinstance(node, list) and isinstance(step, int):
                node = node[step]
                continue
            if not isinstance(node, Mapping) or step not in node:
                return False
            node = node[step]
        return True


def validate(
    tree: Mapping[str, object],
    *,
    sources: Mapping[KeyPath, Source],
    unusable: Iterable[KeyPath],
) -> tuple[Settings, Pruned, list[Problem]]:
    """The settings without their damaged parts, what was cut, and each problem once.

    `unusable` are paths already reported. The settings are complete where nothing was cut.
    """
    pruned = Pruned(tree, set(unusable))
    problems: list[Problem] = []
    while True:
        try:
            return Settings.model_validate(pruned.rest()), pruned, problems
        except ValidationError as error:
            errors = error.errors(include_url=False)
        next_cuts: set[KeyPath] = set()  # of this round: all errors were found in the same rest
        for details in errors:
            path = pruned.path_in_file(_path(details))
            if not pruned.touches(path) and details["type"] != _FOLLOWS:
                problems.append(_problem(path, details, sources.get(path)))
            next_cuts.add(pruned.standing(path))
        next_cuts.discard(())
        assert next_cuts, "each section has a default, so cutting ends in settings"
        pruned.cuts |= next_cuts


def _path(details: ErrorDetails) -> KeyPath:
    path = details["loc"]
    return path[:-1] if path and path[-1] == _KEY_STEP else path


def _problem(path: KeyPath, details: ErrorDetails, source: Source | None) -> Problem:
    kind = details["type"]
    if kind == "missing":
        return Problem(path, "is required but missing")
    if kind == "extra_forbidden":
        return Problem(path, _unknown_key(path))
    what = found(path, details["input"], source)
    if details["loc"][-1] == _KEY_STEP:
        return Problem(
            path, f'"{redacted(str(details["input"]))}" is refused as a name; {_rule(details)}'
        )
    return Problem(path, f"found {what}; {_rule(details)}")


def _rule(details: ErrorDetails) -> str:
    kind = details["type"]
    context = details.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"must be one of {context['expected']}"
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        return f"{text} {context[name]}"
    if kind == "too_short":
        return "must not be empty"
    if kind == "finite_number":
        return "must be a finite number"
    return _MUST_BE.get(kind.split("_", 1)[0], details["msg"])


def _unknown_key(path: KeyPath) -> str:
    allowed = allowed_keys(path[:-1])
    close = get_close_matches(str(path[-1]), allowed, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown key; {hint}allowed: {', '.join(allowed)}"


def allowed_keys(path: KeyPath) -> list[str]:
    """The keys the section at `path` may have, in the order of the documentation."""
    node = _schema()
    definitions = cast("dict[str, Any]", node["$defs"])
    for step in path:
        node = _resolved(node, definitions)
        if isinstance(step, int):
            node = node["items"]
        else:
            node = node.get("properties", {}).get(step) or node["additionalProperties"]
    return list(_resolved(node, definitions)["properties"])


@cache
def _schema() -> dict[str, Any]:
    """Made once: it takes some 20 ms, and a file may have many unknown keys."""
    return Settings.model_json_schema()


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema behind references and `| None`."""
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            return _resolved(choice, definitions)
    if "$ref" in node:
        name = str(node["$ref"]).rsplit("/", 1)[-1]
        return _resolved(definitions[name], definitions)
    return node
