"""Answers for browsers of other origins, around every endpoint, where `server.cors_origins` names
some. Keys travel in a header the page sets itself, so no credentials are allowed."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware

from gateway.edge.asgi import App

# How long a browser may keep the answer to a preflight; Chromium keeps none for longer.
PREFLIGHT_KEPT_S = 7200


def open_to(origins: Sequence[str], app: App) -> App:
    """The app for these origins; itself, at no cost, where there are none."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=("*",),
        expose_headers=("*",),
        max_age=PREFLIGHT_KEPT_S,
    )
