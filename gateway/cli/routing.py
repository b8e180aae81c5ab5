"""`fareway score`, `route`, `estimate` and `train`: the router, away from live traffic."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from gateway.cli.options import Config, Json, config_path, errors_shown, print_json, usage_error

if TYPE_CHECKING:
    from gateway.core.catalog import Model
    from gateway.wire.request import ClientRequest

_Prompt = Annotated[str | None, typer.Argument(help="The prompt, as a user's only message.")]
_Request = Annotated[Path | None, typer.Option("--file", help="A request body as JSON instead.")]
_Model = Annotated[
    str | None, typer.Option("--model", help="What to ask for. Default: the first route.")
]


def score(
    in_path: Annotated[Path, typer.Option("--in", help="CSV with the columns id, prompt.")],
    out_path: Annotated[Path, typer.Option("--out", help="CSV to write: id, score, tier.")],
    *,
    router: Annotated[
        Path | None, typer.Option("--router", help="A router's folder. Default: the shipped one.")
    ] = None,
    config: Config = None,
) -> None:
    """Score a file of prompts. `.gz` by suffix; the tiers are those of the first route."""
    from rich.console import Console

    from gateway.bootstrap.offline_view import tiers_of_first_route
    from gateway.bootstrap.shipped import router_dir
    from gateway.offline.scoring import score_file
    from gateway.router_artifact import load_scorer

    with errors_shown():
        tiers = tiers_of_first_route(config_path(config), os.environ)
        scorer = load_scorer(router or router_dir("default"))
        rows = score_file(in_path, out_path, scorer, tiers, console=Console(stderr=True))
        typer.echo(f"{rows} prompts scored by router {scorer.version}", err=True)


def route(
    prompt: _Prompt = None,
    *,
    file: _Request = None,
    model: _Model = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Explain where a request would go; nothing is sent upstream."""
    from gateway.bootstrap.offline_view import open_view
    from gateway.core.routing import resolve
    from gateway.edge.models import candidate_json, explanation_json
    from gateway.flow.explain import explain_route

    with errors_shown():
        view = open_view(config_path(config), os.environ)
        request = _request(prompt, file, model or next(iter(view.catalog.routes), "auto"))
        asked = resolve(request.model, view.catalog)
        explained = asyncio.run(explain_route(asked, request, view.snapshot(), view.instruments))
    if as_json:
        print_json(explanation_json(explained))
        return
    typer.echo(f"model {explained.model}   tier {explained.tier}")
    for reason in explained.reasons:
        typer.echo(f"  {reason}")
    _print_table(
        ("model", "tier", "p_ok", "expected_usd", "bound_usd", "excluded"),
        [candidate_json(candidate) for candidate in explained.candidates],
    )


def estimate(
    prompt: _Prompt = None,
    *,
    file: _Request = None,
    output_tokens: Annotated[
        int | None, typer.Option("--output-tokens", min=0, help="Length of the answer to price.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Tokens and cost of a request on every configured model."""
    from gateway.bootstrap.offline_view import open_view
    from gateway.edge.models import estimate_json
    from gateway.flow.explain import estimate as estimate_on

    found = []
    with errors_shown():
        view = open_view(config_path(config), os.environ)
        for model, *_ in view.catalog.models.values():
            request = _request(prompt, file, model.name, _endpoint(model))
            costs = asyncio.run(
                estimate_on(model, request, view.instruments, output_tokens=output_tokens)
            )
            found.append(estimate_json(costs))
    if as_json:
        print_json({"candidates": found})
        return
    _print_table(("model", "input_tokens", "output_tokens", "expected_usd", "bound_usd"), found)


def train(
    out: Annotated[Path, typer.Option("--out", help="The folder to write the router to.")],
    *,
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="Parquet files. Default: the shipped rows.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal weights.")] = 20261122,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Train a router and write it, measured on questions it has not seen."""
    del config  # taken by every command; training depends on the rows alone
    from rich.console import Console

    from gateway.offline.datasets import shipped_paths
    from gateway.offline.train import train as train_router

    with errors_shown():
        report = train_router(data or shipped_paths(), out, seed=seed, console=Console(stderr=True))
    if as_json:
        print_json(msgspec.to_builtins({"version": report.version, "rows": report.rows}))
        return
    typer.echo(f"router {report.version} from {report.rows} rows in {report.out}")


def _request(
    prompt: str | None, file: Path | None, model: str, endpoint: str = "chat"
) -> "ClientRequest":
    """The request to look at: a body from a file, or a prompt as that endpoint takes it."""
    from gateway.edge.models import endpoint_of
    from gateway.wire.request import parse_request

    if (prompt is None) == (file is None):
        raise usage_error("give either a prompt or --file")
    if file is not None:
        body = file.read_bytes()
    else:
        asked: dict[str, dict[str, object]] = {
            "chat": {"messages": [{"role": "user", "content": prompt}]},
            "completions": {"prompt": prompt},
            "embeddings": {"input": prompt},
        }
        body = msgspec.json.encode({"model": model, **asked[endpoint]})
    return parse_request(body, endpoint_of(body))


def _endpoint(model: "Model") -> str:
    """The endpoint at which a prompt would be sent to this model."""
    known = ("chat", "completions", "embeddings")
    return next((endpoint for endpoint in known if endpoint in model.endpoints), "chat")


def _print_table(columns: Sequence[str], rows: Sequence[dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    Console().print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
