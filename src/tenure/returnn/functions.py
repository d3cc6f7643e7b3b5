"""Python functions of configs as data: the source of a lambda or a `def`, interpreted with TensorFlow's mapped names.

What expressions may not do, these may not either; of statements there are assignments, `if`, `for` over what is known, `with`
for TensorFlow's scopes, `assert` and `return`. Imports of TensorFlow, numpy and typing are understood, and give nothing else than the mapped names.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tenure.core.errors import brief
from tenure.network.expressions import ExpressionError, guarded, parse
from tenure.network.interpreter import BINARY, Interpreter, Scope
from tenure.network.tf import Namespace, imports, tf
from tenure.network.tf.control import Context
from tenure.network.tf.elementwise import OWN

_NUMPY = [
    "abs",
    "ceil",
    "cos",
    "exp",
    "floor",
    "inf",
    "log",
    "maximum",
    "minimum",
    "pi",
    "power",
    "prod",
    "round",
    "sin",
    "sqrt",
    "sum",
    "tanh",
]
_MODULES = {"numpy": Namespace("numpy", {name: getattr(np, name) for name in _NUMPY})}


class _Return(Exception):
    """A function's result, on its way out."""

    def __init__(self, value: Any):
        super().__init__()
        self.value = value


class Program(Interpreter):
    """The interpreter of expressions, with the few statements that functions of configs are made of.

    >>> scope = {}
    >>> Program("").block(ast.parse("a = 2\\nfor i in range(3): a = a * 2").body, scope)
    >>> scope["a"]
    16
    """

    def block(self, statements: list[ast.stmt], scope: Scope) -> None:
        """Runs statements, one after the other."""
        for statement in statements:
            self.value(statement, scope)

    def _expr(self, node: ast.Expr, scope: Scope) -> None:
        self.value(node.value, scope)

    def _pass(self, node: ast.Pass, scope: Scope) -> None:
        """Nothing."""

    def _return(self, node: ast.Return, scope: Scope) -> None:
        raise _Return(None if node.value is None else self.value(node.value, scope))

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        value = self.value(node.value, scope)
        for target in node.targets:
            scope.update(self.bind(target, value))

    def _annassign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value is not None:
            scope.update(self.bind(node.target, self.value(node.value, scope)))

    def _augassign(self, node: ast.AugAssign, scope: Scope) -> None:
        if not isinstance(node.target, ast.Name):
            raise self.error(f"assignment to {type(node.target).__name__} is not allowed")
        old, more = self.value(ast.Name(node.target.id, ast.Load()), scope), self.value(node.value, scope)
        self._check_size(node.op, old, more)
        scope[node.target.id] = BINARY[type(node.op)](old, more)

    def _if(self, node: ast.If, scope: Scope) -> None:
        self.block(node.body if self.value(node.test, scope) else node.orelse, scope)

    def _for(self, node: ast.For, scope: Scope) -> None:
        for item in self.value(node.iter, scope):
            scope.update(self.bind(node.target, item))
            self.block(node.body, scope)

    def _assert(self, node: ast.Assert, scope: Scope) -> None:
        if not self.value(node.test, scope):
            raise self.error(f"its assertion fails: {ast.unparse(node.test)}")

    def _import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            self._bind_module(alias.name.partition(".")[0], alias.asname, scope)

    def _importfrom(self, node: ast.ImportFrom, scope: Scope) -> None:
        of = self._module(str(node.module), node.level)
        for alias in node.names:
            if of is not None:
                scope[alias.asname or alias.name] = getattr(of, alias.name)

    def _bind_module(self, name: str, alias: str | None, scope: Scope) -> None:
        found = self._module(name)
        scope[alias or name.partition(".")[0]] = found if alias else imports.module(name) or found

    def _module(self, name: str, level: int = 0) -> Any:
        """What stands for a module; None for those that only types come from."""
        if name in ("typing", "__future__") and not level:
            return None
        found = imports.MODULES.get(name, _MODULES.get(name))
        if found is None or level:
            known = ", ".join(sorted({*imports.MODULES, *_MODULES}))
            raise self.error(f"the module {name!r} is not known here", ways=[f"there are: {known}"])
        return found

    def _with(self, node: ast.With, scope: Scope) -> None:
        for item in node.items:
            entered = self.value(item.context_expr, scope)
            if not isinstance(entered, Context):
                raise self.error("'with' is for scopes of TensorFlow only")
            if item.optional_vars is not None:
                scope.update(self.bind(item.optional_vars, entered))
        self.block(node.body, scope)

    def _functiondef(self, node: ast.FunctionDef, scope: Scope) -> None:
        def run(inner: Scope) -> Any:
            try:
                self.block(node.body, inner)
            except _Return as result:
                return result.value
            return None

        scope[node.name] = self.function(node.args, scope, run)


def function(source: str, names: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """A function from its source.

    Args:
      source: a lambda expression, or a `def`.
      names: values of free names.

    Raises:
      ExpressionError: it is neither, or uses what it may not.

    >>> function("lambda x, **_: x + 1")(2), function("def f(x):\\n    return -x")(2)
    (3, -2)
    """
    scope: Scope = {"tf": tf, **OWN, **(names or {})}
    if source.lstrip().startswith("lambda"):
        made = Program(source).value(parse(source).tree, scope)
    else:
        made = _defined(source, scope)

    def call(*args: Any, **keywords: Any) -> Any:
        return guarded(source, lambda: made(*args, **keywords))

    return call


def _defined(source: str, scope: Scope) -> Callable[..., Any]:
    try:
        tree = ast.parse(textwrap.dedent(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError(f"{brief(source)} is not a Python function") from None
    if not tree.body or not isinstance(tree.body[-1], ast.FunctionDef):
        raise ExpressionError(f"{brief(source)} defines no function at its end")
    program = Program(source)
    program.block(tree.body, scope)
    return scope[tree.body[-1].name]
