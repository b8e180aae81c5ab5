"""What is refused before anything is sent: no upstream is called, no row is left."""

import pytest

from gateway.core.catalog import Tenant
from gateway.core.errors import (
    ContextLengthExceeded,
    InvalidApiKey,
    InvalidRequest,
    MaxCostExceeded,
    ModelNotAllowed,
    ModelNotFound,
    OnlyIfCachedMiss,
    Refusal,
    StoreUnavailable,
    TenantDisabled,
    UnsupportedCapability,
)
from gateway.core.ids import OrganisationId, TenantId
from tests.fakes import FakeLedger, FakeUpstream
from tests.support.flow_scene import Scene, a_catalog, a_model, chat, plain


class FullLedger(FakeLedger):
    def append(self, rows: object) -> None:
        del rows
        raise StoreUnavailable("full")


async def test_nothing_is_sent_where_the_ledger_takes_no_row() -> None:
    scene = Scene(FakeUpstream(plain()), ledger_port=FullLedger())

    with pytest.raises(StoreUnavailable):
        await scene.ask(chat())

    assert scene.upstream.calls == []


DISABLED = Tenant(TenantId("acme"), OrganisationId("acme"), disabled=True)
NARROW = Tenant(TenantId("acme"), OrganisationId("acme"), allow=frozenset({"auto"}))


@pytest.mark.parametrize(
    ("body", "changes", "tenant", "refusal"),
    [
        (chat(), {"key": None}, None, InvalidApiKey),
        (chat(), {"key": "wrong"}, None, InvalidApiKey),
        (chat(), {}, DISABLED, TenantDisabled),
        (chat("large"), {}, NARROW, ModelNotAllowed),
        (chat("gone"), {}, None, ModelNotFound),
        (chat("auto:2"), {}, None, ModelNotFound),
        (b"{", {}, None, InvalidRequest),
        (chat(), {"tags": "no pairs"}, None, InvalidRequest),
        (chat(), {"max_cost_usd": "lots"}, None, InvalidRequest),
        (chat(), {"max_cost_usd": "0"}, None, MaxCostExceeded),
        (chat(), {"cache_control": "only-if-cached"}, None, OnlyIfCachedMiss),
        (chat(text="word " * 9_000), {}, None, ContextLengthExceeded),
    ],
)
async def test_refusals_reach_no_upstream_and_leave_no_row(
    body: bytes, changes: dict[str, object], tenant: Tenant | None, refusal: type[Refusal]
) -> None:
    scene = Scene(FakeUpstream(plain()))
    scene.tenant = tenant or scene.tenant

    with pytest.raises(refusal):
        await scene.ask(body, **changes)

    assert scene.upstream.calls == []
    assert scene.rows() == []


async def test_narrow_tenant_may_use_its_routes_models() -> None:
    scene = Scene(FakeUpstream(plain()), tenant=NARROW)

    await scene.ask(chat("auto:max"))

    assert scene.rows()[0].model == "large"


async def test_capability_nobody_has_is_refused() -> None:
    catalog = a_catalog(a_model("small", supports=frozenset()))
    scene = Scene(FakeUpstream(plain()), catalog=catalog)

    with pytest.raises(UnsupportedCapability, match="tools"):
        await scene.ask(chat(more=',"tools":[{"type":"function","function":{"name":"f"}}]'))


@pytest.mark.parametrize(
    "tags", ["team=search", "team=search,env=prod", "a.b:c-d_e=", "path=/x/y z"]
)
async def test_tags_that_read_as_documented_are_kept_as_sent(tags: str) -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat(), tags=tags)

    assert scene.rows()[0].tags == tags


@pytest.mark.parametrize(
    "tags", ["team", "=x", "a=b;c=d", "a=b,,c=d", "a=\u00e9", "a=b\n", "k=" + "v" * 511]
)
async def test_other_tags_are_refused(tags: str) -> None:
    scene = Scene(FakeUpstream(plain()))

    with pytest.raises(InvalidRequest) as refused:
        await scene.ask(chat(), tags=tags)

    assert refused.value.param == "x-fareway-tags"
