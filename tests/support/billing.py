"""Provider's bills against the ledger: what must hold of them, whatever happened on the way."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from prometheus_client.parser import text_string_to_metric_families

from tests.support.billing_load import Seen
from tests.support.billing_scene import MODEL_OF_UPSTREAM, TARIFFS
from tests.support.gateway_process import Json

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BilledCall:
    """One line of a provider's bill, priced by ourselves."""

    mark: str
    model: str
    upstream_id: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int

    @property
    def nano_usd(self) -> int:
        return TARIFFS[self.model].nano_usd(
            input_tokens=self.input_tokens,
            cached_tokens=self.cached_input_tokens,
            output_tokens=self.output_tokens,
        )


TOKEN_COLUMNS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")


def billed_call(line: Json) -> BilledCall:
    usage = line["usage"]
    return BilledCall(
        mark=line["user"],
        model=MODEL_OF_UPSTREAM[line["model"]],
        upstream_id=line["upstream_id"],
        input_tokens=usage["input"],
        cached_input_tokens=usage["cached"],
        output_tokens=usage["output"],
        reasoning_tokens=usage["reasoning"],
    )


@dataclass
class Books:
    """What the clients saw, what the providers bill, what the ledger says."""

    seen: list[Seen]
    bill: list[BilledCall]
    rows: list[Json]

    @cached_property
    def rows_by_mark(self) -> dict[str, list[Json]]:
        """Rows of each request, by the id its client gave it."""
        found: dict[str, list[Json]] = {seen.ask.mark: [] for seen in self.seen}
        for row in self.rows:
            found[row["client_request_id"]].append(row)
        return found

    def reported(self) -> Iterator[Json]:
        return (row for row in self.rows if row["usage_source"] == "reported")


def check_every_row_is_settled(books: Books) -> None:
    assert {row["state"] for row in books.rows} <= {"settled", "void"}
    assert all(row["outcome"] for row in books.rows)


def check_no_row_is_double(books: Books) -> None:
    keys = Counter((row["request_id"], row["attempt"]) for row in books.rows)
    ids = Counter(row["upstream_id"] for row in books.rows if row["upstream_id"])
    assert max(keys.values()) == 1
    assert max(ids.values()) == 1
    for mark, rows in books.rows_by_mark.items():
        assert len({row["request_id"] for row in rows}) <= 1, mark
        attempts = sorted(int(row["attempt"]) for row in rows)
        assert attempts == list(range(1, len(rows) + 1)), mark


def check_reported_rows_equal_the_bill(books: Books) -> None:
    """To the token and to the nano-dollar, row by row and in sum."""
    bill = {call.upstream_id: call for call in books.bill}
    billed = booked = 0
    for row in books.reported():
        call = bill[row["upstream_id"]]
        said = {column: row[column] for column in TOKEN_COLUMNS}
        assert said == {column: getattr(call, column) for column in TOKEN_COLUMNS}, row
        assert (row["model"], row["cost_nano_usd"]) == (call.model, call.nano_usd), row
        billed += call.nano_usd
        booked += row["cost_nano_usd"]
    assert booked == billed > 0


def check_every_billed_call_has_its_row(books: Books) -> None:
    """By upstream_id, or, where the answer's own id was never received, by request and model."""
    billed = {call.upstream_id for call in books.bill}
    joined = {row["upstream_id"] for row in books.rows} & billed
    open_rows = Counter(
        (row["client_request_id"], row["model"])
        for row in books.rows
        if row["upstream_id"] not in billed and row["state"] == "settled"
    )
    open_calls = Counter(
        (call.mark, call.model) for call in books.bill if call.upstream_id not in joined
    )
    missing = open_calls - open_rows
    assert not missing


def check_every_delivered_answer_was_billed(books: Books) -> None:
    """No row names an answer the provider knows nothing of."""
    billed = {call.upstream_id for call in books.bill}
    delivered = {row["upstream_id"] for row in books.rows if row["delivered"]}
    assert delivered <= billed


