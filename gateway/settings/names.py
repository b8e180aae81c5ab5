"""The names a file declares, and what is said of a reference to one that it does not."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from gateway.settings.problems import redacted


@dataclass(frozen=True, slots=True)
class Declared:
    """Names of one kind, damaged entries included: a reference to one of those is no error.

    Incomplete where an entry's name could not be read; then no reference can be called wrong.
    """

    kind: str
    names: frozenset[str]
    is_complete: bool = True

    def __or__(self, other: "Declared") -> "Declared":
        return Declared(
            f"{self.kind} or {other.kind}",
            self.names | other.names,
            self.is_complete and other.is_complete,
        )

    def missing(self, name: str) -> str | None:
        """What is wrong with a reference to `name`; None where it stands."""
        if name in self.names or not self.is_complete:
            return None
        known = sorted(self.names)
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        listed = ", ".join(known) or "none is defined"
        return f'no {self.kind} is named "{redacted(name)}"; {hint}known: {listed}'


@dataclass(frozen=True, slots=True)
class Names:
    providers: Declared
    models: Declared
    routes: Declared
    organisations: Declared


def declared_names(tree: Mapping[str, object]) -> Names:
    return Names(
        providers=_keys_of(tree.get("providers", {}), "provider"),
        models=_values_of(tree.get("models", []), "name", "model"),
        routes=_keys_of(tree.get("routes", {}), "route"),
        organisations=_values_of(tree.get("organisations", []), "id", "organisation"),
    )


def _keys_of(section: object, kind: str) -> Declared:
    if isinstance(section, Mapping):
        return Declared(kind, frozenset(section))
    return Declared(kind, frozenset(), is_complete=False)


def _values_of(section: object, key: str, kind: str) -> Declared:
    entries = section if isinstance(section, list) else [section]
    values = [entry.get(key) if isinstance(entry, Mapping) else None for entry in entries]
    names = frozenset(value for value in values if isinstance(value, str))
    return Declared(kind, names, is_complete=all(isinstance(value, str) for value in values))
