"""Modules: Python objects built inside a transformed function, with names, and with slots instead of values."""

from __future__ import annotations

import abc
import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

import jax
from jax.extend.core import get_opaque_trace_state

from tenure.core.errors import CachedTransformError, OutsideTransformError, Party, TenureError, brief
from tenure.core.notation import paths
from tenure.core.notation.refs import Ref
from tenure.core.run import hooks, naming, values
from tenure.core.run.frame import Frame, Scope, current_frame, maybe_frame
from tenure.core.run.shown import call_text
from tenure.core.sites import Site, call_site
from tenure.core.slots.slot import Request


def _wrap(method_name: str, method: Callable[..., Any], owner: list[type]) -> Callable[..., Any]:
    """The method of the class that `owner` will hold, run in a scope of its own."""
    as_method = getattr(method, "_tenure_method", method_name)
    if as_method is None:  # transparent
        return method

    @functools.wraps(method)
    def wrapped(self: Module, *args: Any, **kwargs: Any) -> Any:
        frame = maybe_frame()
        path = self.__dict__.get("module_name")
        if frame is None or path is None:
            return method(self, *args, **kwargs)
        scopes, interceptors = frame.scopes, hooks.chain("method")
        scopes.append(Scope(path, as_method, self))
        try:
            with jax.named_scope(self.name):
                if not interceptors:
                    return method(self, *args, **kwargs)
                context = hooks.MethodContext(self, method_name, functools.partial(method, self), owner[0])
                return hooks.run_interceptors(interceptors, args, kwargs, context)
        finally:
            scopes.pop()
            if frame.profile is not None:
                frame.profile.called(frame, path)

    return wrapped


#: What `share=` takes: local parameter name → where it comes from, or a module to borrow all parameters of.
Share = Mapping[str, Any] | Any | None
#: What `stages=` takes: local parameter name, or glob → stages.
Stages = Mapping[str, Any] | None


class Options(TypedDict, total=False):
    """`name=`, `share=` and `stages=`, which every module takes, for the `__init__` of a class of your own.

    Python's types cannot say that a metaclass adds arguments to those of `__init__`, so a checker, and completion, know of a
    class with an `__init__` of its own only what that names. One parameter names all three.

    >>> from typing import Unpack
    >>> import jax.numpy as jnp, tenure as tn
    >>> class Head(tn.Module):
    ...     def __init__(self, size: int, **options: Unpack[tn.Options]) -> None:
    ...         super().__init__(**options)
    ...         self.size = size
    ...     def __call__(self, x):
    ...         return x @ tn.get_parameter("w", (x.shape[-1], self.size), init=jnp.ones)
    >>> model = tn.transform(lambda x: Head(2, name="two", share={"w": "one/w"})(Head(2, name="one")(x)))
    >>> model.plan(jnp.ones((1, 2))).ledger.owner_of("two/w")
    'one/w'
    """

    name: str | None
    share: Share
    stages: Stages


