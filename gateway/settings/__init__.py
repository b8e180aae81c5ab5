"""The only reader of environment and configuration files."""

from gateway.settings.explain import ExplainedValue, config_version, explain, json_schema
from gateway.settings.litellm import import_litellm
from gateway.settings.load import SettingsFile, load_settings, parse_settings
from gateway.settings.reference import configuration_reference
from gateway.settings.root import Settings

__all__ = [
    "ExplainedValue",
    "Settings",
    "SettingsFile",
    "config_version",
    "configuration_reference",
    "explain",
    "import_litellm",
    "json_schema",
    "load_settings",
    "parse_settings",
]
