import json

import pytest

from gateway.core.errors import InvalidRequest
from gateway.wire.request import Endpoint, parse_request


@pytest.mark.parametrize("name", ["model", "n", "max_tokens", "seed", "stream", "messages", "user"])
@pytest.mark.parametrize("number", [1e19, -1e19, 2.0**64, 1e300])
def test_a_whole_number_beyond_64_bits_is_refused_wherever_it_stands(
    name: str, number: float
) -> None:
    request = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], name: number}

    with pytest.raises(InvalidRequest) as caught:
        parse_request(json.dumps(request).encode(), Endpoint.CHAT)

    assert caught.value.param == name
