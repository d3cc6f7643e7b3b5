"""Python expressions as data: parsed with `ast`, walked by an interpreter that knows names it was given and nothing else.

The strings of `eval` layers and activations come from configs, so they are input and not program: no builtin function, no
attribute that is not listed, no import, and no number that takes long to compute can be reached from here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tenure.core.errors import TenureError, brief
from tenure.network import bounds
from tenure.network.interpreter import ExpressionError, Interpreter

MAX_LENGTH = 20_000


@dataclass(frozen=True)
class Expression:
    """A parsed expression: call it with the names that it may use.

    >>> parse("2 * x + 1")({"x": 3})
    7
    """

    source: str
    tree: ast.expr

    def __call__(self, names: Mapping[str, Any]) -> Any:
        """Its value.

        Args:
          names: what the expression's names mean, besides a few harmless builtins.

        Raises:
          ExpressionError: a name or attribute that is not there, a construct that is not allowed, or an operation that
            fails.
        """
        return guarded(self.source, lambda: Interpreter(self.source).value(self.tree, dict(names)))

    def names(self) -> frozenset[str]:
        """The names that occur free or bound in it."""
        return frozenset(node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name))


def guarded(source: str, run: Callable[[], Any]) -> Any:
    """`run()`, with everything that goes wrong told as an error of the expression `source`.

    Args:
      source: the expression, for messages.
      run: evaluates it.

    Raises:
      ExpressionError: whatever goes wrong in it; a `TenureError` stays as it is.
    """
    try:
        with bounds.budget():
            return run()
    except bounds.BoundError as error:
        raise ExpressionError(f"{brief(source, 200)}: {error.rule}") from None
    except TenureError:
        raise
    except Exception as error:
        text = str(error).strip().split("\n")[0]
        raise ExpressionError(
            f"{brief(source, 200)} fails with {type(error).__name__}: {brief(text, 300)}",
            ways=["check that operands, shapes and dtypes fit; sources are arrays of the layer's common shape"],
        ) from error


def parse(source: str) -> Expression:
    """Reads an expression.

    Args:
      source: a Python expression; line breaks count as blanks, as inside parentheses.

    Returns:
      The expression, not evaluated yet.

    Raises:
      ExpressionError: it is no expression, or one of absurd size.

    >>> sorted(parse("source(0) * 2").names())
    ['source']
    """
    if not isinstance(source, str) or len(source) > MAX_LENGTH:
        raise ExpressionError(f"{brief(source)} is not a string of at most {MAX_LENGTH} characters")
    if not source.strip():
        raise ExpressionError("an empty string is not a Python expression")
    try:
        tree = ast.parse(f"(\n{source.strip()}\n)", mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        raise ExpressionError(f"{brief(source)} is not a Python expression: {reason}") from None
    return Expression(source, tree.body)


ROOT = "root:"  # in front of a name that the outermost network has


def layers_in(source: Any) -> list[str]:
    """The layers that an expression asks the network for by name, as references.

    >>> layers_in("self.network.layers['a'].output.placeholder")
    ['a']
    >>> layers_in("self.network.parent_net.get_layer('a').output.placeholder + self.network.get_layer('b').output.placeholder")
    ['base:a', 'b']
    """
    if not isinstance(source, str) or not ("get_layer" in source or ".layers[" in source):
        return []
    found = []
    for node in ast.walk(parse(source).tree):
        name, at = _asked(node)
        outwards = 0
        while isinstance(at, ast.Attribute):
            outwards, at = outwards + (at.attr in ("parent_net", "_rec_parent_net")), at.value
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            at_root = (
                isinstance(at, ast.Call) and isinstance(at.func, ast.Attribute) and at.func.attr == "get_root_network"
            )
            found.append(ROOT + name.value if at_root else "base:" * outwards + name.value)
    return found


def _asked(node: ast.AST) -> tuple[Any, Any]:
    """What is between the brackets of `x.get_layer(…)` or `x.layers[…]`, and x; None for all else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get_layer":
        return next(iter(node.args), None), node.func.value
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "layers":
        return node.slice, node.value.value
    return None, None


__all__ = ["Expression", "ExpressionError", "guarded", "layers_in", "parse"]
