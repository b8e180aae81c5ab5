import pytest

from gateway.core.errors import ConfigError
from gateway.settings import Settings, parse_settings
from tests.support.settings_texts import SMALLEST

KEY = "another-key-of-16"
TIERS = "routes: {auto: {tiers: {simple: {models: [small]}, "
PROVIDER = "providers: {openai: {base_url: https://host/v1, "
TENANT = "tenants: [{id: acme, keys: [acme-key-of-16-chars], "
BUDGET = TENANT + "budgets: [{window: day, usd: "


def parse(text: str, **environ: str) -> Settings:
    """`text` replaces the sections of the smallest configuration that it names."""
    kept = [
        section
        for section in ("providers", "models", "tenants")
        if not any(line.startswith(f"{section}:") for line in text.splitlines())
    ]
    sections = SMALLEST.replace("models:", "\nmodels:").replace("tenants:", "\ntenants:")
    whole = [part for part in sections.split("\n\n") if part.split(":")[0] in kept]
    return parse_settings("\n".join([text, *whole]), file_name="f.yaml", environ=environ)


def problems(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, **environ)
    return [line.split(": ", 1)[1] for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # references
        ("models: [{name: small, provider: nobody}]", 'models[0].provider: no provider is named "nobody"; known: openai'),
        ("routes: {chat: {models: [smal]}}", 'routes.chat.models[0]: no model is named "smal"; did you mean small? known: large, small'),
        (TIERS + "big: {models: [smal], threshold: 0.5}}}}", 'routes.auto.tiers.big.models[0]: no model is named "smal"'),
        ("routes: {chat: {models: [small], baseline: big}}", 'routes.chat.baseline: no model is named "big"'),
        (TENANT + "allow: [smal]}]", 'tenants[0].allow[0]: no route or model is named "smal"'),
        (TENANT + "organisation: org}]", 'tenants[0].organisation: no organisation is named "org"; known: none is defined'),
        # names
        ("routes: {small: {models: [large]}}", "routes.small: is also the name of a model"),
        ('routes: {auto: {models: [large]}, "auto:floor": {models: [large]}}', 'routes["auto:floor"]: "auto:floor" already means the route auto with a suffix'),
        ('models: [{name: "auto:0.7", provider: openai}]\nroutes: {auto: {models: ["auto:0.7"]}}', 'models[0].name: "auto:0.7" already means'),
        ("models: [{name: 'two words', provider: openai}]", 'models[0].name: found "two words"; must be 1 to 128 printable'),
        ("routes: {'a b': {models: [small]}}", 'routes["a b"]: "a b" is refused as a name; must be'),
        ("organisations: [{id: o}, {id: o}]", 'organisations[1].id: "o" is already the id of another organisation'),
        (f"tenants: [{{id: a, keys: [{KEY}1]}}, {{id: a, keys: [{KEY}2]}}]", 'tenants[1].id: "a" is already the id of another tenant'),
        (f"tenants: [{{id: a, keys: [{{id: k, key: {KEY}1}}, {{id: k, key: {KEY}2}}]}}]", 'tenants[0].keys[1].id: "k" is already the id'),
        ("organisations: [{id: acme}]\n" + TENANT + "}]", 'tenants[0].id: "acme" is also an organisation'),
        # routes
        ("routes: {auto: {models: [small], tiers: {a: {models: [small]}}}}", "routes.auto.models: stands beside tiers"),
        ("routes: {auto: {}}", "routes.auto: has neither tiers nor models"),
        ("routes: {auto: {models: [small], router: default}}", "routes.auto.router: needs tiers"),
        ("routes: {auto: {models: [small, small]}}", "routes.auto.models: names a model twice"),
        ("routes: {auto: {tiers: {a: {models: []}}}}", "routes.auto.tiers.a.models: is empty"),
        ("routes: {auto: {tiers: {a: {models: [small, small]}}}}", "routes.auto.tiers.a.models: names a model twice"),
        ("routes: {auto: {tiers: {a: {models: [small], threshold: 0.1}}}}", "routes.auto.tiers.a.threshold: stands on the first tier"),
        (TIERS + "b: {models: [large]}}}}", "routes.auto.tiers.b.threshold: is required"),
        (TIERS + "b: {models: [large], threshold: 0}}}}", "routes.auto.tiers.b.threshold: is 0, so simple could never be reached"),
        (TIERS + "b: {models: [large], threshold: 0.5}, c: {models: [large], threshold: 0.5}}}}", "routes.auto.tiers.c.threshold: is 0.5, so b could never be reached"),
        (TIERS + "b: {models: [large], threshold: 0.6}, c: {models: [large], threshold: 0.5}}}}", "routes.auto.tiers.c.threshold: is 0.5, so b could never be reached"),
        (TIERS + "b: {models: [large], threshold: 1.1}}}}", 'routes.auto.tiers.b.threshold: found "1.1"; must be at most 1'),
        (TIERS + "research: {models: [large]}}}}", "routes.auto.tiers.research.threshold: is required"),
        (TIERS + "research: {models: [large], threshold: 0}}}}", "routes.auto.tiers.research.threshold: is 0"),
        ("routes: {auto: {tiers: {research: {models: [large], threshold: 0.5}}}}", "routes.auto.tiers: has only research"),
        # models
        ("models: [{name: m, provider: openai, endpoints: []}]", "models[0].endpoints: is empty"),
        ("models: [{name: m, provider: openai, endpoints: [chats]}]", "models[0].endpoints[0]: found \"chats\"; must be one of 'chat', "),
        ("models: [{name: m, provider: openai, supports: [tool]}]", "models[0].supports[0]: found \"tool\"; must be one of 'tools', "),
        ("models: [{name: m, provider: openai, min_output_tokens: 9, max_output_tokens: 8}]", "models[0].min_output_tokens: is 9, more than"),
        ("models: [{name: m, provider: openai, weight: 1.5}]", 'models[0].weight: found "1.5"; must be a whole number'),
        ("models: [{name: m, provider: openai, price: {input: 1}}]", "models[0].price.output: is required but missing"),
        ("models: [{name: m, provider: openai, price: {input: 1, output: 1, above: [{input_tokens: 5, input: 1, output: 1}, {input_tokens: 5, input: 1, output: 1}]}}]", "models[0].price: above[1].input_tokens: 5 starts a second step"),
        # providers
        ("providers: {openai: {base_url: host/v1}}", "providers.openai.base_url: found "),
        ("providers: {openai: {base_url: 'http://'}}", "providers.openai.base_url: found "),
        ("providers: {openai: {base_url: 'http://h:99999/'}}", "providers.openai.base_url: found "),
        ("providers: {openai: {base_url: 'http://[::1'}}", "providers.openai.base_url: found "),
        ("providers: {openai: {base_url: 'https://{model}.host/v1'}}", "providers.openai.base_url: found "),
        ("providers: {openai: {base_url: 'https://u:pass@host/v1'}}", 'providers.openai.base_url: found "https://***@host/v1"; must not hold a user'),
        ("providers: {openai: {base_url: 'https://host/v1#x'}}", "providers.openai.base_url: found "),
        ("providers: {openai: {base_url: 'https://host/v1?a=b'}}", "providers.openai.base_url: found "),
        ("providers: {openai: {base_url: 'https://host/{name}'}}", "providers.openai.base_url: found "),
        ('providers: {openai: {base_url: "https://host/v1\\n"}}', "providers.openai.base_url: found "),
        ('server: {cors_origins: ["https://host\\n"]}', "server.cors_origins[0]: found "),
        ('server: {secret: some-secret-of-ours}\nstores: {redis_url: "redis://h\\n"}', "stores.redis_url: found "),
        (PROVIDER + "auth: basic}}", 'providers.openai.auth: found "basic"; must be bearer, api-key, header:NAME'),
        (PROVIDER + "auth: 'header:'}}", "providers.openai.auth: found "),
        (PROVIDER + "auth: 'header:Host'}}", "providers.openai.auth: names a header the gateway sets itself"),
        (PROVIDER + "headers: {Host: x}}}", "providers.openai.headers.Host: is set by the gateway"),
        (PROVIDER + "headers: {content-length: 5}}}", "providers.openai.headers.content-length: is set by"),
        (PROVIDER + "headers: {Authorization: x}}}", "providers.openai.headers.Authorization: is set from api_key"),
        (PROVIDER + "headers: {X-A: x, x-a: y}}}", "providers.openai.headers.x-a: stands twice"),
        (PROVIDER + "headers: {'X A': x}}}", 'providers.openai.headers["X A"]: is no header name'),
        (PROVIDER + 'headers: {X-A: "x\\r\\nHost: y"}}}', 'providers.openai.headers.X-A: found "***"; must be printable ASCII'),
        (PROVIDER + 'query: {a: "x\\ny"}}}', 'providers.openai.query.a: found "***"; must be printable ASCII'),
        (PROVIDER + 'query: {"a\\nb": x}}}', 'providers.openai.query["a\\nb"]: is no parameter name'),
        (PROVIDER + "auth: 'query:key', query: {key: x}}}", "providers.openai.query.key: is set from api_key"),
        (PROVIDER + 'api_key: "line\\nbreak"}}', 'providers.openai.api_key: found "***"; must be printable ASCII'),
        (PROVIDER + "on_cancel: ignore}}", "providers.openai.on_cancel: found \"ignore\"; must be one of 'abort'"),
        # stores and server
        ("stores: {redis_url: 'redis://h'}", "server.secret: is empty but required with stores.redis_url"),
        ("stores: {database_url: 'postgresql://h/d'}", "server.secret: is empty but required with stores.database_url"),
        ("stores: {redis_url: 'http://h'}", 'stores.redis_url: found "***"; must be empty or redis://HOST'),
        ("stores: {redis_url: 'redis://'}", "stores.redis_url: found "),
        ("stores: {database_url: 'mysql://h/d'}", 'stores.database_url: found "***"; must be sqlite:///FILE'),
        ("stores: {database_url: ''}", 'stores.database_url: found ""; must be sqlite:///FILE'),
        ("stores: {durability: maybe}", "stores.durability: found \"maybe\"; must be one of 'write' or 'fsync'"),
        ("server: {cors_origins: [example.com]}", "server.cors_origins[0]: found "),
        ("server: {cors_origins: ['https://example.com/x']}", "server.cors_origins[0]: found "),
        ("server: {drain_s: 0}", 'server.drain_s: found "0"; must be more than 0'),
        ("server: {max_body_bytes: 1e9}", 'server.max_body_bytes: found "1e9"; must be a whole number'),
        ("resilience: {retries: -1}", 'resilience.retries: found "-1"; must be at least 0'),
        ("cache: {exact: {enabled: maybe}}", 'cache.exact.enabled: found "maybe"; must be true or false'),
        ("server: {state_dir: ''}", 'server.state_dir: found ""; must not be empty'),
        ("models: [{name: m, provider: openai, price: {input: 1, output: 1, ouput: 2}}]", "models[0].price.ouput: unknown key; did you mean output?"),
        ("routes: {a: {models: [small], cache: {exact: {tll_s: 2}}}}", "routes.a.cache.exact.tll_s: unknown key; did you mean ttl_s?"),
        (TIERS + "b: {models: [large], treshold: 0.5, threshold: 0.5}}}}", "routes.auto.tiers.b.treshold: unknown key; did you mean threshold?"),
        ("tenants: [{id: a, keys: [{key: acme-key-of-16-chars, limit: {rpm: 5}}]}]", "tenants[0].keys[0].limit: unknown key; did you mean limits?"),
        # keys
        ("tenants: [{id: a, keys: ['']}]", "tenants[0].keys[0]: is empty; a key must not be empty or blank"),
        ("tenants: [{id: a, keys: ['   ']}]", "tenants[0].keys[0]: is empty"),
        ('tenants: [{id: a, keys: ["a\\nb"]}]', 'tenants[0].keys[0].key: found "***"; must not hold line breaks'),
        (f"tenants: [{{id: a, keys: [{KEY}]}}, {{id: b, keys: [{KEY}]}}]", "tenants[1].keys[0]: stands twice among the tenants' keys"),
        (f"tenants: [{{id: a, keys: [{KEY}, {{key: {KEY}}}]}}]", "tenants[0].keys[1]: stands twice"),
        (f"server: {{admin_key: {KEY}}}\ntenants: [{{id: a, keys: [{KEY}]}}]", "tenants[0].keys[0]: is the same as server.admin_key"),
        (f"server: {{metrics_key: {KEY}}}\ntenants: [{{id: a, keys: [{KEY}]}}]", "tenants[0].keys[0]: is the same as server.metrics_key"),
        ("tenants: [{id: a b, keys: []}]", 'tenants[0].id: found "a b"; must be 1 to 128 letters'),
        (TENANT + "allow: []}]", "tenants[0].allow: is empty"),
        # budgets and limits
        (BUDGET + "0}]}]", 'tenants[0].budgets[0].usd: found "0"; must be more than 0'),
        (BUDGET + "9007200}]}]", "tenants[0].budgets[0].usd: found "),
        (BUDGET + "0.0000000001}]}]", "tenants[0].budgets[0].usd: found "),
        (BUDGET + "1, timezone: Mars/Base}]}]", 'tenants[0].budgets[0].timezone: found "Mars/Base"; must be an IANA'),
        (BUDGET + "1, timezone: ../etc}]}]", "tenants[0].budgets[0].timezone: found "),
        (BUDGET + "1, timezone: America}]}]", "tenants[0].budgets[0].timezone: found "),
        (BUDGET + "1, on_full: stop}]}]", "tenants[0].budgets[0].on_full: found \"stop\"; must be one of 'shrink' or 'refuse'"),
        (BUDGET + "1, warn_at: 0}]}]", 'tenants[0].budgets[0].warn_at: found "0"; must be more than 0'),
        (BUDGET + "1}, {window: day, usd: 2}]}]", "tenants[0].budgets[1].window: is day again"),
        ("organisations: [{id: o, budgets: [{usd: 1, window: total}, {usd: 2, window: total}]}]", "organisations[0].budgets[1].window: is total again"),
        (f"tenants: [{{id: a, keys: [{{key: {KEY}, tags: {{team: 'a,b'}}}}]}}]", 'tenants[0].keys[0].tags.team: found "***"; must be 1 to 64'),
        (TENANT + "limits: {rpm: 0}}]", 'tenants[0].limits.rpm: found "0"; must be at least 1'),
    ],
)  # fmt: skip
def test_a_broken_rule_is_the_one_problem_that_is_told(text: str, expected: str) -> None:
    (problem,) = problems(text)

    assert expected in problem


