"""`fareway demo` as a newcomer sees it: what it shows, what it serves, and that nothing remains."""

import re
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import openai
import pytest

from gateway.adapters.price_book import PriceBook
from gateway.bootstrap.offline_view import open_view
from gateway.cli.demo import PORT
from gateway.cli.demo_conversation import PROMPTS
from gateway.cli.demo_local_model import missing_package
from tests.support.demo_process import DemoProcess, running_demo
from tests.support.upstream_thread import UpstreamThread

ROW = re.compile(
    r"^ ?(?P<number>\d+) (?P<prompt>.+?)  +(?P<tier>\w+) +(?P<model>[\w.-]+) +(?P<tokens>\d+\+\d+)"
    r" +(?P<cost>[\d.]+|unpriced) +(?P<baseline>[\d.]+|unpriced) +(?P<saved>-?[\d.]+|unpriced)$",
    re.MULTILINE,
)
TURN = re.compile(r"^    (\w+), score (\d\.\d+) -> ([\w.-]+), ([\d.]+) µ\$$", re.MULTILINE)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Shown:
    """A demo that has ended: its exit code and all it wrote."""

    code: int
    text: str
    errors: str

    @property
    def rows(self) -> list[Mapping[str, str]]:
        return [row.groupdict() for row in ROW.finditer(self.text)]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """`fareway demo --exit` as `make demo DEMO_EXIT=1` runs it."""
    with running_demo(tmp_path_factory.mktemp("demo"), "--exit", with_model=True) as demo:
        return ended(demo)


def ended(demo: DemoProcess) -> Shown:
    return Shown(demo.read_all(), demo.shown, demo.errors.read_text())


def test_a_run_that_leaves_ends_well_and_silently(whole_run: Shown) -> None:
    assert (whole_run.code, whole_run.errors) == (0, ""), whole_run.text


def test_every_prompt_is_shown_with_tier_score_model_and_cost(whole_run: Shown) -> None:
    assert [prompt for prompt in PROMPTS if prompt not in whole_run.text] == []
    assert len(TURN.findall(whole_run.text)) == len(PROMPTS)


def test_the_easy_prompt_goes_to_the_cheap_tier_and_the_hard_ones_to_the_strong(
    whole_run: Shown,
) -> None:
    tiers = {row["prompt"]: row["tier"] for row in whole_run.rows}
    models = {row["tier"]: row["model"] for row in whole_run.rows}

    assert tiers["What is 2+2?"] == "simple"
    assert tiers["Write a business plan for a coffee shop"] == "complex"
    assert tiers[PROMPTS[-1]] == "research"
    assert models["simple"] != models["complex"] == models["research"] == "scripted-strong"


def test_the_tables_columns_add_up(whole_run: Shown) -> None:
    rows = whole_run.rows
    total = re.search(r"^total .*$", whole_run.text, re.MULTILINE)

    assert [row["number"] for row in rows] == [str(n + 1) for n in range(len(PROMPTS))]
    for row in rows:
        assert nano(row["saved"]) == nano(row["baseline"]) - nano(row["cost"])
    assert total is not None
    assert [nano(figure) for figure in total[0].split()[-3:]] == [
        sum(nano(row[column]) for row in rows) for column in ("cost", "baseline", "saved")
    ]


def test_what_a_stream_says_it_cost_is_what_the_ledger_books(whole_run: Shown) -> None:
    streamed = [cost for *_, cost in TURN.findall(whole_run.text)]

    assert streamed == [row["cost"] for row in whole_run.rows]


def test_the_cheap_tier_saves_and_the_strong_one_saves_nothing(whole_run: Shown) -> None:
    for row in whole_run.rows:
        assert (nano(row["saved"]) > 0) == (row["tier"] == "simple")


def test_it_says_what_is_real_and_what_is_scripted(whole_run: Shown) -> None:
    if missing := missing_package():
        pytest.skip(f"{missing} is not installed: no wheel for this platform?")

    (real,) = re.findall(r"^Real: .*$", whole_run.text, re.MULTILINE)
    (scripted,) = re.findall(r"^Scripted: .*$", whole_run.text, re.MULTILINE)
    assert "smollm2-135m's answers" in real
    assert "scripted-strong's answers" in scripted
    assert "scripted-strong" not in real
    assert "has no price of its own" in whole_run.text


@dataclass(frozen=True, slots=True)
class Afterwards:
    """A demo that kept serving: what its users got, and how it ended."""

    shown: str
    base_url: str
    answer: str
    docs_status: int
    ledger_rows: int
    code: int


@pytest.fixture(scope="module")
def afterwards(tmp_path_factory: pytest.TempPathFactory) -> Afterwards:
    """It finds its usual port taken and no small model, is used as it says, and is ended."""
    with usual_port_taken(), running_demo(tmp_path_factory.mktemp("serving")) as demo:
        base_url, key, docs, admin_key = (
            demo.read_until(f"  {name} ").split()[index]
            for name, index in (("base URL", 2), ("key", 1), ("docs", 1), ("admin key", 2))
        )
        with openai.OpenAI(base_url=base_url, api_key=key, max_retries=0) as client:
            answer = client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "Prove Fermat's last theorem."}]
            )
        with httpx2.Client(headers={"authorization": f"Bearer {admin_key}"}) as http:
            docs_status = http.get(docs).status_code
            ledger = http.get(base_url.replace("/v1", "/admin/v1/ledger"))
        code = demo.end_by(signal.SIGINT)
        demo.until_nothing_is_left()
        return Afterwards(
            shown=demo.shown,
            base_url=base_url,
            answer=answer.choices[0].message.content or "",
            docs_status=docs_status,
            ledger_rows=len(ledger.json()["data"]),
            code=code,
        )


