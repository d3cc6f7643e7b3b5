"""Recurrent layers whose unit is a cell: over a sequence, or one step of a loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.rng import next_rng_key
from tenure.network import cells, ops, sizes, versions
from tenure.network.dims import Dim, single_step_dim
from tenure.network.graph import Flags, Node
from tenure.network.layer import Layer, layer
from tenure.network.layers.rec_state import beside_cell, initial_state, keep_states, state_tensors
from tenure.network.output import Output
from tenure.network.registry import find
from tenure.network.tensor import Tensor


class CellLayer(Layer):
    """What `rec` and `rnn_cell` have in common.

    Attributes:
      makes_steps: whether each step of the loop around is one of the cell; else the cell goes over a sequence.
    """

    single_step_names = False
    stepwise = True
    makes_steps = True

    def first_state(self, form: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if not self.makes_steps:  # no state goes from one step to the next
            return form
        return self._first_state(form, beside_cell(self))

    def _first_state(self, form: Mapping[str, Tensor], beside: bool) -> Mapping[str, Tensor]:
        like = next(iter(form.values()))
        if like.beam_dim is not None:  # all hypotheses start from the same
            axis = like.axis(like.beam_dim)
            like = like.without(axis).like(jax.lax.index_in_dim(like.data, 0, axis, keepdims=False))
        *rest, out_dim = like.dims
        size = out_dim.root.size or 1
        cell = self.cell(self.node.get("unit", "lstm"), self.node.get("unit_opts"), size)
        start = initial_state(self, cell, tuple(rest), like.shape[:-1], out_dim, beside)
        return state_tensors(start, rest, out_dim)

    def output_of_first_state(self, like: Tensor) -> Tensor:
        """What was its output, going by the state that it starts from.

        A learned one is beside the cell's parameters, even if the cell is moved out of the loop and starts from one of its own.

        Args:
          like: a tensor of the form of its output, all zeros.
        """
        state = self._first_state({"": like}, beside=True)
        return state.get("h", state.get("state", like))

    def after_loop(self, state: Mapping[str, Tensor], time: Dim) -> None:
        keep_states(self, {part: x.data for part, x in state.items()})

    def over_loop(self, x: Tensor) -> Tensor:
        """An input that is the same in all steps, for each of them, where the layer is moved out of a loop."""
        time = self.run.loop_time
        if not self.run.all_steps or time is None or x.time_axis is not None:
            return x
        n = sizes.current().padded(time)
        return x.stacked(time, jnp.broadcast_to(x.data, (n, *x.shape)), as_time=True)

    def cell(self, unit: Any, options: Any, size: int) -> cells.Cell:
        """The cell that the options describe."""
        if options is not None and not isinstance(options, Mapping):
            raise self.error("unit_opts", options, "a dict is needed", ["'unit_opts': {'forget_bias': 1.0}"])
        defaults = {"use_zoneout_output": versions.at_least(versions.ZONEOUT_OUTPUT)}
        return cells.make(
            unit, size, options, training=self.training, single_step=self.single_step_names, defaults=defaults
        )

    def cell_params(self, cell: cells.Cell, inputs: int, inits: Mapping[str, Any]) -> dict[str, jax.Array]:
        """The cell's parameters, below `rec/` unless the dictionary gives the layer a scope of its own."""
        prefix = "rec/" if self.node.get("name_scope") is None else ""
        return {
            name: self.param(prefix + name, spec.shape, inits[spec.init] if isinstance(spec.init, str) else spec.init)
            for name, spec in cell.params(inputs).items()
        }

    def unroll(
        self, cell: cells.Cell, x: Tensor, axis: int | None, inits: Mapping[str, Any], out_dim: Dim, **how: Any
    ) -> Output:
        """Runs the cell along an axis; a single step if there is none.

        Args:
          cell: the cell.
          x: the input.
          axis: to go along.
          inits: kind of initial value → what dictionaries write.
          out_dim: of the output's features.
          how: of `cells.run`.
        """
        if x.sparse and not cell.takes_labels:
            raise self.error("from", self.node.get("from"), f"this unit takes features, not indices: {x!r}")
        if not x.sparse and x.feature_axis is None:
            raise self.error("from", self.node.get("from"), f"{x!r} has no feature dim")
        if axis is not None:
            x = x.move_axis(axis, 0)
        x = x.feature_last()
        frames = x.dims if x.sparse else x.dims[:-1]
        inputs = x.sparse_dim.root.size if x.sparse else x.shape[-1]  # type: ignore[union-attr]
        params = self.cell_params(cell, inputs, inits)  # type: ignore[arg-type]
        rest = frames if axis is None else frames[1:]
        shape = x.shape[: len(frames)] if axis is None else x.shape[1 : len(frames)]
        self.makes_steps = axis is None
        before = self.run.states.get(self.node.key) if self.makes_steps else None
        if before is None:
            start = initial_state(self, cell, rest, shape, out_dim, self.makes_steps and beside_cell(self))
        else:  # in a loop, the state of the step before
            start = {part: ops.aligned(before[part], (*rest, out_dim)) for part in cell.parts}
        key = (
            next_rng_key()
            if self.training and (cell.draws or cell.fixed_noise(jax.random.key(0), (1, cell.size)) is not None)
            else None
        )
        if axis is None:
            y, last = cells.one(cell, params, x.data, start, key=key)
        else:
            keep = ops.mask(frames[0], frames)
            keep = None if keep is None else jnp.broadcast_to(keep, x.shape[: len(frames)])
            y, last = cells.run(cell, params, x.data, keep, start, key=key, **how)
        if axis is not None or not self.run.single_step:  # a loop keeps that of its last step
            keep_states(self, last)
        out = Tensor(y, (*frames, out_dim), feature_axis=len(frames))
        if axis is not None:
            out = dataclasses.replace(out, time_axis=0)
        return Output(out, state=state_tensors(last, rest, out_dim))


