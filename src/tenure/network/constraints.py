"""Terms of the objective that depend on parameters alone: L2."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run import leaves, values
from tenure.core.run.frame import current_frame
from tenure.network.param_use import ParamUse
from tenure.network.typing import Run


@dataclasses.dataclass(frozen=True)
class Decay:
    """One layer's wish that a parameter be small.

    Attributes:
      scale: of the sum of squares.
      use: the parameter.
      around: whether it is the wish of a layer around the one that has the parameter.
    """

    scale: Any
    use: ParamUse
    around: bool = False


@dataclasses.dataclass(frozen=True)
class DecayInside:
    """The wish of a layer with layers inside that all their parameters be small.

    Attributes:
      scale: of the sum of squares.
      key: the layer's.
    """

    scale: Any
    key: str

    def of(self, uses: list[ParamUse]) -> list[Decay]:
        """What that means for each parameter."""
        starts = (f"{self.key}/", f"{self.key}(")
        return [Decay(self.scale, u, around=True) for u in uses if u.layer.startswith(starts)]


def total(run: Run) -> Any:
    """The sum of all terms.

    A parameter counts once, however many layers use it: with its owner's scale, or the largest of its users' if the owner
    has none; where a layer says nothing, what the layers around it say. In "legacy" each layer counts what RETURNN takes
    for its own, and those around it once more.
    """
    result: Any = jnp.zeros(())
    decays: list[Decay] = []
    for term in run.constraints:
        if isinstance(term, Decay):
            decays.append(term)
        elif isinstance(term, DecayInside):
            decays += term.of(run.params)
        else:
            result = result + term
    frame = current_frame("network")
    if frame.planning:
        return result
    if run.network.reuse == "legacy":
        own = [t for t in decays if _kind(t.use.path) == "owned" or "&" in t.use.path]
        return result + sum(t.scale * _squares(t.use.value) for t in own)
    scales = _scales(decays)
    return result + sum(scale * _squares(leaves.owned_value(frame, path)) for path, scale in scales.items())


def _squares(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(x.astype(jnp.promote_types(x.dtype, jnp.float32))))


def _scales(decays: list[Decay]) -> dict[str, Any]:
    """The scale of each parameter, by its owner's path."""
    frame = current_frame("network")
    said = {(d.use.layer, d.use.path) for d in decays if not d.around}
    scales: dict[str, Any] = {}
    owned: set[str] = set()
    for decay in decays:
        if decay.around and (decay.use.layer, decay.use.path) in said:
            continue  # the layer itself says another scale
        mine = _kind(decay.use.path) == "owned"
        for owner in [decay.use.path] if mine else frame.plan.ledger.owners_of(decay.use.path):
            if mine:
                owned.add(owner)
                scales[owner] = decay.scale
            elif owner not in owned:
                known = scales.get(owner)
                scales[owner] = decay.scale if known is None else jnp.maximum(decay.scale, known)
    return scales


def _kind(path: str) -> str:
    """What a slot is: "owned", "borrowed" or "given"."""
    return values.known()[path].kind
