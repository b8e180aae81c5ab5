"""Reads the `usage` object of an answer: every provider's dialect of it in, `Usage` out.

The object is untrusted. A total that cannot be read means no usage at all (None: the caller then
estimates); a part that cannot be read is left out, and costs its whole's rate.
"""

from gateway.core.usage import Usage, UsageSource

# Several times the longest context window on sale in 2026; anything larger is a defect, no count.
MAX_TOKENS = 10_000_000


def parse_usage(raw: object) -> Usage | None:
    """The tokens an upstream reports, or None where its totals are missing or absurd.

    Totals: `prompt_tokens` and `completion_tokens` (chat, completions), or `input_tokens` and
    `output_tokens`. Where the second is left out (embeddings) it is what `total_tokens` leaves.
    Counts are whole numbers from 0 to 10,000,000; 12.0 is one, true and "12" are not.

    What a dialect keeps outside its totals is added to them:

    * input: Anthropic's `cache_read_input_tokens` and `cache_creation_input_tokens`, always outside
      `input_tokens`, outside `prompt_tokens` where the total or their size proves it;
    * output: what `total_tokens` has over input and output (Gemini's thoughts and xAI's reasoning
      are in it but not in `completion_tokens`), reasoning larger than the completion, and
      Perplexity's reasoning and citations, known by `citation_tokens`.

    A part larger than its whole is cut to it: providers round cached tokens up to whole blocks, and
    a usage with good totals is worth more than our estimate. Where parts of the input overlap,
    audio is kept first, then cache writes, then cached tokens: never the cheaper reading.
    """
    if not isinstance(raw, dict):
        return None
    is_messages = raw.get("prompt_tokens") is None
    prompt = _count(raw.get("input_tokens" if is_messages else "prompt_tokens"))
    total = _count(raw.get("total_tokens"))
    completion = _completion(
        raw.get("output_tokens" if is_messages else "completion_tokens"), prompt=prompt, total=total
    )
    if prompt is None or completion is None:
        return None
    outside = _outside_input(
        raw, prompt=prompt, completion=completion, total=total, is_messages=is_messages
    )
    return _usage(raw, input_tokens=prompt + outside, completion=completion, total=total)


def _completion(value: object, *, prompt: int | None, total: int | None) -> int | None:
    if value is None and prompt is not None and total is not None:
        return max(total - prompt, 0)
    return _count(value)


def _outside_input(
    raw: dict[object, object],
    *,
    prompt: int,
    completion: int,
    total: int | None,
    is_messages: bool,
) -> int:
    apart = _first(raw, "cache_read_input_tokens") + _first(raw, "cache_creation_input_tokens")
    is_outside = is_messages or apart > prompt or total == prompt + completion + apart
    return apart if is_outside else 0


def _usage(
    raw: dict[object, object], *, input_tokens: int, completion: int, total: int | None
) -> Usage:
    input_details = _section(raw, "prompt_tokens_details", "input_tokens_details")
    output_details = _section(raw, "completion_tokens_details", "output_tokens_details")
    reasoning = _first(output_details, "reasoning_tokens", "thinking_tokens") or _first(
        raw, "reasoning_tokens"
    )
    citations = _first(raw, "citation_tokens")
    apart = reasoning + citations if citations or reasoning > completion else 0
    unexplained = (total or 0) - input_tokens - completion
    output_tokens = completion + max(apart, unexplained, 0)

    audio_input = min(_first(input_details, "audio_tokens"), input_tokens)
    cache_write = min(
        _first(input_details, "cache_write_tokens", "cache_creation_tokens")
        or _first(raw, "cache_creation_input_tokens"),
        input_tokens - audio_input,
    )
    cached = _first(input_details, "cached_tokens") or _first(
        raw, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens"
    )
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        source=UsageSource.REPORTED,
        cached_input_tokens=min(cached, input_tokens - audio_input - cache_write),
        cache_write_tokens=cache_write,
        audio_input_tokens=audio_input,
        reasoning_tokens=min(reasoning or max(unexplained, 0), output_tokens),
        audio_output_tokens=min(_first(output_details, "audio_tokens"), output_tokens),
    )


def _section(raw: dict[object, object], *names: str) -> dict[object, object]:
    for name in names:
        section = raw.get(name)
        if isinstance(section, dict):
            return section
    return {}


def _first(section: dict[object, object], *names: str) -> int:
    """The first of the counts that is there and above zero; 0 where none is."""
    for name in names:
        count = _count(section.get(name))
        if count:
            return count
    return 0


def _count(value: object) -> int | None:
    if type(value) is int:  # a bool is no count
        return value if 0 <= value <= MAX_TOKENS else None
    if isinstance(value, float) and value.is_integer():  # NaN and infinities are not
        return _count(int(value))
    return None
