import re
from pathlib import Path

import pytest

import gateway.settings
from gateway.core.errors import ConfigError
from gateway.settings import Settings, SettingsFile, load_settings, parse_settings
from tests.support.settings_texts import COMPLETE_EXAMPLE, CONTRACT_EXAMPLE, SMALLEST

ACME = {"ACME_KEY": "acme key with spaces"}


EVERY_PROBLEM = """\
f.yaml:1: server.drain_s: found "soon"; must be a number
f.yaml:1: server.admin_keys: unknown key; did you mean admin_key? allowed: admin_key, secret, metrics_key, state_dir, max_body_bytes, request_timeout_s, drain_s, cors_origins
f.yaml:3: providers.openai.base_url: found "ftp://host"; must be http://HOST or https://HOST, with an optional port and path
f.yaml:6: models[0].provider: no provider is named "opnai"; did you mean openai? known: openai
f.yaml:7: models[0].price.input: found "free"; must be a decimal number of US dollars, such as "0.15"
f.yaml:8: models[1].name: is required but missing
f.yaml:8: models[1].weight: found "0"; must be at least 1
f.yaml:10: routes.auto.policy: found "best"; must be one of 'thresholds' or 'quality'
f.yaml:12: tenants[0].keys[0]: environment variable NOWHERE is not set; set it, or write ${NOWHERE:-default}
f.yaml:12: tenants[0].budgets[0].usd: found "-1"; must be a decimal number of US dollars, such as "0.15"
f.yaml:12: tenants[0].budgets[0].window: found "fortnight"; must be one of 'minute', 'hour', 'day', 'week', 'month', 'year' or 'total'
f.yaml:13: logging.level: found "loud"; must be one of 'debug', 'info', 'warning' or 'error'
"""


def parse(text: str, **environ: str) -> Settings:
    return parse_settings(text, file_name="f.yaml", environ=environ)


def problems(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, **environ)
    return str(caught.value).splitlines()


def test_the_documented_example_is_refused_for_nothing_but_the_models_it_leaves_out() -> None:
    found = problems(CONTRACT_EXAMPLE, **ACME)

    assert [line for line in found if '"medium"; ' in line or '"large"; ' in line] == found
    assert len(found) == 7


def test_the_documented_example_loads_once_its_models_are_defined() -> None:
    settings = parse(COMPLETE_EXAMPLE, **ACME)

    acme = settings.tenants[0]
    assert acme.keys[0].key.get_secret_value() == "acme key with spaces"
    assert [budget.usd for budget in acme.budgets] == ["25", "2"]
    assert list(settings.routes["auto"].tiers) == ["simple", "moderate", "complex", "research"]
    assert settings.routes["auto"].tiers["complex"].threshold == 0.6
    price = settings.models[2].price
    assert price is not None
    assert price.as_mapping() == {"input": "0.15", "cached_input": "0.075", "output": "0.6"}


def test_every_default_is_what_the_documented_example_shows() -> None:
    shown = parse(COMPLETE_EXAMPLE, **ACME)
    bare = parse(SMALLEST)

    for section in (
        "server", "stores", "cache", "idempotency", "resilience", "metrics", "logging",
    ):  # fmt: skip
        assert getattr(bare, section) == getattr(shown, section)
    openai, plain = shown.providers["openai"], bare.providers["openai"]
    for name in ("auth", "headers", "query", "on_cancel", "priced_fields"):
        assert getattr(plain, name) == getattr(openai, name)
    small, model = shown.models[2], bare.models[0]
    for name in ("image_tokens", "endpoints", "weight"):
        assert getattr(model, name) == getattr(small, name)
    auto, chat = shown.routes["auto"], shown.routes["chat"]
    for name in ("policy", "tolerance", "escalate"):
        assert getattr(chat, name) == getattr(auto, name)
    month, day = shown.tenants[0].budgets
    for name in ("timezone", "on_full", "warn_at"):
        assert getattr(day, name) == getattr(month, name)


