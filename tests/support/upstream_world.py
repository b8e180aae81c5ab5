"""A scripted upstream, the real client of it, and what their contract suite asks for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from gateway.adapters.http_upstream import HttpUpstream
from gateway.core.catalog import Provider
from gateway.flow.ports import UpstreamCall
from tests.contracts.upstream import BODY, REQUEST, Case, call_to
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.upstream_behaviour import Behaviour, fault_named

STREAM = REQUEST[:-1] + b',"stream":true}'
_NOBODY = "http://127.0.0.1:9/v1"  # the discard port: nothing listens there
_BEHAVIOURS = {
    Case.ANSWER: Behaviour(body=BODY),
    Case.BUSY: Behaviour(status=429, headers=(("Retry-After", "7"),), body=BODY),
    Case.REDIRECT: fault_named("redirect"),
    Case.SILENT: fault_named("cut-before-head"),
    Case.CUT: replace(fault_named("cut"), body=BODY),
    Case.STALL_BEFORE_HEAD: fault_named("stall-before-head"),
    Case.STALL: replace(fault_named("stall"), body=BODY),
}


@asynccontextmanager
async def world_of(*, max_connections: int = 100) -> AsyncIterator["RealWorld"]:
    async with ScriptedUpstream() as scripted:
        async with HttpUpstream(max_connections_per_origin=max_connections) as upstream:
            yield RealWorld(scripted, upstream)
        await scripted.until(lambda: scripted.connections.open == 0)


class RealWorld:
    def __init__(self, scripted: ScriptedUpstream, upstream: HttpUpstream) -> None:
        self.scripted = scripted
        self.upstream = upstream
        self.provider = Provider("scripted", scripted.base_url)

    def call(self, case: Case) -> UpstreamCall:
        if case is Case.REFUSED:
            return call_to(replace(self.provider, base_url=_NOBODY))
        self.scripted.script.append(_BEHAVIOURS[case])
        return call_to(self.provider)

    def call_meeting(self, behaviour: Behaviour, *, body: bytes = REQUEST) -> UpstreamCall:
        self.scripted.script.append(behaviour)
        return call_to(self.provider, body=body)

    async def until_none_in_use(self) -> None:
        await self.scripted.until(self._only_idle_ones_are_open)
        self.scripted.script.clear()  # a cancelled call may not have taken its own

    def _only_idle_ones_are_open(self) -> bool:
        idle = self.upstream.idle_connections
        return self.upstream.open_connections == idle == self.scripted.connections.open


@asynccontextmanager
async def raw_server(
    answer: bytes, *, later: tuple[asyncio.Event, bytes] | None = None
) -> AsyncIterator[str]:
    """Sends the same bytes to whoever has sent a request, more on an event, and waits for them to
    leave."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if later is not None:
            await later[0].wait()
            writer.write(later[1])
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
            left.set()

    left = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        server.close()
    async with asyncio.timeout(5):
        await left.wait()
