"""The kinds of values settings are made of: names, amounts, durations, URLs. Each checks itself.

A validator raises ValueError with what is allowed; what was found is added by `problems`.
"""

import re
import zoneinfo
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    WithJsonSchema,
)

from gateway.core.money import MAX_TOTAL_NANO_USD, nano_usd_from_text

MAX_WHOLE = 2**53  # whole numbers stay exact in JSON, Lua and JavaScript
_MAX_SECONDS = 10 * 366 * 86_400  # ten years: above every sensible time-out and TTL

# At most 24 digits and a short exponent, so that Decimal arithmetic on it is exact and quick.
_DECIMAL = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE][+-]?[0-9])?")
_AMOUNT_RULE = "must be more than 0, at most 9007199 and have no more than nine decimals"
_HOST = re.compile(r"[A-Za-z0-9._~-]+|[0-9A-Fa-f:.]+")
_URL_CHARACTERS = re.compile(r"[!-~]+")
_PRINTABLE_ASCII = re.compile(r"[ -~]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_HIGHEST_PORT = 65_535


class Section(BaseModel):
    """A frozen mapping of the file; unknown keys are refused. Its errors never show input."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


def _decimal_usd(value: object) -> str:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValueError('must be a decimal number of US dollars, such as "0.15"')
    return f"{Decimal(value).normalize():f}"


def _positive_usd(value: str) -> str:
    try:
        nano_usd = nano_usd_from_text(value)
    except ValueError as error:
        raise ValueError(_AMOUNT_RULE) from error
    if not 0 < nano_usd < MAX_TOTAL_NANO_USD:
        raise ValueError(_AMOUNT_RULE)
    return value


def _timezone(value: str) -> str:
    if value == "UTC":  # needs no time zone data, which slim images lack
        return value
    try:
        zoneinfo.ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError('must be an IANA time zone, such as "Europe/Berlin"') from error
    return value


def _without_control(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not hold line breaks or control characters")
    return value


def _credential(value: SecretStr) -> SecretStr:
    if not _PRINTABLE_ASCII.fullmatch(value.get_secret_value()):
        raise ValueError("must be printable ASCII without line breaks: it is sent in a header")
    return value


def _secret_without_control(value: SecretStr) -> SecretStr:
    _without_control(value.get_secret_value())
    return value


def _has_usable_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(
            parts.hostname
            and _HOST.fullmatch(parts.hostname)
            and (parts.port is None or 0 < parts.port <= _HIGHEST_PORT)
        )
    except ValueError:
        return False


def _is_http(url: str) -> bool:
    # urlsplit drops line breaks without a word, so they are looked for first.
    is_clean = _URL_CHARACTERS.fullmatch(url) is not None
    return is_clean and url.lower().startswith(("http://", "https://")) and _has_usable_host(url)


def _base_url(value: str) -> str:
    if not _is_http(value):
        raise ValueError("must be http://HOST or https://HOST, with an optional port and path")
    parts = urlsplit(value)
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password; use api_key and auth")
    if "#" in value or "?" in value:
        raise ValueError("must not hold a query or fragment; use query")
    rest = parts.path.replace("{model}", "")
    if "{" in rest or "}" in rest:
        raise ValueError("must hold no placeholder but {model}")
    return value.rstrip("/")


def _origin(value: str) -> str:
    if value == "*":
        return value
    if not _is_http(value):
        raise ValueError('must be "*" or an origin such as "https://console.example.com"')
    parts = urlsplit(value)
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc or value.endswith("#"):
        raise ValueError("must be scheme, host and port only, without a path")
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if url and not (
        url.startswith(("redis://", "rediss://", "redis+cluster://")) and _has_usable_host(url)
    ):
        raise ValueError("must be empty or redis://HOST, rediss://HOST, redis+cluster://HOST")
    return _secret_without_control(value)


def _database_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    is_sqlite = url.startswith("sqlite:///") and len(url) > len("sqlite:///")
    # A PostgreSQL URL may have no host: ?host=/run/postgresql names a socket.
    if not is_sqlite and not url.startswith("postgresql://"):
        raise ValueError("must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE")
    return _secret_without_control(value)


def _auth(value: str) -> str:
    if not re.fullmatch(
        r"bearer|api-key|none|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+|query:[\w.~-]+", value
    ):
        raise ValueError("must be bearer, api-key, header:NAME, query:NAME or none")
    return value


def _one_as_mapping(value: Any) -> Any:  # noqa: ANN401 (pydantic hands over whatever stood there)
    return {"key": value} if isinstance(value, str) else value


def _name(value: str) -> str:
    if not re.fullmatch(r"[!-~]{1,128}", value):
        raise ValueError("must be 1 to 128 printable ASCII characters without spaces")
    return value


def _id(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}", value):
        raise ValueError("must be 1 to 128 letters, digits, '.', '_', '@' or '-'")
    return value


def _tag(value: str) -> str:
    if not re.fullmatch(r"[!-+.-<>-~-]{1,64}", value):
        raise ValueError("must be 1 to 64 printable ASCII characters without space, ',' or '='")
    return value


Text = Annotated[str, AfterValidator(_without_control), Field(min_length=1)]
Name = Annotated[str, AfterValidator(_name)]
Id = Annotated[str, AfterValidator(_id)]
_decimal_format = WithJsonSchema({"type": "string", "format": "decimal"})
Usd = Annotated[str, BeforeValidator(_decimal_usd), _decimal_format]
PositiveUsd = Annotated[
    str, BeforeValidator(_decimal_usd), AfterValidator(_positive_usd), _decimal_format
]
Whole = Annotated[int, Field(ge=0, le=MAX_WHOLE)]
PositiveWhole = Annotated[int, Field(ge=1, le=MAX_WHOLE)]
Seconds = Annotated[float, Field(gt=0, le=_MAX_SECONDS)]
Retries = Annotated[int, Field(ge=0, le=10)]
Attempts = Annotated[int, Field(ge=1, le=20)]
Tag = Annotated[str, AfterValidator(_tag)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Share = Annotated[float, Field(ge=0, le=1)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
Secret = Annotated[SecretStr, AfterValidator(_secret_without_control)]
Credential = Annotated[SecretStr, AfterValidator(_credential)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Origin = Annotated[str, AfterValidator(_origin)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
AuthStyle = Annotated[str, AfterValidator(_auth)]
key_or_mapping = BeforeValidator(_one_as_mapping)