@pytest.mark.parametrize(
    "text",
    [
        "models: [{name: small, provider: openai}, {name: small, provider: openai, weight: 3}]",
        "models: [{name: 'llama3:8b', provider: openai}]\nroutes: {auto: {models: ['llama3:8b']}}",
        "providers: {openai: {base_url: 'https://h/deployments/{model}', auth: 'header:X-Key'}}",
        "providers: {openai: {base_url: 'http://[::1]:8000/v1', auth: none}}",
        PROVIDER + "auth: 'query:key', headers: {HTTP-Referer: 'https://me'}}}",
        TIERS + "b: {models: [large], threshold: 1}}}}",
        TIERS + "b: {models: [large]}}, policy: quality}}",
        "server: {secret: some-secret-of-ours}\nstores: {redis_url: 'rediss://:pw@h:6379/1'}",
        "server: {secret: some-secret-of-ours}\nstores: {redis_url: 'redis+cluster://h:7000'}",
        "server: {secret: some-secret-of-ours}\nstores: {database_url: 'postgresql://u@/d?host=/run/pg'}",
        "server: {cors_origins: ['*', 'http://localhost:3000']}",
        BUDGET + "1}, {window: day, timezone: Asia/Tokyo, usd: 2}]}]",
        f"tenants: [{{id: a, keys: [{{id: k, key: {KEY}, tags: {{team: search-2, env: prod}}}}]}}]",
        BUDGET + "9007199, timezone: Europe/Berlin}]}]",
        "cache: {exact: {enabled: 'no'}}\nroutes: {c: {models: [small], cache: {exact: {ttl_s: 5}}}}",
    ],
)  # fmt: skip
def test_what_keeps_the_rules_loads(text: str) -> None:
    assert parse(text).file_name == "f.yaml"


