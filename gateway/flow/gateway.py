"""What the flow works with: the ports, and the configuration in force."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.core.catalog import Catalog
from gateway.flow.ports import Clock, Directory, Ledger, Meter, Scorer, TokenCounter, Upstream


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One configuration, resolved; swapped whole. A request keeps the one it began with."""

    catalog: Catalog
    directory: Directory
    scorers: Mapping[str, Scorer]


@dataclass(frozen=True, slots=True)
class Instruments:
    """What a decision is measured with; all that explaining one needs."""

    clock: Clock
    tokens: TokenCounter


@dataclass(slots=True)
class Gateway:
    """`random_bits(n)` gives n random bits; `pseudonym` turns an end user's id into its HMAC."""

    current: Snapshot
    clock: Clock
    upstream: Upstream
    ledger: Ledger
    meter: Meter
    tokens: TokenCounter
    random_bits: Callable[[int], int]
    pseudonym: Callable[[str], str]
    is_draining: bool = False

    @property
    def instruments(self) -> Instruments:
        return Instruments(self.clock, self.tokens)
