"""Which modules a function calls, with which shapes: as records, and as a table."""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import pprint
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from tenure.core.model.kinds import Transformed, TransformedWithState
from tenure.core.run import hooks
from tenure.core.run.frame import current_frame
from tenure.core.run.module import Module
from tenure.haiku import ownership
from tenure.haiku.api.transforms import get_original_fn, transform_with_state
from tenure.haiku.data_structures import tree_bytes, tree_size
from tenure.haiku.formats import format_array, format_bytes

_IGNORED = ("__init__", "params_dict", "state_dict")


@dataclasses.dataclass(frozen=True)
class ArraySpec:
    """An array's shape and dtype, shown as `f32[2,3]`."""

    shape: Sequence[int]
    dtype: np.dtype

    __repr__ = __str__ = format_array

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape))

    @classmethod
    def from_array(cls, array: Any) -> ArraySpec:
        return cls(array.shape, array.dtype)


@dataclasses.dataclass(frozen=True)
class ModuleDetails:
    """A module's method, and the module's parameters and states at that time, by full names."""

    module: Module
    method_name: str
    params: Mapping[str, ArraySpec]
    state: Mapping[str, ArraySpec]

    @classmethod
    def of(cls, module: Module, method_name: str) -> ModuleDetails:
        params = {name: ArraySpec.from_array(value) for name, value in module.params_dict().items()}
        return cls(module, method_name, params, jax.tree.map(ArraySpec.from_array, module.state_dict()))


@dataclasses.dataclass(frozen=True)
class MethodInvocation:
    """One call of a module's method.

    Attributes:
      module_details: the module and the method.
      args_spec, kwargs_spec, output_spec: with `ArraySpec`s for arrays.
      context: as interceptors get it.
      call_stack: itself, and the methods around it, outermost last.
    """

    module_details: ModuleDetails
    args_spec: tuple[Any, ...]
    kwargs_spec: dict[str, Any]
    output_spec: Any
    context: hooks.MethodContext
    call_stack: Sequence[ModuleDetails]


def _to_spec(tree: Any) -> Any:
    return jax.tree.map(lambda x: ArraySpec.from_array(x) if isinstance(x, jax.Array) else x, tree)


_calls: contextvars.ContextVar[list[Any]] = contextvars.ContextVar("tenure_haiku_calls")


def _record(next_f: Callable[..., Any], args: Any, kwargs: Any, context: hooks.MethodContext) -> Any:
    """Method interceptor that notes the call, in the order in which calls begin."""
    if context.method_name in _IGNORED:
        return next_f(*args, **kwargs)
    calls = _calls.get()
    place = len(calls)
    calls.append(None)
    out = next_f(*args, **kwargs)
    around = reversed(current_frame("tabulate").scopes)
    stack = tuple(ModuleDetails.of(s.module, s.method) for s in around if s.module is not None)
    calls[place] = MethodInvocation(
        _counted_once(ModuleDetails.of(context.module, context.method_name), calls),
        _to_spec(args),
        _to_spec(kwargs),
        _to_spec(out),
        context,
        stack,
    )
    return out


def _counted_once(details: ModuleDetails, calls: list[Any]) -> ModuleDetails:
    """The details with the module's own parameters: not those of modules from elsewhere that it only calls.

    Where two modules have one name by force, its parameters are those of the module that was called first.
    """
    if ownership.get("tabulate_shared") == "haiku":
        return details
    own = details.module.module_name
    earlier = [call.module_details for call in calls if call is not None]
    if any(e.module.module_name == own and e.module is not details.module for e in earlier):
        return dataclasses.replace(details, params={})
    inside = {path: spec for path, spec in details.params.items() if path.startswith(own + "/")}
    return dataclasses.replace(details, params=inside)


def eval_summary(
    f: Callable[..., Any] | Transformed | TransformedWithState,
) -> Callable[..., Sequence[MethodInvocation]]:
    """A function of `f`'s inputs that lists the calls of modules' methods, without computing anything.

    Args:
      f: uses modules, transformed or not.

    >>> import jax.numpy as jnp, tenure.haiku as hk
    >>> for call in hk.experimental.eval_summary(lambda x: hk.nets.MLP([4, 2])(x))(jnp.ones((1, 3))):
    ...     print(call.module_details.module.module_name, call.output_spec)
    mlp f32[1,2]
    mlp/~/linear_0 f32[1,4]
    mlp/~/linear_1 f32[1,2]
    """
    original = get_original_fn(f) if hasattr(getattr(f, "init", f), "_original_fn") else f

    def plain(*args: Any, **kwargs: Any) -> Any:  # whatever it is: a jitted function would be refused
        return original(*args, **kwargs)  # type: ignore[operator]

    def run(*args: Any, **kwargs: Any) -> None:
        init_key, apply_key = jax.random.split(jax.random.PRNGKey(42))
        model = transform_with_state(plain)
        params, state = model.init(init_key, *args, **kwargs)
        with hooks.intercept_methods(_record):
            model.apply(params, state, apply_key, *args, **kwargs)

    def summary(*args: Any, **kwargs: Any) -> Sequence[MethodInvocation]:
        token = _calls.set([])
        try:
            with jax.disable_jit():
                jax.eval_shape(run, *args, **kwargs)
            return _calls.get()
        finally:
            _calls.reset(token)

    return summary


