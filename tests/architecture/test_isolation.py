"""The guards of tests/conftest.py hold, or every other test's promise of isolation is empty."""

import os
import socket

import pytest

from tests.conftest import NetworkIsClosedError


def test_a_foreign_address_is_refused_before_anything_is_sent() -> None:
    with socket.socket() as plain, pytest.raises(NetworkIsClosedError, match=r"192\.0\.2\.1"):
        plain.connect(("192.0.2.1", 443))


def test_a_foreign_name_is_not_looked_up() -> None:
    with pytest.raises(NetworkIsClosedError, match=r"example\.com"):
        socket.getaddrinfo("example.com", 443)


def test_loopback_is_open() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert client.getpeername() == server.getsockname()


def test_no_setting_leaks_in_from_the_shell() -> None:
    assert not [name for name in os.environ if name.startswith(("FAREWAY_", "OPENAI_"))]
