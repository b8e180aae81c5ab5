"""Reading a LiteLLM configuration so that nothing in it is overlooked."""

import re
from collections.abc import Iterator, Mapping

_FROM_ENVIRONMENT = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")


class Notes:
    """Remarks in the order they were made; none shows a value of the file."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}

    def add(self, place: str, text: str) -> None:
        self._lines[f"{place}: {text}"] = None

    def extend(self, lines: list[str]) -> None:
        self._lines.update(dict.fromkeys(lines))

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)


class Taken:
    """A mapping that remembers which of its keys were read."""

    def __init__(self, section: object, place: str, notes: Notes) -> None:
        self._section = as_mapping(section)
        self._taken: set[str] = set()
        self._notes = notes
        self.place = place
        if section is not None and not isinstance(section, Mapping):
            notes.add(place, "is no mapping; left out")

    def take(self, key: str) -> object:
        self._taken.add(key)
        return self._section.get(key)

    def section(self, key: str) -> "Taken":
        return Taken(self.take(key), f"{self.place}.{key}".lstrip("."), self._notes)

    def keys(self) -> Iterator[str]:
        return iter(self._section)

    def note_rest(self) -> None:
        """A note for every key nobody read."""
        for key in self._section:
            if key not in self._taken:
                self._notes.add(f"{self.place}.{key}".lstrip("."), "has no counterpart; left out")


def as_mapping(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[object]:
    """A single value is a list of one, nothing an empty list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def number_or_text(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else variable_or_text(text)


def variable_or_text(text: str) -> str:
    """`os.environ/X` as `${X}`; any other text so that it means itself."""
    match = _FROM_ENVIRONMENT.fullmatch(text.strip())
    return f"${{{match[1]}}}" if match else text.replace("${", "$${")
