"""One step of training, evaluation or forwarding, compiled for a mesh of devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tenure.core.errors import brief
from tenure.network.losses.base import LossValue
from tenure.network.model import Network
from tenure.network.result import Result
from tenure.training.engine.mesh import rules_of, shardings
from tenure.training.errors import ConfigError
from tenure.training.optimizing.updater import Updater

Losses = dict[str, tuple[Any, Any, Any]]  # name → sum of losses, sum of errors, factor that makes means


class State(NamedTuple):
    """What training changes.

    Attributes:
      params: the network's.
      state: the network's: running means and the like.
      optimizer: the updater's.
    """

    params: Any
    state: Any
    optimizer: Any


class Steps:
    """The compiled functions of a network.

    Attributes:
      network: which.
      mesh: of devices; a batch's rows are spread over its axis "data", where they can be.

    >>> import numpy as np
    >>> net = Network({"output": {"class": "softmax", "loss": "ce", "from": "data"}}, {"data": {"dim": 3}, "classes": {"dim": 2, "sparse": True}})
    >>> steps = Steps(net, Updater({"optimizer": {"class": "adam"}}, net.trainable()))
    >>> params, state = net.init(jax.random.key(0))
    >>> lengths = np.array([5, 4])
    >>> batch = {"data": (np.ones((2, 5, 3), "float32"), lengths), "classes": (np.zeros((2, 5), "int32"), lengths)}
    >>> new, losses, _ = steps.train(State(params, state, steps.updater.init(params)), batch, 0.1, 0, jax.random.key(1))
    >>> round(float(1 / losses["output"][2]))
    9
    """

    def __init__(
        self,
        network: Network,
        updater: Updater | None = None,
        mesh: Mesh | None = None,
        config: Mapping[str, Any] | None = None,
    ):
        self.network, self.updater = network, updater
        self.mesh = mesh if mesh is not None else Mesh(jax.devices()[:1], ("data",))
        self._rules, self._dtype = rules_of(config or {}), compute_dtype(config or {})
        self._train = jax.jit(self._train_step, donate_argnums=0)
        self._evaluate = jax.jit(self._evaluation_step, static_argnames=("layers", "losses"))
        self._search = jax.jit(self._search_step, static_argnames=("layers", "losses"))

    def placed(self, tree: Any) -> Any:
        """Parameters and all that belongs to them on the devices of the mesh, as the rules of the key `sharding` say."""
        return jax.device_put(tree, self._shardings(tree))

    def _shardings(self, tree: Any) -> Any:
        if not self._rules:
            return NamedSharding(self.mesh, PartitionSpec())
        return shardings(tree, self.mesh, self.network.plan(train=True).ledger, self._rules)

    def fed(self, batch: Mapping[str, Any]) -> Any:
        """A batch on the devices: its rows spread over them if their number can be divided, else on each."""
        count = self.mesh.shape["data"]
        rows = {len(leaf) for leaf in jax.tree.leaves(batch)}
        spread = all(n % count == 0 for n in rows)
        return jax.device_put(batch, NamedSharding(self.mesh, PartitionSpec("data" if spread else None)))

    def train(
        self, state: State, batch: Mapping[str, Any], rate: Any, step: int, key: Any
    ) -> tuple[State, Losses, Any]:
        """One step: the new state, the losses and the objective. The old state must not be used again."""
        return self._train(state, self.fed(batch), jnp.float32(rate), jnp.int32(step), key)

    def evaluate(
        self,
        state: State,
        batch: Mapping[str, Any],
        step: int = 0,
        *,
        layers: Sequence[str] = (),
        losses: bool = True,
        key: Any = None,
    ) -> tuple[Losses, dict[str, Any], Any]:
        """The losses, outputs of layers, and the network's state after it."""
        fed = self.fed(batch)
        return self._evaluate(state.params, state.state, fed, jnp.int32(step), key, layers=tuple(layers), losses=losses)

    def searched(
        self, state: State, batch: Mapping[str, Any], layers: Sequence[str], key: Any = None, *, losses: bool = True
    ) -> Result:
        """What the network finds: outputs of layers, with the scores of hypotheses, and losses where there are targets."""
        return self._search(state.params, state.state, self.fed(batch), key, layers=tuple(layers), losses=losses)

    def _search_step(self, params: Any, state: Any, batch: Any, key: Any, *, layers: Any, losses: bool) -> Result:
        return self.network.apply(params, state, key, batch, layers=layers, losses=losses, search=True)[0]

    def _train_step(self, state: State, batch: Any, rate: Any, step: Any, key: Any) -> tuple[State, Losses, Any]:
        updater = self.updater
        assert updater is not None
        own, noise = jax.random.split(key)
        network, read = self.network, updater.read_by_labels

        def objective(params: Any) -> tuple[Any, tuple[Result, Any]]:
            params, inputs = lowered((params, batch), self._dtype)
            result, new = network.apply(params, state.state, own, inputs, train=True, step=step, layers=read)
            new = (
                jax.tree.map(lambda a, b: jnp.asarray(a, jnp.asarray(b).dtype), new, state.state)
                if self._dtype
                else new
            )
            value = result.loss if updater.decoupled is not None else result.objective
            return jnp.asarray(value, jnp.float32), (result, new)

        def pull(params: Any) -> Any:
            result, _ = network.apply(params, state.state, own, batch, train=True, step=step, layers=())
            return jnp.asarray(result.constraints, jnp.float32)

        (value, (result, new)), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
        pulls = None if updater.decoupled is None else jax.grad(pull)(state.params)
        params, optimizer = updater.update(
            *(grads, state.optimizer, state.params),
            learning_rate=rate,
            step=step,
            key=noise,
            constraints=pulls,
            labels={name: result.outputs[name].data for name in read if name in result.outputs},
        )
        after = State(params, new, optimizer)
        if self._rules:  # XLA would place as it likes what no rule places
            after = jax.lax.with_sharding_constraint(after, self._shardings(after))
        return after, _told(result.losses), value

    def _evaluation_step(
        self, params: Any, state: Any, batch: Any, step: Any, key: Any, *, layers: Any, losses: bool
    ) -> tuple[Losses, dict[str, Any], Any]:
        result, new = self.network.apply(*(params, state, key, batch), step=step, layers=layers, losses=losses)
        return _told(result.losses), result.outputs, new


def compute_dtype(config: Mapping[str, Any]) -> Any:
    """The type that a training step computes in, if not in that of the parameters: of the key `mixed_precision`.

    Raises:
      ConfigError: it is none that can be used.

    >>> compute_dtype({"mixed_precision": True}), compute_dtype({})
    (<class 'jax.numpy.bfloat16'>, None)
    """
    given = config.get("mixed_precision")
    if given in (None, False):
        return None
    if given not in (True, "bfloat16"):
        raise ConfigError(
            f"mixed_precision is {brief(given)}", ways=["True, or 'bfloat16'; float16 would need scaled losses"]
        )
    return jnp.bfloat16


def lowered(tree: Any, dtype: Any) -> Any:
    """The tree with its float32 arrays in another type; None: as it is."""
    if dtype is None:
        return tree
    return jax.tree.map(lambda x: x.astype(dtype) if getattr(x, "dtype", None) == jnp.float32 else x, tree)


def _told(losses: Mapping[str, LossValue]) -> Losses:
    return {name: (loss.loss, loss.error, loss.norm_factor) for name, loss in losses.items()}
