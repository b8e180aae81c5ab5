"""Records as metrics: the documented names and labels, and amounts that add up."""

import re
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gateway.adapters.prometheus_meter import PrometheusMeter
from gateway.core.ids import TenantId
from gateway.core.record import AttemptRecord, Kind, Outcome, RequestRecord
from gateway.core.usage import Usage, UsageSource
from tests.contracts.meter import MeterContract
from tests.support.records import an_attempt, record

USD = 10**9
DELIVERED = an_attempt(
    delivered=True,
    usage=Usage(100, 20, UsageSource.REPORTED, cached_input_tokens=40, reasoning_tokens=5),
    cost_nano_usd=3 * USD,
    baseline_nano_usd=10 * USD,
    cached_discount_nano_usd=2 * USD,
    held_nano_usd=4 * USD,
    first_token_ms=300,
    duration_ms=2_000,
)
FAILED = an_attempt(
    outcome=Outcome.ERROR, error_code="timeout", usage=None, cost_nano_usd=1 * USD, duration_ms=900
)
CLIMBED = replace(DELIVERED, attempt=2, model="large", kind=Kind.ESCALATION)

# Every metric the documentation promises of what is built so far, with its labels.
DOCUMENTED = {
    "fareway_requests_total": "tenant route model tier outcome",
    "fareway_attempts_total": "provider model outcome",
    "fareway_tokens_total": "tenant model kind",
    "fareway_cost_usd_total": "tenant model",
    "fareway_baseline_usd_total": "tenant route",
    "fareway_saved_usd_total": "tenant cause",
    "fareway_overpaid_usd_total": "tenant cause",
    "fareway_escalations_total": "route from to reason",
    "fareway_overhead_seconds": "",
    "fareway_routing_seconds": "",
    "fareway_request_seconds": "route model",
    "fareway_time_to_first_token_seconds": "model",
    "fareway_router_score": "route",
    "fareway_ledger_lag_seconds": "",
    "fareway_unpriced_requests_total": "",
    "fareway_hold_exceeded_total": "provider model",
    "fareway_invariant_violations_total": "",
    "gen_ai_client_token_usage": "gen_ai_operation_name gen_ai_provider_name "
    "gen_ai_request_model gen_ai_token_type",
    "gen_ai_server_request_duration_seconds": "gen_ai_operation_name gen_ai_provider_name "
    "gen_ai_request_model",
    "gen_ai_server_time_to_first_token_seconds": "gen_ai_operation_name gen_ai_provider_name "
    "gen_ai_request_model",
}


def a_meter(*, max_tenants: int = 100) -> PrometheusMeter:
    return PrometheusMeter(lag_s=lambda: 1.5, max_tenants=max_tenants)


def observed(*records: RequestRecord) -> PrometheusMeter:
    meter = a_meter()
    for one in records:
        meter.observe(one)
    return meter


def samples(meter: PrometheusMeter) -> dict[tuple[str, str], float]:
    """Value by series name and its labels' values, in the order of their names."""
    found = {}
    for family in text_string_to_metric_families(meter.render().decode()):
        for sample in family.samples:
            labels = " ".join(value for name, value in sorted(sample.labels.items()))
            found[sample.name, labels] = sample.value
    return found


def value(meter: PrometheusMeter, name: str, **labels: str) -> float:
    """One series' value; 0 where it has not been counted yet."""
    text = " ".join(labels[name] for name in sorted(labels))
    return samples(meter).get((name, text), 0.0)


def label_names(meter: PrometheusMeter) -> Iterator[tuple[str, str]]:
    for family in text_string_to_metric_families(meter.render().decode()):
        for sample in family.samples:
            name = re.sub("_(bucket|sum|count)$", "", sample.name)
            yield name, " ".join(sorted(set(sample.labels) - {"le"}))


def test_every_documented_metric_is_there_with_its_labels() -> None:
    overpaid = replace(DELIVERED, cost_nano_usd=30 * USD)
    unpriced = an_attempt(cost_nano_usd=None)
    meter = observed(record(FAILED, CLIMBED), record(overpaid), record(unpriced))

    shown = dict(label_names(meter))

    assert shown == {name: " ".join(sorted(labels.split())) for name, labels in DOCUMENTED.items()}


def test_metrics_are_announced_before_anything_happened() -> None:
    text = a_meter().render().decode()

    for name in DOCUMENTED:
        assert f"# TYPE {name} " in text


def test_nothing_but_the_documented_series_is_shown() -> None:
    text = observed(record(DELIVERED)).render().decode()

    assert "_created" not in text
    assert "python_" not in text


