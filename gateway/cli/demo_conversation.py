"""The demo's prompts, sent through the OpenAI SDK, and what the gateway's ledger says of them."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.cli.demo_programs import DemoFailed
from gateway.core.money import nano_usd_from_text

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import CompletionUsage

PROMPTS = (
    "What is 2+2?",
    "thanks!",
    "List three fruits.",
    "What is the capital of Australia?",
    "What is the opposite of hot?",
    "Translate to French: Good morning",
    "Explain quantum physics",
    "A train leaves at 3 pm at 60 km/h, a second at 4 pm at 90 km/h. When does it catch up?",
    "Write a Python function that merges two sorted lists, with tests.",
    "Prove that the square root of 2 is irrational.",
    "Write a business plan for a coffee shop",
    "Research and analyze the effect of remote work on city rents, with sources",
)
# Enough to see an answer begin, few enough that a loaded machine is done within a minute.
MAX_OUTPUT_TOKENS = 64
_ANSWER_TIMEOUT_S = 60.0
# A row reaches the ledger's tables within about a second of its answer.
_LEDGER_TIMEOUT_S = 15.0
_ASK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Decision:
    """What the answer's headers say, before its first word."""

    request_id: str
    model: str
    tier: str
    score: str


@dataclass(frozen=True, slots=True)
class Turn:
    """`cost_nano_usd` as the stream's last chunk has it."""

    prompt: str
    decision: Decision
    answer: str
    cost_nano_usd: int | None


@dataclass(frozen=True, slots=True)
class BilledTurn:
    """A turn with its row in the ledger. No amount: no price is known for the model."""

    turn: Turn
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int | None
    baseline_nano_usd: int | None

    @property
    def saved_nano_usd(self) -> int | None:
        if self.cost_nano_usd is None or self.baseline_nano_usd is None:
            return None
        return self.baseline_nano_usd - self.cost_nano_usd


def open_client(base_url: str, key: str) -> AbstractContextManager["OpenAI"]:
    """The real SDK, which must not be led astray by the shell's proxies. Raises DemoFailed."""
    try:
        import openai
    except ImportError as error:
        raise DemoFailed(
            "the demo speaks through the OpenAI SDK, which is not installed: "
            "pip install 'fareway[demo]'"
        ) from error
    return openai.OpenAI(
        base_url=base_url,
        api_key=key,
        organization="",
        project="",
        max_retries=0,
        timeout=_ANSWER_TIMEOUT_S,
        http_client=openai.DefaultHttpxClient(trust_env=False),
    )


def ask(client: "OpenAI", prompt: str, *, on_text: Callable[[Decision, str], None]) -> Turn:
    """One streamed answer; `on_text` is called with all of it so far. Raises DemoFailed."""
    import openai

    text = ""
    usage = None
    try:
        response = client.chat.completions.with_raw_response.create(
            model="auto",
            messages=[{"role": "user", "content": prompt}],
            max_completion_tokens=MAX_OUTPUT_TOKENS,
            stream=True,
            stream_options={"include_usage": True},
        )
        decision = _decision(response.headers)
        on_text(decision, text)
        with response.parse() as stream:
            for chunk in stream:
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
                usage = chunk.usage or usage
                on_text(decision, text)
    except openai.OpenAIError as error:
        raise DemoFailed(f'"{prompt}" failed: {error}') from error
    return Turn(prompt, decision, text, _cost(usage))


def bill(origin: str, admin_key: str, turns: Iterable[Turn]) -> list[BilledTurn]:
    """The turns with their rows in the ledger. Raises DemoFailed where one does not appear."""
    turns = list(turns)
    deadline = time.monotonic() + _LEDGER_TIMEOUT_S
    while True:
        rows = _delivered_rows(origin, admin_key)
        absent = [turn for turn in turns if turn.decision.request_id not in rows]
        if not absent:
            return [_billed(turn, rows[turn.decision.request_id]) for turn in turns]
        if time.monotonic() > deadline:
            raise DemoFailed(f'the ledger has no settled row for "{absent[0].prompt}"')
        time.sleep(_ASK_AGAIN_S)


def _decision(headers: Mapping[str, str]) -> Decision:
    return Decision(
        request_id=headers["x-request-id"],
        model=headers["x-fareway-model"],
        tier=headers.get("x-fareway-tier", "-"),
        score=headers.get("x-fareway-score", "-"),
    )


def _cost(usage: "CompletionUsage | None") -> int | None:
    """`usage.cost` is the gateway's own, in US dollars; None where the model has no price."""
    cost = (usage.model_extra or {}).get("cost") if usage else None
    return None if cost is None else nano_usd_from_text(str(cost))


def _delivered_rows(origin: str, admin_key: str) -> dict[str, Mapping[str, Any]]:
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        f"{origin}/admin/v1/ledger?tenant=demo&limit=1000",
        headers={"Authorization": f"Bearer {admin_key}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_ANSWER_TIMEOUT_S) as response:
        rows = json.load(response)["data"]
    return {
        row["request_id"]: row for row in rows if row["delivered"] and row["state"] == "settled"
    }


def _billed(turn: Turn, row: Mapping[str, Any]) -> BilledTurn:
    return BilledTurn(
        turn=turn,
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cost_nano_usd=row["cost_nano_usd"],
        baseline_nano_usd=row["baseline_nano_usd"],
    )
