"""One entry of LiteLLM's `model_list` as a provider and a model of ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from gateway.settings.litellm_values import (
    Notes,
    Taken,
    as_mapping,
    number_or_text,
    variable_or_text,
)

_TOKENS_PER_PRICE = 1_000_000

# The OpenAI-compatible base URLs the providers document (November 2026), by LiteLLM's prefix.
_BASE_URLS: Mapping[str, str] = {
    "anthropic": "https://api.anthropic.com/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "deepinfra": "https://api.deepinfra.com/v1/openai",
    "deepseek": "https://api.deepseek.com/v1",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "nvidia_nim": "https://integrate.api.nvidia.com/v1",
    "ollama": "http://localhost:11434/v1",
    "ollama_chat": "http://localhost:11434/v1",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "perplexity": "https://api.perplexity.ai",
    "sambanova": "https://api.sambanova.ai/v1",
    "text-completion-openai": "https://api.openai.com/v1",
    "together_ai": "https://api.together.xyz/v1",
    "xai": "https://api.x.ai/v1",
}
# Servers of the operator's own: their address must stand in the file.
_OWN_SERVERS = frozenset({"hosted_vllm", "litellm_proxy", "lm_studio", "openai_like", "vllm"})
_KEYLESS = frozenset({"ollama", "ollama_chat", *_OWN_SERVERS})
_KEY_VARIABLES: Mapping[str, str] = {
    "text-completion-openai": "OPENAI_API_KEY",
    "together_ai": "TOGETHERAI_API_KEY",
}
_ENDPOINTS: Mapping[str, str] = {
    "audio_speech": "audio",
    "audio_transcription": "audio",
    "chat": "chat",
    "completion": "completions",
    "embedding": "embeddings",
    "image_generation": "images",
    "moderation": "moderations",
    "responses": "responses",
}
_CAPABILITIES: Mapping[str, str] = {
    "supports_function_calling": "tools",
    "supports_vision": "vision",
    "supports_response_schema": "json_schema",
    "supports_audio_input": "audio",
    "supports_pdf_input": "files",
}
_RATES: Mapping[str, str] = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
    "input_cost_per_audio_token": "audio_input",
    "output_cost_per_audio_token": "audio_output",
}
_STEP = re.compile(r"(\w+?)_above_([0-9]+)k_tokens")
_UNFIT_NAME = re.compile(r"[^!-~]|\*")


@dataclass(slots=True)
class Deployment:
    """A model entry under construction; its name changes where a route takes it over."""

    name: str
    settings: dict[str, object]

    def entry(self) -> dict[str, object]:
        return {"name": self.name, **self.settings}


@dataclass(slots=True)
class ModelReader:
    notes: Notes
    providers: dict[str, dict[str, object]] = field(default_factory=dict)

    def read(self, entry: Taken) -> Deployment | None:
        """None, and a note, where the entry cannot be served here."""
        name = str(entry.take("model_name") or "")
        params = entry.section("litellm_params")
        details = entry.section("model_info")
        model = str(params.take("model") or "")
        if not name or not model or _UNFIT_NAME.search(name) or "*" in model:
            self.notes.add(
                entry.place, "has no model, or a name with wildcards or spaces; left out"
            )
            return None
        kind, _, upstream = model.partition("/")
        own_kind = params.take("custom_llm_provider")
        if isinstance(own_kind, str) and own_kind:
            kind, upstream = own_kind, model.removeprefix(f"{own_kind}/")
        elif not upstream:
            kind, upstream = "openai", model
        provider = self._provider(kind, params, entry.place)
        if provider is None:
            return None
        settings: dict[str, object] = {
            "provider": provider,
            "upstream_model": variable_or_text(upstream),
            **self._details(details, params),
        }
        for section in (params, details, entry):
            section.note_rest()
        return Deployment(name, settings)

    def _provider(self, kind: str, params: Taken, place: str) -> str | None:
        """The name of the provider the entry needs, made where there is none like it yet."""
        address = params.take("api_base") or params.take("base_url")
        params.take("base_url")
        base_url = variable_or_text(address) if isinstance(address, str) else _BASE_URLS.get(kind)
        is_azure = kind in {"azure", "azure_ai"}
        if base_url is None or not (kind in _BASE_URLS or kind in _OWN_SERVERS or is_azure):
            self.notes.add(place, f"{kind} has no OpenAI-compatible address we know; left out")
            return None
        settings: dict[str, object] = {"base_url": base_url.rstrip("/")}
        if kind.startswith("ollama") and not base_url.endswith("/v1"):
            settings["base_url"] = f"{settings['base_url']}/v1"
        settings |= self._credentials(kind, params)
        if kind == "azure":
            self._make_azure(settings, params, place)
        headers = {
            str(name): variable_or_text(str(value))
            for name, value in as_mapping(params.take("extra_headers")).items()
        }
        if isinstance(organisation := params.take("organization"), str):
            headers["OpenAI-Organization"] = variable_or_text(organisation)
        if headers:
            settings["headers"] = headers
        return self._named(re.sub(r"[^A-Za-z0-9_-]", "-", kind), settings)

    def _credentials(self, kind: str, params: Taken) -> dict[str, object]:
        key = params.take("api_key")
        if isinstance(key, str) and key:
            return {"api_key": variable_or_text(key)}
        if kind in _KEYLESS:
            return {"auth": "none"}
        return {"api_key": f"${{{_KEY_VARIABLES.get(kind, f'{kind.upper()}_API_KEY')}}}"}

    def _make_azure(self, settings: dict[str, object], params: Taken, place: str) -> None:
        settings["auth"] = "api-key"
        if str(settings["base_url"]).endswith("/v1"):
            return
        settings["base_url"] = f"{settings['base_url']}/openai/deployments/{{model}}"
        version = params.take("api_version")
        if isinstance(version, str):
            settings["query"] = {"api-version": variable_or_text(version)}
        else:
            self.notes.add(place, "names no api_version; add it under the provider's query")

    def _named(self, kind: str, settings: dict[str, object]) -> str:
        name, number = kind, 1
        while self.providers.setdefault(name, settings) != settings:
            number += 1
            name = f"{kind}-{number}"
        return name

    def _details(self, details: Taken, params: Taken) -> dict[str, object]:
        settings: dict[str, object] = {}
        for theirs, ours in (
            ("max_input_tokens", "context_window"),
            ("max_output_tokens", "max_output_tokens"),
        ):
            if isinstance(value := details.take(theirs), str):
                settings[ours] = number_or_text(value)
        if isinstance(weight := params.take("weight"), str):
            settings["weight"] = number_or_text(weight)
        mode = details.take("mode")
        if isinstance(mode, str) and mode != "chat":
            if mode in _ENDPOINTS:
                settings["endpoints"] = [_ENDPOINTS[mode]]
            else:
                self.notes.add(f"{details.place}.mode", "has no counterpart; left out")
        settings |= self._supports(details)
        if price := self._price(details, params, is_input_only=mode == "embedding"):
            settings["price"] = price
        return settings

    def _supports(self, details: Taken) -> dict[str, object]:
        """Only what is said to be missing narrows: silence about a capability is no refusal."""
        missing = {
            ours
            for theirs, ours in _CAPABILITIES.items()
            if str(details.take(theirs)).lower() == "false"
        }
        kept = [ours for ours in _CAPABILITIES.values() if ours not in missing]
        return {"supports": kept} if missing else {}

    def _price(self, details: Taken, params: Taken, *, is_input_only: bool) -> dict[str, object]:
        """What the file says in either place (litellm_params wins), per million tokens."""
        rates: dict[str, object] = {}
        steps: dict[int, dict[str, object]] = {}
        for section in (details, params):
            for key in section.keys():  # noqa: SIM118 (Taken is no mapping)
                step = _STEP.fullmatch(key)
                base = step[1] if step else key
                if base not in _RATES and base != "input_cost_per_request":
                    continue
                usd = self._usd(section, key, per_token=base in _RATES)
                target = steps.setdefault(int(step[2]) * 1000, {}) if step else rates
                if usd is not None:
                    target[_RATES.get(base, "per_request")] = usd
        if not rates and not steps:
            return {}
        if is_input_only:
            rates.setdefault("output", "0")
        if "input" not in rates or "output" not in rates:
            self.notes.add(details.place, "has only part of a price; it will be looked up")
            return {}
        above = [
            {"input_tokens": bound, **{key: rates[key] for key in rates if key != "per_request"}}
            | step
            for bound, step in sorted(steps.items())
        ]
        return {**rates, "above": above} if above else rates

    def _usd(self, section: Taken, key: str, *, per_token: bool) -> str | None:
        value = section.take(key)
        if value is None:
            return None
        try:
            usd = Decimal(str(value)) * (_TOKENS_PER_PRICE if per_token else 1)
        except InvalidOperation:
            usd = Decimal("NaN")
        if not usd.is_finite() or not 0 <= usd < _TOKENS_PER_PRICE:
            self.notes.add(f"{section.place}.{key}", "is no price we can read; left out")
            return None
        return f"{usd.normalize():f}"
