"""The modules that RETURNN's configs import, while a config is loaded.

`import tensorflow as tf`, `from TFUtil import where_bc`, `from returnn.config import get_global_config` find them, whether or not TensorFlow or RETURNN
are installed: in the config's own code at any time, also in functions that are called later; in modules that it imports, while it is
loaded. A name that Tenure cannot give is a placeholder, and using it is an error that says what to do instead; importing it is
not, as many configs import more than they use.
"""

from __future__ import annotations

import builtins as _builtins
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from tenure.network.tf import imports as mapped
from tenure.training.config.config import Config
from tenure.training.config.names import MODULES, ROOTS, members
from tenure.training.config.unavailable import Unavailable


class Provided(ModuleType):
    """A module of which Tenure gives what it can; every other name is a placeholder."""

    def __init__(self, name: str, members: Mapping[str, Any]):
        super().__init__(name)
        self.__path__: list[str] = []
        self.__dict__.update(members)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        known = mapped.module(self.__name__, (name,))
        if known is not None and name in known:
            return getattr(known, name)
        return Unavailable(f"{self.__name__}.{name}")


def provided(name: str, config: Config) -> Provided:
    """The module of that name, the same one whenever it is imported; its parents know it."""
    if name not in config.modules:
        config.modules[name] = Provided(name, members(name, config))
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(provided(parent, config), last, config.modules[name])
    return config.modules[name]


def builtins(config: Config) -> dict[str, Any]:
    """Python's builtins for a config's code, whose imports find what Tenure gives, now and later."""

    def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if level or name.partition(".")[0] not in ROOTS:
            return _builtins.__import__(name, globals, locals, fromlist, level)
        found = provided(name, config)
        for wanted in fromlist or ():
            if f"{name}.{wanted}" in MODULES and wanted not in vars(found):
                provided(f"{name}.{wanted}", config)
        return found if fromlist else provided(name.partition(".")[0], config)

    import_.__dict__[mapped.PROVIDES] = True
    return {**vars(_builtins), "__import__": import_}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, config: Config):
        self.config = config

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in ROOTS:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return provided(spec.name, self.config)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the module has its names already."""


@contextmanager
def importing(config: Config) -> Iterator[None]:
    """Lets imports of RETURNN's and TensorFlow's modules find what Tenure gives; afterwards everything is as before.

    Args:
      config: what `returnn.config.get_global_config()` gives.
    """
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ROOTS}
    for name in hidden:
        del sys.modules[name]
    finder = _Finder(config)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] in ROOTS]:
            del sys.modules[name]
        sys.modules.update(hidden)