def test_request_is_counted_by_what_it_ended_in() -> None:
    meter = observed(record(FAILED, replace(CLIMBED, tier="complex")), record(FAILED))

    counted = {labels for name, labels in samples(meter) if name == "fareway_requests_total"}
    # model, outcome, route, tenant, tier
    assert counted == {"large ok auto acme complex", "small error auto acme simple"}


def test_plain_model_has_no_route_and_no_tier() -> None:
    meter = observed(record(replace(DELIVERED, tier=None), route=None, score=None))

    found = {name: labels for (name, labels), _ in samples(meter).items() if "requests" in name}
    assert found["fareway_requests_total"] == "small ok none acme none"


def test_every_attempt_is_counted_and_every_climb_named() -> None:
    meter = observed(record(FAILED, CLIMBED))

    attempts = "fareway_attempts_total"
    assert value(meter, attempts, provider="up", model="small", outcome="error") == 1
    assert value(meter, attempts, provider="up", model="large", outcome="ok") == 1
    climb = {"route": "auto", "from": "small", "to": "large", "reason": "timeout"}
    assert value(meter, "fareway_escalations_total", **climb) == 1


def test_retry_within_a_tier_is_no_climb() -> None:
    meter = observed(record(FAILED, replace(CLIMBED, kind=Kind.RETRY)))

    assert not [name for name, _ in samples(meter) if name == "fareway_escalations_total"]


def test_tokens_are_counted_by_kind() -> None:
    meter = observed(record(DELIVERED))

    counted = {
        kind: value(meter, "fareway_tokens_total", tenant="acme", model="small", kind=kind)
        for kind in ("input", "cached_input", "output", "reasoning", "cache_write")
    }
    assert counted == {
        "input": 100,
        "cached_input": 40,
        "output": 20,
        "reasoning": 5,
        "cache_write": 0,
    }


def test_money_is_counted_in_dollars_over_all_attempts() -> None:
    meter = observed(record(FAILED, CLIMBED))

    assert value(meter, "fareway_cost_usd_total", tenant="acme", model="small") == 1
    assert value(meter, "fareway_cost_usd_total", tenant="acme", model="large") == 3
    assert value(meter, "fareway_baseline_usd_total", tenant="acme", route="auto") == 10


def saved(meter: PrometheusMeter, cause: str) -> tuple[float, float]:
    """What was saved and what was overpaid."""
    labels = {"tenant": "acme", "cause": cause}
    return (
        value(meter, "fareway_saved_usd_total", **labels),
        value(meter, "fareway_overpaid_usd_total", **labels),
    )


def test_savings_are_split_by_cause() -> None:
    # baseline 10, cost 3: 7 saved, 2 of them by the provider's prompt cache
    meter = observed(record(DELIVERED))

    assert (saved(meter, "prompt_cache"), saved(meter, "routing")) == ((2, 0), (5, 0))


def test_what_a_failed_attempt_cost_lessens_what_routing_saved() -> None:
    meter = observed(record(FAILED, CLIMBED))

    assert saved(meter, "routing") == (4, 0)


def test_overpaying_is_counted_apart_since_counters_only_rise() -> None:
    overpaid = replace(DELIVERED, cost_nano_usd=11 * USD, cached_discount_nano_usd=-3 * USD)
    meter = observed(record(overpaid))

    # 1 more than the baseline; writing to the cache cost 3 of it, so routing saved 2
    assert (saved(meter, "prompt_cache"), saved(meter, "routing")) == ((0, 3), (2, 0))


AMOUNTS = st.integers(0, 10**6).map(lambda cents: cents * 10**7)


@settings(max_examples=25)
@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_saved_less_overpaid_is_baseline_less_cost(cost: int, baseline: int, off: int) -> None:
    attempt = replace(
        DELIVERED, cost_nano_usd=cost, baseline_nano_usd=baseline, cached_discount_nano_usd=off
    )
    meter = observed(record(attempt))

    net = sum(
        plus - minus
        for plus, minus in (saved(meter, cause) for cause in ("routing", "prompt_cache"))
    )
    assert net == pytest.approx((baseline - cost) / USD)


def test_model_without_a_price_is_counted_and_not_as_free() -> None:
    meter = observed(record(an_attempt(cost_nano_usd=None)))

    assert value(meter, "fareway_unpriced_requests_total") == 1
    assert saved(meter, "routing") == (0, 0)


@pytest.mark.parametrize(("cost", "count"), [(4 * USD, 0), (4 * USD + 1, 1)])
def test_bill_above_its_hold_is_counted(cost: int, count: int) -> None:
    meter = observed(record(replace(DELIVERED, cost_nano_usd=cost)))

    assert value(meter, "fareway_hold_exceeded_total", provider="up", model="small") == count


