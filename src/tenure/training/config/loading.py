"""Reading config files: Python, JSON with `//` comments, and lines of a key and a value; and the command line around them."""

from __future__ import annotations

import ast
import json
import linecache
import re
import sys
import traceback
import types
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tenure.core.errors import brief, nearest
from tenure.training.config.command_line import parse
from tenure.training.config.config import Config
from tenure.training.config.imports import builtins, importing
from tenure.training.errors import ConfigError

NAME = "__returnn_config__"


def load(path: str | Path, config: Config | None = None) -> Config:
    """Reads one config file. Python and `get_network` are code, and run.

    Args:
      path: starts with `#!` or ends in `.py`: Python; starts with `{`: JSON with `//` comments; else lines of a key and a value.
      config: what is known already: Python sees typed values as globals, and all of it as `config`. New if None.

    Raises:
      ConfigError: the file is missing or cannot be read. What a Python config raises is passed on.
    """
    config = Config() if config is None else config
    path = Path(path)
    if not path.is_file():
        folder = path.parent.iterdir() if path.parent.is_dir() else ()
        raise ConfigError(f"there is no config file '{path}'", near=nearest(path.name, [p.name for p in folder]))
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"the config file '{path}' is no text") from None
    if text.startswith("#!") or path.suffix == ".py":
        _python(text, path, config)
    elif text.lstrip().startswith(("{", "//")):
        config.typed.update(_json(text, path))
    else:
        if _is_python(text):
            warnings.warn(
                f"the config '{path}' is read as lines of a key and a value, and looks like Python: begin it with the line"
                f" #!rnn.py, or name it '{path.with_suffix('.py').name}'",
                stacklevel=2,
            )
        config.texts.update(_lines(text, path))
    return config


def failure(error: BaseException) -> ConfigError | None:
    """What the own code of a config has failed with, told from its first line on.

    Args:
      error: that was raised, while a config was loaded or by a function of it later.

    Returns:
      The error that says so; None where no line of a config was running.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    first = next((i for i, (frame, _) in enumerate(frames) if frame.f_globals.get("__name__") == NAME), None)
    if first is None:
        return None
    lines = traceback.StackSummary.extract(iter(frames[first:]))
    where, what = "".join(lines.format()).rstrip(), "".join(traceback.format_exception_only(error)).rstrip()
    return ConfigError(f"the code of '{lines[0].filename}' fails\n{where}\n{what}")


def _python(text: str, path: Path, config: Config) -> None:
    scope = config.typed
    scope.update(__name__=NAME, __file__=str(path), __builtins__=builtins(config), config=config)
    linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))
    module = sys.modules.get(NAME)
    sys.modules[NAME] = _Scope(NAME, scope)
    try:
        tree = ast.parse(text, str(path))
        config.asked |= _names_read(tree)
        with importing(config):
            exec(compile(tree, str(path), "exec"), scope)
    except SyntaxError as error:
        raise ConfigError(f"the config '{path}' is no Python: {error.msg} (line {error.lineno})") from error
    finally:
        if module is None:
            sys.modules.pop(NAME, None)


def _is_python(text: str) -> bool:
    """Whether a text is a program that sets names."""
    try:
        return any(isinstance(statement, ast.Assign) for statement in ast.parse(text).body)
    except (SyntaxError, ValueError):  # ValueError: a null byte
        return False


def _names_read(tree: ast.AST) -> set[str]:
    """The names that a config's own code reads, those in texts that are expressions included."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(re.findall(r"[A-Za-z_]\w*", node.value))
    return found


class _Scope(types.ModuleType):
    """The module that a config's classes and functions say they are of."""

    def __init__(self, name: str, scope: dict[str, Any]):
        super().__init__(name)
        object.__setattr__(self, "_scope", scope)

    def __getattr__(self, name: str) -> Any:
        if name in self._scope:
            return self._scope[name]
        raise AttributeError(name)


def _json(text: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_without_comments(text))
    except ValueError as error:
        raise ConfigError(f"the config '{path}' looks like JSON and is none: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"the config '{path}' is JSON, but no object of keys")
    return found


def _without_comments(text: str) -> str:
    """JSON without `//` comments; what is in strings stays."""
    return re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*', lambda match: match.group(1) or "", text)


def _lines(text: str, path: Path) -> dict[str, list[str]]:
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        parts = line.split(None, 1)
        if len(parts) != 2:
            raise ConfigError(
                f"the config '{path}' cannot be read: line {number} is {brief(line)}, a line is a key and a value",
                ways=["a Python config starts with '#!rnn.py', or its name ends in '.py'"],
            )
        found[parts[0]] = texts(parts[1])
    return found


def texts(value: str) -> list[str]:
    """The texts of a value that nobody gave a type: parts between commas; one that starts with a comma is one text.

    >>> texts("a,b, c"), texts(",x"), texts("")
    (['a', 'b', ' c'], [',x'], [''])
    """
    return [value] if value.startswith(",") else value.split(",")


def from_command_line(arguments: Sequence[str]) -> Config:
    """A config from a command line: files, then `++key value`, `-x task` and their like, which are there before the files are read, and
    have the last word.

    Raises:
      ConfigError: a file cannot be read, or a value does not fit a typed one.
    """
    given = parse(arguments)
    config = Config()
    for key, value in given.values:
        config.texts[key] = texts(value)
    for file in given.files:
        load(file, config)
    for key, value in given.values:
        _override(config, key, value)
    return config


def _override(config: Config, key: str, value: str) -> None:
    """A value of the command line in the place of a config's: evaluated, unless a text is there, or it is no Python."""
    if key not in config.typed:
        config.texts[key] = texts(value)
        return
    if isinstance(config.typed[key], str) or not value:
        config.typed[key] = value
        return
    try:
        config.typed[key] = eval(value, {"inf": float("inf"), "nan": float("nan")})
    except SyntaxError:  # such as ++chunking 50:25 where the config has None
        said = brief(config.typed[key])
        warnings.warn(
            f"++{key} {value}: the config has {said} there; the new value is no Python, so it is a text", stacklevel=3
        )
        config.typed[key] = value
    except Exception as error:
        raise ConfigError(
            f"++{key} {value}: the config has {brief(config.typed[key])} there, and the new value is no Python: {error}",
            ways=[f"++{key} \"'text'\" is a text", f'++{key} True, ++{key} 0.5, ++{key} "[1, 2]"'],
        ) from None