def test_a_typed_field_takes_what_the_environment_holds() -> None:
    settings = parse(
        "server: {max_body_bytes: '${N}'}\ncache: {exact: {enabled: '${B}'}}", N="8080", B="false"
    )

    assert settings.server.max_body_bytes == 8080
    assert settings.cache.exact.enabled is False


def test_what_a_variable_holds_is_never_shown() -> None:
    assert problems("server: {drain_s: '${WRONG_ONE}'}", WRONG_ONE="hunter2") == [
        "server.drain_s: found the value of ${WRONG_ONE}; must be a number"
    ]


@pytest.mark.parametrize("value", ["[hunter2hunter2]", "{hunter2hunter2: 1}", "hunter2hunter2"])
@pytest.mark.parametrize(
    "text",
    [
        "server: {admin_key: VALUE}\nlogging: {level: loud}",
        "server: {secret: {a: VALUE}}",
        "stores: {redis_url: VALUE}",
        "stores: {database_url: VALUE}",
        PROVIDER + "api_key: [VALUE]}}",
        PROVIDER + "headers: {x: [VALUE]}}}",
        "tenants: [{id: a, keys: [[VALUE]]}]",
        "tenants: [{id: a, keys: VALUE}]\nlogging: {level: loud}",
        "tenants: [{id: a, keys: [{key: VALUE, id: 'b c'}]}]",
    ],
)
def test_no_message_shows_a_secret_however_it_was_mislaid(text: str, value: str) -> None:
    told = [line for line in problems(text.replace("VALUE", value)) if "hunter2" in line]

    assert [line for line in told if "unknown key" not in line] == []


