"""Request bodies as tests write them: what is left out is filled in."""

import json
from typing import Any

import pytest

from gateway.core.errors import InvalidRequest
from gateway.wire.request import ClientRequest, Endpoint, parse_request

HELLO = [{"role": "user", "content": "hello"}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def parse(endpoint: Endpoint = Endpoint.CHAT, /, **fields: object) -> ClientRequest:
    needed: dict[Endpoint, dict[str, Any]] = {
        Endpoint.CHAT: {"messages": HELLO},
        Endpoint.COMPLETIONS: {"prompt": "hello"},
        Endpoint.EMBEDDINGS: {"input": "hello"},
    }
    body = {"model": "auto", **needed[endpoint], **fields}
    return parse_request(json.dumps(body).encode(), endpoint)


def refusal(body: bytes, endpoint: Endpoint = Endpoint.CHAT) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse_request(body, endpoint)
    return caught.value


def refusal_of(endpoint: Endpoint = Endpoint.CHAT, /, **fields: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(endpoint, **fields)
    return caught.value


def parts(*content: object) -> ClientRequest:
    return parse(messages=[{"role": "user", "content": list(content)}])