@layer("rec")
class Rec(CellLayer):
    """A recurrent cell over a sequence; a loop if the unit is a dictionary of layers.

    Parameters: the cell's, below `rec/`. The state after the last frame is there for `get_last_hidden_state` and for the
    `initial_state` of other layers.

    Input [B, T, F], output [B, T, n_out], time first where RETURNN's unit has it so.
    Source of LSTM: Hochreiter and Schmidhuber 1997, Gers et al. 1999; of GRU: Cho et al. 2014, https://arxiv.org/abs/1406.1078.
    """

    @classmethod
    def moves_out(cls, node: Node, flags: Flags) -> bool:
        axis = node.get("axis")
        return node.get("state") is None and (axis is None or _is_one_step(axis))

    @property
    def over_all_steps(self) -> bool:
        axis, time = self.node.get("axis"), self.run.loop_time
        return _is_one_step(axis) or (axis is None and _of_one_step(self.source(dropout=False), time).time_axis is None)

    @classmethod
    def variant(cls, options: Mapping[str, Any]) -> type[Layer]:
        return find("rec_loop", "rec") if isinstance(options.get("unit"), Mapping) else cls

    def forward(
        self,
        source: Tensor,
        *,
        unit: Any = "lstm",
        unit_opts: Any = None,
        direction: int | None = None,
        axis: Any = None,
        input_projection: bool = True,
        forward_weights_init: Any = None,
        recurrent_weights_init: Any = None,
        bias_init: Any = None,
        max_seq_len: Any = None,
        max_seq_len_via: Any = None,
        optimize_move_layers_out: bool | None = None,
        cheating: bool = False,
        unroll: bool = False,
        back_prop: bool | None = None,
        use_global_rec_step_offset: bool = False,
        include_eos: bool = False,
        debug: bool | None = None,
        remat: bool | int = False,
    ) -> Output:
        if not isinstance(remat, int) or remat < 0:
            raise self.error("remat", remat, "True, or a number of steps, is needed")
        if direction not in (None, 1, -1):
            raise self.error("direction", direction, "forward is 1, backward is -1")
        self.unsupported("a unit given by its name has no loop of layers", max_seq_len_via=max_seq_len_via)
        if not input_projection:
            raise self.error("input_projection", input_projection, "every cell has a matrix for its input here")
        out_dim = self.feature_out()
        cell = self.cell(unit, unit_opts, out_dim.root.size)  # type: ignore[arg-type]
        start = self.node.get("initial_state")
        if start is not None and cells.without_start(unit):
            raise self.error("initial_state", start, f"{unit} starts from zeros", ["'unit': 'nativelstm2'"])
        weights = recurrent_weights_init or forward_weights_init or "glorot_uniform"
        inits = {
            "forward": forward_weights_init or weights,
            "recurrent": recurrent_weights_init or weights,
            "weights": weights,
            "bias": 0.0 if bias_init is None else bias_init,
        }
        if self.run.all_steps and self.run.loop_time is not None and self.over_all_steps:
            source, axis = self.over_loop(source), self.run.loop_time
        at = self._axis(source, axis)
        out = self.unroll(cell, source, at, inits, out_dim, reverse=direction == -1, remat=remat)
        cut = back_prop is False and self.run.network.reuse != "legacy"  # RETURNN heeds it in loops of layers only
        return out.with_tensor(ops.map1(jax.lax.stop_gradient, out.tensor)) if cut else out

    def _axis(self, source: Tensor, axis: Any) -> int | None:
        if axis is None:  # with a state given, or nothing to go along, it is one step
            return None if self.node.get("state") is not None else source.time_axis
        return None if _is_one_step(axis) else self.axis(source, axis)


