"""The operations of a program, nested by module, with parameter counts and flops: as records, text or HTML."""

from __future__ import annotations

import dataclasses
import html
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
from jax.extend.core import DropVar, Jaxpr, JaxprEqn, Literal, Var

from tenure.haiku.experimental.summary import MethodInvocation, eval_summary

_UNITS = (("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3))


@dataclasses.dataclass
class Module:
    """A module, a named scope or a called function.

    Attributes:
      name: of the scope.
      flops: of all its expressions; None if nobody counted.
      expressions: in the order in which they run.
      total_param_size, total_state_size: numbers of elements.
      param_info, state_info: names, relative to the module, to shapes.
    """

    name: str
    flops: int | None = None
    expressions: list[Expression] = dataclasses.field(default_factory=list)
    total_param_size: int = 0
    param_info: dict[str, str] = dataclasses.field(default_factory=dict)
    total_state_size: int = 0
    state_info: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Expression:
    """One operation, or what stands for a nested module.

    Attributes:
      primitive: JAX's name of the operation.
      invars, outvars: names of the inputs and outputs.
      flops: None if nobody counted.
      details: shapes of inputs and outputs.
      params: of the operation, as text.
      submodule: what is nested, if anything.
      first_outvar: the name of the first output.
      name_stack: the scopes around.
    """

    primitive: str
    invars: str
    outvars: str
    flops: int | None = None
    details: str = ""
    params: dict[str, str] = dataclasses.field(default_factory=dict)
    submodule: Module | None = None
    first_outvar: str = ""
    name_stack: Sequence[str] = dataclasses.field(default_factory=list)


ComputeFlopsFn = Callable[[JaxprEqn, Expression], int]


def make_model_info(
    f: Callable[..., Any],
    name: str | None = None,
    include_module_info: bool = True,
    compute_flops: ComputeFlopsFn | None = None,
    axis_env: Sequence[tuple[Any, int]] | None = None,
) -> Callable[..., Module]:
    """A function of `f`'s inputs that describes what `f` computes.

    Args:
      f: uses modules, transformed or not.
      name: of the whole; the function's if None.
      include_module_info: whether to count parameters and states of modules.
      compute_flops: counts one operation.
      axis_env: names and sizes of mapped axes, as for `jax.make_jaxpr`.

    >>> import jax.numpy as jnp
    >>> print(format_module(make_model_info(lambda x: jnp.cos(x) + 1, name="f")(jnp.zeros(3))))
    f
      cos in f32[3], out f32[3]
      add in f32[3], f32[], out f32[3]
    """
    make_jaxpr = jax.make_jaxpr(f, axis_env=axis_env)
    summary = eval_summary(lambda *args, **kwargs: f(*args, **kwargs))

    def make_module(*args: Any, **kwargs: Any) -> Module:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, 10_000))
        try:
            module = Module(name or f.__name__)
            _fill(module, make_jaxpr(*args, **kwargs).jaxpr, compute_flops)
            if include_module_info:
                calls = {c.module_details.module.module_name.replace("/~/", "/"): c for c in summary(*args, **kwargs)}
                for expression in module.expressions:
                    if expression.submodule is not None:
                        _count(expression.submodule, expression.submodule.name, calls)
            return module
        finally:
            sys.setrecursionlimit(limit)

    return make_module


def _fill(module: Module, jaxpr: Jaxpr, compute_flops: ComputeFlopsFn | None) -> None:
    """Puts the operations that the results depend on into the module, nested by their scopes."""
    names = _names(jaxpr)
    module.flops = None if compute_flops is None else 0
    open_scopes = [module]
    for equation in _live(jaxpr):
        expression = _expression(equation, names, compute_flops)
        if expression is None:
            continue
        shared = 0
        while shared < len(expression.name_stack) and shared + 1 < len(open_scopes):
            if open_scopes[shared + 1].name != expression.name_stack[shared]:
                break
            shared += 1
        del open_scopes[shared + 1 :]
        for scope in expression.name_stack[shared:]:
            inner = Module(scope)
            open_scopes[-1].expressions.append(Expression("name_scope", "", "", submodule=inner))
            open_scopes.append(inner)
        open_scopes[-1].expressions.append(expression)
        if expression.flops:
            for module in open_scopes:
                module.flops = (module.flops or 0) + expression.flops


