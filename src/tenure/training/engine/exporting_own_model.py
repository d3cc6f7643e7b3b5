"""Models of `get_model` as programs of their outputs, without their losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from tenure.network.tensor import Tensor
from tenure.training.engine.own_model import OwnModel
from tenure.training.errors import ConfigError

Inputs = Mapping[str, Mapping[str, Any]]


class OwnPart:
    """A model of a config's own, with its weights.

    Attributes:
      names, leaves: of the weights.
      outputs: names of the outputs, when a program was traced.
    """

    def __init__(self, model: OwnModel, layers: Sequence[str], state: Any, output: Callable[[Tensor], Any]):
        """The model with these values.

        Args:
          model: of the config.
          layers: names of the outputs that are wanted; all that there are if empty.
          state: parameters and states.
          output: makes what the program gives of an output.
        """
        self._model, self._layers, self._output = model, tuple(layers) or None, output
        tree = (state.params, state.state)
        self.names = [jax.tree_util.keystr(p, simple=True, separator="/") for p, _ in jax.tree.leaves_with_path(tree)]
        self.leaves, self._structure = jax.tree.flatten(jax.device_get(tree))
        self.outputs: list[str] = []

    def program(self, inputs: Inputs, every: Inputs) -> Callable[..., Any]:
        """The outputs as a function of the weights and of what the model is fed, both as lists.

        Args:
          inputs: what it is fed.
          every: all inputs that the model has; those that it is not fed are zeros, as losses alone need them.
        """

        def run(weights: list[Any], given: list[Any]) -> list[Any]:
            params, state = jax.tree.unflatten(self._structure, weights)
            rest = list(given)
            fed = {k: (rest.pop(0), rest.pop(0)) if of["lengths"] else (rest.pop(0), None) for k, of in inputs.items()}
            rows = next(array.shape[0] for array, _ in fed.values())
            timed = next(((array.shape[1], lengths) for array, lengths in fed.values() if lengths is not None), None)
            batch: dict[str, Any] = {}
            for key, of in every.items():
                array, lengths = fed.get(key) or _zeros(of, rows, timed)
                batch[key] = array if lengths is None else (array, lengths)
            result, _ = self._model.apply(params, state, None, batch, losses=False, layers=self._layers)
            self.outputs = list(result.outputs)
            if not self.outputs:
                raise ConfigError(
                    "the model of get_model gives a loss only",
                    ways=["return (loss, {'output': array}); (array, lengths) where it has time"],
                )
            return [self._output(x) for x in result.outputs.values()]

        return run

    def needed(self, every: Inputs) -> dict[str, Any]:
        """The inputs that outputs depend on."""
        given: list[Any] = []
        places: list[str] = []
        for key, of in every.items():
            sizes = [{"rows": 3, "time": 8}.get(d, d) for d in of["shape"]]
            given += [jax.ShapeDtypeStruct(sizes, of["dtype"])] + [jax.ShapeDtypeStruct((3,), np.int32)] * of["lengths"]
            places += [key] * (1 + of["lengths"])
        jaxpr = jax.make_jaxpr(lambda *given: self.program(every, every)(self.leaves, list(given)))(*given).jaxpr
        live = {v for v in jaxpr.outvars if isinstance(v, core.Var)}
        for equation in reversed(jaxpr.eqns):
            if not live.isdisjoint(equation.outvars):
                live |= {v for v in equation.invars if isinstance(v, core.Var)}
        wanted = {key for key, v in zip(places, jaxpr.invars, strict=True) if v in live}
        return {key: of for key, of in every.items() if key in wanted} or dict(list(every.items())[:1])


def _zeros(of: Mapping[str, Any], rows: Any, timed: tuple[Any, Any] | None) -> tuple[Any, Any]:
    time, lengths = timed or (1, jnp.ones((rows,), jnp.int32))
    sizes = [{"rows": rows, "time": time}.get(d, d) for d in of["shape"]]
    return jnp.zeros(sizes, of["dtype"]), lengths if of["lengths"] else None
