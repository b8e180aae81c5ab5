"""CPU per request and added latency of the gateway, beside nginx as a reverse proxy."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench.load import find_generator
from bench.machine import calibrate, describe_machine
from bench.measuring import measure, overhead_ms_median
from bench.programs import running_targets
from bench.report import Report
from gateway import __version__


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of every case and target")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    arguments = parser.parse_args()
    machine, before = describe_machine(), calibrate()
    with (
        tempfile.TemporaryDirectory(prefix="fareway-bench-") as name,
        running_targets(_open_to_workers(Path(name))) as targets,
    ):
        generator = find_generator(Path(name))
        measured = measure(
            targets, generator, rounds=arguments.rounds, seconds=arguments.seconds, say=_progress
        )
        overhead_ms = overhead_ms_median(targets[-1])
    _progress("")
    report = Report(
        version=__version__,
        machine=machine,
        calibration_before=before,
        calibration_after=calibrate(),
        generator=generator.name,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        overhead_ms_median=overhead_ms,
        measured=measured,
    )
    print(json.dumps(report.to_json(), indent=1) if arguments.json else report.table())
    failed = sum(each.errors for each in measured)
    if failed:
        print(f"{failed} requests failed: these figures are void", file=sys.stderr)
    return 1 if failed else 0


def _open_to_workers(folder: Path) -> Path:
    folder.chmod(0o755)  # started by root, nginx's workers are another user
    return folder


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
