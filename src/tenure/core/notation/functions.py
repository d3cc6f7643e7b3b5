"""Views from Python functions: registered under a name, or opaque."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import ViewSyntaxError, brief
from tenure.core.notation import converters
from tenure.core.notation.view import Axes, Misfit, View, define, not_serialisable, parse, registry


class _Function(View):
    """A view whose shape is found by tracing it."""

    def shape(self, shape):
        return self.out(shape, jnp.float32)[0]

    def out(self, shape, dtype, *others):
        specs = [jax.ShapeDtypeStruct(*spec) for spec in ((shape, dtype), *others)]
        try:
            out = jax.eval_shape(lambda *arrays: self(*arrays), *specs)
        except Exception as e:
            given = ", ".join(f"{spec.shape} {spec.dtype}" for spec in specs)
            raise Misfit(f"{self} fails on {given}: {type(e).__name__}: {str(e).partition(chr(10))[0]}") from e
        if not isinstance(out, jax.ShapeDtypeStruct):
            raise Misfit(f"{self} returns {type(out).__name__}, not an array")
        return tuple(out.shape), out.dtype

    def axes(self, axes):
        return ()


class Opaque(_Function):
    """A plain Python function of a slot's value, and of those of other references, as a view: ⟨name⟩, not serialisable.

    The ledger shows all slots that it reads as owners of what it makes.

    >>> view = Opaque(jnp.add, ["b/w"])
    >>> view, view(jnp.ones(2), jnp.ones(2))
    (⟨add⟩('b/w'), Array([2., 2.], dtype=float32))
    """

    name, signature = "opaque", {"others": tuple, "fn": lambda f: f}

    def __init__(self, fn: Callable[..., Any], others: Sequence[str] = ()):
        self.arguments = MappingProxyType({"others": tuple(others), "fn": fn})

    def __call__(self, x, *others):
        return self.arguments["fn"](x, *others)

    def references(self):
        return self.arguments["others"]

    def with_references(self, references):
        return Opaque(self.arguments["fn"], references)

    def to_data(self) -> list[Any]:
        raise not_serialisable(str(self))

    def __hash__(self) -> int:
        return hash((id(self.arguments["fn"]), self.arguments["others"]))

    def __str__(self) -> str:
        fn, others = self.arguments["fn"], self.arguments["others"]
        name = getattr(fn, "__name__", type(fn).__name__).strip("<>")
        return f"⟨{name}⟩" + (f"({', '.join(map(repr, others))})" if others else "")

    def __reduce__(self) -> Any:
        return Opaque, (self.arguments["fn"], self.arguments["others"])


def register(
    name: str,
    fn: Callable[..., jax.Array],
    *,
    inverse: Callable[..., jax.Array] | None = None,
    axes: Callable[[Axes], Axes] | None = None,
) -> type[View]:
    """Gives a function on one array a name, so that it is a view like any other: code once, data ever after.

    Args:
      name: a Python identifier. A name can be registered once.
      fn: the value's view; its further arguments (numbers, strings, lists) become the view's.
      inverse: the way back, with the same further arguments.
      axes: what happens to named axes; without it a view's axes are unknown to sharding.

    Returns:
      The view's class. Its instances are made with `fn`'s further arguments.

    Raises:
      ViewSyntaxError: the name is taken or none, or `fn` is no function on one array.

    >>> Roll = register("roll_for_doctest", lambda x, by=1: jnp.roll(x, by), inverse=lambda x, by=1: jnp.roll(x, -by))
    >>> Roll(3), parse("roll_for_doctest(by=3)") == Roll(3)
    (roll_for_doctest(by=3), True)
    """
    if not (isinstance(name, str) and name.isidentifier()):
        raise ViewSyntaxError(
            f"a view's name is a Python identifier, not {brief(name)}", ways=["use one such as 'flip'"]
        )
    if name in registry:
        raise ViewSyntaxError(
            f"there is a view '{name}' already", ways=["use another name; taken: " + ", ".join(sorted(registry))]
        )
    takes = _signature_of(name, fn)

    class Registered(_Function):
        def __init__(self, /, *args: Any, **kwargs: Any):
            try:
                given = takes.bind(*args, **kwargs)
                named = {**dict(zip(takes.parameters, given.args, strict=False)), **given.kwargs}
                self.arguments = MappingProxyType({k: converters.plain(v) for k, v in sorted(named.items())})
            except (TypeError, ValueError, OverflowError, RecursionError) as e:
                raise ViewSyntaxError(f"view '{name}': {e}", ways=[f"write {name}{takes}"]) from None

        def __call__(self, x, *others):
            return fn(x, **self.arguments)

        def axes(self, names):
            return tuple(axes(names)) if axes else ()

        def inverse(self, shape, dtype):
            return _Inverse(self, inverse) if inverse else None

    Registered.name, Registered.__name__, Registered.__doc__ = name, name, fn.__doc__
    return define(Registered)


def _signature_of(name: str, fn: Callable[..., Any]) -> inspect.Signature:
    """What a registered function takes after its array, each by keyword."""
    try:
        _, *further = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        raise ViewSyntaxError(
            f"view '{name}': {brief(fn)} is not a function on an array",
            ways=["tn.views.register('flip', lambda x: x[::-1])"],
        ) from None
    unnamed = [p for p in further if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)]
    if unnamed:
        raise ViewSyntaxError(
            f"view '{name}': {brief(fn)} takes arguments without names ('{unnamed[0]}')",
            ways=["give each argument a name"],
        )
    return inspect.Signature(further)


class _Inverse(Opaque):
    """The way back through a registered view."""

    def __init__(self, of: View, fn: Callable[..., Any]):
        super().__init__(functools.partial(fn, **of.arguments))
        self.of = of

    def inverse(self, shape, dtype):
        return self.of

    def __str__(self) -> str:
        return f"⟨inverse of {self.of}⟩"


def as_view(view: Any) -> View:
    """A view from a view, its string, its data, or a plain callable.

    Raises:
      ViewSyntaxError: it is none of these, or its string or data cannot be read.
      UnknownViewError: there is no view of its name.
    """
    if isinstance(view, View):
        return view
    if isinstance(view, str):
        return parse(view)
    if isinstance(view, (list, tuple)):
        return View.from_json(list(view))
    if callable(view):
        return Opaque(view)
    raise ViewSyntaxError(
        f"{type(view).__name__} is not a view", ways=["use a name ('transpose'), a tn.views object, or a function"]
    )
