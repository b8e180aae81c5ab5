"""What is wrong with a configuration and where, told without telling secrets."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter

from gateway.core.errors import ConfigError

KeyPath = tuple[str | int, ...]

SECRET_KEYS = frozenset(
    {
        "admin_key",
        "api_key",
        "cache_redis_url",
        "database_url",
        "headers",
        "key",
        "keys",
        "metrics_key",
        "query",
        "redis_url",
        "secret",
    }
)
MASK = "***"

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_USERINFO = re.compile(r"//[^/@\s]*@")
# What a mislaid key looks like: a known prefix, or one long unbroken run of letters and digits.
_LOOKS_SECRET = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key|fw)[-_][\w-]{6,}|[A-Za-z0-9_-]{32,}")
_SHOWN_CHARACTERS = 60  # enough to recognise a value, too little to fill a screen


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value was written, and which environment variables gave part of it."""

    line: int
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    path: KeyPath
    text: str


def key_path_text(path: KeyPath) -> str:
    """`models[0].price.input`; a name that is no plain word stands in brackets: `routes["a.b"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


def is_secret(path: KeyPath) -> bool:
    return any(step in SECRET_KEYS for step in path if isinstance(step, str))


def redacted(text: str) -> str:
    """The text, shortened, without what looks like a credential."""
    safe = _LOOKS_SECRET.sub(MASK, _USERINFO.sub(f"//{MASK}@", text))
    return safe if len(safe) <= _SHOWN_CHARACTERS else safe[:_SHOWN_CHARACTERS] + "…"


def found(path: KeyPath, value: object, source: Source | None) -> str:
    """How a refused value is named: never a secret, never what an environment variable holds."""
    if value is None:
        return "nothing (an empty value)"
    if not isinstance(value, str):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    if source is not None and source.variables:
        return "the value of " + ", ".join(f"${{{name}}}" for name in source.variables)
    return f'"{MASK if value and is_secret(path) else redacted(value)}"'


def nearest_line(path: KeyPath, sources: Mapping[KeyPath, Source]) -> int | None:
    """The line of the key, or of the closest key around it that stands in the file."""
    for length in range(len(path), 0, -1):
        source = sources.get(path[:length])
        if source is not None:
            return source.line
    return None


def _one_line(text: str) -> str:
    """Line breaks, control characters and lone surrogates escaped: they would garble a log."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def config_error(
    problems: Iterable[Problem], *, file_name: str, sources: Mapping[KeyPath, Source]
) -> ConfigError:
    """One error with one line per problem, in the order of the file: `FILE:LINE: KEY: TEXT`."""
    lines: list[tuple[int, str]] = []
    for problem in problems:
        line = nearest_line(problem.path, sources)
        place = file_name if line is None else f"{file_name}:{line}"
        key = key_path_text(problem.path)
        lines.append(
            (line or 0, f"{place}: {key}: {problem.text}" if key else f"{place}: {problem.text}")
        )
    unique = dict.fromkeys(_one_line(text) for _, text in sorted(lines, key=itemgetter(0)))
    return ConfigError("\n".join(unique))
