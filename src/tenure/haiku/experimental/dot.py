"""The operations of a program as a Graphviz graph, in boxes for modules."""

from __future__ import annotations

import functools
import html
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend.core import Literal

from tenure.haiku.formats import format_array


def to_dot(fun: Callable[..., Any]) -> Callable[..., str]:
    """A function of `fun`'s inputs that draws what `fun` computes.

    Args:
      fun: uses modules, inside of a transformed function or transformed itself.

    Returns:
      A function that returns the graph in the language of Graphviz.

    >>> import jax.numpy as jnp, tenure.haiku as hk
    >>> f = hk.without_apply_rng(hk.transform(lambda x: hk.Linear(2)(x)))
    >>> params = f.init(jax.random.PRNGKey(0), jnp.ones((1, 3)))
    >>> hk.to_dot(f.apply)(params, jnp.ones((1, 3))).startswith("digraph G {")
    True
    """

    @functools.wraps(fun)
    def draw(*args: Any) -> str:
        closed, shape = jax.make_jaxpr(fun, return_shape=True)(*args)
        graph = _Graph(getattr(fun, "__name__", str(fun)))
        ids = {}
        for variable, path in zip(closed.jaxpr.invars, _paths("args", args), strict=True):
            ids[variable] = graph.node(f"<b>{html.escape(path)}</b><br/>{_show(variable)}", "#FF8A4F", "#FFDEAF")
        for variable in closed.jaxpr.constvars:
            ids[variable] = graph.node(_show(variable), "#A261FF", "#E6D6FF")
        graph.equations(closed.jaxpr, ids, dict(zip(closed.jaxpr.outvars, _paths("output", shape))))
        return graph.text()

    return draw


def abstract_to_dot(fun: Callable[..., Any]) -> Callable[..., str]:
    """As `to_dot`; the inputs may be `jax.ShapeDtypeStruct`s too."""

    @functools.wraps(fun)
    def draw(*args: Any) -> str:
        found: list[str] = []
        jax.eval_shape(lambda *args: found.append(to_dot(fun)(*args)), *args)
        return found[0]

    return draw


def _paths(name: str, tree: Any) -> Iterator[str]:
    return (name + jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree))


def _show(variable: Any) -> str:
    aval = variable.aval
    return html.escape(format_array(aval) if hasattr(aval, "shape") else str(aval))


class _Graph:
    """Lines of a graph as they are written."""

    def __init__(self, title: str):
        self.title, self.ids = title, itertools.count()
        self.lines: list[str] = []

    def node(self, label: str, color: str, fill: str, style: str = "filled") -> int:
        """A new node's number."""
        number = next(self.ids)
        look = f'shape=rect, style="{style}", fontcolor="black", color="{color}", fillcolor="{fill}"'
        self.lines.append(f"n{number} [label=<{label}>, {look}];")
        return number

    def equations(self, jaxpr: Any, ids: dict[Any, int], outputs: dict[Any, str]) -> None:
        """Operations, those of called functions in boxes of their own."""
        scopes: list[str] = []
        for equation in jaxpr.eqns:
            stack = [part for part in str(equation.source_info.name_stack).split("/") if part]
            shared = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(scopes, stack))))
            self.lines.extend("}" for _ in scopes[shared:])
            for scope in stack[shared:]:
                self.open(scope)
            scopes = stack
            self.equation(equation, ids, outputs)
        self.lines.extend("}" for _ in scopes)

    def open(self, title: str) -> None:
        """Begins a box."""
        self.lines.append(
            f'subgraph cluster_{next(self.ids)} {{ style="rounded,filled"; fillcolor="#F0F5F5"; color="#14234B"; '
            f"label=<<b>{html.escape(title)}</b>>; labelloc=t;"
        )

    def equation(self, equation: Any, ids: dict[Any, int], outputs: dict[Any, str]) -> None:
        """One operation, or a box for what it calls."""
        inputs = [v for v in equation.invars if not isinstance(v, Literal)]
        if equation.primitive.name in ("jit", "pjit"):
            inner = equation.params["jaxpr"].jaxpr
            known = {b: ids[a] for b, a in zip(inner.invars, equation.invars) if not isinstance(a, Literal)}
            for variable in set(inner.invars) - set(known):
                known[variable] = self.node(_show(variable), "#A261FF", "#E6D6FF")
            self.open(f"jit ({equation.params['name']})")
            self.equations(inner, known, {})
            self.lines.append("}")
            ids.update({a: known[b] for a, b in zip(equation.outvars, inner.outvars) if b in known})
            if all(not isinstance(b, Literal) and b in known for b in inner.outvars):
                return
        label = f"<b>{html.escape(equation.primitive.name)}</b>"
        label += "".join(f"<br/>{_show(v)}" for v in equation.outvars)
        output = next((outputs[v] for v in equation.outvars if v in outputs), None)
        if output is None:
            number = self.node(label, "#FFDB13", "#FFF26E")
        else:
            number = self.node(f"<b>{html.escape(output)}</b><br/>{label}", "#0053D6", "#AABFFF", "filled,bold")
        ids.update(dict.fromkeys(equation.outvars, number))
        self.lines.extend(f"n{ids[v]} -> n{number};" for v in inputs)

    def text(self) -> str:
        head = ["digraph G {", "rankdir = TD;", "compound = true;", f"label = <<b>{html.escape(self.title)}</b>>;"]
        return "\n".join([*head, *self.lines, "} // digraph G"]) + "\n"
