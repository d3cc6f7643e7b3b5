"""Programs of Haiku as Flax modules, and Flax modules in programs of Haiku."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

try:
    import flax.errors
    import flax.linen

    nn: Any = flax.linen
except ImportError:
    nn = None

from tenure.core.model.kinds import Transformed, TransformedWithState
from tenure.core.run.rng import maybe_next_rng_key
from tenure.haiku.api.lifting import lift_with_state
from tenure.haiku.api.transforms import running_init, transform_with_state, with_empty_state
from tenure.haiku.data_structures import traverse

Bundles = dict[str, dict[str, Any]]

if nn is None:

    def __getattr__(name: str) -> Any:
        if name in ("Module", "lift", "flatten_flax_to_haiku"):
            raise ImportError(f"`tenure.haiku.experimental.flax.{name}` features require `flax` to be installed.")
        raise AttributeError(name)


def _flatten_flax_to_haiku(collection: Mapping[str, Any]) -> Bundles:
    """A nested collection of Flax as a two-level dict."""
    flat: Bundles = {}

    def visit(tree: Mapping[str, Any], path: tuple[str, ...]) -> None:
        for name, value in tree.items():
            if isinstance(value, Mapping):
                visit(value, (*path, name))
            else:
                flat.setdefault("/".join(path) or "~", {})[name] = value

    visit(collection, ())
    return flat


def _nested(flat: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A two-level dict as a nested collection of Flax."""
    nested: dict[str, Any] = {}
    for module, name, value in traverse(flat):
        inner = nested
        for part in module.split("/") if module != "~" else ():
            inner = inner.setdefault(part, {})
        inner[name] = value
    return nested


def _to_state(variables: Mapping[str, Any]) -> Bundles:
    """Collections of Flax as one state; a collection's name is the first part of its modules' names."""
    return {
        f"{collection}/{module}": bundle
        for collection, tree in variables.items()
        for module, bundle in _flatten_flax_to_haiku(tree).items()
    }


def _from_state(state: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The collections of Flax that a state holds."""
    parts: dict[str, Bundles] = {}
    for path, bundle in state.items():
        collection, _, module = path.partition("/")
        parts.setdefault(collection, {})[module] = dict(bundle)
    return {collection: _nested(flat) for collection, flat in parts.items()}


def _transformed(mod: Any) -> TransformedWithState:
    """A Flax module as `init` and `apply`."""

    def init(rng: Any, *args: Any, **kwargs: Any) -> Any:
        variables = dict(mod.init(rng, *args, **kwargs))
        return _flatten_flax_to_haiku(variables.pop("params", {})), _to_state(variables)

    def apply(params: Any, state: Any, rng: Any, *args: Any, **kwargs: Any) -> Any:
        if rng is not None:
            raise ValueError("RNGs passed in apply must be passed in the rngs keyword argument")
        variables = _from_state(state)
        mutable = list(variables)
        out, changed = mod.apply({**variables, "params": _nested(params)}, *args, **kwargs, mutable=mutable)
        return out, _to_state(changed)

    return TransformedWithState(init, apply)


def _init_keys(kwargs: dict[str, Any]) -> Any:
    """The keys for a Flax module's `init`, taken from the keywords or drawn."""
    if "rngs" not in kwargs:
        return maybe_next_rng_key()
    rngs = kwargs.pop("rngs")
    if not isinstance(rngs, Mapping):
        raise flax.errors.InvalidRngError("rngs should be a dictionary mapping strings to `jax.PRNGKey`.")
    rngs = dict(rngs)
    if "params" not in rngs and (key := maybe_next_rng_key()) is not None:
        rngs["params"] = key
    return rngs


def _lift(mod: nn.Module, *, name: str) -> Callable[..., Any]:
    """A Flax module as a function to call inside of `hk.transform`.

    Args:
      mod: any.
      name: of the scope around its parameters and state.
    """
    inner = _transformed(mod)
    lifted, updater = lift_with_state(inner.init, name=name, allow_reuse=True)
    updater._used = True  # it may never be called

    def call(*args: Any, **kwargs: Any) -> Any:
        options = dict(kwargs)
        params, state = lifted(_init_keys(options) if running_init() else None, *args, **options)
        out, state = inner.apply(params, state, None, *args, **kwargs)
        updater._used = False
        updater.update(state)
        return out

    return call


def _store(scope: Any, **collections: Any) -> None:
    for collection, flat in collections.items():
        for module, name, value in traverse(flat):
            inner = scope
            for part in module.split("/"):
                inner = inner.push(part, reuse=True)
            inner.put_variable(collection, name, value)


def _changed(old: Any, new: Any) -> Bundles:
    changed: Bundles = {}
    for module, name, value in traverse(new):
        if name in old.get(module, {}) and old[module][name] is not value:
            changed.setdefault(module, {})[name] = value
    return changed


if nn is not None:
    flatten_flax_to_haiku, lift = _flatten_flax_to_haiku, _lift
    flatten_flax_to_haiku.__name__, lift.__name__ = "flatten_flax_to_haiku", "lift"

    class Module(nn.Module):
        """A Flax module that runs a transformed function; its collections are "params" and "state"."""

        transformed: Transformed | TransformedWithState

        def __post_init__(self) -> None:
            super().__post_init__()
            if isinstance(self.transformed, Transformed):
                self.transformed = with_empty_state(self.transformed)

        @classmethod
        def create(cls, hk_cls: Any, *init_args: Any, **init_kwargs: Any) -> Module:
            """The Flax module for a class of modules and its constructor's arguments."""

            def call(*args: Any, **kwargs: Any) -> Any:
                return hk_cls(*init_args, **init_kwargs)(*args, **kwargs)

            return Module(transform_with_state(call))

        @nn.compact
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            starting = self.is_initializing()
            if starting:
                params, state = self.transformed.init(self.make_rng("params"), *args, **kwargs)
                _store(self.scope, params=params, state=state)
            else:
                params, state = (flatten_flax_to_haiku(self.variables.get(c, {})) for c in ("params", "state"))
            rng = self.make_rng("apply") if self.has_rng("apply") else None
            out, new = self.transformed.apply(params, state, rng, *args, **kwargs)
            if not starting:
                _store(self.scope, state=_changed(state, new))
            return out


__all__ = ["Module", "flatten_flax_to_haiku", "lift"]
