"""Runs the gateway as an HTTP server until it is told to stop."""

import gc
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

import structlog
import uvicorn
import uvloop

from gateway.bootstrap.logs import log_to_stderr
from gateway.bootstrap.serving import Serving, open_serving
from gateway.core.errors import ConfigError

# Connections that wait to be accepted; a burst of clients should not see resets.
BACKLOG = 2048

log = structlog.get_logger("fareway")


def run(path: Path, environ: Mapping[str, str], *, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, then let open requests finish for `server.drain_s`.

    Raises what `open_serving` raises, and ConfigError where the address cannot be had.
    """
    log_to_stderr()
    with _bound(host, port) as listener:
        uvloop.run(_serve(path, environ, listener))


async def _serve(path: Path, environ: Mapping[str, str], listener: socket.socket) -> None:
    async with open_serving(path, environ) as serving:
        log_to_stderr(serving.settings.logging.level)
        config = uvicorn.Config(
            serving.app,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=max(1, int(serving.settings.server.drain_s)),
        )
        # What is open now stays open: without it each full collection walks the router's and the
        # tokenizer's 100,000 objects, a tenth of the CPU of serving.
        gc.collect()
        gc.freeze()
        host, port = listener.getsockname()[:2]
        log.info("serving", host=host, port=port, config=serving.gateway.current.catalog.version)
        await _DrainingServer(config, serving).serve(sockets=[listener])
        log.info("stopped")


class _DrainingServer(uvicorn.Server):
    """Fails readiness from the first signal on, and returns when drained: uvicorn itself would
    raise the signal again, which ends the process before the ledger is closed."""

    def __init__(self, config: uvicorn.Config, serving: Serving) -> None:
        super().__init__(config)
        self._gateway = serving.gateway

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        self._gateway.is_draining = True
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(_no_listener(host, port, error)) from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ConfigError(_no_listener(host, port, error)) from error
    return listener


def _no_listener(host: str, port: int, error: OSError) -> str:
    return f"cannot listen on {host}:{port}: {error.strerror or error}"
