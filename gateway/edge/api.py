"""Everything over HTTP that spends no money, as a FastAPI app behind the hot endpoints."""

import structlog
from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from gateway.core.errors import FarewayError, InvalidRequest, MethodNotAllowed, UnknownEndpoint
from gateway.edge.admin import admin_routes
from gateway.edge.asgi import App, ClientGone, Message, Receive, Scope, Send
from gateway.edge.context import ApiContext
from gateway.edge.errors import error_body, error_headers, shape_of
from gateway.edge.health import health_routes
from gateway.edge.models import model_routes
from gateway.edge.openapi import document_hot_endpoints
from gateway.edge.usage import usage_routes
from gateway.edge.v1 import HOT_PATHS, base_headers, new_request_id

log = structlog.get_logger("fareway")

_COMING = {
    "/v1/responses": "use /v1/chat/completions (AI SDK: .chat())",
    "/v1/messages": "use /v1/chat/completions",
    "/v1/files": "send the content in /v1/chat/completions",
    "/v1/batches": "send single requests to /v1/chat/completions",
    "/v1/feedback": "there is nothing to use instead",
    "/v1/moderations": "there is nothing to use instead",
    "/v1/images": "there is nothing to use instead",
    "/v1/audio": "send audio parts to /v1/chat/completions",
}


def build_api(context: ApiContext, *, version: str) -> App:
    """The app with our error shape and ids on every answer."""
    # Brings the page's script along: a gateway often stands where no CDN can be reached.
    app = FastAPIOffline(title="Fareway", version=version, docs_url="/docs", redoc_url=None)
    for routes in (model_routes, usage_routes, admin_routes, health_routes):
        app.include_router(routes(context))
    app.add_exception_handler(FarewayError, _answer)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer)
    document_hot_endpoints(app, HOT_PATHS)
    return _Identified(app, context)


class _Identified:
    """Puts our request id and the configuration's version on every answer."""

    def __init__(self, app: FastAPI, context: ApiContext) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gateway = self._context.gateway
        identity = new_request_id(gateway)
        own = base_headers(scope, gateway, identity)

        async def send_identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *own]
            await send(message)

        try:
            await self._app(scope, receive, send_identified)
        except ClientGone:
            return
        except Exception:
            # Answered by now: the framework raises it again for the server, which would print it.
            log.exception("request_failed", request_id=identity)


def _answer(_: Request, error: Exception) -> Response:
    response = Response(error_body(error), shape_of(error).status, media_type="application/json")
    for name, value in error_headers(error):
        response.headers[name.decode()] = value.decode("latin-1")
    return response


def _answer_http(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: unknown paths, wrong methods, bad parameters."""
    assert isinstance(error, HTTPException), "registered for it alone"
    path = request.scope["path"]
    if error.status_code == 404:  # noqa: PLR2004 - HTTP's own number
        return _answer(request, UnknownEndpoint(_unknown(path)))
    if error.status_code == 405:  # noqa: PLR2004
        allow = (error.headers or {}).get("Allow", "")
        text = f"{path[:100]} does not take {request.method}."
        return _answer(request, MethodNotAllowed(text, allow=allow))
    return _answer(request, InvalidRequest(str(error.detail)))


def _unknown(path: str) -> str:
    shown = path[:100]
    for prefix, instead in _COMING.items():
        if path == prefix or path.startswith(prefix + "/"):
            return f"{shown} is not served yet: {instead}."
    return f"Unknown path {shown!r}. /docs lists what is served; chat is POST /v1/chat/completions."
