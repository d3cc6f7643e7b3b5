"""An actor-critic agent with a memory, in the manner of IMPALA: one network, several functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tenure.haiku as hk

ROWS, COLUMNS, LENGTH, BATCH = 6, 5, 12, 16


class Output(NamedTuple):
    """Of the network at one time."""

    logits: jax.Array
    value: jax.Array


class Network(hk.RNNCore):
    """Convolutions, an LSTM that forgets at the start of an episode, and two heads."""

    def __init__(self, name: str | None = None):
        super().__init__(name=name)
        self._torso = hk.Sequential([hk.Conv2D(8, 3), jax.nn.relu, hk.Flatten(), hk.Linear(32), jax.nn.relu])
        self._core = hk.ResetCore(hk.LSTM(32))
        self._policy, self._value = hk.Linear(3, name="policy_head"), hk.Linear(1, name="value_head")

    def initial_state(self, batch_size: int | None) -> Any:
        return self._core.initial_state(batch_size)

    def __call__(self, inputs: Any, state: Any) -> Any:
        board, first = inputs
        x, state = self._core((self._torso(board), first), state)
        return Output(self._policy(x), jnp.squeeze(self._value(x), -1)), state

    def unroll(self, inputs: Any, state: Any) -> Any:
        """Many steps: the convolutions of all of them at once."""
        boards, first = inputs
        x = hk.BatchApply(self._torso)(boards)
        x, state = hk.static_unroll(self._core, (x, first), state)
        return Output(*hk.BatchApply(lambda x: (self._policy(x), jnp.squeeze(self._value(x), -1)))(x)), state


def functions() -> Any:
    """What init calls, and the three functions of the agent."""
    net = Network()
    return (lambda inputs, state: net(inputs, state)), (net, net.unroll, net.initial_state)


class Catch:
    """A ball falls, a paddle moves; the reward comes with the last row."""

    def __init__(self, size: int):
        self._rng = np.random.default_rng(0)
        self.ball, self.paddle, self.row = (np.zeros(size, int) for _ in range(3))
        self._start(np.ones(size, bool))

    def _start(self, done: np.ndarray) -> None:
        self.row = np.where(done, 0, self.row)
        self.ball = np.where(done, self._rng.integers(0, COLUMNS, done.shape), self.ball)
        self.paddle = np.where(done, COLUMNS // 2, self.paddle)

    def board(self) -> np.ndarray:
        found = np.zeros((len(self.ball), ROWS, COLUMNS, 1), np.float32)
        each = np.arange(len(self.ball))
        found[each, self.row, self.ball] = 1
        found[each, -1, self.paddle] = 1
        return found

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rewards, and which episodes ended."""
        self.paddle = np.clip(self.paddle + actions - 1, 0, COLUMNS - 1)
        self.row = self.row + 1
        done = self.row == ROWS - 1
        reward = np.where(done, np.where(self.ball == self.paddle, 1.0, -1.0), 0.0)
        self._start(done)
        return reward.astype(np.float32), done


def train(steps: int) -> Iterator[float]:
    """Plays and learns; yields the loss of each step."""
    init, (act, unroll, initial_state) = hk.without_apply_rng(hk.multi_transform(functions))
    optimizer = optax.rmsprop(3e-3)

    def loss_fn(params: Any, batch: Any) -> jax.Array:
        outputs, _ = unroll(params, (batch["board"], batch["first"]), batch["state"])
        advantage = batch["returns"] - outputs.value
        chosen = jnp.take_along_axis(jax.nn.log_softmax(outputs.logits), batch["action"][..., None], -1)[..., 0]
        policy = -(jax.lax.stop_gradient(advantage) * chosen).mean()
        probabilities = jax.nn.softmax(outputs.logits)
        entropy = -(probabilities * jax.nn.log_softmax(outputs.logits)).sum(-1).mean()
        loss: jax.Array = policy + 0.5 * (advantage**2).mean() - 0.01 * entropy
        return loss

    @jax.jit
    def learn(params: Any, opt: Any, batch: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt = optimizer.update(grads, opt)
        return optax.apply_updates(params, updates), opt, loss

    @jax.jit
    def choose(params: Any, key: Any, inputs: Any, state: Any) -> Any:
        output, state = act(params, inputs, state)
        return jax.random.categorical(key, output.logits), state

    env = Catch(BATCH)
    key, first = jax.random.PRNGKey(0), np.ones(BATCH, bool)
    zeros = jax.tree.map(jnp.zeros_like, jax.eval_shape(lambda: initial_state({}, BATCH)))
    params = init(key, (env.board(), first), zeros)
    opt, state = optimizer.init(params), initial_state(params, BATCH)
    for _ in range(steps):
        rows: dict[str, list[Any]] = {"board": [], "first": [], "action": [], "reward": [], "done": []}
        begin = state
        for _ in range(LENGTH):
            key, draw = jax.random.split(key)
            board = env.board()
            action, state = choose(params, draw, (board, first), state)
            reward, done = env.step(np.asarray(action))
            for name, value in zip(rows, (board, first, np.asarray(action), reward, done), strict=True):
                rows[name].append(value)
            first = done
        batch: dict[str, Any] = {name: np.stack(values) for name, values in rows.items()}
        returns, total = [], np.zeros(BATCH, np.float32)
        for reward, done in zip(batch["reward"][::-1], batch["done"][::-1], strict=True):
            total = reward + np.float32(0.9) * np.where(done, np.float32(0), total)
            returns.append(total)
        batch.update(returns=np.stack(returns[::-1]), state=begin)
        params, opt, loss = learn(params, opt, batch)
        yield float(loss)


if __name__ == "__main__":
    for i, loss in enumerate(train(100)):
        print(i, loss)
