"""The programs that are measured, each on loopback and gone afterwards."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cases import ANSWER, KEY
from bench.machine import children
from tests.support.gateway_process import running_gateway

_START_S = 15.0

_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_max_body_size 20m; client_body_buffer_size 1m;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{servers}
}}
"""
_STATIC = """
  server {{ listen 127.0.0.1:{port} backlog=1024; default_type application/json;
    location / {{ return 200 '{answer}'; }} }}
"""
# Unbuffered where the upstream is paced: each event must go on as it comes, as the gateway's do.
_PROXY = """
  upstream up{port} {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} backlog=1024;
    location / {{ proxy_pass http://up{port}; proxy_http_version 1.1; proxy_buffering {buffering};
      proxy_set_header Connection ""; }} }}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """Ports by kind of case, and the processes whose CPU time counts."""

    name: str
    plain_port: int
    paced_port: int
    pids: tuple[int, ...]


@contextmanager
def running_targets(folder: Path) -> Iterator[tuple[Target, ...]]:
    """The upstream itself, nginx where it is installed, and the gateway."""
    with ExitStack() as stack:
        paced = stack.enter_context(_running_upstream())
        nginx = _find_nginx()
        targets: list[Target] = []
        if nginx is None:
            targets.append(Target("upstream", paced, paced, ()))
        else:
            static, proxy_plain, proxy_paced = _free_ports(3)
            servers = _STATIC.format(port=static, answer=ANSWER.decode())
            stack.enter_context(_running_nginx(nginx, folder / "static", servers, static))
            targets.append(Target("upstream", static, paced, ()))
            servers = _PROXY.format(port=proxy_plain, upstream=static, buffering="on")
            servers += _PROXY.format(port=proxy_paced, upstream=paced, buffering="off")
            workers = stack.enter_context(
                _running_nginx(nginx, folder / "proxy", servers, proxy_paced)
            )
            targets.append(Target("nginx", proxy_plain, proxy_paced, workers))
        state = folder / "gateway"
        state.mkdir()
        gateway = stack.enter_context(running_gateway(state, _gateway_yaml(targets[0])))
        port = int(gateway.origin.rpartition(":")[2])
        targets.append(Target("gateway", port, port, (gateway.process.pid,)))
        yield tuple(targets)


def _gateway_yaml(upstream: Target) -> str:
    """One route to each upstream, scored by the default router; JSON is YAML too."""
    ports = {"": upstream.plain_port, "-paced": upstream.paced_port}
    prices = {"small": ("0.15", "0.60"), "large": ("2.50", "10.00")}
    models = [
        {
            "name": f"{size}{suffix}",
            "provider": f"upstream{suffix}",
            "upstream_model": f"bench-{size}",
            "price": {"input": rates[0], "output": rates[1]},
            "context_window": 400_000,  # else the large body would also be counted exactly
            "max_output_tokens": 16_384,
            "endpoints": ["chat"],
        }
        for suffix in ports
        for size, rates in prices.items()
    ]
    routes = {
        f"auto{suffix}": {
            "tiers": {
                "simple": {"models": [f"small{suffix}"]},
                "complex": {"models": [f"large{suffix}"], "threshold": 0.6},
            }
        }
        for suffix in ports
    }
    providers = {
        f"upstream{suffix}": {"base_url": f"http://127.0.0.1:{port}/v1", "api_key": "sk-bench"}
        for suffix, port in ports.items()
    }
    tenants = [{"id": "bench", "keys": [KEY]}]
    return json.dumps(
        {"providers": providers, "models": models, "routes": routes, "tenants": tenants}
    )


@contextmanager
def _running_upstream() -> Iterator[int]:
    command = [sys.executable, "-m", "bench.upstream"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        try:
            yield int(program.stdout.readline())
        finally:
            program.terminate()


def _find_nginx() -> str | None:
    """Debian keeps it where only root's PATH looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextmanager
def _running_nginx(nginx: str, folder: Path, servers: str, port: int) -> Iterator[tuple[int, ...]]:
    """The process ids of its workers."""
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, servers=servers))
    with subprocess.Popen([nginx, "-c", str(config), "-e", str(folder / "error.log")]) as program:
        try:
            _wait_for(port, program)
            yield children(program.pid)
        finally:
            program.terminate()


def _wait_for(port: int, program: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if program.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
