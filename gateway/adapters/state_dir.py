"""The gateway's own folder: one process at a time, and an id that outlives restarts.

The lock is the kernel's, so a killed process leaves none behind.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.core.errors import ConfigError

_LOCK_NAME = "lock"
_INSTANCE_NAME = "instance"
_INSTANCE_BYTES = 16  # as many as a UUID: two gateways on one database never share an id
_OWNER_ONLY = 0o700  # journals hold tenants' facts


@dataclass(frozen=True, slots=True)
class StateDir:
    """A state folder that is ours alone. `instance_id` names the rows this folder's runs wrote."""

    path: Path
    instance_id: str


@contextmanager
def hold_state_dir(path: Path) -> Iterator[StateDir]:
    """Raises ConfigError where another process holds the folder or it cannot be used."""
    try:
        path.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        lock = os.open(path / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"server.state_dir {path} cannot be used: {error.strerror}") from error
    try:
        _lock(lock, path)
        yield StateDir(path=path, instance_id=_instance_id(path))
    finally:
        os.close(lock)


def _lock(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(
            f"server.state_dir {path} is in use by another process; give each gateway its own"
        ) from error


def _instance_id(path: Path) -> str:
    file = path / _INSTANCE_NAME
    try:
        if not file.exists():
            draft = file.with_suffix(".new")  # renamed when whole: a crash leaves no half an id
            draft.write_text(secrets.token_hex(_INSTANCE_BYTES) + "\n", encoding="ascii")
            draft.replace(file)
        text = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be used: {error}") from error
    if len(text) != 2 * _INSTANCE_BYTES or not text.isalnum():
        raise ConfigError(f"{file} is not an instance id; remove it if its database is new")
    return text