def test_scores_fall_in_twentieths() -> None:
    meter = observed(record(DELIVERED, score=0.25), record(DELIVERED, score=0.26))

    found = samples(meter)
    buckets = {
        labels.split()[0]: count
        for (name, labels), count in found.items()
        if name == "fareway_router_score_bucket"
    }
    assert list(buckets) == [str(step / 20) for step in range(1, 21)] + ["+Inf"]
    assert (buckets["0.2"], buckets["0.25"], buckets["0.3"]) == (0, 1, 2)


def test_unscored_request_has_no_score_and_no_routing_time() -> None:
    meter = observed(record(DELIVERED, score=None))

    assert value(meter, "fareway_routing_seconds_count") == 0
    assert not [name for name, _ in samples(meter) if name.startswith("fareway_router_score")]


def test_times_are_told_in_seconds() -> None:
    meter = observed(record(DELIVERED))

    route = {"route": "auto", "model": "small"}
    assert value(meter, "fareway_request_seconds_sum", **route) == 1.5
    assert value(meter, "fareway_time_to_first_token_seconds_sum", model="small") == 0.3
    assert value(meter, "fareway_overhead_seconds_sum") == 0.002
    assert value(meter, "fareway_routing_seconds_sum") == 0.0005
    assert value(meter, "fareway_ledger_lag_seconds") == 1.5


def test_opentelemetrys_metrics_count_the_same_facts() -> None:
    meter = observed(record(DELIVERED))

    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "up",
        "gen_ai_request_model": "small",
    }
    usage = "gen_ai_client_token_usage_sum"
    assert value(meter, usage, **labels, gen_ai_token_type="input") == 100
    assert value(meter, usage, **labels, gen_ai_token_type="output") == 20
    assert value(meter, "gen_ai_server_request_duration_seconds_sum", **labels) == 2.0
    assert value(meter, "gen_ai_server_time_to_first_token_seconds_sum", **labels) == 0.3


def test_tenants_past_the_bound_share_one_label() -> None:
    meter = a_meter(max_tenants=1_000)
    for at in range(2_000):
        meter.observe(record(DELIVERED, tenant=TenantId(f"tenant-{at}")))

    counted = dict(
        re.findall(r'fareway_baseline_usd_total{.*tenant="(.*)"} (.*)', meter.render().decode())
    )
    assert len(counted) == 1_001
    assert float(counted["other"]) == 10_000


def test_known_tenant_keeps_its_label_once_the_bound_is_reached() -> None:
    meter = a_meter(max_tenants=1)
    for tenant in ("first", "second", "first"):
        meter.observe(record(DELIVERED, tenant=TenantId(tenant)))

    assert value(meter, "fareway_baseline_usd_total", tenant="first", route="auto") == 20


def test_what_clients_wrote_is_in_no_label() -> None:
    hostile = "attacker-chosen"
    meter = observed(
        record(
            replace(DELIVERED, upstream_id=hostile, finish_reason=hostile),
            client_request_id=hostile,
            requested_model=hostile,
            session=hostile,
            tags=f"team={hostile}",
            end_user=hostile,
        )
    )

    assert hostile not in meter.render().decode()


def test_names_from_the_configuration_are_escaped() -> None:
    odd = 'a"b\\c\nd'
    meter = observed(record(replace(DELIVERED, model=odd)))

    assert value(meter, "fareway_cost_usd_total", tenant="acme", model=odd) == 3


def test_two_meters_share_nothing() -> None:
    one, other = observed(record(DELIVERED)), a_meter()

    assert value(one, "fareway_cost_usd_total", tenant="acme", model="small") == 3
    assert value(other, "fareway_cost_usd_total", tenant="acme", model="small") == 0


def test_violation_is_counted() -> None:
    meter = a_meter()
    meter.violation()

    assert value(meter, "fareway_invariant_violations_total") == 1


def test_metrics_are_rendered_whole_while_others_are_observed() -> None:
    meter = a_meter()
    attempts: tuple[AttemptRecord, ...] = (DELIVERED,)

    def observe() -> None:
        for at in range(300):
            meter.observe(record(*attempts, tenant=TenantId(f"tenant-{at}")))

    thread = threading.Thread(target=observe)
    thread.start()
    while thread.is_alive():
        samples(meter)
    thread.join()

    assert value(meter, "fareway_overhead_seconds_count") == 300


class TestPrometheusMeter(MeterContract):
    @pytest.fixture
    def meter(self) -> PrometheusMeter:
        return a_meter()
