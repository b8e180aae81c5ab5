"""What stands behind the demo's two tiers: a real model, or a script that says it is none."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.demo_local_model import missing_package
from gateway.cli.demo_programs import DemoFailed, running

SMALL_MODEL = "smollm2-135m"
OPENAI_URL = "https://api.openai.com/v1"
OPENAI_MODEL = "gpt-4.1"


@dataclass(frozen=True, slots=True)
class Tier:
    """`model` is the name in config/demo.yaml, `what` says in words what answers under it."""

    model: str
    base_url: str
    what: str
    is_real: bool
    api_key: str = ""
    upstream_model: str = ""


@contextmanager
def cheap_tier(folder: Path, environ: Mapping[str, str]) -> Iterator[Tier]:
    """A small model on this machine; where it cannot run, a scripted one that tells why."""
    missing = missing_package()
    if missing is None:
        with running("model", log=folder / "model.log", environ=environ) as program:
            try:
                base_url = program.wait_until_listening()
            except DemoFailed as failure:
                reason = f"its server did not start, {_last_line(failure)}"
            else:
                what = "SmolLM2-135M, a real model on this machine (llama.cpp, one thread)"
                yield Tier(SMALL_MODEL, base_url, what, is_real=True)
                return
    else:
        reason = f"{missing} is not installed, or has no wheel for this platform"
    with running("scripted", "scripted-small", log=folder / "small.log", environ=environ) as played:
        what = f"SCRIPTED, since the small model cannot run here: {reason}"
        yield Tier("scripted-small", played.wait_until_listening(), what, is_real=False)


@contextmanager
def strong_tier(folder: Path, environ: Mapping[str, str]) -> Iterator[Tier]:
    """The model the environment names, else a scripted stand-in."""
    named = named_strong_tier(environ)
    if named is not None:
        yield named
        return
    log = folder / "strong.log"
    with running("scripted", "scripted-strong", log=log, environ=environ) as program:
        what = "SCRIPTED stand-in for a strong model (set OPENAI_API_KEY for a real one)"
        yield Tier("scripted-strong", program.wait_until_listening(), what, is_real=False)


def named_strong_tier(environ: Mapping[str, str]) -> Tier | None:
    """FAREWAY_DEMO_STRONG_BASE_URL before OPENAI_API_KEY. Raises DemoFailed for a URL alone."""
    base_url = environ.get("FAREWAY_DEMO_STRONG_BASE_URL", "")
    model = environ.get("FAREWAY_DEMO_STRONG_MODEL", "")
    if base_url:
        if not model:
            raise DemoFailed(
                "FAREWAY_DEMO_STRONG_BASE_URL is set but FAREWAY_DEMO_STRONG_MODEL is not: "
                "name the model to ask for there"
            )
        key = environ.get("FAREWAY_DEMO_STRONG_API_KEY", "")
    else:
        key = environ.get("OPENAI_API_KEY", "")
        base_url = environ.get("OPENAI_BASE_URL") or OPENAI_URL
        model = model or OPENAI_MODEL
        if not key:
            return None
    what = f"{model} at {base_url}, a real service: these calls cost real money"
    return Tier("strong", base_url, what, is_real=True, api_key=key, upstream_model=model)


def _last_line(failure: DemoFailed) -> str:
    return str(failure).splitlines()[-1].strip()
