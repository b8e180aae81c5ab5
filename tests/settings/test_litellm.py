from typing import Any, cast

import pytest
import yaml

from gateway.core.errors import ConfigError
from gateway.settings import import_litellm, parse_settings

ENVIRON = {
    "ANTHROPIC_API_KEY": "anthropic-key",
    "AZURE_API_KEY": "azure-key",
    "FAREWAY_KEY": "client-key-of-sixteen",
    "MASTER_KEY": "master-key-of-sixteen",
    "OLLAMA_URL": "http://ollama:11434",
    "OPENAI_API_KEY": "openai-key",
}

EXAMPLE = """
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, rpm: 10}
    model_info:
      input_cost_per_token: 0.0000025
      output_cost_per_token: 1e-05
      cache_read_input_token_cost: 1.25e-06
      cache_creation_input_token_cost: 3.125e-06
      input_cost_per_token_above_200k_tokens: 5e-06
      max_input_tokens: 128000
      max_output_tokens: 16384
  - model_name: gpt-4o
    litellm_params:
      model: azure/my-4o
      api_base: https://x.openai.azure.com/
      api_key: os.environ/AZURE_API_KEY
      api_version: 2024-10-21
  - model_name: claude
    litellm_params: {model: anthropic/claude-sonnet-5}
  - model_name: local
    litellm_params: {model: ollama/llama3:8b, api_base: os.environ/OLLAMA_URL}
    model_info: {supports_function_calling: false, supports_vision: true}
  - model_name: vectors
    litellm_params: {model: text-embedding-3-small}
    model_info: {mode: embedding, input_cost_per_token: 2e-08}
  - model_name: everything
    litellm_params: {model: "openai/*"}
  - model_name: rock
    litellm_params: {model: bedrock/claude, aws_region_name: us-east-1}
  - model_name: smart
    litellm_params:
      model: auto_router/complexity_router
      complexity_router_config:
        tiers: {SIMPLE: local, MEDIUM: gpt-4o, COMPLEX: claude, REASONING: [claude, gpt-4o]}
router_settings:
  routing_strategy: least-busy
  num_retries: 2
  allowed_fails: 3
  cooldown_time: 60
  fallbacks: [{gpt-4o: [claude]}]
  model_group_alias: {gpt-4: gpt-4o, fast: local}
litellm_settings: {drop_params: true, request_timeout: 300}
general_settings: {master_key: os.environ/MASTER_KEY, database_url: "postgresql://u:p@h/d"}
"""


def imported(text: str) -> tuple[dict[str, Any], list[str]]:
    result, notes = import_litellm(text)
    return cast("dict[str, Any]", yaml.safe_load(result)), notes


def one_model(params: str, details: str = "{}") -> tuple[dict[str, Any], list[str]]:
    tree, notes = imported(
        f"model_list: [{{model_name: m, litellm_params: {params}, model_info: {details}}}]"
    )
    return tree, notes


def test_the_result_is_a_configuration_of_ours() -> None:
    result, notes = import_litellm(EXAMPLE)

    settings = parse_settings(result, file_name="f.yaml", environ=ENVIRON)

    assert settings.warnings == ()
    assert settings.server.admin_key.get_secret_value() == "master-key-of-sixteen"
    assert settings.tenants[0].keys[0].key.get_secret_value() == "client-key-of-sixteen"
    assert not [note for note in notes if "attention" in note]


def test_prices_per_token_become_exact_prices_per_million() -> None:
    tree, _ = imported(EXAMPLE)

    assert tree["models"][0]["price"] == {
        "input": "2.5", "output": "10", "cached_input": "1.25", "cache_write": "3.125",
        "above": [{"input_tokens": 200_000, "input": "5", "output": "10", "cached_input": "1.25",
                   "cache_write": "3.125"}],
    }  # fmt: skip
    assert tree["models"][4]["price"] == {"input": "0.02", "output": "0"}


def test_deployments_of_one_name_stay_deployments_of_one_name() -> None:
    tree, _ = imported(EXAMPLE)

    assert [(model["name"], model["provider"]) for model in tree["models"][:2]] == [
        ("gpt-4o-direct", "openai"),
        ("gpt-4o-direct", "azure"),
    ]


