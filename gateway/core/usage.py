"""What an answer consumed, in tokens, and whether the upstream said so or we estimated it."""

from dataclasses import dataclass
from enum import StrEnum


class UsageSource(StrEnum):
    REPORTED = "reported"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt. Parts are inside their whole and never counted twice.

    Cached, cache-write and audio input are disjoint parts of input: audio read from a cache counts
    as audio, since no usage says which of the two a token was and audio is the dearer. Reasoning
    and audio output are parts of output; reasoning has no price of its own, so they may overlap.

    Raises ValueError on a negative count or on parts that pass their whole.
    """

    input_tokens: int
    output_tokens: int
    source: UsageSource
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    audio_input_tokens: int = 0
    reasoning_tokens: int = 0
    audio_output_tokens: int = 0

    def __post_init__(self) -> None:
        if (
            min(
                self.input_tokens,
                self.output_tokens,
                self.cached_input_tokens,
                self.cache_write_tokens,
                self.audio_input_tokens,
                self.reasoning_tokens,
                self.audio_output_tokens,
            )
            < 0
        ):
            raise ValueError("a token count is negative")
        if self.plain_input_tokens < 0:
            raise ValueError(f"parts of the input pass its {self.input_tokens} tokens")
        if max(self.reasoning_tokens, self.audio_output_tokens) > self.output_tokens:
            raise ValueError(f"parts of the output pass its {self.output_tokens} tokens")

    @property
    def plain_input_tokens(self) -> int:
        """Input that is neither cached, nor written to a cache, nor audio."""
        return (
            self.input_tokens
            - self.cached_input_tokens
            - self.cache_write_tokens
            - self.audio_input_tokens
        )

    @property
    def plain_output_tokens(self) -> int:
        """Output that is not audio; reasoning included."""
        return self.output_tokens - self.audio_output_tokens
