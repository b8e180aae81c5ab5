"""For operators: /admin/v1. The admin credential is never a tenant's key."""

from datetime import datetime

import msgspec
from fastapi import APIRouter, Request, Response

from gateway.core.errors import InvalidRequest
from gateway.core.ids import TenantId
from gateway.edge.context import ApiContext, json_response, require_admin
from gateway.wire.ledger_row import ledger_row_json, moment_from_text

DEFAULT_PAGE_ROWS = 100
_QUERY = frozenset({"tenant", "since", "limit", "cursor"})


def admin_routes(context: ApiContext) -> APIRouter:
    router = APIRouter(tags=["admin"])

    @router.get("/admin/v1/ledger", summary="Ledger rows, oldest first")
    async def ledger(request: Request) -> Response:
        require_admin(request, context)
        query = dict(request.query_params)
        if unknown := sorted(query.keys() - _QUERY):
            raise InvalidRequest(f"Unknown query parameter {unknown[0]!r}.", param=unknown[0])
        page = await context.reader.page(
            tenant=TenantId(query["tenant"]) if "tenant" in query else None,
            since=_since(query["since"]) if "since" in query else None,
            limit=_limit(query.get("limit")),
            cursor=query.get("cursor") or None,
        )
        rows = [msgspec.Raw(ledger_row_json(row)) for row in page.rows]
        return json_response({"data": rows, "next_cursor": page.next_cursor})

    @router.get("/admin/v1/config", summary="The configuration in force, without secrets")
    async def config(request: Request) -> Response:
        require_admin(request, context)
        return json_response(context.describe_config())

    return router


def _since(text: str) -> datetime:
    try:
        return moment_from_text(text.replace(" ", "+"))  # an offset's plus, unescaped in the query
    except ValueError as error:
        raise InvalidRequest(f"since: {error}.", param="since") from error


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE_ROWS
    if not (text.isascii() and text.isdigit() and len(text) <= 6):  # noqa: PLR2004 - digits
        raise InvalidRequest("limit takes a whole number.", param="limit")
    return int(text)
