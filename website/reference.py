"""The pages of the reference: one for each public package, with every name that it exports, and one for layer classes."""

from __future__ import annotations

import functools
import importlib
import inspect
import types
from collections.abc import Iterator
from typing import Any

# Module → title, those first whose names others give on. Public names are those of `__all__`, or those that it defines.
PACKAGES = {
    "tenure.nn": "tenure.nn: layers",
    "tenure.nets": "tenure.nets: networks",
    "tenure.functional": "tenure.functional: what layers compute",
    "tenure.initializers": "tenure.initializers",
    "tenure.stages": "tenure.stages: what a weight is",
    "tenure.core.notation.views": "tenure.views",
    "tenure.core.errors": "tenure.errors",
    "tenure.checkpoints": "tenure.checkpoints",
    "tenure.convert": "tenure.convert: weights of other libraries",
    "tenure": "tenure",
    "tenure.network": "tenure.network: networks as data",
    "tenure.haiku": "tenure.haiku: Haiku's API",
}


def pages() -> dict[str, str]:
    """Path under `docs/` → Markdown, for all pages of the reference."""
    homes: dict[int, str] = {}  # of what is written about already, by identity
    made = {page(name): _page(name, title, homes) for name, title in PACKAGES.items()}
    made["reference/layer-classes.md"] = _layer_classes()
    made["reference/index.md"] = _index()
    return made


def page(package: str) -> str:
    """Where a package's page is."""
    return f"reference/{package.rpartition('.')[2]}.md"


def public(package: str) -> list[str]:
    """The public names of a package, without modules of their own pages."""
    module = importlib.import_module(package)
    names = getattr(module, "__all__", None) or [
        k for k, v in vars(module).items() if not k.startswith("_") and getattr(v, "__module__", "") == package
    ]
    return sorted((n for n in names if not _is_page(getattr(module, n)) and n != "__version__"), key=str.lower)


def _is_page(value: Any) -> bool:
    return isinstance(value, types.ModuleType) and value.__name__ in PACKAGES


def _page(package: str, title: str, homes: dict[int, str]) -> str:
    module = importlib.import_module(package)
    lines = [f"# {title}", "", inspect.getdoc(module) or "", ""]
    for name in public(package):
        lines += [*_entry(package, name, getattr(module, name), homes), ""]
    return "\n".join(lines)


def _entry(package: str, name: str, value: Any, homes: dict[int, str]) -> Iterator[str]:
    home, path = getattr(value, "__module__", None), getattr(value, "__qualname__", name)
    documented = isinstance(value, type | types.FunctionType) and (home or "").startswith("tenure.")
    if id(value) in homes:
        yield f"## {name} {{#{package}.{name}}}"
        yield ""
        yield f"[`{homes[id(value)]}`][{home}.{path}]."
    elif documented and _reachable(home, path, value):
        homes[id(value)] = f"{package}.{name}"
        yield f"::: {home}.{path}"
        inherited = _inherited(value) if isinstance(value, type) else []
        more = f", inherited_members: {inherited}" if inherited else ""
        yield f"    options: {{heading: '{name}', toc_label: '{name}'{more}}}"
    else:  # a value, or a name of JAX itself
        yield f"## {name} {{#{package}.{name}}}"
        yield ""
        yield f"`{type(value).__name__}`: {_first_line(value)}"


@functools.cache
def _every() -> set[int]:
    """All that some package makes public, by identity."""
    return {id(getattr(importlib.import_module(package), name)) for package in PACKAGES for name in public(package)}


def _inherited(cls: type) -> list[str]:
    """What a class has from bases that no page describes."""
    described = [base for base in cls.__mro__[1:] if id(base) in _every()]
    hidden = [base for base in cls.__mro__[1:] if not any(base in other.__mro__ for other in described)]
    members = [(n, v) for base in hidden if base.__module__.startswith("tenure.") for n, v in vars(base).items()]
    kinds = (types.FunctionType, classmethod, staticmethod, property, functools.cached_property)
    return sorted({n for n, v in members if isinstance(v, kinds) and n[0] != "_" and n not in vars(cls)})


def _reachable(home: str | None, path: str, value: Any) -> bool:
    found: Any = importlib.import_module(home or "tenure")
    for part in path.split("."):
        found = getattr(found, part, None)
    return found is value


def _first_line(value: Any) -> str:
    if isinstance(value, types.ModuleType):
        return (inspect.getdoc(value) or "").partition("\n")[0]
    text = repr(value)
    return f"`{text}`" if len(text) < 100 and " at 0x" not in text else (inspect.getdoc(value) or "").partition("\n")[0]


def _layer_classes() -> str:
    """A table of all layer classes of networks as data, with their options and defaults."""
    from tenure.cli.commands.keys import described
    from tenure.network import registry

    lines = [
        "# Layer classes of networks as data",
        "",
        "`class` in a dictionary of layers, and the options of each, as `tenure keys --layers WORD` tells them.",
        "",
    ]
    for name, cls in sorted(registry.load().items()):
        told = described(name, cls)
        lines += [f"## `{name}`", "", told["says"], ""]
        if told["options"]:
            lines += ["| option | default |", "|---|---|"]
            lines += [f"| `{k}` | {_default(v)} |" for k, v in told["options"].items()]
            lines.append("")
    return "\n".join(lines)


def _default(value: str) -> str:
    return value if value == "needed" else f"`{value.replace('|', chr(92) + '|')}`"


def _index() -> str:
    lines = ["# Reference", "", "Every public name, by package.", "", "| package | names |", "|---|--:|"]
    lines += [
        f"| [{title}]({page(name).partition('/')[2]}) | {len(public(name))} |"
        for name, title in sorted(PACKAGES.items(), key=lambda item: item[0] != "tenure")
    ]
    return "\n".join([*lines, "", "[Layer classes of networks as data](layer-classes.md), with their options."])
