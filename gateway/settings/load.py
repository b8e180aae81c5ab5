"""Reads a configuration: text and environment in; Settings or one ConfigError out."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gateway.core.errors import ConfigError
from gateway.settings.checks import check
from gateway.settings.names import declared_names
from gateway.settings.problems import config_error
from gateway.settings.root import Origin, Settings
from gateway.settings.validation import validate
from gateway.settings.warning_checks import warnings
from gateway.settings.yaml_text import read_yaml


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """Raises ConfigError, a line per problem: `FILE:LINE: KEY: found; what is allowed`."""
    return parse_settings(_text(path, _content(path)), file_name=str(path), environ=environ)


def parse_settings(text: str, *, file_name: str, environ: Mapping[str, str]) -> Settings:
    """Raises ConfigError as `load_settings` does."""
    document = read_yaml(text, file_name=file_name, environ=environ)
    problems = list(document.problems)
    settings, pruned, found = validate(
        document.tree,
        sources=document.sources,
        unusable=[problem.path for problem in document.problems],
    )
    problems += found
    names = declared_names(document.tree)
    for problem in check(settings, names=names, is_damaged=pruned.touches):
        path = pruned.path_in_file(problem.path)
        if not pruned.touches(path):
            problems.append(replace(problem, path=path))
    if problems:
        raise config_error(problems, file_name=file_name, sources=document.sources)
    origin = Origin(file_name, document.sources, warnings(settings))
    return settings.with_origin(origin)


class SettingsFile:
    """A configuration file that may be written again while the gateway runs."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self._digest = b""

    def load(self) -> Settings:
        """The settings as the file is now. Raises ConfigError; the content counts as seen."""
        content = _content(self._path)
        self._digest = _digest(content)
        text = _text(self._path, content)
        return parse_settings(text, file_name=str(self._path), environ=self._environ)

    def changed(self) -> bool:
        """Whether the content differs from what `load` last saw.

        An unreadable file has not changed: editors replace files, and for a moment there is none.
        """
        try:
            return _digest(_content(self._path)) != self._digest
        except ConfigError:
            return False


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"{path}: cannot be read: {reason}") from error


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text") from error
