"""`${VAR}` and `${VAR:-default}` inside one scalar, after YAML has been parsed.

As in a shell, `:-` gives the default for an unset and for an empty variable. `$${` is a literal
`${`. A value is text, never parsed again, so it cannot add keys or further variables.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_MARK = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


@dataclass(frozen=True, slots=True)
class Expanded:
    """`text` with every variable replaced; `variables` are those the environment answered.

    `problems` says what could not be expanded; `text` is then not to be used.
    """

    text: str
    variables: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def expand(text: str, environ: Mapping[str, str]) -> Expanded:
    if "${" not in text:
        return Expanded(text)
    parts: list[str] = []
    variables: list[str] = []
    problems: list[str] = []
    position = 0
    for match in _MARK.finditer(text):
        parts.append(text[position : match.start()])
        position = match.end()
        name, default = match.group(1), match.group(2)
        if match.group() == "$${":
            parts.append("${")
        elif name is None or "${" in (default or ""):
            problems.append(
                "has a malformed ${...}; write ${NAME}, ${NAME:-default}, or $${ for ${"
            )
        elif environ.get(name) or (default is None and name in environ):
            parts.append(environ[name])
            variables.append(name)
        elif default is not None:
            parts.append(default)
        else:
            problems.append(
                f"environment variable {name} is not set; set it, or write ${{{name}:-default}}"
            )
    parts.append(text[position:])
    return Expanded("".join(parts), tuple(variables), tuple(problems))