class usual_port_taken:  # noqa: N801 - reads as the fact it makes
    def __enter__(self) -> None:
        self._taken = socket.socket()
        self._taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody else's is as good
            self._taken.bind(("127.0.0.1", PORT))
            self._taken.listen()

    def __exit__(self, *_: object) -> None:
        self._taken.close()


def test_it_keeps_serving_on_what_it_prints(afterwards: Afterwards) -> None:
    assert afterwards.docs_status == 200
    assert afterwards.ledger_rows >= len(PROMPTS)


def test_the_stand_in_says_in_each_answer_that_it_is_one(afterwards: Afterwards) -> None:
    assert afterwards.answer.startswith("I am a scripted stand-in for a strong model")


def test_a_taken_port_is_gone_around(afterwards: Afterwards) -> None:
    assert not afterwards.base_url.startswith(f"http://127.0.0.1:{PORT}/")


def test_where_the_small_model_cannot_run_it_says_so_and_goes_on(afterwards: Afterwards) -> None:
    assert re.search(r"scripted-small: SCRIPTED, since the small model cannot", afterwards.shown)
    assert "smollm2-135m's answers" not in afterwards.shown


def test_ctrl_c_ends_it_well(afterwards: Afterwards) -> None:
    assert afterwards.code == 0
    assert afterwards.shown.endswith("Stopped.\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_before_its_end_it_fails_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    with running_demo(tmp_path) as demo:
        demo.read_until("ready after")

        code = demo.end_by(number)

        demo.until_nothing_is_left()
        assert code == 1
        assert "stopped before the conversation was over" in demo.errors.read_text()


def test_killed_it_takes_its_programs_and_files_along(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo:
        demo.read_until("ready after")

        code = demo.end_by(signal.SIGKILL)

        assert len(demo.origins) == 3
        assert code == -signal.SIGKILL
        demo.until_nothing_is_left()


def test_a_strong_service_that_the_environment_names_is_asked(
    tmp_path: Path, upstream: UpstreamThread
) -> None:
    named = {
        "FAREWAY_DEMO_STRONG_BASE_URL": upstream.base_url,
        "FAREWAY_DEMO_STRONG_MODEL": "some-strong-model",
        "FAREWAY_DEMO_STRONG_API_KEY": "key-of-that-service",
    }

    with running_demo(tmp_path, "--exit", environ=named) as demo:
        shown = ended(demo)

    call = upstream.call_with(PROMPTS[-1])
    assert shown.code == 0, shown.errors
    assert b'"model":"some-strong-model"' in call.body
    assert dict(call.headers)["authorization"] == "Bearer key-of-that-service"
    assert "real money" in shown.text
    assert shown.rows[-1]["cost"] == "unpriced"


def test_a_strong_service_without_a_models_name_is_refused(tmp_path: Path) -> None:
    environ = {"FAREWAY_DEMO_STRONG_BASE_URL": "http://127.0.0.1:9/v1"}

    with running_demo(tmp_path, "--exit", environ=environ) as demo:
        shown = ended(demo)

    assert shown.code == 1
    assert "FAREWAY_DEMO_STRONG_MODEL is not" in shown.errors


def test_a_strong_service_that_does_not_answer_ends_the_demo_with_the_reason(
    tmp_path: Path, refused_port: int
) -> None:
    environ = {
        "FAREWAY_DEMO_STRONG_BASE_URL": f"http://127.0.0.1:{refused_port}/v1",
        "FAREWAY_DEMO_STRONG_MODEL": "some-strong-model",
    }

    with running_demo(tmp_path, "--exit", environ=environ) as demo:
        shown = ended(demo)
        demo.until_nothing_is_left()

    assert shown.code == 1
    assert '"Explain quantum physics" failed: Error code: 503' in shown.errors
    assert "Traceback" not in shown.errors


def test_the_prices_it_assumes_are_the_published_ones(tmp_path: Path) -> None:
    environ = {
        "FAREWAY_DEMO_STATE": str(tmp_path),
        "FAREWAY_DEMO_KEY": "key-of-the-tenant",
        "FAREWAY_DEMO_ADMIN_KEY": "key-of-the-operator",
        "FAREWAY_DEMO_STRONG_KEY": "",
        "FAREWAY_DEMO_STRONG_MODEL": "scripted-strong",
        "FAREWAY_DEMO_CHEAP": "scripted-small",
        "FAREWAY_DEMO_CHEAP_URL": "http://127.0.0.1:9/v1",
        "FAREWAY_DEMO_STRONG": "scripted-strong",
        "FAREWAY_DEMO_STRONG_URL": "http://127.0.0.1:9/v1",
        "FAREWAY_DEMO_STRONG_AUTH": "none",
    }
    book = PriceBook(at=datetime.now(UTC))

    models = open_view(Path("config/demo.yaml"), environ).catalog.models

    for name, published in (
        ("smollm2-135m", "gpt-4o-mini"),
        ("scripted-small", "gpt-4o-mini"),
        ("scripted-strong", "gpt-4.1"),
    ):
        facts = book.lookup(
            provider_name="openai",
            base_url="https://api.openai.com/v1",
            upstream_model=published,
        )
        price = models[name][0].price
        assert facts is not None
        assert facts.price is not None
        assert price is not None
        assert price.rates == facts.price.rates, name


def nano(micro: str) -> int:
    """Nano-dollars of an amount in millionths of a dollar with three decimals."""
    return int(micro.replace(".", ""))
