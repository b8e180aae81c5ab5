"""The whole HTTP surface over fakes, called as ASGI without a socket."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.adapters.prometheus_meter import PrometheusMeter
from gateway.edge.api import build_api
from gateway.edge.asgi import App, Message, Receive, Scope
from gateway.edge.context import ApiContext, ApiKeys
from gateway.edge.v1 import HotEndpoints
from tests.support.flow_scene import KEY, Scene

ADMIN_KEY = "admin-key-0123456789"
Headers = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header that may stand once."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) < 2, f"{name} stands {len(found)} times"
        return found[0] if found else None

    @property
    def json(self) -> Any:  # noqa: ANN401 - a JSON value
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's error object, which must be whole."""
        found: dict[str, Any] = self.json["error"]
        assert set(self.json) == {"error"}
        assert set(found) == {"message", "type", "param", "code"}
        assert isinstance(found["message"], str)
        return found


@dataclass
class EdgeScene:
    """`dependencies` are readiness' named checks; `config` what /admin/v1/config shows."""

    scene: Scene
    keys: ApiKeys = field(default_factory=lambda: ApiKeys(admin=ADMIN_KEY))
    dependencies: Mapping[str, Callable[[], Awaitable[str | None]]] = field(default_factory=dict)
    config: object = None

    def __post_init__(self) -> None:
        self.gateway = self.scene.gateway()
        self.meter = PrometheusMeter(lag_s=lambda: 0.0, max_tenants=10)
        context = ApiContext(
            gateway=self.gateway,
            reader=self.scene.ledger,
            keys=lambda: self.keys,
            render_metrics=self.meter.render,
            describe_config=lambda: self.config,
            dependencies=self.dependencies,
        )
        self.app: App = HotEndpoints(self.gateway, build_api(context, version="1.2.3"))

    async def get(self, path: str, *, key: str | None = KEY, **more: Any) -> HttpAnswer:  # noqa: ANN401 - `call`'s own
        return await self.call("GET", path, key=key, **more)

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        key: str | None = KEY,
        **more: Any,  # noqa: ANN401 - `call`'s own
    ) -> HttpAnswer:
        return await self.call("POST", path, body, key=key, **more)

    async def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        key: str | None = None,
        headers: Headers = (),
        peer: tuple[str, int] | None = ("127.0.0.1", 5000),
    ) -> HttpAnswer:
        if key is not None:
            headers = [("authorization", f"Bearer {key}"), *headers]
        return await exchange(self.app, a_scope(method, path, headers, peer), body)


def a_scope(
    method: str = "POST",
    path: str = "/",
    headers: Headers = (),
    peer: tuple[str, int] | None = ("127.0.0.1", 5000),
) -> Scope:
    bare, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": bare,
        "raw_path": bare.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (name.encode(), value if isinstance(value, bytes) else value.encode("latin-1"))
            for name, value in headers
        ],
        "client": peer,
        "server": ("127.0.0.1", 8080),
    }


def receiving(*messages: Message) -> Receive:
    """These messages, then silence: the client waits for its answer."""
    left = list(messages)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


def body_message(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


async def exchange(app: App, scope: Scope, body: bytes = b"") -> HttpAnswer:
    """One request and its complete answer."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    await app(scope, receiving(body_message(body)), send)
    return answer_of(sent)


def answer_of(sent: list[Message]) -> HttpAnswer:
    """What was sent, which must be one whole response."""
    start, *rest = sent
    assert start["type"] == "http.response.start"
    assert all(message["type"] == "http.response.body" for message in rest)
    assert [message.get("more_body", False) for message in rest] == [True] * (len(rest) - 1) + [
        False
    ]
    headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in start["headers"]]
    assert all(name == name.lower() for name, _ in headers)
    return HttpAnswer(start["status"], headers, b"".join(message["body"] for message in rest))
