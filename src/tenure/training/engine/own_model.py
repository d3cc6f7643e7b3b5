"""Models of a config's own: what `get_model()` gives, in the form that the engine has for dictionaries of layers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np

from tenure.core.errors import brief
from tenure.core.model.kinds import Transformed, TransformedWithState, evaluation
from tenure.core.model.transform import transform_with_state
from tenure.core.slots.plan import Plan
from tenure.network import extern
from tenure.network.dims import Dim, batch_dim, spatial_dim
from tenure.network.losses.base import LossValue
from tenure.network.model import ROWS
from tenure.network.result import Result
from tenure.network.tensor import Tensor
from tenure.training.errors import ConfigError
from tenure.training.loss import Loss

MODEL = ":model"  # the key under which the engine keeps such a model in the place of a dictionary of layers
_FLAGS = ("is_training", "train", "training")  # arguments that say whether a pass is for training
_ROWS, _FRAMES = 2, 16  # of the batch that shapes are found out with
_WAYS = [
    "return Loss(sum, count), or a number: the mean over the sequences",
    "return {'ce': Loss(…), 'ctc': Loss(…)} for several",
    "return (loss, {'output': array}) for the task forward; (array, lengths) where it has time",
]


@functools.lru_cache(maxsize=8)
def made(get_model: Callable[[], Any]) -> Any:
    """The model of a config's function, which is called once.

    Raises:
      ConfigError: it gives no model.
    """
    model = get_model()
    if not isinstance(model, Transformed | TransformedWithState):
        if not callable(model) or isinstance(model, type):
            raise ConfigError(
                f"get_model() gives {brief(model)}, and no model",
                ways=["a function of a batch", "tn.transform(f)", "hk.transform_with_state(f) with tenure.haiku as hk"],
            )
        model = transform_with_state(model)
    return model


class OwnModel:
    """A model that is a function of a batch, with the methods of a network.

    Its function is called with {stream: array [B, T, …], stream + "_lengths": [B], "row_mask": [B]}, and with one of `is_training`, `train` and
    `training` if it has such an argument.

    Attributes:
      model: the pair of `init` and `apply`.
      templates: what it is fed.
      net: no layers.
    """

    def __init__(self, model: Any, extern_data: Mapping[str, Any], config: Mapping[str, Any], default_target: str):
        self.model, self._evaluated, self.templates = model, evaluation(model), extern.parse(extern_data)
        self.net: dict[str, Any] = {}
        self.config, self.default_target, self.default_input = dict(config), default_target, "data"
        inner = getattr(getattr(model.apply, "model", None), "function", None)
        own = inspect.signature(model.apply).parameters
        names = {*own, *(inspect.signature(inner).parameters if callable(inner) else ())}
        self._flag = next((name for name in _FLAGS if name in names), None)
        self._takes_key = "rng" in own

    def graph(self, flags: Any = None) -> Any:
        """The inputs as nodes: all are needed."""
        return SimpleNamespace(nodes={key: _Input(key) for key in self.templates})

    def recurrent(self, flags: Any = None) -> bool:
        """True: its function is called with a row for each sequence."""
        return True

    def _called(self, name: str, *arguments: Any, train: bool) -> Any:
        """A function of the model, in training or in evaluation."""
        function = getattr(self.model if train else self._evaluated, name)
        return function(*arguments, **({self._flag: train} if self._flag else {}))

    def plan(
        self, batch: Mapping[str, Any] | None = None, *, train: bool = False, losses: bool = True, search: bool = False
    ) -> Plan:
        """The model for inputs of these shapes, checked, with nothing allocated."""
        _no_search(search)
        return self._called("plan", self._fed(batch), train=train)

    def init(
        self, key: Any, batch: Mapping[str, Any] | None = None, *, train: bool = True, search: Any = False
    ) -> tuple[Any, Any]:
        """Initial parameters and states."""
        _no_search(bool(search))
        found = self._called("init", key, self._fed(batch), train=train)
        return found if self.model.stateful else (found, {})

    def trainable(self) -> dict[str, dict[str, bool]]:
        """Whether each parameter is trained."""
        return self.plan(train=True).ledger.trainable()

    def apply(
        self,
        params: Any,
        state: Any,
        key: Any,
        batch: Mapping[str, Any],
        *,
        train: bool = False,
        losses: bool = True,
        search: bool = False,
        layers: Sequence[str] | None = None,
        step: Any = None,
        probes: Any = None,
    ) -> tuple[Result, Any]:
        """One forward pass: its losses, and the outputs that are asked for."""
        _no_search(search)
        fed = self._fed(batch)
        arguments = (params, *((state,) if self.model.stateful else ()), *((key,) if self._takes_key else ()), fed)
        found = self._called("apply", *arguments, train=train)
        out, new = found if self.model.stateful else (found, state)
        told, outputs = out if isinstance(out, tuple) else (out, {})
        values = _losses(told, jnp.sum(fed["row_mask"])) if losses or train else {}
        wanted = outputs if layers is None else {name: _named(outputs, name) for name in layers}
        tensors = {name: _tensor(name, value) for name, value in wanted.items()}
        total = sum((value.total for value in values.values()), jnp.zeros(()))
        return Result(tensors, values, total, jnp.zeros(())), new

    def show(self) -> Any:
        """Raises: it has no layers to draw."""
        raise ConfigError("a model of get_model has no layers to draw", ways=["tenure ledger CONFIG"])

    def _fed(self, batch: Mapping[str, Any] | None) -> dict[str, Any]:
        if batch is None:
            batch = self._example()
        found: dict[str, Any] = {}
        for key, value in batch.items():
            if not key.startswith(":"):
                array, lengths = value if isinstance(value, tuple) else (value, None)
                found[key] = array
                if lengths is not None:
                    found[f"{key}_lengths"] = lengths
        rows = next((array.shape[0] for array in found.values()), 0)
        found["row_mask"] = jnp.arange(rows) < batch.get(ROWS, rows)
        return found

    def _example(self) -> dict[str, Any]:
        """Zeros of the declared shapes, as long as each other, to find out shapes with."""
        found: dict[str, Any] = {}
        for key, template in self.templates.items():
            dims = template.tensor.dims
            shape = [_ROWS if d.is_batch else d.root.size or _FRAMES for d in dims]
            array = np.zeros(shape, template.dtype)
            timed = any(d.is_dynamic for d in dims)
            found[key] = (array, np.full(_ROWS, _FRAMES, np.int32)) if timed else array
        return found


class _Input:
    """A node for what a model is fed."""

    class_name, scope, container = "data", "", False
    branches: Mapping[str, Any] = {}

    def __init__(self, key: str):
        self.key, self.name = key, key
        self.options: dict[str, Any] = {}

    def get(self, option: str, default: Any = None) -> Any:
        """No option is set."""
        return default


def _no_search(search: bool) -> None:
    if search:
        raise ConfigError(
            "the task search needs a dictionary of layers, and the config has get_model", ways=["task = 'forward'"]
        )


def _losses(told: Any, rows: Any) -> dict[str, LossValue]:
    """The losses that a model gives, by name.

    Raises:
      ConfigError: it gives something else.
    """
    named = told if isinstance(told, Mapping) else {"loss": told}
    return {str(name): _loss(name, value, rows) for name, value in named.items()}


def _loss(name: str, value: Any, rows: Any) -> LossValue:
    if not isinstance(value, Loss):
        if not hasattr(value, "dtype") and not isinstance(value, int | float):
            raise ConfigError(f"the model's {name!r} is {brief(value)}, and no loss", ways=_WAYS)
        if jnp.ndim(value):
            raise ConfigError(f"the model's {name!r} has the shape {jnp.shape(value)}: a loss is a number", ways=_WAYS)
        value = Loss(value * rows, rows)
    factor = 1.0 / jnp.maximum(jnp.asarray(value.count, jnp.float32), 1e-30)
    total, error = (None if v is None else jnp.asarray(v, jnp.float32) for v in (value.sum, value.error))
    return LossValue(total, error, factor, scale=value.scale, normalized=True)


def _named(outputs: Mapping[str, Any], name: str) -> Any:
    if name not in outputs:
        raise ConfigError(f"the model gives no output {name!r}", near=list(map(str, outputs))[:5], ways=_WAYS[2:])
    return outputs[name]


def _tensor(name: str, value: Any) -> Tensor:
    """An output with dims: the batch, time if there are lengths, and the rest."""
    array, lengths = value if isinstance(value, tuple) else (value, None)
    time = () if lengths is None else (spatial_dim(f"time:{name}", None),)
    rest = tuple(Dim(n, f"{name}:{i}") for i, n in enumerate(array.shape[1 + len(time) :]))
    known = {time[0]: Tensor(lengths, (batch_dim(),))} if time else {}
    return Tensor(jnp.asarray(array), (batch_dim(), *time, *rest), lengths=known)
