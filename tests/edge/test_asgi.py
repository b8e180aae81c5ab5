"""ASGI's moves: a body read within its bound, work that ends when its client goes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidRequest, RequestTooLarge
from gateway.edge import asgi
from gateway.edge.asgi import ClientGone, Message, Receive, bearer, header, read_body, until_gone
from tests.support.edge_scene import GONE, a_scope, body_message, receiving

# Reading a body


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6))
async def test_body_in_any_pieces_is_read_whole(pieces: list[bytes]) -> None:
    *first, last = pieces
    messages = [*(body_message(piece, more=True) for piece in first), body_message(last)]

    assert await read_body(a_scope(), receiving(*messages), 1_000) == b"".join(pieces)


@pytest.mark.parametrize("declared", ["10", None])
async def test_body_of_exactly_the_limit_is_read(declared: str | None) -> None:
    scope = a_scope(headers=[("content-length", declared)] if declared else ())

    assert await read_body(scope, receiving(body_message(b"x" * 10)), 10) == b"x" * 10


async def test_body_a_byte_over_the_limit_is_refused_however_it_comes() -> None:
    pieces = [body_message(b"x" * 6, more=True), body_message(b"x" * 5)]

    with pytest.raises(RequestTooLarge):
        await read_body(a_scope(), receiving(*pieces), 10)


async def test_declared_length_over_the_limit_is_refused_and_what_comes_is_read() -> None:
    scope = a_scope(headers=[("content-length", "11")])
    receive = receiving(body_message(b"x" * 6, more=True), body_message(b"x" * 5), GONE)

    with pytest.raises(RequestTooLarge, match="11 bytes passes 10"):
        await read_body(scope, receive, 10)

    assert await receive() == GONE


async def test_client_that_sends_on_and_on_is_read_no_further_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asgi, "MAX_DRAINED_BYTES", 100)
    read = 0

    async def receive() -> Message:
        nonlocal read
        await asyncio.sleep(0)
        read += 10
        return body_message(b"x" * 10, more=True)

    with pytest.raises(RequestTooLarge):
        await read_body(a_scope(), receive, 20)

    assert read == 130  # 30 until it was too much, 100 more


@pytest.mark.parametrize("declared", ["", "-1", "0x10", "1 0", "1.0", "\u00b2"])
async def test_only_digits_are_a_length(declared: str) -> None:
    scope = a_scope(headers=[("content-length", declared)])

    with pytest.raises(InvalidRequest):
        await read_body(scope, receiving(body_message(b"x")), 10)


async def test_length_of_thousands_of_digits_is_too_large() -> None:
    scope = a_scope(headers=[("content-length", "9" * 6_000)])

    with pytest.raises(RequestTooLarge):
        await read_body(scope, receiving(body_message(b"x")), 10)


@pytest.mark.parametrize("messages", [(GONE,), (body_message(b"x", more=True), GONE)])
async def test_client_that_leaves_within_its_body_is_gone(messages: tuple[Message, ...]) -> None:
    with pytest.raises(ClientGone):
        await read_body(a_scope(), receiving(*messages), 10)


async def test_client_that_leaves_while_too_much_is_read_gets_its_refusal_raised() -> None:
    scope = a_scope(headers=[("content-length", "11")])

    with pytest.raises(RequestTooLarge):
        await read_body(scope, receiving(GONE), 10)


# Headers


def test_header_is_found_under_its_name_alone() -> None:
    scope = a_scope(headers=[("x-one", "1"), ("x-two", b"\xe9")])

    assert (header(scope, b"x-two"), header(scope, b"x-three")) == ("\u00e9", None)


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (b"Bearer key-1", "key-1"),
        (b"bearer key-1", "key-1"),
        (b"BEARER key-1", "key-1"),
        (b"Bearer   key-1  ", "key-1"),
        (b"Bearer a key  with spaces", "a key  with spaces"),
        ("Bearer schl\u00fcssel".encode(), "schl\u00fcssel"),
        (b"Bearer schl\xfcssel", "schl\udcfcssel"),  # latin-1: no UTF-8, but still one key
        (b"Bearer ", ""),
        (b"Bearer", ""),
        (b"Basic a2V5", None),
        (b"key-1", None),
        (b"Bearerkey-1", None),
        (b"", None),
    ],
)
def test_credential_is_what_stands_after_the_scheme(sent: bytes, key: str | None) -> None:
    assert bearer(a_scope(headers=[("authorization", sent)])) == key


def test_no_header_is_no_credential() -> None:
    assert bearer(a_scope()) is None


# Watching the client


class Work:
    """Waits until it is let go; keeps how it ended."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.go = asyncio.Event()
        self.has_begun = asyncio.Event()
        self.was_cut_off = False
        self.failure = failure

    async def __call__(self) -> None:
        self.has_begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.was_cut_off = True
            if self.failure is not None:
                raise self.failure from None
            raise
        if self.failure is not None:
            raise self.failure