def _owned(details: ModuleDetails) -> dict[str, ArraySpec]:
    """The module's own parameters, by local name."""
    split = {name.rpartition("/")[::2]: spec for name, spec in details.params.items()}
    return {name: spec for (module, name), spec in split.items() if module == details.module.module_name}


def _show_owned(call: MethodInvocation) -> str:
    specs = sorted(_owned(call.module_details).items(), key=lambda item: (-item[1].size, item[0]))
    return "\n".join(f"{name}: {spec}" for name, spec in specs)


def _show_input(call: MethodInvocation) -> str:
    text = ", ".join(map(pprint.pformat, call.args_spec))
    if call.kwargs_spec:
        text += "\n" + ", ".join(f"{k}={pprint.pformat(v)}" for k, v in call.kwargs_spec.items())
    return text


def _show_stack(call: MethodInvocation) -> str:
    def entry(details: ModuleDetails) -> str:
        method = "" if details.method_name == "__call__" else f".{details.method_name}"
        return f"{details.module.module_name} ({type(details.module).__name__}{method})"

    return "\n └ ".join(map(entry, call.call_stack))


class _Column:
    """A column of the table: its title, what it shows of a call, where it is aligned."""

    def __init__(self, header: str, show: Callable[[MethodInvocation], str], align: str = "left"):
        self.header, self.show, self.align = header, show, align


_COLUMNS = {
    "module": _Column("Module", _show_stack),
    "config": _Column("Config", lambda call: repr(call.module_details.module)),
    "owned_params": _Column("Module params", _show_owned),
    "input": _Column("Input", _show_input),
    "output": _Column("Output", lambda call: pprint.pformat(call.output_spec)),
    "params_size": _Column("Param count", lambda call: f"{tree_size(call.module_details.params):,}", "right"),
    "params_bytes": _Column("Param bytes", lambda call: format_bytes(tree_bytes(call.module_details.params)), "right"),
}
_FILTERS: dict[str, Callable[[MethodInvocation], bool]] = {
    "has_output": lambda call: call.output_spec is not None,
    "has_params": lambda call: bool(call.module_details.params),
}


def _checked(kind: str, names: Sequence[str], known: Mapping[str, Any]) -> list[Any]:
    if invalid := [name for name in names if name not in known]:
        raise ValueError(f"Invalid {kind}(s) {invalid}, valid {kind}s {list(known)}")
    return [known[name] for name in names]


def tabulate(
    f: Callable[..., Any] | Transformed | TransformedWithState,
    *,
    columns: Sequence[str] | None = (
        "module",
        "config",
        "owned_params",
        "input",
        "output",
        "params_size",
        "params_bytes",
    ),
    filters: Sequence[str] | None = ("has_output",),
    tabulate_kwargs: Mapping[str, Any] = {"tablefmt": "grid"},
) -> Callable[..., str]:
    """A function of `f`'s inputs that shows the calls of modules' methods as a table.

    Args:
      f: uses modules, transformed or not.
      columns: "module", "config", "owned_params", "input", "output", "params_size", "params_bytes".
      filters: "has_output", "has_params".
      tabulate_kwargs: for the package `tabulate`.

    Raises:
      ValueError: there is no such column or filter.

    >>> import jax.numpy as jnp, tenure.haiku as hk
    >>> f = hk.experimental.tabulate(lambda x: hk.Linear(2)(x), columns=["module", "params_size"])
    >>> print(f(jnp.ones((1, 3))))
    +-----------------+---------------+
    | Module          |   Param count |
    +=================+===============+
    | linear (Linear) |             8 |
    +-----------------+---------------+
    """
    calls = eval_summary(f)
    shown = _checked("column", list(_COLUMNS) if columns is None else columns, _COLUMNS)
    kept = _checked("filter", ["has_output"] if filters is None else filters, _FILTERS)

    @functools.wraps(tabulate)
    def table(*args: Any, **kwargs: Any) -> str:
        from tabulate import tabulate as render

        found = calls(*args, **kwargs)
        rows = [[column.show(call) for column in shown] for call in found if all(keep(call) for keep in kept)]
        if not rows:
            return "No modules matching filters."
        headers, align = [column.header for column in shown], [column.align for column in shown]
        return render(rows, headers=headers, colalign=align, **tabulate_kwargs)

    return table


__all__ = ["ArraySpec", "MethodInvocation", "ModuleDetails", "eval_summary", "tabulate"]
