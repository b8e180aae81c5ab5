"""Where the files lie that ship with the product: in a checkout at its top, in a wheel inside."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped_dir(name: str) -> Path:
    """The folder `name` ('router_models', 'config') as installed."""
    packed = _PACKAGE / "_shipped" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name


def router_dir(name: str) -> Path:
    """A router's folder: the operator's own under ./router_models first, then the shipped one."""
    own = Path("router_models") / name
    return own if own.is_dir() else shipped_dir("router_models") / name
