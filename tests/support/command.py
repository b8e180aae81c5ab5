"""The `fareway` command run in this process, in a folder of its own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from typer.testing import CliRunner

from gateway.cli.main import app

CONFIG = """\
stores: {{database_url: "sqlite:///{folder}/ledger.db"}}
providers: {{up: {{base_url: "http://127.0.0.1:9/v1", api_key: provider-key}}}}
models:
  - {{name: small, provider: up, price: {{input: "1", cached_input: "0.5", output: "2"}}}}
  - {{name: large, provider: up, price: {{input: "10", output: "20"}}}}
  - {{name: unpriced, provider: up}}
  - {{name: vectors, provider: up, endpoints: [embeddings], price: {{input: "0.02", output: "0"}}}}
routes:
  auto: {{tiers: {{simple: {{models: [small]}}, complex: {{models: [large], threshold: 0.6}}}}}}
tenants: [{{id: acme, keys: [acme-key-0123456789]}}]
"""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - a JSON value
        return json.loads(self.out)


def run(*words: str | Path, environ: dict[str, str] | None = None) -> Ran:
    """One command; an exception that is no exit rises, as it would with a traceback."""
    try:
        result = CliRunner().invoke(app, [str(word) for word in words], env=environ)
    finally:
        structlog.reset_defaults()  # a command logs to its own standard error, gone by now
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def written_config(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "fareway.yaml"
    path.write_text(text.format(folder=folder))
    return path
