"""YAML that remembers where everything stands, and never turns a number into a float.

Flows in: a YAML file and the environment its `${VAR}`s refer to. Flows out: plain dicts, lists, text and ints, with the
line of every key. Never guesses: duplicate keys, aliases and merge keys are refused, and a decimal number stays the
text that was written (`0.0005`), for whoever knows its type to read exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]
"""Where a value stands: `("service", "port")`; an int counts the items of a list from 0."""

MAX_FILE_BYTES = 1_000_000
_VARIABLE = re.compile(r"\$?\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$?\$\{[^}]*\}?")
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_TRUE, _FALSE = {"true", "yes", "on"}, {"false", "no", "off"}


@dataclass(slots=True)
class MarkedYaml:
    """One file's content.

    Attributes:
        path: as it is named in messages.
        tree: its top-level mapping.
        lines: the line (from 1) of every key and list item.
        substituted: where a `${VAR}` was replaced: such a value may be a secret.
        problems: sentences that start with `path:line: key:`; not to be used when there are any.
    """

    path: str
    tree: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    substituted: set[KeyPath] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def at(self, where: KeyPath) -> str:
        """Return `path:line` of a key, or of the nearest key around it when it is not in the file."""
        for length in range(len(where), 0, -1):
            if where[:length] in self.lines:
                return f"{self.path}:{self.lines[where[:length]]}"
        return f"{self.path}:1"


def relative(path: Path) -> str:
    """Return a path as a message names it: relative to the working directory where it lies inside."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def dotted(where: KeyPath) -> str:
    """Return a key path as people write it: `execution.direct.exchanges.0`."""
    return ".".join(map(str, where))


def keys_of(path: str) -> KeyPath:
    """Return a dotted path as the keys and numbers that it is made of."""
    return tuple(int(part) if part.isdecimal() else part for part in path.split("."))


def read_marked(
    path: Path, environ: Mapping[str, str], overridden: Callable[[KeyPath], bool] = lambda where: False
) -> MarkedYaml:
    """Return what `path` says; what is wrong with it is in `problems`, never raised.

    Args:
        path: the file.
        environ: where `${VAR}` and `${VAR:-default}` look; `$${` stands for `${` itself.
        overridden: whether a key's value will not be used anyway, so that its variables need not be set.
    """
    found = MarkedYaml(relative(path))
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            found.problems.append(f"{found.path}: larger than {MAX_FILE_BYTES} bytes")
            return found
        text = path.read_text(encoding="utf-8")
        alias = next((e for e in yaml.parse(text, yaml.SafeLoader) if isinstance(e, yaml.AliasEvent)), None)
        if alias is not None:
            line = alias.start_mark.line + 1 if alias.start_mark else 1
            found.problems.append(f"{found.path}:{line}: *{alias.anchor}: aliases are not supported; write the value")
            return found
        root = yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        found.problems.append(f"{found.path}: cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        found.problems.append(f"{found.path}: not UTF-8 at byte {error.start}")
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        found.problems.append(f"{found.path}:{line}: not valid YAML: {error.problem}")
    except (yaml.YAMLError, RecursionError) as error:
        found.problems.append(f"{found.path}:1: not valid YAML: {type(error).__name__}")
    else:
        if root is not None and not isinstance(root, yaml.MappingNode):
            found.problems.append(f"{found.path}:{root.start_mark.line + 1}: must be a mapping of keys to values")
        elif root is not None:
            found.tree = _Reader(found, environ, overridden).mapping(root, ())
    return found


class _Reader:
    """Turns nodes into values, noting lines and problems in `found`."""

    def __init__(self, found: MarkedYaml, environ: Mapping[str, str], overridden: Callable[[KeyPath], bool]) -> None:
        self._found = found
        self._environ = environ
        self._overridden = overridden

    def mapping(self, node: yaml.MappingNode, where: KeyPath) -> dict[str, Any]:
        """Return a mapping's values by key; a key is always the text that was written (`NO` is a symbol too)."""
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(line, where, "a key must be plain text")
                continue
            key: str = key_node.value
            here = (*where, key)
            if key in values:
                self._problem(line, here, f"is there twice, first on line {self._found.lines[here]}")
                continue
            self._found.lines[here] = line
            values[key] = self._value(value_node, here)
        return values

    def _value(self, node: yaml.Node, where: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                self._found.lines[(*where, index)] = item.start_mark.line + 1
                items.append(self._value(item, (*where, index)))
            return items
        assert isinstance(node, yaml.ScalarNode), "YAML has no fourth kind of node"
        return self._scalar(node, where)

    def _scalar(self, node: yaml.ScalarNode, where: KeyPath) -> Any:
        text: str = node.value
        if "${" in text:
            return self._substitute(text, node.start_mark.line + 1, where)
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "int" if _WHOLE.fullmatch(text):
                return int(text) if len(text) < 100 else text
            case "bool" if text.lower() in _TRUE | _FALSE:
                return text.lower() in _TRUE
            case "null":
                return None
            case _:
                return text

    def _substitute(self, text: str, line: int, where: KeyPath) -> str:
        def value_of(found: re.Match[str]) -> str:
            if found[0].startswith("$$"):
                return found[0][1:]
            name, default = found[1], found[2]
            if name is None:
                self._problem(
                    line, where, f"{found[0]} is not ${{NAME}} or ${{NAME:-default}}; write $${{ for the text"
                )
                return ""
            self._found.substituted.add(where)
            value = self._environ.get(name, "")
            # As in a shell, `:-` also counts for a variable that is set but empty.
            if value:
                return value
            if default is not None:
                return str(default)
            if not self._overridden(where):
                self._problem(line, where, f"${{{name}}}: the environment variable {name} is not set, or is empty")
            return ""

        return _VARIABLE.sub(value_of, text)

    def _problem(self, line: int, where: KeyPath, text: str) -> None:
        self._found.problems.append(f"{self._found.path}:{line}: {dotted(where)}: {text}")
