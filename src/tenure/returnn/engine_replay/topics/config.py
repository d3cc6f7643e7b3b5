"""Configs: values with and without a type, from files and the command line; what the reading functions give."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from tenure.returnn.engine_replay.cases import Case
from tenure.returnn.engine_replay.compare import differences
from tenure.training.config import Config, from_command_line

_HIDDEN = ("__name__", "__file__", "__builtins__", "config")
_READS: dict[str, Callable[[Config, str], Any]] = {
    "has": Config.has,
    "is_typed": Config.is_typed,
    "is_true": Config.is_true,
    "value": lambda c, key: c.value(key, "<default>"),
    "typed_value": Config.typed_value,
    "opt_typed_value": lambda c, key: c.opt_typed_value(key, "<default>"),
    "int": lambda c, key: c.int(key, -99),
    "float": lambda c, key: c.float(key, -99.5),
    "bool": lambda c, key: c.bool(key, "<default>"),
    "bool_or_other": lambda c, key: c.bool_or_other(key, "<default>"),
    "list": lambda c, key: c.list(key, ["<default>"]),
    "int_list": lambda c, key: c.int_list(key, [-99]),
    "float_list": lambda c, key: c.float_list(key, [-99.5]),
    "int_pair": lambda c, key: c.int_pair(key, (-9, -9)),
    "value_index1": lambda c, key: c.value(key, "<default>", 1),
}


def check(case: Case) -> list[str]:
    """Loads the files of a case in a folder of their own, and compares everything that can be read."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in case.inputs["files"].items():
            Path(folder, name).write_text(text, encoding="utf-8")
        before = os.getcwd()
        os.chdir(folder)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a file that looks like Python, and is read as lines
                config = from_command_line(case.inputs["command_line"])
        except Exception as error:
            return differences(case.expected, {"error": case.expected.get("error", str(error))})
        finally:
            os.chdir(before)
    return differences(case.expected, _read(config, case.expected))


def _read(config: Config, expected: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "typed_dict": {key: _shown(value) for key, value in config.typed.items() if key not in _HIDDEN},
        "dict": config.texts,
        "behavior_version": config.int("behavior_version", 0),
        "access": {
            key: {name: _result(_READS[name], config, key, reads[name]) for name in reads}
            for key, reads in expected.get("access", {}).items()
        },
    }


def _result(read: Callable[[Config, str], Any], config: Config, key: str, expected: Any) -> Any:
    try:
        return _shown(read(config, key))
    except Exception as error:
        refused = isinstance(expected, dict) and "__error__" in expected
        return expected if refused else f"{type(error).__name__}: {error}"


def _shown(value: Any) -> Any:
    if isinstance(value, FunctionType):
        return {"__opaque__": "function"}
    return {"__opaque__": "module"} if isinstance(value, ModuleType) else value