def leaving(gone: asyncio.Event) -> Receive:
    async def receive() -> Message:
        await gone.wait()
        return GONE

    return receive


async def assert_nothing_is_left() -> None:
    """No task but this one, and this one not on its way out."""
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0
    assert asyncio.all_tasks() == {current}


async def test_work_that_ends_returns_and_leaves_no_watcher() -> None:
    work = Work()
    work.go.set()

    await until_gone(work(), leaving(asyncio.Event()))

    await assert_nothing_is_left()


async def test_client_that_goes_cuts_the_work_off() -> None:
    work, gone = Work(), asyncio.Event()
    gone.set()

    with pytest.raises(ClientGone):
        await until_gone(work(), leaving(gone))

    assert work.was_cut_off
    await assert_nothing_is_left()


async def test_other_messages_are_not_the_clients_leaving() -> None:
    work = Work()
    late = receiving(body_message(b""), body_message(b""))

    async def receive() -> Message:
        message = await late()
        work.go.set()
        return message

    await until_gone(work(), receive)

    assert not work.was_cut_off


async def test_error_of_the_work_rises_as_it_is() -> None:
    work = Work(InvalidRequest("no"))
    work.go.set()

    with pytest.raises(InvalidRequest, match="no"):
        await until_gone(work(), leaving(asyncio.Event()))

    await assert_nothing_is_left()


async def test_time_out_of_the_works_own_rises_as_it_is() -> None:
    async def work() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await until_gone(work(), leaving(asyncio.Event()))

    await assert_nothing_is_left()


async def test_cancellation_from_outside_stays_one() -> None:
    work = Work()
    task = asyncio.ensure_future(until_gone(work(), leaving(asyncio.Event())))
    await work.has_begun.wait()

    task.cancel("shutting down")
    await asyncio.wait([task])

    assert task.cancelled()
    assert work.was_cut_off
    await assert_nothing_is_left()


async def test_client_that_goes_as_the_work_ends_harms_nothing() -> None:
    work, gone = Work(), asyncio.Event()

    async def both() -> None:
        await work.has_begun.wait()
        work.go.set()
        gone.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(both())
        try:
            await until_gone(work(), leaving(gone))
        except ClientGone:
            assert work.was_cut_off
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_client_that_goes_as_the_task_is_cancelled_hides_no_cancellation() -> None:
    work, gone = Work(), asyncio.Event()
    task = asyncio.ensure_future(until_gone(work(), leaving(gone)))
    await work.has_begun.wait()

    gone.set()
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    await assert_nothing_is_left()


async def test_work_that_answers_its_cut_off_with_an_error_is_heard() -> None:
    work, gone = Work(RuntimeError("while closing")), asyncio.Event()
    task = asyncio.ensure_future(until_gone(work(), leaving(gone)))
    await work.has_begun.wait()

    gone.set()
    await asyncio.wait([task])

    assert isinstance(task.exception(), RuntimeError)
    await assert_nothing_is_left()


async def test_work_that_returns_despite_its_cut_off_leaves_its_task_usable() -> None:
    gone = asyncio.Event()
    gone.set()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    with pytest.raises(ClientGone):
        await until_gone(stubborn(), leaving(gone))

    await assert_nothing_is_left()
    await asyncio.sleep(0)


async def test_watcher_that_breaks_is_told() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0)
        raise RuntimeError("the server broke")

    with pytest.raises(ExceptionGroup):
        await until_gone(Work()(), receive)

    await assert_nothing_is_left()