def test_azure_keeps_its_paths_and_its_header() -> None:
    tree, _ = imported(EXAMPLE)

    assert tree["providers"]["azure"] == {
        "base_url": "https://x.openai.azure.com/openai/deployments/{model}",
        "api_key": "${AZURE_API_KEY}",
        "auth": "api-key",
        "query": {"api-version": "2024-10-21"},
    }


def test_fallbacks_become_a_route_under_the_name_clients_know() -> None:
    tree, notes = imported(EXAMPLE)

    assert tree["routes"]["gpt-4o"] == {"models": ["gpt-4o-direct", "claude"]}
    assert any("the model itself is now gpt-4o-direct" in note for note in notes)


def test_an_alias_becomes_a_route_to_what_it_stands_for() -> None:
    tree, _ = imported(EXAMPLE)

    assert tree["routes"]["gpt-4"] == {"models": ["gpt-4o-direct", "claude"]}
    assert tree["routes"]["fast"] == {"models": ["local"]}


def test_a_complexity_router_becomes_a_route_with_tiers() -> None:
    tree, _ = imported(EXAMPLE)

    assert tree["routes"]["smart"] == {
        "router": "default",
        "tiers": {
            "simple": {"models": ["local"]},
            "medium": {"models": ["gpt-4o-direct"], "threshold": 0.35},
            "complex": {"models": ["claude"], "threshold": 0.6},
            "reasoning": {"models": ["claude", "gpt-4o-direct"], "threshold": 0.85},
        },
    }


def test_time_outs_and_retries_are_carried_over() -> None:
    tree, _ = imported(EXAMPLE)

    assert tree["server"]["request_timeout_s"] == 300
    assert tree["resilience"] == {"retries": 2, "circuit": {"failures": 3, "open_s": 60}}


@pytest.mark.parametrize(
    "place",
    [
        "model_list[0].litellm_params.rpm: ",
        "model_list[5]: ",
        "model_list[6]: bedrock has no",
        "router_settings.routing_strategy: ",
        "litellm_settings.drop_params: ",
        "general_settings.database_url: ",
    ],
)
def test_what_has_no_counterpart_is_noted(place: str) -> None:
    _, notes = imported(EXAMPLE)

    assert any(note.startswith(place) for note in notes)


def test_no_note_shows_a_value() -> None:
    _, notes = imported(EXAMPLE.replace("os.environ/MASTER_KEY", "sk-hunter2"))

    assert "hunter2" not in repr(notes)
    assert "u:p@h" not in repr(notes)


def test_only_what_is_said_to_be_missing_narrows_a_model() -> None:
    tree, _ = imported(EXAMPLE)

    assert tree["models"][3]["supports"] == ["vision", "json_schema", "audio", "files"]
    assert "supports" not in tree["models"][0]


def test_a_text_that_looks_like_a_variable_stays_itself() -> None:
    result, _ = import_litellm(
        "model_list: [{model_name: m, litellm_params: {model: gpt-4o, api_key: 'a${b}c'}}]"
    )

    settings = parse_settings(result, file_name="f.yaml", environ=ENVIRON)

    assert settings.providers["openai"].api_key.get_secret_value() == "a${b}c"


@pytest.mark.parametrize("cost", ["free", "-1e-06", ".nan", "1e3", "[1]"])
def test_a_price_that_cannot_be_read_is_noted_and_left_to_the_book(cost: str) -> None:
    tree, notes = one_model(
        "{model: gpt-4o}", f"{{input_cost_per_token: {cost}, output_cost_per_token: 1e-06}}"
    )

    assert "price" not in tree["models"][0]
    assert any(note.endswith("is no price we can read; left out") for note in notes)


def test_two_keys_at_one_address_become_two_providers() -> None:
    tree, _ = imported(
        "model_list:\n"
        "  - {model_name: a, litellm_params: {model: gpt-4o, api_key: os.environ/A}}\n"
        "  - {model_name: b, litellm_params: {model: gpt-4o, api_key: os.environ/B}}\n"
        "  - {model_name: c, litellm_params: {model: gpt-4o, api_key: os.environ/A}}\n"
    )

    assert list(tree["providers"]) == ["openai", "openai-2"]
    assert [model["provider"] for model in tree["models"]] == ["openai", "openai-2", "openai"]