class ModuleMeta(type(Protocol)):  # type: ignore[misc]
    """Wraps every method in a name scope, and takes `share=` and `stages=` on behalf of every subclass."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> Any:
        owner: list[type] = []
        own = ("params_dict", "state_dict")  # of Module itself; its other methods are helpers, not steps of a network
        inherits = any(isinstance(base, ModuleMeta) for base in bases)
        for key, value in namespace.items():
            if (key not in own and not inherits) or (key.startswith("__") and key != "__call__"):
                continue
            if isinstance(value, types.FunctionType):
                namespace[key] = _wrap(key, value, owner)
            elif isinstance(value, property):
                get, set_, delete = (f and _wrap(key, f, owner) for f in (value.fget, value.fset, value.fdel))
                namespace[key] = property(get, set_, delete, value.__doc__)
        namespace.setdefault("_is_protocol", False)
        owner.append(cls := super().__new__(mcs, name, bases, namespace, **kwargs))
        return cls

    __instancecheck__ = abc.ABCMeta.__instancecheck__

    def _construct(cls, *args: Any, **kwargs: Any) -> Any:
        """A new module: what calling the class does."""
        frame = maybe_frame() or _not_inside(cls)
        share = kwargs.pop("share", None)
        stages = kwargs.pop("stages", None) if "stages" in kwargs and not _takes_stages(cls) else None
        site = call_site()
        if get_opaque_trace_state(convention="tenure") != frame.trace:
            check = check_cached if frame.profile is None else frame.profile.check_cached
            check(frame, cls, site)
        module = cls.__new__(cls, *args, **kwargs)
        module.__dict__["_construction"] = naming.Construction(frame, args, kwargs, share, site, stages)
        init = cls.__init__  # type: ignore[misc]
        frame.scopes.append(scope := Scope("", getattr(init, "_tenure_method", None) or "__init__", module))
        try:
            if interceptors := hooks.chain("method"):
                context = hooks.MethodContext(module, "__init__", functools.partial(init, module), cls)
                hooks.run_interceptors(interceptors, args, kwargs, context)
            else:
                init(module, *args, **kwargs)
        finally:
            frame.scopes.remove(scope)
        if "module_name" not in module.__dict__:
            raise TenureError(
                f"{cls.__name__}.__init__ does not call its base class",
                parties=[Party("module", cls.__name__, "", str(site))],
                ways=["add super().__init__(name=name) as its first line"],
            )
        if frame.profile is not None:
            frame.profile.called(frame, module.module_name)
        return module

    if not TYPE_CHECKING:  # checkers and completion see each class's __init__ instead
        __call__ = _construct

    @property
    def __signature__(cls) -> inspect.Signature:
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        own = list(signature.parameters.values())[1:]
        common = {"share", "stages"} if "share" in signature.parameters else set()
        return signature.replace(parameters=[p for p in own if p.name not in common])


def _not_inside(cls: type) -> Any:
    raise OutsideTransformError(
        f"{cls.__name__} is built outside of a transformed function: all modules must be initialized inside an "
        "`hk.transform` or a `tn.transform`",
        parties=[Party("module", cls.__name__, "", str(call_site()))],
        ways=[
            "model = tn.transform(lambda x: nn.Linear(3)(x)); params = model.init(key, x)",
            "tn.transform_with_state, if the model keeps state",
        ],
    )


@functools.lru_cache(maxsize=4096)
def _takes_stages(cls: type) -> bool:
    """Whether the class has an argument of that name of its own: a ResNet's stages, say.

    A class that also names `share` means what every module takes, for type checkers and completion.
    """
    parameters = inspect.signature(cls.__init__).parameters  # type: ignore[misc]
    return "stages" in parameters and "share" not in parameters


def check_cached(frame: Frame, cls: type, site: Site, front: str = "tn", *others: str) -> None:
    """Raises if JAX would skip this constructor when the code runs again.

    Args:
      frame: the run.
      cls: the module's class.
      site: the line that builds the module.
      front: what programs call the library.
      *others: further ways out.

    Raises:
      CachedTransformError: one of JAX's transformations that do so is around the caller.
    """
    caching = frame.skipping()
    if caching is not None:
        raise CachedTransformError(
            f"{cls.__name__} is built inside of {caching[0]}, whose next call would skip this line and share its "
            "parameters silently",
            parties=[Party("module", cls.__name__, "", str(site)), Party("inside", caching[0], "", str(caching[1]))],
            ways=[
                f"use {front}.jit, {front}.remat, {front}.scan, {front}.cond, … inside of {front}.transform",
                "build the module before the transformation, and call it inside",
                *others,
            ],
        )


class Module(metaclass=ModuleMeta):
    """A part of a network. Built inside a transformed function; its methods ask for parameters by local names.

    Every subclass also takes `stages=`, a dict from its local parameter names (or globs) to stages, and `share=`, a dict
    from its local parameter names to where they come from:

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> from tenure import nn
    >>> def lm(tokens):
    ...     embed = nn.Embed(11, 4, name="embed")
    ...     head = nn.Linear(11, with_bias=False, share={"w": embed.ref("embeddings").T}, name="head")
    ...     return head(embed(tokens))
    >>> plan = tn.transform(lm).plan(jnp.zeros((2, 3), int))
    >>> plan.ledger.owner_of("head/w")
    'embed/embeddings'
    """

    module_name: str
    name: str
    AUTO_REPR = True

    def __init__(self, name: str | None = None, *, share: Share = None, stages: Stages = None):
        """Names the module.

        Type checkers see `name`, `share` and `stages` of a class with an `__init__` of its own where that takes
        `**options: Unpack[tn.Options]`, or names them; see `tn.Options`.

        Args:
          name: a Python identifier; the class's name in snake_case if None. Made unique in its scope.
          share: local parameter name → where the parameter comes from: a reference, a reference's text, an array, None
            (own it), `tn.own`, `tn.forbid`; or a module, whose parameters of the same names are borrowed.
          stages: local parameter name, or glob → stages.

        Raises:
          PathSyntaxError: `name` is not an identifier.
        """
        frame = current_frame("Module.__init__")
        name = name if name is not None else self.__dict__.get("name")
        if name is None:
            name = naming.snake_case(type(self).__name__)
        construction: naming.Construction = self.__dict__["_construction"]
        naming.check_name(name, construction.site)
        construction.forced = isinstance(name, naming.ForcedName)
        inits = []
        while frame.scopes[-1].module is self:  # our own __init__ is not the scope that we are built in
            inits.append(frame.scopes.pop())
        try:
            self.__dict__["module_name"] = path = naming.unique_name(frame, name, construction.site)
        finally:
            frame.scopes.extend(reversed(inits))
        self.__dict__["name"] = path.rpartition("/")[2]
        for scope in inits:
            scope.path = path
        if construction.share is not None:
            if not frame.settled:
                frame.sources.add_share(path, construction.share, construction.site)
            construction.share = None
        if construction.stages is not None:
            if frame.planning:  # a run reads what the plan made of them
                frame.sources.stages.add(path, construction.stages, construction.site)
            construction.stages = None

    __post_init__ = __init__

    @property
    def params(self) -> Params:
        """Every parameter of this module under its local name, owned or not: what the layer computes with."""
        return Params(self)

    @property
    def owned(self) -> dict[str, Any]:
        """The parameters that this module owns, by local name."""
        params = self.params
        return {name: params[name] for name in params if params.slot(name).kind == "owned"}

    def params_dict(self) -> Mapping[str, Any]:
        """The parameters made so far of this module, its sub-modules and the modules that it called, by full name."""
        return current_frame("module.params_dict").made("params", self.module_name)

    def state_dict(self) -> Mapping[str, Any]:
        """The states made so far of this module, its sub-modules and the modules that it called, by full name."""
        return current_frame("module.state_dict").made("state", self.module_name)

    def ref(self, name: str) -> Ref:
        """A reference to the parameter that this module calls `name`, for another module's `share=`.

        Raises:
          PathSyntaxError: `name` is not a path.
        """
        return Ref(paths.join(self.module_name, paths.check(name, "parameter name")), (), absolute=True)

    def _asker(self) -> str:
        construction: naming.Construction = self.__dict__["_construction"]
        if not construction.text:
            cls = type(self)
            home, _, room = cls.__module__.partition(".")
            shown = f"{room.partition('.')[0]}.{cls.__name__}" if home == "tenure" and room else cls.__name__
            named = [f"{k}={_brief(v)}" for k, v in construction.kwargs.items() if k != "name"]
            arguments = ", ".join([*map(_brief, construction.args), *named])
            construction.text = f"{shown}({arguments})" if len(arguments) <= 40 else f"{shown}(…)"
        return construction.text

    def __repr__(self) -> str:
        construction: naming.Construction | None = self.__dict__.get("_construction")
        if construction is None or not construction.shown or not type(self).AUTO_REPR:
            return object.__repr__(self)
        return call_text(type(self), construction.args, construction.kwargs)


def _brief(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"array{tuple(value.shape)}"
    if callable(value) and not isinstance(value, type):
        return getattr(value, "__name__", type(value).__name__)
    return brief(value, 40)


class Params(Mapping[str, Any]):
    """A module's parameters by local name; names of sub-modules' ones have their path before them."""

    def __init__(self, module: Module):
        self._prefix = module.module_name

    def slot(self, name: str) -> Request:
        """The slot with that local name; while planning, the first request for it."""
        return values.find(f"{self._prefix}/{name}")

    def __getitem__(self, name: str) -> Any:
        return values.value_of(self.slot(name))

    def __iter__(self) -> Iterator[str]:
        start = self._prefix + "/"
        return (path[len(start) :] for path in values.known() if path.startswith(start))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(known == name for known in self)


def to_module(f: Callable[..., Any]) -> type[Module]:
    """A Module class whose `__call__` is `f`.

    Raises:
      TypeError: (the class) it is built with something else than a name.

    >>> to_module(lambda x: x).__name__
    'ToModuleWrapper'
    """

    class ToModuleWrapper(Module):
        def __init__(self, name: str | None = None):
            if name is not None and not isinstance(name, str):
                raise TypeError(
                    f"Expected a string name as the only argument, got: {name}. Build the module first, then call it with the "
                    "inputs: ToModuleWrapper(name)(x)"
                )
            super().__init__(name=name or getattr(f, "__name__", "fn").strip("<>"))

        @functools.wraps(f)
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return f(*args, **kwargs)

    ToModuleWrapper.__doc__ = f.__doc__ or "A module whose `__call__` is a function."
    return ToModuleWrapper
