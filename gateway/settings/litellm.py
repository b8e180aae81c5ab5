"""Turns a LiteLLM proxy's config.yaml into ours. What has no counterpart becomes a note.

Formats: docs.litellm.ai/docs/proxy/config_settings and /docs/auto_router (read November 2026).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from gateway.core.errors import ConfigError
from gateway.settings.litellm_models import Deployment, ModelReader
from gateway.settings.litellm_values import (
    Notes,
    Taken,
    as_list,
    as_mapping,
    number_or_text,
    variable_or_text,
)
from gateway.settings.load import parse_settings
from gateway.settings.yaml_text import read_yaml

_AUTO_ROUTER = "auto_router/"
_TIERS = ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")
# LiteLLM's own cuts are on another scale; these are the ones the shipped router is tuned for.
_THRESHOLDS = {"MEDIUM": 0.35, "COMPLEX": 0.60, "REASONING": 0.85}
_CLIENT_KEY = "${FAREWAY_KEY}"
_RENAMED = "-direct"


def import_litellm(text: str, *, file_name: str = "LiteLLM config") -> tuple[str, list[str]]:
    """(our YAML, notes). Nothing is dropped silently: each note names the key it is about.

    Raises ConfigError where the text is no YAML mapping.
    """
    tree = read_yaml(text, file_name=file_name, environ=None).tree
    notes = Notes()
    top = Taken(tree, "", notes)
    draft = _Draft(notes)
    draft.read_models(top)
    draft.read_litellm_settings(top)
    draft.read_router(top)
    draft.read_general(top)
    top.note_rest()
    result = _yaml(draft.tree())
    notes.extend(_own_problems(result))
    return result, list(notes)


@dataclass(slots=True)
class _Draft:
    notes: Notes
    reader: ModelReader = field(init=False)
    deployments: list[Deployment] = field(default_factory=list)
    routes: dict[str, dict[str, object]] = field(default_factory=dict)
    server: dict[str, object] = field(default_factory=dict)
    resilience: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reader = ModelReader(self.notes)

    def read_models(self, top: Taken) -> None:
        routers: list[tuple[str, Taken]] = []
        for index, entry in enumerate(as_list(top.take("model_list"))):
            place = f"model_list[{index}]"
            if not isinstance(entry, Mapping):
                self.notes.add(place, "is no mapping; left out")
                continue
            taken = Taken(entry, place, self.notes)
            params = as_mapping(entry.get("litellm_params"))
            if str(params.get("model", "")).startswith(_AUTO_ROUTER):
                routers.append((str(taken.take("model_name") or ""), taken))
            elif deployment := self.reader.read(taken):
                self.deployments.append(deployment)
        for name, taken in routers:
            self._read_auto_router(name, taken)

    def _read_auto_router(self, name: str, entry: Taken) -> None:
        params = entry.section("litellm_params")
        params.take("model")
        config = params.section("complexity_router_config")
        tiers = as_mapping(config.take("tiers"))
        route: dict[str, object] = {}
        for tier in _TIERS:
            models = self._known(as_list(tiers.get(tier)), f"{config.place}.tiers.{tier}")
            if not models:
                continue
            settings: dict[str, object] = {"models": models}
            if route:
                settings["threshold"] = _THRESHOLDS[tier]
            route[tier.lower()] = settings
        for tier in tiers:
            if tier not in _TIERS:
                self.notes.add(f"{config.place}.tiers.{tier}", "is no known tier; left out")
        for rest in (config, params, entry):
            rest.note_rest()
        if route and name:
            self.routes[name] = {"router": "default", "tiers": route}
            self.notes.add(
                entry.place, f"became the route {name}; its thresholds are ours, tune them"
            )
        else:
            self.notes.add(entry.place, "is a router without tiers we know; left out")

    def read_router(self, top: Taken) -> None:
        settings = top.section("router_settings")
        self._read_fallbacks(settings)
        for alias, target in as_mapping(settings.take("model_group_alias")).items():
            place = f"router_settings.model_group_alias.{alias}"
            route = self.routes.get(str(target), {})
            models = as_list(route.get("models")) or self._known(as_list(target), place)
            if models and alias not in self._names():
                self.routes[alias] = {"models": models}
            else:
                self.notes.add(place, "could not be carried over")
        self._read_retries(settings)
        settings.note_rest()

    def read_litellm_settings(self, top: Taken) -> None:
        settings = top.section("litellm_settings")
        self._read_fallbacks(settings)
        self._read_retries(settings)
        timeout = settings.take("request_timeout")
        if isinstance(timeout, str):
            self.server["request_timeout_s"] = number_or_text(timeout)
        settings.note_rest()

    def read_general(self, top: Taken) -> None:
        settings = top.section("general_settings")
        key = settings.take("master_key")
        if isinstance(key, str) and key:
            self.server = {"admin_key": variable_or_text(key), **self.server}
            self.notes.add("general_settings.master_key", "became server.admin_key, for operators")
        self.notes.add("tenants", f"one tenant was made; its clients send the key in {_CLIENT_KEY}")
        settings.note_rest()

    def _read_retries(self, settings: Taken) -> None:
        retries = settings.take("num_retries")
        if isinstance(retries, str):
            self.resilience["retries"] = number_or_text(retries)
        circuit: dict[str, object] = as_mapping(self.resilience.get("circuit"))
        for theirs, ours in (("allowed_fails", "failures"), ("cooldown_time", "open_s")):
            value = settings.take(theirs)
            if isinstance(value, str):
                circuit[ours] = number_or_text(value)
        if circuit:
            self.resilience["circuit"] = circuit

    def _read_fallbacks(self, settings: Taken) -> None:
        for index, entry in enumerate(as_list(settings.take("fallbacks"))):
            for name, targets in as_mapping(entry).items():
                place = f"{settings.place}.fallbacks[{index}].{name}"
                models = self._known(as_list(targets), place)
                if name not in self._names() or not models:
                    self.notes.add(place, "names no model of the list; left out")
                    continue
                self._make_fallback_route(name, models, place)

    def _make_fallback_route(self, name: str, models: list[str], place: str) -> None:
        """The route takes over the name clients know; the model behind it gets another."""
        direct = name + _RENAMED
        while direct in self._names() or direct in self.routes:
            direct += _RENAMED
        for deployment in self.deployments:
            if deployment.name == name:
                deployment.name = direct
        self._rename(name, direct)
        others = [direct if model == name else model for model in models]
        self.routes[name] = {"models": list(dict.fromkeys([direct, *others]))}
        self.notes.add(place, f"became the route {name}; the model itself is now {direct}")

    def _rename(self, name: str, direct: str) -> None:
        for route in self.routes.values():
            for place in (route, *as_mapping(route.get("tiers")).values()):
                models = as_list(as_mapping(place).get("models"))
                if name in models and isinstance(place, dict):
                    place["models"] = [direct if model == name else model for model in models]

    def _names(self) -> set[str]:
        return {deployment.name for deployment in self.deployments}

    def _known(self, models: list[object], place: str) -> list[str]:
        """Those of the list that are models; a name taken by a route stands for its first model."""
        names: list[str] = []
        for model in models:
            name = str(model)
            if name in self.routes and name + _RENAMED in self._names():
                name += _RENAMED
            if name in self._names():
                names.append(name)
            else:
                self.notes.add(place, "names a model that is not in the list; left out")
        return list(dict.fromkeys(names))

    def tree(self) -> dict[str, object]:
        sections: dict[str, object] = {
            "server": self.server,
            "providers": self.reader.providers,
            "models": [deployment.entry() for deployment in self.deployments],
            "routes": self.routes,
            "tenants": [{"id": "default", "keys": [_CLIENT_KEY]}],
            "resilience": self.resilience,
        }
        return {name: section for name, section in sections.items() if section}


class _Dumper(yaml.SafeDumper):
    """Writes the same list twice where it is used twice, not an alias of it."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 (PyYAML's signature)
        return True


def _yaml(tree: Mapping[str, object]) -> str:
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _AnyVariable(Mapping[str, str]):
    """An environment in which every variable is set, each to a URL of its own."""

    def __getitem__(self, name: str) -> str:
        return f"https://{name.lower().replace('_', '-')}.invalid"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _own_problems(text: str) -> list[str]:
    """What our own check says of the result, were every variable set."""
    try:
        parse_settings(text, file_name="result", environ=_AnyVariable())
    except ConfigError as error:
        return [f"needs your attention: {line}" for line in str(error).splitlines()]
    return []
