"""docs/configuration.md, made from the schema: what every key means, takes and defaults to."""

import json
from collections.abc import Iterator
from typing import Any

from gateway.settings.root import Settings

_INTRODUCTION = """\
# Configuration

<!-- Made from the schema in gateway/settings; a test keeps it current. -->

Fareway reads one YAML file: `--config FILE`, else `$FAREWAY_CONFIG`, else `config/fareway.yaml`.

* **Variables.** `${VAR}` and `${VAR:-default}` are replaced inside values, after parsing. An unset
  `${VAR}` without default is an error that names it; `$${` writes a literal `${`.
* **Checked whole.** Unknown keys, wrong types and rules that could never apply are refused, all in
  one message: `file:line: key: what was found; what is allowed`. `fareway config check` shows it.
* **Reloaded when it changes**, or on SIGHUP: checked, then swapped whole. A bad file is refused and
  logged, and the last good one stays.
* **Secrets** are never shown: `fareway config explain` prints every value in effect, where it comes
  from, and masks them. `fareway config schema` prints a JSON schema for editors.
* **Money** is a decimal string of US dollars, such as `"25.00"`; durations end in `_s` or `_ms`.
"""

_SMALL = 1_000_000  # bounds from here on only keep arithmetic exact and are no news to a reader


def configuration_reference() -> str:
    """The whole page, Markdown. A section that stands in several places is told once."""
    schema = Settings.model_json_schema()
    definitions = schema["$defs"]
    places: dict[str, list[str]] = {}
    for path, name in _sections(schema, definitions, ""):
        places.setdefault(name, []).append(path)
    tables = [_table(paths, definitions[name], definitions) for name, paths in places.items()]
    return "\n".join([_INTRODUCTION, *tables])


def _sections(
    node: dict[str, Any], definitions: dict[str, Any], path: str
) -> Iterator[tuple[str, str]]:
    """(path, definition) of every mapping of the file, one before those inside it."""
    for name, prop in node["properties"].items():
        inner, suffix = _inner(prop)
        if inner in definitions:
            where = f"{path}.{name}{suffix}".lstrip(".")
            yield where, inner
            yield from _sections(definitions[inner], definitions, where)


def _inner(prop: dict[str, Any]) -> tuple[str, str]:
    """The name of the section a property holds ("" for a plain value), and how it is repeated."""
    for choice in prop.get("anyOf", (prop,)):
        if "$ref" in choice:
            return _definition(choice), ""
        if "$ref" in choice.get("items", {}):
            return _definition(choice["items"]), "[]"
        if isinstance(choice.get("additionalProperties"), dict):
            return _definition(choice["additionalProperties"]), ".NAME"
    return "", ""


def _definition(node: dict[str, Any]) -> str:
    return str(node.get("$ref", "")).rsplit("/", 1)[-1]


def _table(paths: list[str], section: dict[str, Any], definitions: dict[str, Any]) -> str:
    lines = [f"## {paths[0]}", "", section["description"], ""]
    if paths[1:]:
        lines += ["Also: " + ", ".join(f"`{path}`" for path in paths[1:]) + ".", ""]
    lines += ["| key | takes | default | meaning |", "|---|---|---|---|"]
    required = section.get("required", [])
    for name, prop in section["properties"].items():
        default = "required" if name in required else _default(prop, definitions)
        meaning = prop["description"].replace("|", "\\|")
        lines.append(f"| `{name}` | {_takes(prop)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _default(prop: dict[str, Any], definitions: dict[str, Any]) -> str:
    inner, suffix = _inner(prop)
    if inner in definitions and not suffix:
        return "see below" if prop.get("default") is not None else "none"
    if prop.get("default") is None:
        return "none"
    return f"`{json.dumps(prop['default'])}`"


def _takes(prop: dict[str, Any]) -> str:
    choices = [choice for choice in prop.get("anyOf", (prop,)) if choice.get("type") != "null"]
    return " or ".join(_one(choice) for choice in choices)


def _one(node: dict[str, Any]) -> str:
    values = node.get("enum", [node["const"]] if "const" in node else [])
    if values:
        return ", ".join(f"`{value}`" for value in values)
    match node.get("format", node.get("type")):
        case None:
            return "mapping"  # a reference to a section of its own
        case "array":
            return f"list of {_takes(node['items'])}"
        case "object":
            return f"name: {_takes(node['additionalProperties'])}"
        case "integer" | "number":
            return _bounded(node)
        case kind:
            return {"boolean": "`true`, `false`", "decimal": "decimal string"}.get(kind, "text")


def _bounded(node: dict[str, Any]) -> str:
    words = ["whole number" if node["type"] == "integer" else "number"]
    if "exclusiveMinimum" in node:
        words.append(f"above {node['exclusiveMinimum']:g}")
    elif "minimum" in node:
        words.append(f"from {node['minimum']:g}")
    if node.get("maximum", _SMALL) < _SMALL:
        words.append(f"to {node['maximum']:g}")
    return " ".join(words)
