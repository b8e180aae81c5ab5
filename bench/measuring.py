"""Rounds in which every target takes its turn at every case, so that a busy moment hits all."""

import http.client
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.cases import CASES, KEY, PATH, Case
from bench.load import Generator
from bench.machine import cpu_seconds
from bench.programs import Target

CONNECTIONS = (1, 64)
_WARM_UP_S = 1.0
_OVERHEAD_REQUESTS = 300


@dataclass(frozen=True, slots=True)
class Sample:
    cpu_us: float | None  # per request; None for the upstream itself
    requests_per_s: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians over the rounds. Latency is added to the upstream's own, of the same round."""

    case: str
    connections: int
    target: str
    requests: int
    errors: int
    cpu_us: float | None
    requests_per_s: float
    p50_us: float
    p99_us: float
    added_p50_us: float
    added_p99_us: float


Key = tuple[str, int, str]


def measure(
    targets: Sequence[Target],
    generator: Generator,
    *,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[Measured]:
    samples: dict[Key, list[Sample]] = {}
    requests: dict[Key, int] = {}
    errors: dict[Key, int] = {}
    for target in targets:
        for case in CASES:
            generator.run(
                _port(target, case), case.body, connections=16, seconds=min(_WARM_UP_S, seconds)
            )
    for number in range(rounds):
        for connections in CONNECTIONS:
            for case in CASES:
                for target in targets:
                    say(f"round {number + 1}/{rounds}: {case.name} x{connections} {target.name}")
                    key = (case.name, connections, target.name)
                    began_cpu_s = cpu_seconds(target.pids)
                    load = generator.run(
                        _port(target, case), case.body, connections=connections, seconds=seconds
                    )
                    cpu_us = (cpu_seconds(target.pids) - began_cpu_s) * 1e6 / max(1, load.requests)
                    requests[key] = requests.get(key, 0) + load.requests
                    errors[key] = errors.get(key, 0) + load.errors
                    samples.setdefault(key, []).append(
                        Sample(
                            cpu_us=cpu_us if target.pids else None,
                            requests_per_s=load.requests / load.duration_us * 1e6,
                            p50_us=load.p50_us,
                            p99_us=load.p99_us,
                        )
                    )
    direct = targets[0].name
    return [
        _summary(key, samples[key], samples[key[0], key[1], direct], requests[key], errors[key])
        for key in samples
    ]


def overhead_ms_median(gateway: Target) -> float:
    """What the gateway itself says it took, one request at a time."""
    case = CASES[0]
    connection = http.client.HTTPConnection("127.0.0.1", gateway.plain_port, timeout=30)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    told = []
    for _ in range(_OVERHEAD_REQUESTS):
        connection.request("POST", PATH, case.body, headers)
        answer = connection.getresponse()
        answer.read()
        told.append(float(answer.headers["x-fareway-overhead-ms"]))
    connection.close()
    return median(told)


def _port(target: Target, case: Case) -> int:
    return target.paced_port if case.is_paced else target.plain_port


def _summary(
    key: Key, samples: list[Sample], direct: list[Sample], requests: int, errors: int
) -> Measured:
    cpu = [sample.cpu_us for sample in samples if sample.cpu_us is not None]
    pairs = list(zip(samples, direct, strict=True))
    case, connections, target = key
    return Measured(
        case=case,
        connections=connections,
        target=target,
        requests=requests,
        errors=errors,
        cpu_us=median(cpu) if cpu else None,
        requests_per_s=median(sample.requests_per_s for sample in samples),
        p50_us=median(sample.p50_us for sample in samples),
        p99_us=median(sample.p99_us for sample in samples),
        added_p50_us=median(own.p50_us - base.p50_us for own, base in pairs),
        added_p99_us=median(own.p99_us - base.p99_us for own, base in pairs),
    )
