"""The figures as a table for people and as JSON for programs."""

from dataclasses import asdict, dataclass

from bench.cases import CASES
from bench.machine import Calibration, Machine
from bench.measuring import Measured

NO_NGINX = (
    "nginx is not installed, so there is nothing to compare with: the gateway was measured alone. "
    "Install it (Debian: apt-get install nginx-light wrk) and run again."
)
_COLUMNS = ("case", "at once", "target", "CPU us", "x nginx", "req/s", "p50 ms", "p99 ms")
_ADDED = ("added p50", "added p99")


@dataclass(frozen=True, slots=True)
class Report:
    """CPU time is per request, user and system; latency is the client's."""

    version: str
    machine: Machine
    calibration_before: Calibration
    calibration_after: Calibration
    generator: str
    rounds: int
    seconds: float
    overhead_ms_median: float
    measured: list[Measured]

    def to_json(self) -> dict[str, object]:
        rows = [{**asdict(each), "cpu_ratio_to_nginx": self._ratio(each)} for each in self.measured]
        return {**asdict(self), "measured": rows}

    def table(self) -> str:
        order = [case.name for case in CASES]
        rows = sorted(self.measured, key=lambda one: (one.connections, order.index(one.case)))
        lines = [*self._head(), "", *(f"{case.name}: {case.text}" for case in CASES), ""]
        lines += [_line(*_COLUMNS, *_ADDED), *(self._row(each) for each in rows), ""]
        lines.append(f"x-fareway-overhead-ms, one at a time, median: {self.overhead_ms_median:.3f}")
        if not any(each.target == "nginx" for each in rows):
            lines += ["", NO_NGINX]
        return "\n".join(lines)

    def _head(self) -> list[str]:
        machine, before, after = self.machine, self.calibration_before, self.calibration_after
        sums = f"{before.sum_range_ms:.0f} / {after.sum_range_ms:.0f} ms"
        digests = f"{before.hmac_digest_us:.2f} / {after.hmac_digest_us:.2f} us"
        return [
            f"fareway {self.version}, Python {machine.python}, kernel {machine.kernel}",
            f"{machine.cpu}, {machine.cores} cores, load {machine.load_1m:.2f} at the start",
            f"{self.rounds} rounds of {self.seconds:g} s, medians; load from {self.generator}",
            f"speed before / after: sum(range(3,000,000)) {sums}, hmac.digest {digests}",
        ]

    def _row(self, each: Measured) -> str:
        ratio = self._ratio(each)
        latencies_us = (each.p50_us, each.p99_us, each.added_p50_us, each.added_p99_us)
        return _line(
            each.case,
            each.connections,
            each.target,
            "" if each.cpu_us is None else f"{each.cpu_us:.0f}",
            "" if ratio is None else f"{ratio:.1f}",
            f"{each.requests_per_s:.0f}",
            *(f"{latency_us / 1000:.2f}" for latency_us in latencies_us),
        )

    def _ratio(self, each: Measured) -> float | None:
        """CPU beside nginx's in the same case; None for all but the gateway."""
        if each.target != "gateway" or each.cpu_us is None:
            return None
        for other in self.measured:
            same = (other.case, other.connections) == (each.case, each.connections)
            if same and other.target == "nginx" and other.cpu_us:
                return each.cpu_us / other.cpu_us
        return None


def _line(*cells: object) -> str:
    return "".join(
        str(cell).ljust(9) if place in {0, 2} else str(cell).rjust(9) + "  "
        for place, cell in enumerate(cells)
    ).rstrip()
