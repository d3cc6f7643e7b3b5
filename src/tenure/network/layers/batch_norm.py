"""Batch normalisation, as a layer and as an option of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.naming import transparent
from tenure.functional import moments, normalised
from tenure.network import ops, sizes, versions
from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import Tensor

_OPTIONS = (
    "use_shift",
    "use_std",
    "use_sample",
    "force_sample",
    "momentum",
    "epsilon",
    "update_sample_only_in_training",
    "delay_sample_update",
    "param_version",
    "gamma_init",
    "beta_init",
    "masked_time",
)


@layer("batch_norm")
class BatchNorm(Layer):
    """Mean 0 and variance 1 over everything but the features, then scaled and shifted.

    Parameters: `gamma`, `beta`; states: `mean`, `variance`, the running averages. Source: Ioffe and Szegedy 2015,
    https://arxiv.org/abs/1502.03167.

    Input [B, …, F], output the same axes.
    """

    framewise = True

    more_options = _OPTIONS

    @property
    @transparent
    def sees_beams(self) -> bool:
        """Hypotheses are rows of the batch: there is one mean over all of them."""
        return True

    def forward(self, source: Tensor) -> Tensor:
        return normalise(self, source, {k: v for k, v in self.node.options.items() if k in _OPTIONS})


def normalise_output(layer: Layer, out: Output) -> Output:
    """The option `batch_norm` of any layer."""
    options = layer.node.get("batch_norm")
    if isinstance(layer, BatchNorm):
        return out
    if options is not True and not isinstance(options, Mapping):
        raise layer.error("batch_norm", options, "True, or a dict of options, is needed")
    return Output(
        normalise(layer, out.tensor, {} if options is True else dict(options)), subs=out.subs, state=out.state
    )


def normalise(layer: Layer, x: Tensor, given: Mapping[str, Any]) -> Tensor:
    """`x` over everything but its features, with parameters in the layer's scope."""
    unknown = [k for k in given if k not in _OPTIONS]
    if unknown:
        raise layer.error("batch_norm", given, f"there is no option {unknown[0]!r}", [", ".join(_OPTIONS)])
    if x.feature_axis is None:
        raise layer.error("from", layer.node.get("from"), f"{x!r} has no feature dim")
    new = versions.at_least(versions.BATCH_NORM_DEFAULTS)
    if new and "masked_time" not in given:
        raise layer.error("masked_time", None, "behaviour versions from 12 on ask for it", ["'masked_time': True"])
    options = {
        "use_shift": True,
        "use_std": True,
        "use_sample": 0.0,
        "force_sample": False,
        "momentum": 0.1 if new else 0.99,
        "epsilon": 1e-3,
        "update_sample_only_in_training": new,
        "delay_sample_update": new,
        "param_version": 2 if new else 0,
        "gamma_init": 1.0,
        "beta_init": 0.0,
        "masked_time": True,
    } | dict(given)
    return _Normaliser(layer, x, options).run()


class _Normaliser:
    """One use of batch normalisation."""

    def __init__(self, layer: Layer, x: Tensor, options: dict[str, Any]):
        self.layer, self.x, self.options = layer, x, options
        assert x.feature_axis is not None
        self.axis = x.feature_axis
        n = x.shape[self.axis]
        self.shape = [n if i == self.axis else 1 for i in range(x.ndim)]
        without_beams = [m for m, dim in zip(self.shape, x.dims, strict=True) if dim != x.beam_dim]
        self.stored = [n] if options["param_version"] >= 2 else without_beams
        prefix = {0: f"{layer.node.name}_{layer.node.name}_output_", 1: ""}.get(options["param_version"], "v2_")
        self.prefix = f"batch_norm/{prefix}"

    @transparent
    def run(self) -> Tensor:
        o, train = self.options, self.layer.training
        mean, variance = self._statistics(train)
        scale = self._param("gamma", o["gamma_init"]) if o["use_std"] else None
        offset = self._param("beta", o["beta_init"]) if o["use_shift"] else None
        return self.x.like(normalised(self.x.data, mean, variance, o["epsilon"], scale, offset))

    def _param(self, name: str, start: Any) -> jax.Array:
        return self.layer.param(self.prefix + name, self.stored, start).reshape(self.shape)

    def _statistics(self, train: bool) -> tuple[jax.Array, jax.Array]:
        """Mean and variance to normalise with: the batch's, the running averages, or a mixture."""
        o = self.options
        stored = [self._state("mean", 0.0), self._state("variance", 1.0)]
        update = train or not (o["update_sample_only_in_training"] or self._plain)
        use_batch = (train or o["force_sample"]) and o["use_sample"] != 1
        if not (update or use_batch):
            return stored[0], stored[1]
        batch = self._of_batch()
        running = stored
        if update:
            new = [
                jax.lax.stop_gradient(old + (now - old) * o["momentum"])
                for old, now in zip(stored, self._unbiased(batch, train), strict=True)
            ]
            self._set("mean", new[0])
            self._set("variance", new[1])
            running = stored if o["delay_sample_update"] else new
        if not use_batch:
            return running[0], running[1]
        part = o["use_sample"]
        if not part:
            return batch
        mixed = [(1.0 - part) * b + part * r for b, r in zip(batch, running, strict=True)]
        return mixed[0], mixed[1]

    @property
    def _plain(self) -> bool:
        """Whether it is the case for which TensorFlow has a kernel of its own, which moves averages in training only."""
        o = self.options
        whole = o["use_shift"] and o["use_std"] and o["param_version"] >= 2 and not o["masked_time"]
        return bool(whole and not o["use_sample"] and not o["force_sample"])

    def _unbiased(self, batch: tuple[jax.Array, jax.Array], train: bool) -> tuple[jax.Array, jax.Array]:
        """What the running averages take; the fused kernel that TensorFlow uses for the plain case corrects the variance."""
        if not (train and self._plain):
            return batch
        n: Any = self.x.data.size // self.x.shape[self.axis]
        rows, at = sizes.current().rows, self.x.batch_axis
        if rows is not None and at is not None:
            n = n // self.x.shape[at] * rows
        return batch[0], batch[1] * (n / jnp.maximum(n - 1, 1))

    def _of_batch(self) -> tuple[jax.Array, jax.Array]:
        x, axes = self.x, [i for i in range(self.x.ndim) if i != self.axis]
        return moments(x.data, axes, mask=self._keep())

    def _keep(self) -> jax.Array | None:
        """Which entries count: RETURNN masks the time axis only."""
        x = self.x
        if not self.options["masked_time"]:
            return None if x.batch_axis is None else ops.mask(x.dims[x.batch_axis], x.dims)
        if not self.layer.takes_padding_in:
            return ops.all_masks(x.dims)
        return None if x.time_axis is None else ops.mask(x.dims[x.time_axis], x.dims)

    def _state(self, name: str, start: float) -> jax.Array:
        value = self.layer.state(self.prefix + name, self.stored, start)
        run, scale = self.layer.run, self.layer.node.get("L2")
        if scale and run.network.reuse == "legacy":  # to RETURNN these are parameters of the layer, if untrainable ones
            run.constraints.append(jax.lax.stop_gradient(scale * jnp.sum(jnp.square(value))))
        return value.reshape(self.shape)

    def _set(self, name: str, value: jax.Array) -> None:
        self.layer.set_state(self.prefix + name, value.reshape(self.stored))
