import pytest

from gateway.core.errors import ConfigError
from gateway.settings.yaml_text import MAX_CHARACTERS, MAX_DEPTH, Document, read_yaml


def read(text: str, **environ: str) -> Document:
    return read_yaml(text, file_name="f.yaml", environ=environ)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def test_scalars_stay_the_text_that_was_written() -> None:
    tree = read("{a: 0.10, b: no, c: 2024-01-01, d: 0o17, e: 1:30, f: 'x', g: null, h: ~}").tree

    assert tree == {
        "a": "0.10", "b": "no", "c": "2024-01-01", "d": "0o17", "e": "1:30", "f": "x",
        "g": None, "h": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["keys: [${KEY}]", "keys: [ ${KEY} ]", 'keys: ["${KEY}"]', "keys:\n  - ${KEY}\n",
     "{keys: [${KEY}]}", "keys: [${KEY:-a, b: [c]}]"],
)  # fmt: skip
def test_a_variable_may_stand_unquoted_wherever_a_value_may(text: str) -> None:
    assert read(text, KEY="a key: [with] {signs}, # and all").tree == {
        "keys": ["a key: [with] {signs}, # and all"]
    }


def test_a_value_from_the_environment_cannot_add_keys() -> None:
    assert read("a: ${X}\n", X="1\nb: 2").tree == {"a": "1\nb: 2"}


def test_a_value_from_the_environment_is_not_expanded_again() -> None:
    assert read("a: ${X}\n", X="${Y}", Y="secret").tree == {"a": "${Y}"}


def test_keys_know_their_lines_and_variables() -> None:
    sources = read("a:\n  b: ${X}\n  c:\n    - ${Y:-d}\n", X="1").sources

    assert sources["a", "b"].line == 2
    assert sources["a", "b"].variables == ("X",)
    assert sources["a", "c", 0].line == 4
    assert sources["a", "c", 0].variables == ()


def test_anchors_and_merges_work_and_own_keys_win() -> None:
    tree = read("a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd: {<<: [*a, {x: 9, z: 4}]}\n").tree

    assert tree["b"] == {"x": "1", "y": "2"}
    assert tree["c"] == {"x": "1", "y": "3"}
    assert tree["d"] == {"x": "1", "y": "2", "z": "4"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", 'f.yaml:3: the key "a" stands twice'),
        ("[a, b]", "f.yaml:1: must be a mapping"),
        ("just text", "f.yaml:1: must be a mapping"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: is not YAML: but found another document"),
        ("a: [1\n", "f.yaml:2: is not YAML: expected"),
        ("a: !!python/object:os.system x\n", "f.yaml:1: tags are not allowed"),
        ("a: !!binary aGk=\n", "f.yaml:1: tags are not allowed"),
        ("a: !thing {b: 1}\n", "f.yaml:1: tags are not allowed"),
        ("a: !!set {b}\n", "f.yaml:1: tags are not allowed"),
        ("? [a, b]\n: c\n", "f.yaml:1: a key must be plain text"),
        ("a: {<<: 5}\n", "f.yaml:1: `<<` takes a mapping or a list of them"),
        ("a: &a [*a]\n", "f.yaml:1: an alias stands inside what it names"),
        ("a: &a {<<: *a}\n", "f.yaml:1: an alias stands inside what it names"),
        ("a: \x00\n", "f.yaml: is not YAML: unacceptable character"),
    ],
)
def test_what_is_no_plain_yaml_mapping_is_refused(text: str, expected: str) -> None:
    assert refusal(text).startswith(expected)


def test_a_syntax_error_does_not_show_what_stands_there() -> None:
    message = refusal("admin_key: *Tr0ub4dor\nsecret: 'unclosed hunter2\n")

    assert "Tr0ub4dor" not in message
    assert "hunter2" not in message


def test_deep_nesting_is_refused_before_anything_recurses() -> None:
    assert f"nested more than {MAX_DEPTH} levels" in refusal("a: " + "[" * 100_000)


def test_an_exploding_set_of_aliases_is_refused() -> None:
    laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    laughs += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]

    assert "is too large once its aliases are followed" in refusal("\n".join(laughs))


def test_a_long_text_repeated_by_aliases_is_refused() -> None:
    text = "a: &a " + "x" * 100_000 + "\nb: [" + ", ".join(["*a"] * 1000) + "]\n"

    assert "is too large once its aliases are followed" in refusal(text)


def test_a_file_beyond_the_bound_is_refused_unread() -> None:
    assert refusal("#" * (MAX_CHARACTERS + 1)).startswith("f.yaml: has more than")


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("${A}", {"A": ""}, ""),
        ("${A:-d}", {}, "d"),
        ("${A:-d}", {"A": ""}, "d"),
        ("${A:-d}", {"A": "x"}, "x"),
        ("${A:-}", {}, ""),
        ("${A:-sqlite:///x.db}", {}, "sqlite:///x.db"),
        ("http://${H}:${P}/v1", {"H": "h", "P": "1"}, "http://h:1/v1"),
        ("$${A}", {"A": "x"}, "${A}"),
        ("$$$${A}", {"A": "x"}, "$$${A}"),
        ("$A $ {A}", {"A": "x"}, "$A $ {A}"),
    ],
)
def test_variables_are_expanded(text: str, environ: dict[str, str], expected: str) -> None:
    document = read_yaml(f"a: '{text}'\n", file_name="f.yaml", environ=environ)

    assert document.tree == {"a": expected}
    assert document.problems == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "environment variable A is not set; set it, or write ${A:-default}"),
        ("${}", "has a malformed ${...}"),
        ("${1A}", "has a malformed ${...}"),
        ("${A", "has a malformed ${...}"),
        ("${A-b}", "has a malformed ${...}"),
        ("${A:-${B}}", "has a malformed ${...}"),
    ],
)
def test_what_cannot_be_expanded_is_a_problem_of_its_key(text: str, expected: str) -> None:
    (problem,) = read(f"a: ['{text}']\n").problems

    assert problem.path == ("a", 0)
    assert problem.text.startswith(expected)
