"""A YAML text as plain mappings, lists and texts, with the line of every key.

Scalars stay text (only `null` is None): the field that receives a value decides its type, so `0.15`
reaches a price exactly and `no` is never False by surprise. Refused: tags, duplicate keys, several
documents, anything that is no mapping, and nesting or aliases beyond the bounds below.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml
from yaml.tokens import ScalarToken

from gateway.core.errors import ConfigError
from gateway.settings.expansion import Expanded, expand
from gateway.settings.problems import KeyPath, Problem, Source, config_error, redacted

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, ScalarNode

# Bounds: a gateway with some thousand tenants stays far below each; a hostile file ends quickly.
MAX_CHARACTERS = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 100_000  # counted after aliases are followed
MAX_EXPANDED_CHARACTERS = 4 * MAX_CHARACTERS

_TAG = "tag:yaml.org,2002:"
_NULL = _TAG + "null"
_MERGE = _TAG + "merge"
_SCALAR_TAGS = frozenset(
    _TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
)
_BREAKS = "\0\r\n\x85\u2028\u2029"
_BLANKS = " \t" + _BREAKS
_NOTABLE = frozenset(_BLANKS + ":,?[]{}")
_QUOTED = re.compile(r"'[^']{2,}'")


@dataclass(frozen=True, slots=True)
class Document:
    tree: dict[str, object]
    sources: Mapping[KeyPath, Source]
    problems: tuple[Problem, ...]  # variables that could not be expanded; `tree` has None there


def read_yaml(text: str, *, file_name: str, environ: Mapping[str, str] | None) -> Document:
    """With `environ` None, `${...}` stays as it is written.

    Raises ConfigError where the text is no YAML mapping within the bounds.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{file_name}: has more than {MAX_CHARACTERS} characters")
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax_problem(error, file_name)) from error
    except (yaml.YAMLError, ValueError) as error:  # unprintable characters, bad escapes
        raise ConfigError(f"{file_name}: is not YAML: {_without_quotes(str(error))}") from error
    if root is None or (root.tag == _NULL and not root.value):
        return Document({}, {}, ())
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{file_name}:1: must be a mapping (`server:`, `providers:`, ...)")
    builder = _Builder(file_name=file_name, environ=environ)
    tree = builder.mapping(root, ())
    return Document(tree, builder.sources, tuple(builder.problems))


