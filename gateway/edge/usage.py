"""What a tenant has spent: /v1/usage."""

from datetime import datetime

from fastapi import APIRouter, Request, Response

from gateway.core.budget import window_bounds
from gateway.core.catalog import Budget, Tenant
from gateway.core.money import usd_text
from gateway.edge.context import ApiContext, caller_of, json_response


def usage_routes(context: ApiContext) -> APIRouter:
    router = APIRouter(tags=["usage"])

    @router.get("/v1/usage", summary="What this key's tenant has spent and holds")
    async def usage(request: Request) -> Response:
        tenant = caller_of(request, context).tenant
        reader = context.reader
        now = context.gateway.clock.now()
        return json_response(
            {
                "tenant": tenant.id,
                "spent_usd": usd_text(await reader.spent_nano_usd(tenant=tenant.id, since=None)),
                "held_usd": usd_text(await reader.held_nano_usd(tenant=tenant.id)),
                "budgets": [
                    await _budget(budget, tenant, now, context) for budget in tenant.budgets
                ],
                "limits": dict(tenant.limits),
            }
        )

    return router


async def _budget(
    budget: Budget, tenant: Tenant, now: datetime, context: ApiContext
) -> dict[str, object]:
    bounds = window_bounds(budget.window, now=now, timezone=budget.timezone)
    spent = await context.reader.spent_nano_usd(tenant=tenant.id, since=bounds.start)
    held = await context.reader.held_nano_usd(tenant=tenant.id)
    return {
        "window": budget.window,
        "limit_usd": usd_text(budget.limit_nano_usd),
        "spent_usd": usd_text(spent),
        "held_usd": usd_text(held),
        "resets_at": bounds.end.isoformat() if bounds.end else None,
    }
