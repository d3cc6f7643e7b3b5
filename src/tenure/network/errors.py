"""What can be wrong with a network's dictionary. Each message names the layer, the option and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tenure.core.errors import Party, TenureError, brief, nearest
from tenure.network.dims import DimError


class NetworkError(TenureError):
    """A network's dictionary that cannot be built."""


class LayerClassError(NetworkError):
    """A layer class that there is none of."""


class LayerNotFoundError(NetworkError):
    """A reference to a layer that the dictionary does not have."""


class LayerCycleError(NetworkError):
    """Layers that depend on each other in a loop, outside of a recurrent layer."""


class OptionError(NetworkError):
    """An option that the layer's class does not take, or a value that it cannot use."""


class LayerError(NetworkError):
    """A layer whose inputs do not fit together."""


class DtypeError(NetworkError):
    """Arrays of different kinds where one kind is needed."""


class DataError(NetworkError):
    """Data that the network asks for and that is not declared, or that does not fit its declaration."""


def option_error(path: str, cls: str, option: str, value: Any, why: str, ways: Sequence[str] = ()) -> OptionError:
    """The error of one option's value."""
    return OptionError(
        f"layer '{path}' ({cls}): option '{option}' is {brief(value)}: {why}",
        parties=[Party("layer", path, cls)],
        ways=ways,
    )


def not_found(name: str, asker: str, option: str, known: Iterable[str]) -> LayerNotFoundError:
    """The error of a reference that leads nowhere."""
    known = list(known)
    if name.startswith("data:"):
        key, streams = name.removeprefix("data:"), [k.removeprefix("data:") for k in known if k.startswith("data:")]
        ways = [f"declare it:  extern_data = {{'{key}': {{…}}}}"]
        ways = [f"the streams of extern_data: {', '.join(map(repr, streams[:10]))}", *ways] if streams else ways
    else:
        ways = ["correct the name", "add the layer", "'data' and 'data:key' are the network's inputs"]
    said = f"layer '{asker}': option '{option}' names '{name}', and there is no such layer"
    return LayerNotFoundError(
        said if asker else f"the layer '{name}' was asked for, and there is no such layer",
        parties=[Party("layer", asker, f"{option}: {brief(name)}")] if asker else (),
        near=nearest(name, known),
        ways=ways,
    )


__all__ = [
    "DataError",
    "DimError",
    "LayerClassError",
    "LayerCycleError",
    "LayerError",
    "LayerNotFoundError",
    "NetworkError",
    "OptionError",
    "not_found",
    "option_error",
]