class _Loader(yaml.SafeLoader):
    """A safe loader in which `${NAME}` may stand unquoted inside `[...]` and `{...}`."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: "Node | None", index: int) -> "Node | None":
        """PyYAML's own, bounded: it recurses."""
        if self._depth > MAX_DEPTH:
            event = self.peek_event()  # type: ignore[no-untyped-call]  # its stub has no types
            mark = event.start_mark
            text = f"it is nested more than {MAX_DEPTH} levels deep"
            raise yaml.composer.ComposerError(None, None, text, mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def scan_plain(self) -> ScalarToken:
        """PyYAML's own scan (6.0), with one addition: a `${...}` is taken whole."""
        chunks: list[str] = []
        start = end = self.get_mark()
        indent = self.indent + 1
        spaces: list[str] = []
        while self.peek() != "#":
            length = 0
            while self.peek(length) not in _NOTABLE or not self._plain_ends_at(length):
                length += self._variable_length(length) or 1
            if not length:
                break
            self.allow_simple_key = False
            chunks.extend(spaces)
            chunks.append(self.prefix(length))
            self.forward(length)
            end = self.get_mark()
            spaces = self.scan_plain_spaces(indent, start) or []
            if not spaces or (not self.flow_level and self.column < indent):
                break
        return ScalarToken("".join(chunks), True, start, end)  # noqa: FBT003 (PyYAML's signature)

    def _plain_ends_at(self, offset: int) -> bool:
        character = self.peek(offset)
        if character in _BLANKS:
            return True
        if character == ":":
            return self.peek(offset + 1) in _BLANKS + (",[]{}" if self.flow_level else "")
        return bool(self.flow_level) and character in ",?[]{}"

    def _variable_length(self, offset: int) -> int:
        """How many characters the `${...}` at `offset` has, 0 if none is there."""
        if self.peek(offset) != "$" or self.peek(offset + 1) != "{":
            return 0
        length = 2
        while (character := self.peek(offset + length)) not in _BREAKS:
            length += 1
            if character == "}":
                return length
        return 0


def _syntax_problem(error: yaml.MarkedYAMLError, file_name: str) -> str:
    """Place and kind only: the library's text quotes the line, which may hold a key."""
    mark = error.problem_mark or error.context_mark
    place = f"{file_name}:{mark.line + 1}" if mark else file_name
    what = _without_quotes(error.problem or error.context or "it cannot be read")
    return f"{place}: is not YAML: {what}"


def _without_quotes(text: str) -> str:
    return _QUOTED.sub("'...'", text.splitlines()[0] if text else text)


@dataclass(slots=True)
class _Builder:
    file_name: str
    environ: Mapping[str, str] | None
    sources: dict[KeyPath, Source] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0
    characters: int = 0

    def value(self, node: "Node", path: KeyPath) -> object:
        self._count(node, path)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._refuse_tag(node, "seq")
            return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        raise AssertionError(f"PyYAML has no node like {type(node)}")

    def mapping(self, node: "MappingNode", path: KeyPath) -> dict[str, object]:
        self._refuse_tag(node, "map")
        built: dict[str, object] = {}
        seen: set[str] = set()
        for key_node, value_node, is_merged in self._pairs(node, path):
            key = key_node.value
            if not is_merged:
                if key in seen:
                    raise self._error(node=key_node, text=f'the key "{redacted(key)}" stands twice')
                seen.add(key)
            elif key in seen or key in built:
                continue  # the mapping's own key wins, then the first merged one
            inner = (*path, key)
            self.sources[inner] = Source(key_node.start_mark.line + 1)
            built[key] = self.value(value_node, inner)
        return built

    def _item(self, node: "Node", path: KeyPath) -> object:
        self.sources[path] = Source(node.start_mark.line + 1)
        return self.value(node, path)

    def _pairs(
        self, node: "MappingNode", path: KeyPath, merges: int = 0
    ) -> "Iterator[tuple[ScalarNode, Node, bool]]":
        """Own pairs first, then those of `<<`: (key, value, is it merged)."""
        if merges > MAX_DEPTH:
            raise self._error(node=node, text="an alias stands inside what it names")
        merged: list[MappingNode] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE and isinstance(key_node, yaml.ScalarNode):
                targets = value_node.value if value_node.id == "sequence" else [value_node]
                if not all(isinstance(target, yaml.MappingNode) for target in targets):
                    raise self._error(
                        node=value_node, text="`<<` takes a mapping or a list of them"
                    )
                merged.extend(targets)
            elif isinstance(key_node, yaml.ScalarNode):
                yield key_node, value_node, False
            else:
                raise self._error(node=key_node, text="a key must be plain text")
        for target in merged:
            self._count(target, path)
            for key_node, value_node, _ in self._pairs(target, path, merges + 1):
                yield key_node, value_node, True

    def _scalar(self, node: "ScalarNode", path: KeyPath) -> str | None:
        if node.tag not in _SCALAR_TAGS:
            raise self._error(node=node, text="tags are not allowed; write the plain value")
        if node.tag == _NULL:
            return None
        written = node.value
        expanded = Expanded(written) if self.environ is None else expand(written, self.environ)
        self.characters += len(expanded.text)
        line = self.sources[path].line
        self.sources[path] = Source(line, expanded.variables)
        if expanded.problems:
            self.problems.extend(Problem(path, text) for text in expanded.problems)
            return None
        return expanded.text

    def _count(self, node: "Node", path: KeyPath) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES or self.characters > MAX_EXPANDED_CHARACTERS:
            raise self._error(node=node, text="is too large once its aliases are followed")
        if len(path) > MAX_DEPTH:
            raise self._error(node=node, text="an alias stands inside what it names")

    def _refuse_tag(self, node: "Node", allowed: str) -> None:
        if node.tag != _TAG + allowed:
            raise self._error(node=node, text="tags are not allowed; write the plain value")

    def _error(self, *, node: "Node", text: str) -> ConfigError:
        line = node.start_mark.line + 1
        return config_error([Problem((), text)], file_name=f"{self.file_name}:{line}", sources={})