@pytest.mark.parametrize(
    ("params", "base_url"),
    [
        ("{model: groq/llama}", "https://api.groq.com/openai/v1"),
        ("{model: ollama_chat/llama}", "http://localhost:11434/v1"),
        ("{model: hosted_vllm/llama, api_base: 'http://gpu:8000/v1/'}", "http://gpu:8000/v1"),
        ("{model: llama, custom_llm_provider: openai, api_base: 'http://h/v1'}", "http://h/v1"),
        ("{model: openrouter/openai/gpt-4o}", "https://openrouter.ai/api/v1"),
    ],
)
def test_a_provider_is_called_where_it_answers(params: str, base_url: str) -> None:
    tree, _ = one_model(params)

    (provider,) = tree["providers"].values()
    assert provider["base_url"] == base_url


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("model_list: [5]", "model_list[0]: is no mapping; left out"),
        ("model_list: [{litellm_params: {model: m}}]", "model_list[0]: has no model, or a name"),
        ("model_list: [{model_name: m, litellm_params: [m]}]", "model_list[0].litellm_params: is no mapping"),
        ("model_list: [{model_name: m, litellm_params: {model: azure/m, api_base: 'https://h'}}]", "model_list[0]: names no api_version"),
        ("model_list: [{model_name: m, litellm_params: {model: hosted_vllm/m}}]", "model_list[0]: hosted_vllm has no"),
        ("model_list: [{model_name: m, litellm_params: {model: m}, model_info: {mode: rerank}}]", "model_list[0].model_info.mode: has no"),
        ("model_list: [{model_name: m, litellm_params: {model: m}, model_info: {input_cost_per_token: 1e-6}}]", "model_list[0].model_info: has only part of a price"),
        ("model_list: [{model_name: r, litellm_params: {model: auto_router/one}}]", "model_list[0]: is a router without tiers"),
        ("model_list: [{model_name: r, litellm_params: {model: auto_router/one, complexity_router_config: {tiers: {HUGE: m}}}}]", "model_list[0].litellm_params.complexity_router_config.tiers.HUGE: is no known tier"),
        ("model_list: [{model_name: r, litellm_params: {model: auto_router/one, complexity_router_config: {tiers: {SIMPLE: m}}}}]", "model_list[0].litellm_params.complexity_router_config.tiers.SIMPLE: names a model"),
        ("router_settings: {fallbacks: [{m: [n]}]}", "router_settings.fallbacks[0].m: names no model"),
        ("router_settings: {model_group_alias: {a: b}}", "router_settings.model_group_alias.a: could not"),
        ("environment_variables: {A: b}", "environment_variables: has no counterpart"),
    ],
)  # fmt: skip
def test_every_part_that_is_left_out_is_named(text: str, note: str) -> None:
    _, notes = imported(text)

    assert any(line.startswith(note) for line in notes)


def test_headers_and_organisation_travel_with_the_provider() -> None:
    tree, _ = one_model(
        "{model: gpt-4o, organization: org-1, extra_headers: {X-Team: os.environ/TEAM}}"
    )

    assert tree["providers"]["openai"]["headers"] == {
        "X-Team": "${TEAM}",
        "OpenAI-Organization": "org-1",
    }


def test_azures_newer_address_needs_no_deployment_path() -> None:
    tree, _ = one_model("{model: azure/m, api_base: 'https://h/openai/v1'}")

    assert tree["providers"]["azure"]["base_url"] == "https://h/openai/v1"
    assert tree["providers"]["azure"]["auth"] == "api-key"


def test_models_that_fall_back_on_each_other_keep_doing_so() -> None:
    tree, _ = imported(
        "model_list:\n"
        "  - {model_name: a, litellm_params: {model: gpt-4o}}\n"
        "  - {model_name: b, litellm_params: {model: gpt-4.1}}\n"
        "litellm_settings: {fallbacks: [{a: [b]}, {b: [a]}]}\n"
    )

    assert tree["routes"] == {
        "a": {"models": ["a-direct", "b-direct"]},
        "b": {"models": ["b-direct", "a-direct"]},
    }


def test_a_result_that_breaks_our_rules_says_so() -> None:
    _, notes = imported("model_list: []\n")

    assert (
        "needs your attention: result: models: is missing or empty; define at least one model (name, provider)"
        in notes
    )


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a mapping"):
        import_litellm("- a\n- b\n")
