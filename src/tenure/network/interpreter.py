"""The interpreter behind expressions: a method for each kind of node that is allowed, and no others."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tenure.core.errors import TenureError, brief, nearest
from tenure.network import bounds
from tenure.network.expression_attributes import attributes_of, more_attributes

_PLAIN_FORMAT = re.compile(r"(?:[^%]|%[sdifr%])*")
MAX_STEPS = 200_000
MAX_BITS = 4_096
MAX_ITEMS = 100_000
MAX_ARGUMENTS = 1_000


class ExpressionError(TenureError):
    """A string that is no expression, or one that uses what expressions may not use."""


BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


def bounded_range(*args: int) -> range:
    """`range`, as long as it is short.

    Raises:
      ExpressionError: it is long.
    """
    found = range(*args)
    if len(found) > MAX_ITEMS:
        raise ExpressionError(f"{found} has more than {MAX_ITEMS} items")
    return found


def bounded_sum(parts: Any, start: Any = 0) -> Any:
    """`sum`, which of lists makes a list."""
    parts = list(parts)
    if isinstance(start, (list, tuple)):
        bounds.items(sum(len(p) for p in parts if isinstance(p, (list, tuple))) * (1 + len(parts) // 1000))
    return sum(parts, start)


def _word(value: Any = "") -> str:
    if isinstance(value, (list, tuple, dict, set)):
        raise ExpressionError("str is for words and numbers only")
    return str(value)


BUILTINS: dict[str, Any] = {
    "abs": abs,
    "all": all,
    "any": any,
    "bool": bool,
    "dict": dict,
    "enumerate": enumerate,
    "float": float,
    "int": int,
    "isinstance": isinstance,
    "len": len,
    "list": list,
    "max": max,
    "min": min,
    "print": lambda *args, **keywords: None,
    "range": bounded_range,
    "reversed": lambda items: list(items)[::-1],
    "round": round,
    "set": set,
    "sorted": sorted,
    "str": _word,
    "sum": bounded_sum,
    "tuple": tuple,
    "zip": zip,
}

Scope = dict[str, Any]


class Interpreter:
    """Walks a tree; each kind of node that is allowed has a method, and there are no others.

    >>> Interpreter("x[1:]").value(ast.parse("x[1:]", mode="eval").body, {"x": (1, 2, 3)})
    (2, 3)
    """

    def __init__(self, source: str):
        """An interpreter for one evaluation of `source`."""
        self.source = source
        self.steps = 0

    def error(self, rule: str, **more: Any) -> ExpressionError:
        """An error that shows the whole expression."""
        return ExpressionError(f"{rule}, in {brief(self.source, 200)}", **more)

    def value(self, node: ast.AST, scope: Scope) -> Any:
        """The value of one node.

        Args:
          node: of the syntax tree.
          scope: the names that are known.

        Raises:
          ExpressionError: the node is of a kind that is not allowed, or the expression takes too many steps.
        """
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise self.error(f"more than {MAX_STEPS} steps")
        method = getattr(self, "_" + type(node).__name__.lower(), None)
        if method is None:
            raise self.error(f"{type(node).__name__} is not allowed")
        return method(node, scope)

    def _constant(self, node: ast.Constant, scope: Scope) -> Any:
        return node.value

    def _name(self, node: ast.Name, scope: Scope) -> Any:
        for names in (scope, BUILTINS):
            if node.id in names:
                return names[node.id]
        raise self.error(f"the name {node.id!r} is unknown", near=nearest(node.id, [*scope, *BUILTINS]))

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        value = self.value(node.value, scope)
        more = more_attributes(value)
        if node.attr in more:
            return more[node.attr]
        allowed = attributes_of(value)
        if node.attr in allowed:
            return getattr(value, node.attr)
        what = brief(value, 40) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
        raise self.error(f"{what} has no attribute {node.attr!r} for expressions", near=nearest(node.attr, allowed))

    def _binop(self, node: ast.BinOp, scope: Scope) -> Any:
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        self._check_size(node.op, left, right)
        return self.made(BINARY[type(node.op)](left, right))

    def made(self, value: Any) -> Any:
        """The value, whose items are taken from the budget."""
        if isinstance(value, (list, tuple, dict, set, str, bytes)):
            bounds.items(len(value))
        return value

    def _check_size(self, op: ast.operator, left: Any, right: Any) -> None:
        """Python's integers and sequences have no bound of their own: `9**9**9` must not hang."""
        bounds.broadcast(left, right)
        ints = [isinstance(side, int) for side in (left, right)]
        if all(ints):
            bits = {
                ast.Pow: lambda: abs(left).bit_length() * max(right, 0),
                ast.LShift: lambda: abs(left).bit_length() + max(right, 0),
                ast.Mult: lambda: abs(left).bit_length() + abs(right).bit_length(),
            }.get(type(op), int)()
            if bits > MAX_BITS:
                raise self.error("a number of absurd size")
        elif isinstance(op, ast.Mult) and any(ints):
            items, times = (right, left) if ints[0] else (left, right)
            if isinstance(items, str | bytes | list | tuple) and len(items) * times > MAX_ITEMS:
                raise self.error("a sequence of absurd size")
        elif isinstance(op, ast.Mod) and isinstance(left, str):
            values = right if isinstance(right, tuple) else (right,)
            if not _PLAIN_FORMAT.fullmatch(left) or not all(isinstance(v, (str, int, float)) for v in values):
                raise self.error("% on strings puts in words and numbers only, without widths")

    def _unaryop(self, node: ast.UnaryOp, scope: Scope) -> Any:
        return UNARY[type(node.op)](self.value(node.operand, scope))

    def _boolop(self, node: ast.BoolOp, scope: Scope) -> Any:
        stop = isinstance(node.op, ast.Or)
        result: Any = not stop
        for part in node.values:
            result = self.value(part, scope)
            if bool(result) is stop:
                return result
        return result

    def _compare(self, node: ast.Compare, scope: Scope) -> Any:
        left, result = self.value(node.left, scope), True
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator, scope)
            bounds.items(bounds.spelled([left, right]) - 2)
            bounds.broadcast(left, right)
            result = COMPARE[type(op)](left, right)
            if len(node.ops) > 1 and not result:
                return result
            left = right
        return result

    def _ifexp(self, node: ast.IfExp, scope: Scope) -> Any:
        return self.value(node.body if self.value(node.test, scope) else node.orelse, scope)

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        function = self.value(node.func, scope)
        if not callable(function):
            raise self.error(f"a {type(function).__name__} is not a function")
        args = self._items(node.args, scope)
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value, scope)
            keywords.update(value if keyword.arg is None else {keyword.arg: value})
        if len(args) > MAX_ARGUMENTS:
            raise self.error(f"a call with more than {MAX_ARGUMENTS} arguments")
        bounds.spelled([args, keywords])
        return self.made(function(*args, **keywords))

    def _items(self, nodes: Iterable[ast.expr], scope: Scope) -> list[Any]:
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found.extend(self.value(node.value, scope))
            else:
                found.append(self.value(node, scope))
        return found

    def _joinedstr(self, node: ast.JoinedStr, scope: Scope) -> str:
        parts = [self.value(part, scope) for part in node.values]
        if sum(map(len, parts)) > MAX_ITEMS:
            raise self.error("a string of absurd length")
        return "".join(parts)

    def _formattedvalue(self, node: ast.FormattedValue, scope: Scope) -> str:
        value = self.value(node.value, scope)
        if node.format_spec is not None or not isinstance(value, (str, int, float)):
            raise self.error("a string puts in words and numbers only, without formats")
        return str(value)

    def _tuple(self, node: ast.Tuple, scope: Scope) -> tuple[Any, ...]:
        return self.made(tuple(self._items(node.elts, scope)))

    def _list(self, node: ast.List, scope: Scope) -> list[Any]:
        return self.made(self._items(node.elts, scope))

    def _set(self, node: ast.Set, scope: Scope) -> set[Any]:
        found = self._items(node.elts, scope)
        bounds.spelled(found)
        return set(self.made(found))

    def _dict(self, node: ast.Dict, scope: Scope) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            of = self.value(value, scope)
            name = None if key is None else self.value(key, scope)
            bounds.spelled(name)
            found.update(of if key is None else {name: of})
        return self.made(found)

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Any:
        return self.made(self.value(node.value, scope)[self.value(node.slice, scope)])

    def _slice(self, node: ast.Slice, scope: Scope) -> slice:
        return slice(
            *(None if part is None else self.value(part, scope) for part in (node.lower, node.upper, node.step))
        )

    def _lambda(self, node: ast.Lambda, scope: Scope) -> Callable[..., Any]:
        return self.function(node.args, scope, lambda inner: self.value(node.body, inner))

    def function(self, args: ast.arguments, scope: Scope, body: Callable[[Scope], Any]) -> Callable[..., Any]:
        """A Python function with this signature whose body is interpreted.

        Args:
          args: the signature.
          scope: the names that the body knows beside its parameters.
          body: evaluates the body with all of its names.

        Raises:
          ExpressionError: (the function) a call does not fit the signature.
        """
        plain = [arg.arg for arg in (*args.posonlyargs, *args.args)]
        defaults = dict(zip(plain[len(plain) - len(args.defaults) :], self._items(args.defaults, scope), strict=True))
        for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
            if default is not None:
                defaults[arg.arg] = self.value(default, scope)
        known = {*plain, *(arg.arg for arg in args.kwonlyargs)}

        def call(*given: Any, **keywords: Any) -> Any:
            bound = {**defaults, **dict(zip(plain, given, strict=False))}
            bound.update((key, value) for key, value in keywords.items() if key in known)
            rest = {key: value for key, value in keywords.items() if key not in known}
            if args.vararg:
                bound[args.vararg.arg] = given[len(plain) :]
            if args.kwarg:
                bound[args.kwarg.arg] = rest
            missing = [name for name in known if name not in bound]
            if missing or (rest and not args.kwarg) or (len(given) > len(plain) and not args.vararg):
                raise self.error(f"a call does not fit the parameters {', '.join(sorted(known)) or '()'}")
            return body({**scope, **bound})

        return call

    def _comprehended(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, scope: Scope) -> Iterator[Any]:
        def loop(depth: int, inner: Scope) -> Iterator[Any]:
            if depth == len(node.generators):
                yield self.value(node.elt, inner)
                return
            generator = node.generators[depth]
            for item in self.value(generator.iter, inner):
                bound = {**inner, **self.bind(generator.target, item)}
                if all(self.value(test, bound) for test in generator.ifs):
                    yield from loop(depth + 1, bound)

        return loop(0, scope)

    def bind(self, target: ast.expr, value: Any) -> Scope:
        """The names that an assignment of `value` to `target` gives.

        Args:
          target: a name, or a tuple or list of targets.
          value: what is assigned.

        Raises:
          ExpressionError: there are more or fewer values than names, or the target is an attribute or an item.
        """
        if isinstance(target, ast.Name):
            return {target.id: value}
        if isinstance(target, ast.Tuple | ast.List):
            parts = list(value)
            if len(parts) != len(target.elts):
                raise self.error(f"{len(parts)} values for {len(target.elts)} names")
            return {
                name: of
                for part, item in zip(target.elts, parts, strict=True)
                for name, of in self.bind(part, item).items()
            }
        raise self.error(f"assignment to {type(target).__name__} is not allowed")

    def _listcomp(self, node: ast.ListComp, scope: Scope) -> list[Any]:
        return self.made(list(self._comprehended(node, scope)))

    def _setcomp(self, node: ast.SetComp, scope: Scope) -> set[Any]:
        found = list(self._comprehended(node, scope))
        bounds.spelled(found)
        return set(self.made(found))

    def _generatorexp(self, node: ast.GeneratorExp, scope: Scope) -> list[Any]:
        return self.made(list(self._comprehended(node, scope)))
