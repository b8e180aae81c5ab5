"""What the end-to-end tests' gateway is configured with: its keys, models, routes and tenants."""

import json

import httpx2

from tests.support.gateway_process import GatewayProcess, Json

KEY = "key-of-acme-0123456789"
SPACED_KEY = "a key of acme with spaces"
LIMITED_KEY = "key-of-limited-0123456789"
ADMIN_KEY = "admin-key-0123456789abcdef"
PROVIDER_KEY = "provider-secret-key-0123456789"
HEADER_SECRET = "configured-header-secret"

# nano-USD per token: 0.15 and 0.60 USD per million
SMALL_INPUT, SMALL_CACHED, SMALL_OUTPUT = 150, 75, 600
LARGE_INPUT, LARGE_OUTPUT = 2500, 10000

_SCENE = """
logging: {{level: debug}}
server: {{admin_key: {admin_key}, cors_origins: {cors_origins}, drain_s: 20, request_timeout_s: {request_timeout_s}}}
stores: {{database_url: "sqlite:///ledger.db"}}
providers:
  scripted:
    base_url: {base_url}
    api_key: {provider_key}
    headers: {{x-configured: {header_secret}}}
  refusing: {{base_url: "http://127.0.0.1:{refused_port}/v1", api_key: {provider_key}}}
models:
  - &small
    name: small
    provider: scripted
    upstream_model: scripted-small
    price: {{input: "0.15", cached_input: "0.075", output: "0.60"}}
    context_window: 400000
    max_output_tokens: 16384
    endpoints: [chat, completions]
  - {{<<: *small, name: large, upstream_model: scripted-large, price: {{input: "2.50", output: "10.00"}}}}
  - {{<<: *small, name: tiny, context_window: 50}}
  - {{<<: *small, name: textual, supports: []}}
  - {{<<: *small, name: refusing, provider: refusing}}
  - {{<<: *small, name: fails-503, upstream_model: fault-status-503}}
  - {{<<: *small, name: fails-cut, upstream_model: fault-cut}}
  - {{<<: *small, name: fails-error-event, upstream_model: fault-error-event}}
  - {{<<: *small, name: fails-html, upstream_model: fault-html}}
  - {{<<: *small, name: stalls, upstream_model: fault-stall-before-head}}
  - {{<<: *small, name: rejects-400, upstream_model: fault-status-400}}
  - {{name: unpriced, provider: scripted, upstream_model: nobody-knows-this}}
  - name: embedding
    provider: scripted
    upstream_model: scripted-embedding
    price: {{input: "0.02", output: "0"}}
    endpoints: [embeddings]
routes:
  auto:
    tiers:
      simple: {{models: [small]}}
      moderate: {{models: [small], threshold: 0.35}}
      complex: {{models: [large], threshold: 0.60}}
    baseline: large
  after-refused: {{models: [refusing, small]}}
  after-503: {{models: [fails-503, small]}}
  after-cut: {{models: [fails-cut, small]}}
  after-html: {{models: [fails-html, large]}}
  after-stall: {{models: [stalls, small]}}
  after-400: {{models: [rejects-400, small]}}
  all-fail: {{models: [fails-503, fails-html]}}
tenants:
  - id: acme
    organisation: org1
    keys: [{key}, "{spaced_key}"]
  - id: limited
    keys: [{limited_key}]
    allow: [auto, small]
organisations: [{{id: org1}}]
{more}
"""


def scene_yaml(
    base_url: str,
    *,
    refused_port: int,
    cors_origins: str = "[]",
    request_timeout_s: float = 600,
    more: str = "",
) -> str:
    """The configuration; `more` are further top-level sections."""
    return _SCENE.format(
        base_url=base_url,
        refused_port=refused_port,
        cors_origins=cors_origins,
        request_timeout_s=request_timeout_s,
        admin_key=ADMIN_KEY,
        provider_key=PROVIDER_KEY,
        header_secret=HEADER_SECRET,
        key=KEY,
        spaced_key=SPACED_KEY,
        limited_key=LIMITED_KEY,
        more=more,
    )


def asking(text: str, **fields: object) -> Json:
    """A chat request with one user message."""
    return {"model": "small", "messages": [{"role": "user", "content": text}], **fields}


def authorised(key: str = KEY) -> dict[str, str]:
    return {"authorization": f"Bearer {key}".rstrip()}


def ask(gateway: GatewayProcess, text: str, *, key: str = KEY, **fields: object) -> httpx2.Response:
    """The whole answer to a chat request, read to its end."""
    return gateway.http.post(
        f"{gateway.base_url}/chat/completions",
        json=asking(text, **fields),
        headers=authorised(key),
    )


def data_of(stream: str) -> list[str]:
    """The data of each event of a stream whose events have one line each."""
    lines = stream.replace("\r\n", "\n").split("\n")
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


def text_of(stream: str) -> str:
    """What a stream's events say, joined."""
    chunks = [json.loads(data) for data in data_of(stream) if data.startswith("{")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join(delta.get("content") or "" for delta in deltas)


def closing_of(stream: str) -> Json:
    """What the comment before [DONE] says."""
    lines = [line for line in stream.splitlines() if line.startswith(": fareway ")]
    found: Json = json.loads(lines[-1].removeprefix(": fareway "))
    return found
