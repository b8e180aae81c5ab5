"""What importing does, seen from a fresh interpreter: nothing (STYLE 30)."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Runs `imports` and prints what happened meanwhile as JSON. Environment reads are counted only where
# the code that reads is the gateway's: libraries read theirs (NO_COLOR, SSL_CERT_FILE, ...).
PROBE = """
import collections.abc, importlib, json, os, pkgutil, sys, threading

seen = {"written": [], "sockets": [], "processes": [], "environment": []}

def watch(event, args):
    if event == "open" and isinstance(args[0], str) and not args[0].endswith(".pyc"):
        mode, flags = args[1] or "", args[2] or 0
        if set(mode) & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            if args[0] != os.devnull and ".pyc." not in args[0]:
                seen["written"].append(args[0])
    elif event.startswith("socket.") and event not in ("socket.__new__",):
        seen["sockets"].append(event)
    elif event in ("subprocess.Popen", "os.posix_spawn", "os.fork"):
        seen["processes"].append(event)

class Environment(collections.abc.MutableMapping):
    def __init__(self, real): self.real = real
    def _read(self, name):
        caller = sys._getframe(1)
        while caller.f_globals["__name__"] in (__name__, "os", "collections.abc", "_collections_abc"):
            caller = caller.f_back
            if caller is None: return
        if caller.f_globals["__name__"].partition(".")[0] == "gateway":
            seen["environment"].append(str(name))
    def __getitem__(self, name): self._read(name); return self.real[name]
    def __iter__(self): self._read("*"); return iter(self.real)
    def __len__(self): return len(self.real)
    def __setitem__(self, name, value): self.real[name] = value
    def __delitem__(self, name): del self.real[name]
    def copy(self): return dict(self.real)

os.environ = Environment(os.environ)
before = set(sys.modules)
sys.addaudithook(watch)

def modules(*parents):
    for parent in parents:
        package = importlib.import_module(parent)
        for module in pkgutil.walk_packages(getattr(package, "__path__", []), parent + "."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)

{imports}

new = set(sys.modules) - before
seen["modules"] = sorted(new)
seen["installed"] = sorted(
    name for name in new
    if "site-packages" in (getattr(sys.modules[name], "__file__", None) or "")
)
seen["threads"] = [thread.name for thread in threading.enumerate()][1:]
print(json.dumps(seen))
"""


def probe(imports: str) -> dict[str, list[str]]:
    run = subprocess.run(
        [sys.executable, "-c", PROBE.replace("{imports}", imports)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, list[str]] = json.loads(run.stdout)
    return found


def test_importing_the_package_does_nothing_and_loads_nothing() -> None:
    found = probe("import gateway")

    assert found["modules"] == ["gateway"]
    assert not [effect for effect in found if effect != "modules" and found[effect]]


def test_importing_every_module_has_no_effect() -> None:
    found = probe("modules('gateway')")

    assert len([name for name in found["modules"] if name.startswith("gateway.")]) > 10
    for effect in ("written", "sockets", "processes", "environment", "threads"):
        assert not found[effect], effect


def test_core_needs_the_standard_library_alone() -> None:
    assert not probe("modules('gateway.core')")["installed"]


def test_what_serves_never_imports_training() -> None:
    found = probe("modules('gateway.app', 'gateway.bootstrap', 'gateway.edge', 'gateway.adapters')")

    tops = {name.partition(".")[0] for name in found["modules"]}
    assert not tops & {"sklearn", "scipy", "pandas", "pyarrow", "joblib"}
    assert not [name for name in found["modules"] if name.startswith("gateway.offline")]