def _live(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    needed = {v for v in jaxpr.outvars if isinstance(v, Var)}
    kept = []
    for equation in reversed(jaxpr.eqns):
        if any(v in needed for v in equation.outvars):
            kept.append(equation)
            needed.update(v for v in equation.invars if isinstance(v, Var))
    return reversed(kept)


def _names(jaxpr: Jaxpr) -> dict[Any, str]:
    """a, b, …, z, ba, …: in the order in which variables are bound."""
    bound = [*jaxpr.constvars, *jaxpr.invars, *(v for e in jaxpr.eqns for v in e.outvars)]
    names = {}
    for i, variable in enumerate(bound):
        text = ""
        while not text or i:
            i, digit = divmod(i, 26)
            text = chr(97 + digit) + text
        names[variable] = "_" if isinstance(variable, DropVar) else text
    return names


def _expression(equation: JaxprEqn, names: dict[Any, str], compute_flops: ComputeFlopsFn | None) -> Expression | None:
    """The operation; None if it is a call in which there is nothing to count."""
    outs = sorted((names[v] for v in equation.outvars), key=lambda n: (1000 if n == "_" else len(n), n))
    ins = [str(v) if isinstance(v, Literal) else names[v] for v in equation.invars]
    stack = str(equation.source_info.name_stack)
    expression = Expression(
        equation.primitive.name,
        " ".join(ins) if len(ins) < 10 else f"{len(ins)} inputs",
        " ".join(outs) if len(outs) < 10 else f"{outs[0]}, {len(outs) - 1} more outputs",
        first_outvar=outs[0],
        name_stack=stack.split("/") if stack else [],
    )
    called = _called(equation)
    if called is not None:
        name, jaxpr, times = called
        expression.submodule = inner = Module(name)
        _fill(inner, jaxpr, compute_flops)
        if inner.flops is not None:
            inner.flops *= times
            expression.flops = inner.flops
        return None if compute_flops is not None and not inner.flops else expression
    sides = (("in", equation.invars), ("out", equation.outvars))
    expression.details = ", ".join(f"{side} " + ", ".join(map(_shape, atoms)) for side, atoms in sides if atoms)
    expression.params = {k: str(v) for k, v in equation.params.items()}
    expression.flops = None if compute_flops is None else compute_flops(equation, expression)
    return expression


def _shape(atom: Any) -> str:
    return atom.aval.str_short().replace("float", "f")


def _called(equation: JaxprEqn) -> tuple[str, Jaxpr, int] | None:
    """The function that an operation calls: its name, its operations, how often they run at least."""
    kind, params = equation.primitive.name, equation.params
    if kind in ("jit", "pjit"):
        return params["name"], params["jaxpr"].jaxpr, 1
    if kind == "scan":
        times = params["length"] // params["unroll"]
        return f"scan length={params['length']} unroll={params['unroll']}", params["jaxpr"].jaxpr, times
    if kind == "while":
        return "while", params["body_jaxpr"].jaxpr, 1
    if kind in ("remat2", "checkpoint"):
        return "remat", params["jaxpr"], 1
    if kind == "shard_map":
        return "shard_map", params["jaxpr"], params["mesh"].size
    if kind in ("custom_jvp_call", "custom_vjp_call"):
        return kind.replace("_call", ""), params["call_jaxpr"].jaxpr, 1
    return None


def _count(module: Module, path: str, calls: Mapping[str, MethodInvocation]) -> None:
    """Adds the numbers of parameters and states, where the path is a module's."""
    if path in calls:
        details = calls[path].module_details
        module.total_param_size = sum(spec.size for spec in details.params.values())
        module.total_state_size = sum(spec.size for spec in details.state.values())
        for info, specs in ((module.param_info, details.params), (module.state_info, details.state)):
            info.update({name.replace("/~/", "/").replace(path, "."): str(spec) for name, spec in specs.items()})
    for expression in module.expressions:
        if expression.submodule is not None:
            _count(expression.submodule, f"{path}/{expression.submodule.name}", calls)


def _short(n: int, unit: str) -> str:
    for prefix, exponent in _UNITS:
        if n > 10**exponent:
            return f"{n / 10**exponent:.4g} {prefix}{unit}"
    return f"{n} {unit}"


def _head(module: Module) -> str:
    counts = [(module.flops, "flops"), (module.total_param_size or None, "params")]
    counts.append((module.total_state_size or None, "state"))
    return " ".join([module.name, *(_short(n, unit) for n, unit in counts if n is not None)])


def format_module(module: Module, depth: int = 0) -> str:
    """The module as indented text, one operation a line.

    Args:
      module: of `make_model_info`.
      depth: how far to indent.
    """
    lines = ["  " * depth + _head(module)]
    for expression in module.expressions:
        if expression.submodule is not None:
            lines.append(format_module(expression.submodule, depth + 1))
            continue
        flops = "" if expression.flops is None else " " + _short(expression.flops, "flops")
        lines.append("  " * (depth + 1) + f"{expression.primitive}{flops} {expression.details}".rstrip())
    return "\n".join(lines)


def css() -> str:
    """The style sheet of `as_html`."""
    return (
        ".model-info { font-family: monospace } .model-info details { margin-left: 1.5em }\n"
        ".model-info .expression { margin-left: 3em } .model-info .flops { color: grey }\n"
        ".model-info .primitive { color: #3f48b0 } .model-info summary { cursor: pointer }\n"
    )


def js() -> str:
    """The script of `as_html`: none is needed, browsers open and close the parts by themselves."""
    return ""


def as_html(module: Module, min_flop: int = 1000, outvars: str = "", last: bool = False) -> str:
    """The module as nested HTML elements that open and close.

    Args:
      module: of `make_model_info`.
      min_flop: operations with fewer flops are left out, where they were counted.
      outvars: names of the module's results.
      last: whether no sibling follows.
    """
    specs = [*module.param_info.items(), *module.state_info.items()]
    tip = html.escape("\n".join(f"{name}: {spec}" for name, spec in specs))
    shown = f"{html.escape(outvars)} = " if outvars else ""
    parts = [f'<details{"" if outvars else " open"} class="model-info">']
    parts.append(f'<summary title="{tip}">{shown}<b>{html.escape(_head(module))}</b></summary>')
    for i, expression in enumerate(module.expressions):
        if expression.flops is not None and expression.flops < min_flop:
            continue
        if expression.submodule is not None:
            is_last = i == len(module.expressions) - 1
            parts.append(as_html(expression.submodule, min_flop, expression.outvars, is_last))
            continue
        flops = "" if expression.flops is None else _short(expression.flops, "flops")
        parts.append(
            f'<div class="expression" title="{html.escape(expression.details)}">{html.escape(expression.outvars)} = '
            f'<span class="primitive">{html.escape(expression.primitive)}</span> {html.escape(expression.invars)} '
            f'<span class="flops">{flops}</span></div>'
        )
    del last
    return "".join([*parts, "</details>"])


def as_html_page(module: Module, min_flop: int = 1000) -> str:
    """The module as one page.

    >>> "<b>f</b>" in as_html_page(Module("f"))
    True
    """
    return (
        f"<html><head><meta charset='utf-8'><style>{css()}</style><script>{js()}</script></head>"
        f"<body>{as_html(module, min_flop)}</body></html>"
    )


__all__ = ["Expression", "Module", "as_html", "as_html_page", "css", "format_module", "js", "make_model_info"]
