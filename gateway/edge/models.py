"""What a tenant may ask for, and what a request would do: /v1/models, /v1/route, /v1/estimate."""

import msgspec
from fastapi import APIRouter, Request, Response

from gateway.core.catalog import Catalog, Tenant
from gateway.core.errors import ModelNotFound
from gateway.core.routing import check_allowed, resolve
from gateway.edge.asgi import read_body
from gateway.edge.context import ApiContext, caller_of, json_response, usd_or_none
from gateway.flow.explain import (
    CostEstimate,
    RouteCandidate,
    RouteExplanation,
    estimate,
    explain_route,
    models_of,
)
from gateway.wire.request import ClientRequest, Endpoint, parse_request


def model_routes(context: ApiContext) -> APIRouter:
    router = APIRouter(tags=["models"])

    @router.get("/v1/models", summary="Models and routes this key may ask for")
    async def list_models(request: Request) -> Response:
        tenant = caller_of(request, context).tenant
        catalog = context.gateway.current.catalog
        listed = [_model_object(name, catalog) for name in _allowed(tenant, catalog)]
        return json_response({"object": "list", "data": listed})

    @router.get("/v1/models/{name:path}", summary="One model or route")
    async def get_model(request: Request, name: str) -> Response:
        tenant = caller_of(request, context).tenant
        catalog = context.gateway.current.catalog
        if name not in _allowed(tenant, catalog):
            raise ModelNotFound(f"The model {name[:100]!r} does not exist.", param="model")
        return json_response(_model_object(name, catalog))

    @router.post("/v1/route", summary="Explain where a request would go; nothing is sent")
    async def route(request: Request) -> Response:
        caller = caller_of(request, context)
        asked_request = await _body(request, context)
        snapshot = context.gateway.current
        asked = resolve(asked_request.model, snapshot.catalog)
        check_allowed(asked, caller.tenant)
        explained = await explain_route(asked, asked_request, snapshot, context.gateway.instruments)
        return json_response(explanation_json(explained))

    @router.post("/v1/estimate", summary="Tokens and cost of a request on each model it may use")
    async def estimate_costs(request: Request) -> Response:
        caller = caller_of(request, context)
        asked_request = await _body(request, context)
        snapshot = context.gateway.current
        asked = resolve(asked_request.model, snapshot.catalog)
        check_allowed(asked, caller.tenant)
        found = [
            await estimate(model, asked_request, context.gateway.instruments)
            for model in models_of(asked, snapshot.catalog)
        ]
        return json_response({"candidates": [estimate_json(one) for one in found]})

    return router


def explanation_json(explained: RouteExplanation) -> dict[str, object]:
    return {
        "tier": explained.tier,
        "model": explained.model,
        "score": explained.score,
        "p_research": explained.p_research,
        "thresholds": dict(explained.thresholds),
        "reasons": list(explained.reasons),
        "candidates": [candidate_json(candidate) for candidate in explained.candidates],
    }


def candidate_json(candidate: RouteCandidate) -> dict[str, object]:
    return {
        "model": candidate.model,
        "tier": candidate.tier,
        "p_ok": candidate.p_ok,
        "expected_usd": usd_or_none(candidate.expected_nano_usd),
        "bound_usd": usd_or_none(candidate.bound_nano_usd),
        "excluded": candidate.excluded,
    }


def estimate_json(found: CostEstimate) -> dict[str, object]:
    return {
        "model": found.model,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "bound_usd": usd_or_none(found.bound_nano_usd),
        "expected_usd": usd_or_none(found.expected_nano_usd),
    }


def _allowed(tenant: Tenant, catalog: Catalog) -> tuple[str, ...]:
    names = (*catalog.routes, *catalog.models)
    return tuple(name for name in names if tenant.allow is None or name in tenant.allow)


def _model_object(name: str, catalog: Catalog) -> dict[str, object]:
    is_route = name in catalog.routes
    owner = "fareway" if is_route else catalog.models[name][0].provider.name
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


async def _body(request: Request, context: ApiContext) -> ClientRequest:
    limit = context.gateway.current.catalog.max_body_bytes
    body = await read_body(request.scope, request.receive, limit)
    return parse_request(body, endpoint_of(body))


def endpoint_of(body: bytes) -> Endpoint:
    """Which endpoint a body is for: `input` tells embeddings, `prompt` completions."""
    try:
        names = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError):
        return Endpoint.CHAT  # whose parser says what is wrong
    if "messages" not in names and "input" in names:
        return Endpoint.EMBEDDINGS
    if "messages" not in names and "prompt" in names:
        return Endpoint.COMPLETIONS
    return Endpoint.CHAT