def _is_one_step(axis: Any) -> bool:
    return isinstance(axis, Dim) and axis == single_step_dim


def _of_one_step(x: Tensor, time: Dim | None) -> Tensor:
    """The form that one step of a loop over that dim sees."""
    return x.without(x.axis(time)) if time is not None and x.has(time) else x


@layer("rnn_cell")
class RnnCell(CellLayer):
    """One step of a recurrent cell in a loop; over a sequence, all steps.

    Parameters: the cell's, below `rec/`.

    Input [B, F], output [B, n_out]; over a sequence [B, T, F] and [B, T, n_out].
    """

    single_step_names = True

    @classmethod
    def moves_out(cls, node: Node, flags: Flags) -> bool:
        return node.get("state") is None

    @property
    def over_all_steps(self) -> bool:
        return True

    def forward(
        self, source: Tensor, *, unit: Any, unit_opts: Any = None, weights_init: Any = "glorot_uniform"
    ) -> Output:
        source = self.over_loop(source)
        out_dim = self.feature_out()
        cell = self.cell(unit, unit_opts, out_dim.root.size)  # type: ignore[arg-type]
        inits = dict.fromkeys(("forward", "recurrent", "weights"), weights_init) | {"bias": 0.0}
        return self.unroll(cell, source, source.time_axis, inits, out_dim)


@layer("get_last_hidden_state")
class GetLastHiddenState(Layer):
    """The states of recurrent layers after their last frames.

    The key is the name of a part ("c", "h"), or "*" for all parts side by side.

    Inputs [B, T, n] of recurrent layers, output [B, n_out].
    """

    stepwise = True

    @property
    def over_all_steps(self) -> bool:
        """States without the loop's time are those after its last step, once for all steps."""
        time = self.run.loop_time
        states = [x for k in self.node.sources for x in self.given(k).state.values()]
        return time is not None and not any(x.has(time) for x in states)

    def forward(self, *, combine: str = "concat", key: Any = "*") -> Output:
        outputs = [self.given(k) for k in self.node.sources]
        if not outputs:
            raise self.error("from", self.node.get("from"), "at least one recurrent layer is needed")
        found = [self._part(out, name, key) for out, name in zip(outputs, self.node.sources, strict=True)]
        if len(found) > 1 and combine == "add":
            total = found[0]
            for other in found[1:]:
                total = ops.map2(jnp.add, total, other)
        elif combine in ("concat", "add"):
            total = ops.concat_features(found)
        else:
            raise self.error("combine", combine, "there are 'concat' and 'add'")
        size = total.shape[-1]
        out_dim = self.feature_out(default=total.feature_dim)
        if out_dim.root.size != size:
            raise self.error("n_out", self.node.get("n_out"), f"the states have {size} features")
        total = total.replace_dim(total.ndim - 1, out_dim)
        return Output(total, state={"state": total})

    def _part(self, out: Output, name: str, key: Any) -> Tensor:
        if not out.state:
            raise self.error("from", name, "this layer has no hidden state", ["name a 'rec' layer"])
        parts = list(out.state.values())
        if key in ("*", "flat"):
            return ops.concat_features(parts)
        if isinstance(key, int) and not isinstance(key, bool) and 0 <= key < len(parts):
            return parts[key]
        if key is None and len(parts) == 1:
            return parts[0]
        if key not in out.state:
            raise self.error("key", key, f"the state has the parts {list(out.state)}")
        return out.state[key]
