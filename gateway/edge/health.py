"""Is it alive, is it ready, what does it count: /health*, /metrics."""

from fastapi import APIRouter, Request, Response

from gateway.core.errors import InvalidApiKey
from gateway.edge.asgi import bearer
from gateway.edge.context import ApiContext, is_admin, is_loopback, json_response, matches

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def health_routes(context: ApiContext) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.head("/health/live", include_in_schema=False)  # some load balancers probe so
    @router.get("/health/live", summary="The process answers")
    async def live() -> Response:
        return json_response({"status": "ok"})

    @router.head("/health/ready", include_in_schema=False)  # some load balancers probe so
    @router.get("/health/ready", summary="It takes requests; names each dependency")
    async def ready() -> Response:
        found = await _dependencies(context)
        is_ready = not context.gateway.is_draining and all(v == "ok" for v in found.values())
        status = "draining" if context.gateway.is_draining else "ok" if is_ready else "unavailable"
        return json_response({"status": status, "dependencies": found}, 200 if is_ready else 503)

    @router.head("/health", include_in_schema=False)  # some load balancers probe so
    @router.get("/health", summary="Status; with a key the details")
    async def health(request: Request) -> Response:
        answer: dict[str, object] = {
            "status": "draining" if context.gateway.is_draining else "ok",
        }
        key = bearer(request.scope)
        if is_admin(request, context) or (key and context.gateway.current.directory.find(key)):
            answer["config"] = context.gateway.current.catalog.version
            answer["dependencies"] = await _dependencies(context)
        return json_response(answer)

    @router.get("/metrics", summary="Prometheus metrics")
    async def metrics(request: Request) -> Response:
        keys = context.keys()
        given = bearer(request.scope)
        may_read = (
            matches(given, keys.metrics)
            or matches(given, keys.admin)
            or (not keys.metrics and is_loopback(request))
        )
        if not may_read:
            raise InvalidApiKey("Metrics need server.metrics_key or the admin key.")
        return Response(context.render_metrics(), media_type=METRICS_TYPE)

    return router


async def _dependencies(context: ApiContext) -> dict[str, str]:
    return {name: await check() or "ok" for name, check in context.dependencies.items()}
