"""`fareway demo`: a real gateway, a short real conversation, and its bill; then it keeps serving.

Everything runs on this machine and ends with the demo: two tiers and the gateway, each in its own
process, on config/demo.yaml, with keys made for this run and state in a temporary folder.
"""

import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.bootstrap.offline_view import open_view
from gateway.bootstrap.shipped import shipped_dir
from gateway.cli.demo_conversation import PROMPTS, ask, bill, open_client
from gateway.cli.demo_display import Display, make_console
from gateway.cli.demo_programs import DemoFailed, Program, running
from gateway.cli.demo_tiers import Tier, cheap_tier, strong_tier

PORT = 8080
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs while the demo does."""

    gateway: Program
    origin: str
    cheap: Tier
    strong: Tier
    key: str
    admin_key: str
    prices: tuple[str, ...]


def run_demo(*, leave: bool) -> None:
    """Returns after the conversation (`leave`), or when it is told to stop while it serves.

    Raises DemoFailed for all that goes wrong before, Ctrl-C included.
    """
    display = Display(make_console())
    has_talked = False
    try:
        with _stopped_by_signals(), _stage(display) as stage:
            with _gateway_blamed(stage):
                _talk(display, stage)
            has_talked = True
            if not leave:
                _keep_serving(display, stage)
    except KeyboardInterrupt:
        if not has_talked:
            raise DemoFailed("stopped before the conversation was over") from None
        display.line("Stopped.")


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """A closed terminal and SIGTERM stop the demo as Ctrl-C does."""
    before = {each: signal.signal(each, signal.default_int_handler) for each in _STOPPING}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _stage(display: Display) -> Iterator[Stage]:
    started = time.monotonic()
    display.line("Starting two models and the gateway on this machine ...")
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="fareway-demo-", ignore_cleanup_errors=True)
            )
        )
        cheap = stack.enter_context(cheap_tier(folder, os.environ))
        display.line(f"  cheap tier   {cheap.model}: {cheap.what}")
        strong = stack.enter_context(strong_tier(folder, os.environ))
        display.line(f"  strong tier  {strong.model}: {strong.what}")
        stage = stack.enter_context(_gateway(folder, cheap, strong))
        took_s = time.monotonic() - started
        display.line(f"  gateway      {stage.origin}, ready after {took_s:.1f} s\n")
        stack.callback(_end_undisturbed)  # called first of all at the end
        yield stage


def _end_undisturbed() -> None:
    """Once the end has begun, a second Ctrl-C would leave it half done. It takes seconds."""
    for each in _STOPPING:
        signal.signal(each, signal.SIG_IGN)


@contextmanager
def _gateway(folder: Path, cheap: Tier, strong: Tier) -> Iterator[Stage]:
    """The gateway before the two tiers, with keys of its own. Raises ConfigError, DemoFailed."""
    key, admin_key = (f"demo-{secrets.token_urlsafe(24)}" for _ in range(2))
    environ = {
        **os.environ,
        "FAREWAY_DEMO_STATE": str(folder),
        "FAREWAY_DEMO_KEY": key,
        "FAREWAY_DEMO_ADMIN_KEY": admin_key,
        "FAREWAY_DEMO_CHEAP": cheap.model,
        "FAREWAY_DEMO_CHEAP_URL": cheap.base_url,
        "FAREWAY_DEMO_STRONG": strong.model,
        "FAREWAY_DEMO_STRONG_URL": strong.base_url,
        "FAREWAY_DEMO_STRONG_KEY": strong.api_key,
        "FAREWAY_DEMO_STRONG_AUTH": "bearer" if strong.api_key else "none",
        "FAREWAY_DEMO_STRONG_MODEL": strong.upstream_model or strong.model,
    }
    config = shipped_dir("config") / "demo.yaml"
    used = (cheap.model, strong.model)
    prices = tuple(
        _price_text(price)
        for price in open_view(config, environ).prices()
        if price["model"] in used
    )
    role = ("gateway", str(folder), str(config), str(_free_port()))
    with running(*role, log=folder / "gateway.log", environ=environ) as program:
        origin = program.wait_until_listening()
        yield Stage(program, origin, cheap, strong, key, admin_key, prices)


def _price_text(price: Mapping[str, str]) -> str:
    if "input" not in price:
        return f"{price['model']} unpriced"
    return f"{price['model']} ${price['input']} in, ${price['output']} out"


def _free_port() -> int:
    """The usual port, or 0 (any) where it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return 0
    return PORT


def _talk(display: Display, stage: Stage) -> None:
    with (
        open_client(f"{stage.origin}/v1", stage.key) as client,
        display.conversation(len(PROMPTS)) as conversation,
    ):
        turns = []
        for prompt in PROMPTS:
            turns.append(ask(client, prompt, on_text=conversation.streaming))
            conversation.finished(turns[-1])
    display.line()
    display.table(bill(stage.origin, stage.admin_key, turns))
    display.line()
    for line in _what_is_real(stage):
        display.line(line)


@contextmanager
def _gateway_blamed(stage: Stage) -> Iterator[None]:
    """A lost connection says little where the gateway is gone; its last lines say more."""
    try:
        yield
    except DemoFailed as failure:
        if stage.gateway.is_running():
            raise
        text = f"{failure}\nthe gateway ended:\n{stage.gateway.last_lines()}"
        raise DemoFailed(text) from failure


def _what_is_real(stage: Stage) -> Iterator[str]:
    tiers = (stage.cheap, stage.strong)
    real = [f"{tier.model}'s answers" for tier in tiers if tier.is_real]
    scripted = [f"{tier.model}'s answers" for tier in tiers if not tier.is_real]
    yield (
        "Real: the gateway, the router's scores, the ledger above, the OpenAI SDK"
        f"{''.join(f', {one}' for one in real)}."
    )
    if scripted:
        yield (
            f"Scripted: {' and '.join(scripted)}, whose tokens are counted with tiktoken; a "
            "model's answers would be longer and worth reading."
        )
    yield f"Prices, USD per 1M tokens: {'; '.join(stage.prices)}."
    yield (
        "What runs on this machine has no price of its own and takes a published one: "
        "the cheap tier gpt-4o-mini's"
        + ("." if stage.strong.is_real else ", the strong tier gpt-4.1's.")
    )
    yield '"Always strong" is what the same tokens would have cost on the strong tier.'


def _keep_serving(display: Display, stage: Stage) -> None:
    """Raises KeyboardInterrupt when told to stop, DemoFailed where the gateway ends by itself."""
    display.line(_AFTERWARDS.format(origin=stage.origin, key=stage.key, admin_key=stage.admin_key))
    sys.stdout.flush()
    stage.gateway.wait()
    raise DemoFailed(f"the gateway ended:\n{stage.gateway.last_lines()}")


_AFTERWARDS = """
Now yours, until Ctrl-C:

  base URL   {origin}/v1
  key        {key}
  docs       {origin}/docs
  admin key  {admin_key}   (the ledger: {origin}/admin/v1/ledger)

from openai import OpenAI
client = OpenAI(base_url="{origin}/v1", api_key="{key}")
print(client.chat.completions.create(model="auto", messages=[{{"role": "user", "content": "Hi!"}}]))

curl -s {origin}/v1/chat/completions -H 'Authorization: Bearer {key}' \
  -H 'Content-Type: application/json' \
  -d '{{"model": "auto", "messages": [{{"role": "user", "content": "What is 2+2?"}}]}}'
"""
