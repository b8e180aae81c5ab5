"""`python -m gateway.cli.demo_child ROLE …`: one of the demo's programs, which ends with the demo.

The demo holds the other end of its standard input: the end of that pipe, by closing or because the
demo was killed, is the signal to stop. Roles: `model` (llama.cpp), `scripted NAME`, `gateway FOLDER
CONFIG PORT`. Each says on standard output where it listens.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from threading import Event, Thread

# A program that does not end within this of being told to is ended hard.
END_S = 8.0


def main(arguments: list[str]) -> None:
    told = Event()
    match arguments:
        case ["model"]:
            from gateway.cli.demo_local_model import serve_local_model

            _watch(told)
            with serve_local_model(alias="smollm2-135m") as base_url:
                say_ready(base_url)
                told.wait()
        case ["scripted", name]:
            from gateway.cli.demo_scripted import ScriptedServer

            _watch(told)
            with ScriptedServer(name) as server:
                say_ready(server.base_url)
                told.wait()
        case ["gateway", folder, config, port]:
            _watch(told, also_signal=True)
            try:
                _serve(config, port)
            finally:
                if told.is_set():  # else the demo is alive and reads why this ended
                    shutil.rmtree(folder, ignore_errors=True)
        case _:
            raise SystemExit(f"usage: {__doc__}")


def say_ready(base_url: str) -> None:
    sys.stdout.write(f"listening {base_url}\n")
    sys.stdout.flush()


def _serve(config: str, port: str) -> None:
    from gateway.app import run

    run(Path(config), os.environ, host="127.0.0.1", port=int(port))


def _watch(told: Event, *, also_signal: bool = False) -> None:
    """Sets `told` when the demo closes the pipe or is gone, and then sees to it that we end."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass  # nothing is ever said here; only the end counts
        told.set()
        if also_signal:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(END_S)
        os._exit(1)

    Thread(target=watch, name="ends-with-the-demo", daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1:])
