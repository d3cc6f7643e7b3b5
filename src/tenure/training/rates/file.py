"""The learning-rate file: RETURNN's, byte for byte. It is read as literals; nothing in it is executed."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tenure.core.errors import brief
from tenure.training.errors import LearningRateError
from tenure.training.rates.scores import META, EpochScores

_NUMBERS: dict[str, Callable[..., Any]] = {
    "float": float,
    **{name: getattr(np, name) for name in ("float16", "float32", "float64", "int32", "int64")},
}
_ONE_LINE = 40  # characters of a dictionary's items
_CONSTANTS = {"nan": math.nan, "inf": math.inf}


def render(epochs: Mapping[int, EpochScores]) -> str:
    """The file's text.

    >>> print(render({1: EpochScores(0.1, {"dev_score": 0.5})}), end="")
    {
    1: EpochData(learningRate=0.1, error={'dev_score': 0.5}),
    }
    """
    lines = [
        f"{epoch}: EpochData(learningRate={_text(e.learning_rate)}, error={_dict(e.scores)}),"
        for epoch, e in sorted(epochs.items())
    ]
    return "".join(f"{line}\n" for line in ["{", *lines, "}"])


def _dict(values: Mapping[str, Any]) -> str:
    """One line for little, a line for each item for more, as RETURNN decides."""
    items = [f"{key!r}: {_text(values[key])}" for key in sorted(values)]
    if sum(map(len, items)) < _ONE_LINE:
        return "{" + ", ".join(items) + "}"
    return "{\n" + "".join(f"{item},\n" for item in items) + "}"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return _dict(value)
    if isinstance(value, list):
        return "[\n" + "".join(f"{_text(v)},\n" for v in value) + "]"
    if isinstance(value, float) and not math.isfinite(value) and not isinstance(value, np.floating):
        return f"float({str(value)!r})"
    return repr(value)


def parse(text: str, name: str = "learning-rate file") -> dict[int, EpochScores]:
    """The epochs of a file's text.

    Args:
      text: what `render` gives, or what RETURNN writes: `np.float32(…)`, `nan`, `inf`, and the old form `error=0.5` included.
      name: of the file, for errors.

    Raises:
      LearningRateError: it cannot be read.

    >>> parse("{1: EpochData(learningRate=0.1, error=np.float32(0.5))}")
    {1: EpochScores(learning_rate=0.1, scores={'old_format_score': np.float32(0.5)})}
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if not isinstance(tree, ast.Dict):
            raise ValueError("it is no dictionary of epochs")
        return {int(_value(k)): _epoch(v) for k, v in zip(tree.keys, tree.values)}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise LearningRateError(
            f"{name} cannot be read: {error}",
            ways=["take a backup of the file", "delete the file: learning rates then start afresh"],
        ) from None


def _epoch(node: ast.expr) -> EpochScores:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "EpochData"):
        raise ValueError(f"an epoch is EpochData(…), not {brief(ast.unparse(node))}")
    given = {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    rate = next((name for name in ("learningRate", "learning_rate") if name in given), None)
    if node.args or rate is None or not given.keys() <= {rate, "error", "meta"}:
        raise ValueError(f"EpochData has learningRate=… and error=…: {brief(ast.unparse(node))}")
    scores = given.get("error")
    scores = {} if scores is None else scores if isinstance(scores, dict) else {"old_format_score": scores}
    return EpochScores(
        given[rate], {**scores, **{META + key: value for key, value in (given.get("meta") or {}).items()}}
    )


def _value(node: ast.expr | None) -> Any:
    if isinstance(node, ast.Dict):
        return {_value(k): _value(v) for k, v in zip(node.keys, node.values)}
    if isinstance(node, ast.List):
        return [_value(v) for v in node.elts]
    if isinstance(node, ast.Name) and node.id in _CONSTANTS:
        return _CONSTANTS[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.Call) and not node.keywords and len(node.args) == 1:
        made = _NUMBERS.get(_callee(node.func))
        if made is not None:
            return made(_value(node.args[0]))
    if node is None:
        raise ValueError("a key is missing")
    return ast.literal_eval(node)


def _callee(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("np", "numpy"):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