def test_a_credential_in_a_field_that_is_none_is_masked() -> None:
    (problem,) = problems("providers: {openai: {base_url: sk-proj-abcdef123456}}")

    assert "abcdef" not in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tenants: [{id: a, keys: [short]}]", "tenants[0].keys[0]: has fewer than 16 characters"),
        ("server: {admin_key: short}", "server.admin_key: has fewer than 16 characters"),
        ("server: {secret: short}", "server.secret: has fewer than 16 characters"),
        (f"tenants: [{{id: a, keys: ['{KEY} ']}}]", "tenants[0].keys[0]: begins or ends with a space"),
        (f"server: {{admin_key: {KEY}, metrics_key: {KEY}}}", "server.metrics_key: is the admin key"),
        ("tenants: []", "tenants: there are none, and server.admin_key is empty: nobody can call"),
        (PROVIDER + "}}", "providers.openai.api_key: is empty: calls go out without a key"),
        (PROVIDER + "api_key: k, auth: none}}", "providers.openai.api_key: is set but auth is none"),
        (f"tenants: [{{id: other, keys: [{KEY}]}}]", 'tenants[0].id: "other" is what metrics call'),
        ("server: {request_timeout_s: 10}", "resilience.attempt_timeout_s: is longer than"),
        ("logging: {prompts: true}", "logging.prompts: is true"),
    ],
)  # fmt: skip
def test_what_is_odd_is_accepted_with_one_warning(text: str, expected: str) -> None:
    (warning,) = parse(text).warnings

    assert warning.startswith(expected)


def test_a_key_with_spaces_inside_is_no_reason_to_warn() -> None:
    assert parse("tenants: [{id: a, keys: [a key with some spaces]}]").warnings == ()
