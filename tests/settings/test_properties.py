"""Whatever stands in the file: Settings, or a ConfigError that tells no secret."""

import contextlib
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.errors import ConfigError
from gateway.settings import config_version, explain, import_litellm, json_schema, parse_settings
from tests.support.settings_texts import COMPLETE_EXAMPLE

ENVIRON = {"ACME_KEY": "acme-key-of-16-chars"}
EXAMPLE = yaml.safe_load(
    COMPLETE_EXAMPLE.replace("${ACME_KEY}", "'${ACME_KEY}'").replace("${OPENAI_API_KEY:-}", "k")
)
NAMES = sorted(
    {name for each in json_schema()["$defs"].values() for name in each["properties"]}
    | set(json_schema()["properties"])
)
LITELLM_NAMES = [
    "model_list", "model_name", "litellm_params", "model_info", "model", "api_base", "api_key",
    "input_cost_per_token", "output_cost_per_token", "mode", "router_settings", "fallbacks",
    "model_group_alias", "complexity_router_config", "tiers", "SIMPLE", "general_settings",
    "master_key", "weight", "litellm_settings", "num_retries", "extra_headers",
]  # fmt: skip

unhurried = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
"""The machine may be busy; what is tested is the outcome."""

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["${ACME_KEY}", "${NO}", "auto", "small", "openai", "0.5", "https://h/v1"])
)  # fmt: skip


def trees(names: list[str]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(names) | st.text(max_size=6)
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


def places(tree: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(tree, dict):
        return found + [each for key in tree for each in places(tree[key], (*path, key))]
    if isinstance(tree, list):
        return found + [
            each for key, item in enumerate(tree) for each in places(item, (*path, key))
        ]
    return found


def with_changed(tree: object, path: tuple[str | int, ...], value: object) -> object:
    if not path:
        return value
    if isinstance(tree, list):
        return [
            with_changed(item, path[1:], value) if index == path[0] else item
            for index, item in enumerate(tree)
        ]
    assert isinstance(tree, dict)
    return {
        key: with_changed(item, path[1:], value) if key == path[0] else item
        for key, item in tree.items()
    }


def loads_or_refuses(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parsed = parse_settings(text, file_name="f.yaml", environ=ENVIRON)
        assert explain(parsed)
        assert config_version(parsed)


@unhurried
@given(st.text(max_size=200))
def test_any_text_loads_or_is_refused(text: str) -> None:
    loads_or_refuses(text)


@unhurried
@given(trees(NAMES))
def test_any_tree_loads_or_is_refused(tree: object) -> None:
    loads_or_refuses(yaml.safe_dump(tree))


@unhurried
@given(st.sampled_from(places(EXAMPLE)), trees(NAMES))
def test_any_value_anywhere_in_a_good_file_loads_or_is_refused_where_it_stands(
    path: tuple[str | int, ...], value: object
) -> None:
    loads_or_refuses(yaml.safe_dump(with_changed(EXAMPLE, path, value)))


@unhurried
@given(trees(LITELLM_NAMES))
def test_any_litellm_file_is_imported_or_refused(tree: object) -> None:
    text = yaml.safe_dump(tree)

    with contextlib.suppress(ConfigError):
        result, notes = import_litellm(text)
        assert isinstance(yaml.safe_load(result), dict)
        assert notes


@unhurried
@given(trees(LITELLM_NAMES), trees(LITELLM_NAMES), trees(LITELLM_NAMES))
def test_any_litellm_model_is_imported_or_noted(
    params: object, details: object, more: object
) -> None:
    entry = {"model_name": "m", "litellm_params": params, "model_info": details}
    tree = {"model_list": [entry, more], "router_settings": more, "litellm_settings": details}

    _, notes = import_litellm(yaml.safe_dump(tree))

    assert notes