def test_a_model_is_called_upstream_as_here_unless_said_otherwise() -> None:
    assert parse(SMALLEST).models[0].upstream_model == "small"


def test_settings_cannot_be_changed() -> None:
    settings = parse(SMALLEST)

    with pytest.raises(ValueError, match="frozen"):
        settings.server.drain_s = 1.0


def test_secrets_are_in_no_representation_of_the_settings() -> None:
    text = repr(parse(SMALLEST))

    assert "upstream-key" not in text
    assert "acme-key-of-16-chars" not in text


def test_every_problem_is_told_at_once_with_file_line_key_found_and_allowed() -> None:
    text = """\
server: {drain_s: soon, admin_keys: x}
providers:
  openai: {base_url: ftp://host}
models:
  - name: small
    provider: opnai
    price: {input: free, output: "1"}
  - {provider: openai, weight: 0}
routes:
  auto: {models: [small, lage], policy: best}
tenants:
  - {id: acme, keys: ["${NOWHERE}"], budgets: [{usd: -1, window: fortnight}]}
logging: {level: loud}
"""

    assert problems(text) == EVERY_PROBLEM.splitlines()


def test_a_damaged_part_hides_no_rule_about_the_sound_rest() -> None:
    text = SMALLEST + "routes: {auto: {models: [nobody]}}\nlogging: {level: loud}\n"

    found = problems(text)

    assert any(line.startswith("f.yaml:7: routes.auto.models[0]: no model") for line in found)
    assert any(line.startswith("f.yaml:8: logging.level: ") for line in found)


def test_a_later_list_entry_keeps_its_index_when_an_earlier_one_is_damaged() -> None:
    text = SMALLEST.replace("- {name: small, ", "- {name: small, weight: x, ").replace(
        "large, provider: openai", "large, provider: elsewhere"
    )

    assert [line.split(": ")[1] for line in problems(text)] == [
        "models[0].weight",
        "models[1].provider",
    ]


def test_nothing_is_reported_that_only_follows_from_another_problem() -> None:
    # Without its first tier, `second` would stand first and its threshold look wrong.
    text = SMALLEST + (
        "routes: {auto: {tiers: {first: {models: 5}, second: {models: [large], threshold: 0.5}}}}\n"
    )

    assert problems(text) == [
        'f.yaml:7: routes.auto.tiers.first.models: found "5"; must be a list (`[a, b]`)'
    ]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_told_what_is_missing(text: str) -> None:
    assert problems(text) == [
        "f.yaml: providers: is missing or empty; define at least one provider (base_url)",
        "f.yaml: models: is missing or empty; define at least one model (name, provider)",
    ]


@pytest.mark.parametrize("section", ["server", "models", "routes", "tenants", "cache"])
def test_an_empty_section_is_refused_not_guessed(section: str) -> None:
    text = re.sub(rf"^{section}:\n(  .*\n)+", "", SMALLEST, flags=re.MULTILINE) + f"{section}:\n"

    assert any(
        f"{section}: found nothing (an empty value); must be" in line for line in problems(text)
    )


@pytest.mark.parametrize("value", [".nan", "nan", ".inf", "inf", "-inf", "1e999"])
def test_numbers_that_are_none_are_refused(value: str) -> None:
    (line,) = problems(SMALLEST + f"resilience: {{idle_timeout_s: {value}}}\n")

    assert line.startswith("f.yaml:7: resilience.idle_timeout_s: found ")


@pytest.mark.parametrize(
    ("written", "kept"),
    [("0.1", "0.1"), ('"0.10"', "0.1"), ("3", "3"), (".5", "0.5"), ("1.5e-3", "0.0015"),
     ("0.123456789012345", "0.123456789012345")],
)  # fmt: skip
def test_a_price_keeps_the_digits_that_were_written(written: str, kept: str) -> None:
    settings = parse(
        SMALLEST.replace("{name: small,", f"{{name: small, price: {{input: {written}, output: 1}},")
    )

    price = settings.models[0].price
    assert price is not None
    assert price.as_mapping()["input"] == kept