def check_each_answer_has_one_delivered_row(books: Books) -> None:
    for seen in books.seen:
        rows = books.rows_by_mark[seen.ask.mark]
        delivered = [row for row in rows if row["delivered"]]
        if seen.status == 200:
            assert len(delivered) == 1, seen
            assert delivered[0]["request_id"] == seen.request_id
            assert delivered[0]["baseline_nano_usd"] is not None
        elif seen.status is not None:
            assert not delivered, seen
        else:
            assert len(delivered) <= 1, seen


def check_each_complete_answer_is_settled_ok(books: Books) -> None:
    """Whole answers alone: of an answer that a kill cut off nobody wrote down that it began."""
    for seen in books.seen:
        if seen.is_complete:
            rows = books.rows_by_mark[seen.ask.mark]
            assert [row["outcome"] for row in rows if row["delivered"]] == ["ok"], seen
            assert {row["request_id"] for row in rows} == {seen.request_id}
            assert {row["state"] for row in rows} <= {"settled", "void"}, seen


def check_clients_were_told_the_cost(books: Books) -> None:
    """The sum of x-fareway-cost-usd is the sum of the rows of those plain answers."""
    told = booked = Decimal(0)
    for seen in books.seen:
        if seen.is_complete and not seen.ask.is_stream:
            assert seen.cost_usd is not None
            told += Decimal(seen.cost_usd)
            booked += sum(
                Decimal(row["cost_nano_usd"]) for row in books.rows_by_mark[seen.ask.mark]
            )
    assert told * 10**9 == booked > 0


def check_killed_calls_cover_their_bill(books: Books) -> None:
    """A call nobody saw the end of is booked at its hold, which is no less than its bill."""
    bill: dict[tuple[str, str], int] = {}
    for call in books.bill:
        key = (call.mark, call.model)
        bill[key] = bill.get(key, 0) + call.nano_usd
    for row in books.rows:
        if row["outcome"] == "unknown":
            assert row["error_code"] == "killed"
            assert row["cost_nano_usd"] == row["held_nano_usd"]
            assert row["cost_nano_usd"] >= bill.get((row["client_request_id"], row["model"]), 0)


def check_counters_equal_the_ledger(books: Books, metrics: str) -> None:
    """Of a gateway that ran all of these requests and no others."""
    told = _counters(metrics)
    last = [max(rows, key=lambda row: int(row["attempt"])) for rows in _by_request(books.rows)]
    assert told["fareway_requests_total"] == Counter(
        (
            row["tenant"],
            row["route"] or "none",
            row["model"],
            row["tier"] or "none",
            row["outcome"],
        )
        for row in last
    )
    assert told["fareway_attempts_total"] == Counter(
        (row["provider"], row["model"], row["outcome"]) for row in books.rows
    )
    tokens: Counter[Labels] = Counter()
    costs: Counter[Labels] = Counter()
    for row in books.rows:
        for column in (*TOKEN_COLUMNS, "cache_write_tokens"):
            labels = (row["tenant"], row["model"], column.removesuffix("_tokens"))
            tokens[labels] += row[column] or 0
        costs[row["tenant"], row["model"]] += row["cost_nano_usd"]
    assert told["fareway_tokens_total"] == +tokens
    told_nano = {labels: round(usd * 1e9) for labels, usd in told["fareway_cost_usd_total"].items()}
    assert told_nano == +costs
    assert told["fareway_invariant_violations_total"] == {(): 0}
    assert "fareway_hold_exceeded_total" not in told


def _by_request(rows: Iterable[Json]) -> Iterable[list[Json]]:
    found: dict[str, list[Json]] = {}
    for row in rows:
        found.setdefault(row["request_id"], []).append(row)
    return found.values()


_LABELS = {
    "fareway_requests_total": ("tenant", "route", "model", "tier", "outcome"),
    "fareway_attempts_total": ("provider", "model", "outcome"),
    "fareway_tokens_total": ("tenant", "model", "kind"),
    "fareway_cost_usd_total": ("tenant", "model"),
    "fareway_invariant_violations_total": (),
    "fareway_hold_exceeded_total": ("provider", "model"),
}


def _counters(metrics: str) -> dict[str, dict[Labels, float]]:
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name in _LABELS:
                labels = tuple(sample.labels[name] for name in _LABELS[sample.name])
                found.setdefault(sample.name, {})[labels] = sample.value
    return found
