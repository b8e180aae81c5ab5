import json
from pathlib import Path

import pytest

from gateway.settings import (
    Settings,
    config_version,
    configuration_reference,
    explain,
    json_schema,
    parse_settings,
)
from gateway.settings.problems import SECRET_KEYS
from tests.support.settings_texts import COMPLETE_EXAMPLE, SMALLEST

ENVIRON = {
    "ACME_KEY": "acme-secret-key-of-ours",
    "OPENAI_API_KEY": "sk-provider-secret",
    "FAREWAY_SECRET": "server-secret-of-ours",
    "DATABASE_URL": "postgresql://user:pass-word@host:5432/db?password=pass-word",
}


def parse(text: str, **environ: str) -> Settings:
    return parse_settings(text, file_name="f.yaml", environ=environ)


def test_every_value_is_told_with_where_it_is_from() -> None:
    told = {each.key_path: each for each in explain(parse(COMPLETE_EXAMPLE, **ENVIRON))}

    assert told["server.drain_s"].value == "30.0"
    assert told["server.drain_s"].source == "line 8"
    assert told["models[0].weight"].value == "1"
    assert told["models[0].weight"].source == "default"
    assert told["models[2].price.input"].value == '"0.15"'
    assert told["providers.openai.api_key"].source == "env OPENAI_API_KEY"
    assert told["tenants[0].keys[0].key"].source == "env ACME_KEY"
    assert told["tenants[0].keys[0].id"].source == "default"
    assert told["routes.chat.models"].value == '["medium", "large"]'


def test_a_list_names_the_variables_of_its_items() -> None:
    text = SMALLEST + "routes: {chat: {models: ['${A}', small]}}\n"

    told = {each.key_path: each.source for each in explain(parse(text, A="large"))}

    assert told["routes.chat.models"] == "env A"


def test_no_secret_is_told() -> None:
    text = repr(explain(parse(COMPLETE_EXAMPLE, **ENVIRON)))

    for secret in ("acme-secret", "provider-secret", "server-secret", "pass-word"):
        assert secret not in text


def test_a_url_is_told_without_its_credentials() -> None:
    told = {each.key_path: each.value for each in explain(parse(COMPLETE_EXAMPLE, **ENVIRON))}

    assert told["stores.database_url"] == '"postgresql://***@host:5432/db?***"'


@pytest.mark.parametrize(
    "url",
    ["postgresql://:hunter2@h:6379/0", "postgresql://u:hun?ter2@h", "postgresql://h/0?password=hun@hunter2",
     "postgresql://h?password=hunter2", "postgresql://u:hun@hunter2@h"],
)  # fmt: skip
def test_no_part_of_a_password_in_a_url_is_told(url: str) -> None:
    text = (
        f"server: {{secret: server-secret-of-ours}}\nstores: {{database_url: '{url}'}}\n{SMALLEST}"
    )

    shown = repr(explain(parse(text)))

    assert "ter2" not in shown
    assert "hun" not in shown


def test_a_key_that_looks_like_a_url_is_told_no_more_than_another() -> None:
    shown = repr(explain(parse(SMALLEST.replace("upstream-key", "hunter://hunter2"))))

    assert "hunter" not in shown


def test_whether_a_secret_is_set_is_told() -> None:
    told = {each.key_path: each.value for each in explain(parse(COMPLETE_EXAMPLE, **ENVIRON))}

    assert told["server.secret"] == '"***"'
    assert told["server.admin_key"] == '""'


def test_the_version_ignores_comments_and_formatting() -> None:
    assert config_version(parse(SMALLEST)) == config_version(
        parse("# a comment\n" + SMALLEST.replace("- {id: acme", "-   {id: 'acme'"))
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("acme-key-of-16-chars", "acme-key-of-17-chars"),
        ("upstream-key", "other-upstream-key"),
        ("localhost:9", "localhost:10"),
        ("name: large", "name: larger"),
        ("tenants:", "logging: {level: debug}\ntenants:"),
    ],
)
def test_the_version_changes_with_any_value_or_key(old: str, new: str) -> None:
    assert config_version(parse(SMALLEST)) != config_version(parse(SMALLEST.replace(old, new)))


def test_the_version_is_short_and_made_of_hexadecimal_digits() -> None:
    version = config_version(parse(SMALLEST))

    assert len(version) == 12
    assert int(version, 16) >= 0


def test_the_schema_knows_every_key_with_a_description() -> None:
    schema = json_schema()

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for definition in (schema, *schema["$defs"].values()):
        assert definition["description"]
        assert definition["additionalProperties"] is False
        for name, prop in definition["properties"].items():
            assert "$ref" in prop or prop["description"], name


def test_the_schema_takes_variables_where_numbers_stand() -> None:
    server = json_schema()["$defs"]["ServerSettings"]["properties"]

    assert {"type": "string", "pattern": r"\$\{"} in server["max_body_bytes"]["anyOf"]


def test_the_schema_shows_no_masked_default() -> None:
    assert "****" not in json.dumps(json_schema())


def test_the_documentation_is_the_one_made_from_the_schema() -> None:
    committed = Path(__file__).parents[2] / "docs" / "configuration.md"

    assert committed.read_text() == configuration_reference()


def test_the_documentation_names_every_key() -> None:
    page = configuration_reference()

    for definition in json_schema()["$defs"].values():
        for name in definition["properties"]:
            assert f"| `{name}` |" in page


def test_messages_know_every_secret_field_by_its_name() -> None:
    for definition in json_schema()["$defs"].values():
        for name, prop in definition["properties"].items():
            if '"format": "password"' in json.dumps(prop):
                assert name in SECRET_KEYS
