"""Plain answers: read for the bill, and given their cost in place."""

from dataclasses import dataclass

from gateway.wire.choices import Reply, read_reply
from gateway.wire.fields import Endpoint
from gateway.wire.members import BadJson
from gateway.wire.usage_member import with_cost

__all__ = ["Answer", "BadAnswer", "read_answer", "with_cost"]


class BadAnswer(ValueError):
    """A body that answers nothing. `error` is the value of its `error` member, if it has one."""

    def __init__(self, message: str, *, error: bytes | None = None) -> None:
        super().__init__(message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Answer:
    """`finish_reason`: those of all choices, each once, joined by commas. `usage` is decoded but
    not judged, `error` as sent beside the choices.
    """

    id: str | None
    model: str | None
    finish_reason: str | None
    usage: object
    choice_count: int
    error: bytes | None
    service_tier: str | None
    texts: tuple[str, ...]

    def output_text(self) -> str:
        """All that was generated, calls and reasoning included, to be counted where usage lacks."""
        return "\n".join(self.texts)


def read_answer(body: bytes, endpoint: Endpoint) -> Answer:
    """Raises BadAnswer for malformed JSON and for a body without choices (embeddings: data)."""
    try:
        reply = read_reply(body)
    except BadJson as error:
        raise BadAnswer(str(error)) from error
    if not _has_answer(reply, endpoint):
        what = "data" if endpoint is Endpoint.EMBEDDINGS else "choices"
        found = f"an error instead of {what}" if reply.error is not None else f"no {what}"
        raise BadAnswer(f"the answer holds {found}", error=reply.error)
    return Answer(
        id=reply.id,
        model=reply.model,
        finish_reason=",".join(dict.fromkeys(reply.finish_reasons)) or None,
        usage=reply.usage,
        choice_count=reply.choice_count,
        error=reply.error,
        service_tier=reply.service_tier,
        texts=reply.texts,
    )


def _has_answer(reply: Reply, endpoint: Endpoint) -> bool:
    if endpoint is Endpoint.EMBEDDINGS:
        return reply.embedding_count > 0
    return reply.has_choices
