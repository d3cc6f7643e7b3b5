"""`install`: programs that say `import haiku`, and pickles that name it, get `tenure.haiku` instead."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from tenure.core.errors import TenureError, nearest

_OURS = "tenure.haiku"
_PUBLIC = (
    "config",
    "data_structures",
    "experimental",
    "experimental.flax",
    "experimental.jaxpr_info",
    "initializers",
    "mixed_precision",
    "nets",
    "pad",
    "testing",
    "typing",
)
# dm-haiku's private modules → the public ones whose names are looked at first.
_PRIVATE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("attention", "base", "basic", "batch_norm", "bias", "conv", "deferred", "depthwise_conv"), ()),
    **dict.fromkeys(("embed", "group_norm", "layer_norm", "layer_stack", "lift", "moving_averages"), ()),
    **dict.fromkeys(("multi_transform", "pool", "recurrent", "reshape", "rms_norm", "spectral_norm"), ()),
    **dict.fromkeys(("stateful", "transform"), ()),
    **dict.fromkeys(("dot", "eval_shape", "module", "random", "summarise"), ("experimental",)),
    **dict.fromkeys(("nets", "nets.mlp", "nets.mobilenetv1", "nets.resnet", "nets.vqvae"), ("nets",)),
    **dict.fromkeys(("filtering", "utils"), ("data_structures",)),
    "config": ("config",),
    "data_structures": ("data_structures",),
    "initializers": ("initializers",),
    "jaxpr_info": ("experimental.jaxpr_info",),
    "mixed_precision": ("mixed_precision",),
    "pad": ("pad",),
    "test_utils": ("testing",),
    "typing": ("typing",),
}
_TYPES = {"PRNGKey": jax.Array, "frozendict": None}  # names of older releases; None: FlatMap
_BLOCKS = ("BlockGroup", "BlockV1", "BlockV2")  # public as attributes of `nets.ResNet`


class _Private(types.ModuleType):
    """One of dm-haiku's private modules: the public names of `tenure.haiku`, and nothing else."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for found in _found(self.__name__.removeprefix("haiku._src").removeprefix("."), name):
            return found
        known = dir(importlib.import_module(_OURS))
        near = nearest(name, [n for n in known if not n.startswith("_")], 1)
        more = f"; the nearest public name is hk.{near[0]}" if near else ""
        raise AttributeError(
            f"'{self.__name__}.{name}' is private in dm-haiku, and tenure.haiku has no such name{more}"
        )


def _found(module: str, name: str) -> Iterator[Any]:
    """What a name of a private module stands for, best first."""
    if name in _BLOCKS and module.startswith("nets"):
        yield getattr(importlib.import_module(f"{_OURS}.nets").ResNet, name)
    if name in _TYPES:
        flat = importlib.import_module(f"{_OURS}.flat_map").FlatMap
        yield flat if _TYPES[name] is None else _TYPES[name]
    for place in (*_PRIVATE.get(module, ()), "", *_PUBLIC):
        space = importlib.import_module(f"{_OURS}.{place}".rstrip("."))
        if name in (getattr(space, "__all__", None) or vars(space)) or (not place and name in space._INTERNAL):
            yield getattr(space, name)


class _Loader(importlib.abc.Loader):
    """Puts `tenure.haiku`'s module of the same name, or a stand-in for a private one, in place."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Private(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        if not module.__name__.startswith("haiku._src"):
            sys.modules[module.__name__] = importlib.import_module(_OURS + module.__name__.removeprefix("haiku"))


class _Finder(importlib.abc.MetaPathFinder):
    """Answers for `haiku` and everything below it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        top, _, rest = fullname.partition(".")
        if top != "haiku":
            return None
        private = rest.removeprefix("_src").removeprefix(".") if rest.startswith("_src") else None
        if not rest or rest in _PUBLIC or rest == "_src" or private in _PRIVATE:
            return importlib.machinery.ModuleSpec(fullname, _Loader(), is_package=True)
        raise ModuleNotFoundError(f"tenure.haiku stands for haiku, and has no module {fullname!r}", name=fullname)


def install() -> None:
    """From here on, `import haiku` gives `tenure.haiku`: for programs and pickles that are to stay as they are.

    Names of dm-haiku's private modules (`haiku._src.nets.resnet.BlockGroup`) are found where a public name exists.
    Pickles that name dm-haiku's classes load as Tenure's. `uninstall` is the way back.

    Raises:
      TenureError: dm-haiku has been imported already.

    >>> import subprocess, sys
    >>> program = "import tenure.haiku; tenure.haiku.install(); import haiku; print(haiku.__name__)"
    >>> subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    'tenure.haiku\\n'
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    if "haiku" in sys.modules:
        raise TenureError(
            "tenure.haiku.install() comes too late: dm-haiku has been imported, and modules hold its names",
            ways=["call it before the first `import haiku`, at the top of the program that is run"],
        )
    sys.meta_path.insert(0, _Finder())


def uninstall() -> None:
    """`import haiku` means dm-haiku again; what has been imported stays what it is."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    ours = importlib.import_module(_OURS)
    if sys.modules.get("haiku") is ours:
        for name in [n for n in sys.modules if n == "haiku" or n.startswith("haiku.")]:
            del sys.modules[name]
        vars(ours).pop("_src", None)


__all__ = ["install", "uninstall"]