@pytest.mark.parametrize(
    "value", ["-0.1", "abc", '""', "1e999999", "NaN", "0x10", "1_000", "$1", "[1]", "1" * 30]
)
def test_what_is_no_decimal_price_is_refused(value: str) -> None:
    (line,) = problems(
        SMALLEST.replace("{name: small,", f"{{name: small, price: {{input: {value}, output: 1}},")
    )

    assert "models[0].price.input: found " in line
    assert "must be a decimal number of US dollars" in line


def test_a_price_whose_unit_slipped_is_refused() -> None:
    (line,) = problems(
        SMALLEST.replace("{name: small,", "{name: small, price: {input: 2000000, output: 1},")
    )

    assert line.startswith("f.yaml:3: models[0].price: input: '2000000' is more than 1000000")


def test_complete_prices_reach_the_settings_whole() -> None:
    settings = parse(
        SMALLEST.replace(
            "{name: small,",
            "{name: small, price: {input: 1, output: 2, cache_write: 3, audio_input: 4, "
            "audio_output: 5, per_request: 6, above: [{input_tokens: 7, input: 8, output: 9}], "
            "service_tiers: {priority: {input: 10, output: 11}}},",
        )
    )

    price = settings.models[0].price
    assert price is not None
    assert price.as_mapping() == {
        "input": "1", "output": "2", "cache_write": "3", "audio_input": "4", "audio_output": "5",
        "per_request": "6", "above": ({"input_tokens": 7, "input": "8", "output": "9"},),
        "service_tiers": {"priority": {"input": "10", "output": "11"}},
    }  # fmt: skip


def test_the_package_offers_these_names_and_no_others() -> None:
    assert gateway.settings.__all__ == [
        "ExplainedValue", "Settings", "SettingsFile", "config_version", "configuration_reference",
        "explain", "import_litellm", "json_schema", "load_settings", "parse_settings",
    ]  # fmt: skip


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^no/such\.yaml: cannot be read: No such file"):
        load_settings(Path("no/such.yaml"), {})


def test_a_file_that_is_no_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"server: {}\nlogging: {level: \xff}\n")

    with pytest.raises(ConfigError, match=r"f\.yaml:2: is not UTF-8 text"):
        load_settings(path, {})


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(SMALLEST, encoding="utf-8-sig")

    assert load_settings(path, {}).file_name == str(path)


def test_a_settings_file_has_changed_when_its_content_differs_from_what_was_loaded(
    tmp_path: Path,
) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(SMALLEST)
    file = SettingsFile(path, {})
    file.load()

    assert not file.changed()
    path.write_text(SMALLEST + "logging: {level: debug}\n")
    assert file.changed()
    assert file.load().logging.level == "debug"
    assert not file.changed()


def test_a_bad_file_is_not_seen_as_changed_again_once_it_was_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("logging: {level: loud}")
    file = SettingsFile(path, {})

    with pytest.raises(ConfigError):
        file.load()

    assert not file.changed()


def test_a_file_that_is_gone_for_a_moment_has_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(SMALLEST)
    file = SettingsFile(path, {})
    file.load()

    path.unlink()

    assert not file.changed()


def test_the_shipped_default_starts_with_a_provider_key_and_a_client_key() -> None:
    path = Path(__file__).parents[2] / "config" / "fareway.yaml"

    settings = load_settings(path, {"OPENAI_API_KEY": "sk-x", "FAREWAY_KEY": "k" * 24})

    assert settings.warnings == ()
    assert list(settings.routes["auto"].tiers) == ["simple", "moderate", "complex", "research"]


def test_the_shipped_default_holds_no_key_of_its_own() -> None:
    path = Path(__file__).parents[2] / "config" / "fareway.yaml"

    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})

    assert "OPENAI_API_KEY is not set" in str(caught.value)
    assert "FAREWAY_KEY is not set" in str(caught.value)
