"""What the settings come to: every value with its origin, a version, a schema."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from gateway.settings.kinds import Section
from gateway.settings.problems import MASK, KeyPath, key_path_text
from gateway.settings.root import Settings

_VERSION_CHARACTERS = 12
# The version is public. Were secrets hashed in one step, a short one could be guessed from it
# offline; stretched together they cost about 50 ms a guess, once per load.
_STRETCH_ROUNDS = 50_000
_STRETCH_SALT = b"fareway config version"

_VARIABLE = {"type": "string", "pattern": r"\$\{"}


@dataclass(frozen=True, slots=True)
class ExplainedValue:
    """`source`: "line 12", "env NAME" or "default". `value` is JSON, secrets masked."""

    key_path: str
    value: str
    source: str


def explain(settings: Settings) -> list[ExplainedValue]:
    """Every effective value, in the order of the documentation."""
    return [
        ExplainedValue(key_path_text(path), _shown(path, value), _source(path, settings))
        for path, value in _leaves(settings, ())
    ]


def config_version(settings: Settings) -> str:
    """A short digest of the effective settings: any change of a value or a key changes it, comments
    and formatting do not. It tells nothing about the secrets."""
    secrets: list[str] = []
    public = json.dumps(_plain(settings, secrets))
    stretched = hashlib.pbkdf2_hmac(
        "sha256", json.dumps(secrets).encode(), _STRETCH_SALT, _STRETCH_ROUNDS
    )
    return hashlib.sha256(stretched + public.encode()).hexdigest()[:_VERSION_CHARACTERS]


def json_schema() -> dict[str, Any]:
    """The file's JSON schema (draft 2020-12), for editors and `fareway config schema`."""
    schema = Settings.model_json_schema()
    definitions = schema["$defs"]
    for definition in (schema, *definitions.values()):
        for prop in definition.get("properties", {}).values():
            _accept_variables(prop)
            if "$ref" in prop:
                prop.pop("default", None)  # the section's own keys have their defaults
    keys = definitions["TenantSettings"]["properties"]["keys"]
    keys["items"] = {"anyOf": [{"type": "string"}, keys["items"]]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "required": ["providers", "models"],
    }


def _accept_variables(node: dict[str, Any]) -> None:
    """`${VAR}` may stand wherever a number or true/false may; a price may be a YAML number."""
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            _accept_variables(node[name])
    for choice in node.get("anyOf", ()):
        _accept_variables(choice)
    if node.get("type") in {"integer", "number", "boolean"}:
        bounds = ("type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        value = {key: node.pop(key) for key in bounds if key in node}
        node["anyOf"] = [value, dict(_VARIABLE)]
    elif node.get("format") == "decimal":
        node["type"] = ["string", "number"]
        del node["format"]


def _leaves(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, Section):
        for name in type(value).model_fields:
            yield from _leaves(getattr(value, name), (*path, name))
    elif isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, tuple) and any(isinstance(item, Section) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def _shown(path: KeyPath, value: object) -> str:
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        is_url = str(path[-1]).endswith("_url")
        return json.dumps(_masked_url(secret) if is_url else MASK if secret else "")
    return json.dumps(value, ensure_ascii=False)


def _masked_url(url: str) -> str:
    """Scheme, host and path; of a URL that is not plainly cut into its parts, only the scheme."""
    scheme, separator, rest = url.partition("://")
    rest, question, query = rest.partition("?")
    userinfo, at, place = rest.rpartition("@")
    if "@" in query:  # a password may hold '?', a query '@': which is which is a guess
        return scheme + separator + MASK
    shown_query = question + MASK if query else ""
    return f"{scheme}{separator}{MASK + at if userinfo else at}{place}{shown_query}"


def _source(path: KeyPath, settings: Settings) -> str:
    sources = settings.sources
    source = sources.get(path)
    if source is None and path[-1] == "key" and "keys" in path and path[:-1] in sources:
        source = sources[path[:-1]]  # a key written as a plain text has no line of its own
    if source is None:
        return "default"
    variables = list(source.variables)
    item: KeyPath = (*path, 0)
    while item in sources:  # a list of plain values is one leaf
        variables += sources[item].variables
        item = (*path, int(item[-1]) + 1)
    return "env " + ", ".join(dict.fromkeys(variables)) if variables else f"line {source.line}"


def _plain(value: object, secrets: list[str]) -> object:
    """The value for JSON; each secret is moved to `secrets` and stands as its position."""
    if isinstance(value, Section):
        fields = type(value).model_fields
        return {name: _plain(getattr(value, name), secrets) for name in fields}
    if isinstance(value, Mapping):
        return {key: _plain(inner, secrets) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(item, secrets) for item in value]
    if isinstance(value, SecretStr):
        secrets.append(value.get_secret_value())
        return [MASK, len(secrets)]
    return value
