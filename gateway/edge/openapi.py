"""The hot endpoints in the OpenAPI document: they are served in front of the framework, which
therefore does not know them. Bodies are OpenAI's own, open to fields nobody has invented yet."""

from collections.abc import Iterable

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_REQUIRED = {
    "/v1/chat/completions": ["model", "messages"],
    "/v1/completions": ["model", "prompt"],
    "/v1/embeddings": ["model", "input"],
}


def document_hot_endpoints(app: FastAPI, paths: Iterable[str]) -> None:
    """Make `/openapi.json` and `/docs` show those paths too."""

    def openapi() -> dict[str, object]:
        if not app.openapi_schema:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schema["paths"].update({path: {"post": _operation(path)} for path in paths})
            schema["components"] = {
                **schema.get("components", {}),
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            }
            schema["security"] = [{"key": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _operation(path: str) -> dict[str, object]:
    body = {"type": "object", "required": _REQUIRED[path], "additionalProperties": True}
    return {
        "tags": ["openai"],
        "summary": f"OpenAI's {path.removeprefix('/v1')}",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {
                "description": "OpenAI's answer, or its event stream",
                "content": {"application/json": {}, "text/event-stream": {}},
            },
            "4XX": {"description": "OpenAI's error object"},
            "5XX": {"description": "OpenAI's error object"},
        },
    }
