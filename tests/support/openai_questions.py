"""What the scripted upstream reads: the fields of an OpenAI request that shape an answer."""

import re

import msgspec

Json = dict[str, object]
Inputs = str | list[str | int | list[int]]


class Refused(Exception):
    """The request deserves a 4xx."""

    def __init__(self, message: str, *, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.status = status


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Message(msgspec.Struct):
    role: str
    content: str | list[Json] | None = None


class Question(msgspec.Struct):
    """The fields of a request that shape an answer; any other is welcome and ignored."""

    model: str = ""
    messages: list[Message] = []
    prompt: Inputs | None = None
    input: Inputs | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    tools: list[Json] | None = None
    tool_choice: str | Json | None = None
    response_format: Json | None = None
    logprobs: bool | int | None = None
    top_logprobs: int | None = None
    reasoning_effort: str | None = None
    encoding_format: str | None = None
    dimensions: int | None = None
    user: str | None = None

    def last_user_text(self) -> str:
        for message in reversed(self.messages):
            if message.role == "user":
                return text_of(message.content)
        asked = self.prompt if self.prompt is not None else self.input
        if isinstance(asked, str):
            return asked
        if isinstance(asked, list) and asked and isinstance(asked[-1], str):
            return asked[-1]
        return ""


_question_decoder = msgspec.json.Decoder(Question)


def read_question(body: bytes) -> Question:
    """Raises Refused where the body is no request."""
    try:
        return _question_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"We could not parse the JSON body of your request: {error}") from error


def text_of(content: str | list[Json] | None) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return content or ""


def content_tokens(content: str | list[Json] | None) -> int:
    images = 0
    if isinstance(content, list):
        images = sum(part.get("type") != "text" for part in content)
    return text_tokens(text_of(content)) + 85 * images


def text_tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def inputs_of(value: Inputs | None, param: str) -> list[str | list[int]]:
    if value is None or value == []:
        raise Refused(f"Missing required parameter: '{param}'.", param=param)
    if isinstance(value, str):
        return [value]
    texts: list[str | list[int]] = [one for one in value if isinstance(one, str | list)]
    return texts or [[one for one in value if isinstance(one, int)]]


def input_tokens(one: str | list[int]) -> int:
    return text_tokens(one) if isinstance(one, str) else len(one)


def marked_number(text: str, name: str) -> int | None:
    found = re.search(rf"\[\[{name}:(\d+)\]\]", text)
    return int(found[1]) if found else None


def output_cap(question: Question) -> int | None:
    caps = (question.max_completion_tokens, question.max_tokens)
    cap = next((one for one in caps if one is not None), None)
    if cap is not None and cap < 1:
        raise Refused(
            f"Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, "
            f"but got {cap} instead.",
            param="max_tokens",
        )
    return cap
