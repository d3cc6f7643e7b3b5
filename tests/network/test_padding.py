"""What is beyond a sequence's end changes nothing within: one network of all layer classes, and one of all losses."""

import functools
import subprocess
import sys

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import tenure.network as network
from tenure.network import Dim, batch_dim, feature_dim, registry
from tenure.network.layers.refused import REFUSED

T, S, F = Dim(None, "time"), Dim(None, "other time"), feature_dim(6, "in")
LENGTHS, OTHERS = np.array([6, 4, 1], "int32"), np.array([3, 5, 2], "int32")
RANDOM = np.random.RandomState(0)
INPUTS = {
    "data": {"dims": [batch_dim(), T, F]},
    "keep": {"dims": [batch_dim(), T]},
    "fill": {"dims": []},
    "other": {"dims": [batch_dim(), S, F]},
    "classes": {"dims": [batch_dim(), T], "sparse_dim": feature_dim(5, "classes"), "dtype": "int32"},
    "text": {"dims": [batch_dim(), S], "sparse_dim": feature_dim(4, "labels"), "dtype": "int32"},
}
FILLED = "tf.where(source(1) > 0.5, source(0), source(2))"
BASE = {
    "x": {"class": "eval", "from": ["data", "data:keep", "data:fill"], "eval": FILLED},
    "wide": {"class": "linear", "n_out": 4, "activation": None, "from": "data:other"},
    "one": {"class": "reduce", "mode": "max", "axis": "F", "keep_dims": True, "from": "x"},
    "energy": {"class": "reduce", "mode": "sum", "axis": "F", "from": "x"},
    "vector": {"class": "reduce", "mode": "mean", "axis": "T", "from": "x"},
    "frames": {"class": "reinterpret_data", "from": "data:classes", "set_sparse": False},
    "square": {"class": "dot", "from": ["x", "data:other"], "reduce": F},
    "positive": {"class": "activation", "activation": "sigmoid", "from": "x"},
    "loud": {"class": "compare", "kind": "greater", "value": 0.0, "from": "energy"},
    "spectrum": {"class": "stft", "frame_shift": 1, "frame_size": 2, "from": "one"},
    "windows": {"class": "window", "window_size": 3, "from": "x"},
    "ft": {"class": "merge_dims", "axes": ["F", "T"], "from": "x"},
    "soft": {"class": "softmax_over_spatial", "from": "energy"},
    "middle": {"class": "reduce", "mode": "sum", "axis": "F", "keep_dims": True, "from": "vector"},
    "lstm": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "x"},
    "count": {"class": "reduce", "mode": "argmax", "axis": "F", "from": "vector"},
    "number": {"class": "reinterpret_data", "from": "count", "set_sparse": False},
    "steps": {"class": "reduce", "mode": "sum", "axis": "F", "from": "positive"},
    "sorted": {"class": "cumsum", "from": "steps"},
    "five": {"class": "linear", "n_out": 5, "activation": None, "from": "x"},
    "probs": {"class": "softmax", "n_out": 5, "target": "classes", "from": "x"},
    "halves": {"class": "split", "num_splits": 2, "from": "x"},
    "norm": {"class": "reduce", "mode": "sum", "axis": ["B", "T", "F"], "from": "positive"},
    "chunks": {"class": "time_chunking", "chunk_size": 4, "chunk_step": 2, "from": "x"},
}
# Each class, as many times as it has ways to meet a dynamic axis. Of the input `x`, unless it says another. "_padded": what a
# sequence gives depends on the others of its batch, or on how long the longest of them is.
LAYERS = [
    {"class": "accumulate_mean", "exp_average": 0.5, "axes": "bt", "_padded": True},
    {"class": "activation", "activation": "tanh"},
    {"class": "alternating_real_to_complex", "n_out": 3},
    {"class": "batch_median_pooling", "pool_size": 3, "_padded": True},
    {"class": "batch_norm", "masked_time": True, "_padded": True},
    {"class": "batch_softmax"},
    {
        "class": "boolean_mask",
        "mask": "loud",
        "dims": [batch_dim(), T],
        "out_dim": Dim(None, "picked", capacity=20),
        "_padded": True,
    },
    {"class": "cast", "dtype": "float16"},
    {"class": "combine", "kind": "mul", "from": ["x", "x"]},
    {"class": "complex_to_alternating_real", "n_out": 4, "from": "spectrum"},
    {"class": "complex_linear_projection", "nr_of_filters": 3},
    {"class": "concat", "from": [("x", "T"), ("data:other", S)]},
    {"class": "concat", "from": [("data:other", S), ("x", "T"), ("x", "T")]},
    {"class": "concat_attention", "from": "vector", "base": "x", "base_ctx": "x"},
    {"class": "conv", "n_out": 3, "filter_size": (3,), "padding": "same"},
    {"class": "conv", "n_out": 3, "filter_size": (3,), "padding": "same", "strides": 2, "_padded": True},
    {
        "class": "conv",
        "n_out": 2,
        "filter_size": (3, 3),
        "padding": "same",
        "in_spatial_dims": [T],
        "input_add_feature_dim": True,
        "from": "square",
    },
    {"class": "copy"},
    {"class": "ctc_loss", "logits": "five", "targets": "data:text"},
    {"class": "cumsum"},
    {"class": "cumsum", "reverse": True},
    {"class": "dct"},
    {"class": "dot", "from": ["x", "x"], "reduce": "T", "var1": "F", "var2": "F"},
    {"class": "dot_attention", "from": "vector", "base": "x", "base_ctx": "x"},
    {"class": "edit_distance", "a": "data:classes", "b": "data:text"},
    {"class": "edit_distance_table", "from": "data:classes", "target": "text"},
    {"class": "elemwise_prod", "axes": "F"},
    {"class": "eval", "eval": "source(0) * 2.0"},
    {"class": "expand_dims", "axis": "F"},
    {"class": "fast_bw", "from": "probs", "align_target": "ctc", "target": "text", "input_type": "prob"},
    {"class": "forced_align", "from": "probs", "align_target": "data:text", "topology": "ctc", "input_type": "prob"},
    {"class": "framewise_statistics", "from": "probs", "sil_label_idx": 0},
    {"class": "first_t_frames_noise_estimator", "nr_of_frames": 3, "n_out": 6},
    {"class": "first_t_frames_noise_estimator", "nr_of_frames": -1, "n_out": 6},
    {"class": "fold", "mode": "mean", "in_spatial_dim": "T", "window_dim": "dim:3", "from": "windows"},
    {"class": "gather", "axis": "F", "position": "data:classes"},
    {"class": "gather_nd", "position": "number"},
    {"class": "gating", "activation": "tanh"},
    {"class": "gauss_window_attention", "from": "middle", "base": "x", "window_size": 3},
    {"class": "get_sub_layer", "name": "1", "from": "halves"},
    {"class": "gradient", "y": "norm", "x": "x"},
    {"class": "identity"},
    {"class": "loss", "from": "probs", "loss_": "ce", "target_": "classes"},
    {"class": "generic_attention", "from": [], "weights": "soft", "base": "x"},
    {"class": "get_last_hidden_state", "from": "lstm", "n_out": 6},
    {"class": "istft", "frame_shift": 1, "frame_size": 2, "from": "spectrum"},
    {"class": "layer_norm"},
    {"class": "linear", "n_out": 3, "activation": "relu"},
    {"class": "math_norm", "p": 2, "axis": "T"},
    {"class": "mel_filterbank", "fft_size": 10, "nr_of_filters": 2, "n_out": 2},
    {"class": "merge_dims", "axes": ["T", "F"]},
    {"class": "merge_dims", "axes": ["F", "T"]},
    {"class": "merge_dims", "axes": [T, S], "from": "square"},
    {
        "class": "multichannel_multiresolution_stft_layer",
        "frame_shift": 1,
        "frame_sizes": (2, 3),
        "fft_sizes": (2, 4),
        "n_out": 5,
        "from": "one",
    },
    {
        "class": "multichannel_stft_layer",
        "frame_shift": 1,
        "frame_size": 2,
        "fft_size": 2,
        "pad_last_frame": True,
        "n_out": 2,
        "from": "one",
    },
    {"class": "norm", "axis": "T"},
    {"class": "norm", "axis": ["T", "F"], "scale": False, "bias": False},
    {"class": "normalize_length_scores", "from": "positive"},
    {"class": "pad", "axes": "T", "padding": (1, 2)},
    {"class": "pad", "axes": "T", "padding": (1, 0), "mode": "circular"},
    {"class": "pad", "axes": "T", "padding": (1, 2), "mode": "reflect"},
    {"class": "pad", "axes": "T", "padding": (1, 2), "mode": "symmetric"},
    {"class": "pad", "axes": "T", "padding": (1, 2), "mode": "replication"},
    {"class": "pool", "mode": "max", "pool_size": (3,), "padding": "same", "strides": 1},
    {"class": "pool", "mode": "avg", "pool_size": (3,), "padding": "same", "strides": 2, "_padded": True},
    {"class": "positional_encoding", "add_to_input": True},
    {"class": "postfix_in_time", "postfix": 7.0},
    {"class": "prefix_in_time", "prefix": 7.0, "repeat": 2},
    {"class": "prefix_in_time", "prefix": 7.0, "repeat": "number", "out_dim": Dim(None, "longer", capacity=9)},
    {"class": "rec", "unit": "lstm", "n_out": 3},
    {"class": "rec", "unit": "nativelstm2", "n_out": 3, "direction": -1},
    {"class": "rec", "unit": "gru", "n_out": 3, "direction": -1},
    {"class": "reduce", "mode": "mean", "axis": "T"},
    {"class": "reduce", "mode": "logsumexp", "axis": "T"},
    {"class": "reduce", "mode": "max", "axis": ["B", "T"], "_padded": True},
    {"class": "reduce", "mode": "prod", "axis": "T"},
    {"class": "reduce", "mode": "argmax", "axis": "T"},
    {"class": "reduce", "mode": "sum", "axis": [T, S], "from": "square"},
    {"class": "reduce_out", "mode": "max", "num_pieces": 2},
    {"class": "reinterpret_data", "switch_axes": "TF"},
    {"class": "remove", "from": "data:classes", "symbol": 2, "out_dim": Dim(None, "others", capacity=6)},
    {"class": "repeat", "repetitions": 2},
    {"class": "repeat", "repetitions": "frames", "out_dim": Dim(None, "repeated", capacity=30)},
    {"class": "reshape", "in_dims": [F, T], "out_dims": [T, F]},
    {"class": "resize", "axis": "T", "factor": 2, "kind": "cubic"},
    {"class": "resize", "axis": "T", "factor": 2, "kind": "linear"},
    {"class": "resize", "axis": "T", "factor": 0.7, "_padded": True},
    {"class": "resize", "axis": "T", "factor": 2, "kind": "fill", "fill_value": 2.0},
    {"class": "scaled_grad", "scale": 0.5},
    {"class": "scatter_nd", "position": "data:classes", "position_axis": "T", "out_spatial_dim": Dim(5, "labels")},
    {"class": "search_sorted", "sorted_sequence": "sorted", "values": "energy"},
    {"class": "self_attention", "num_heads": 1, "total_key_dim": 2, "n_out": 2},
    {"class": "self_attention", "num_heads": 1, "total_key_dim": 2, "n_out": 2, "attention_left_only": True},
    {"class": "seq_len_mask", "mask_value": 3.0},
    {"class": "shift_axis", "axis": "T", "amount": -2},
    {"class": "shift_axis", "axis": "T", "amount": -2, "adjust_size_info": False},
    {"class": "shift_axis", "axis": "T", "amount": 2, "_padded": True},
    {"class": "signal_masking", "signal": "x", "mask": "x"},
    {"class": "slice", "axis": "T", "slice_start": 1},
    {"class": "slice", "axis": "T", "slice_end": -2},
    {"class": "slice", "axis": "T", "slice_end": 4},
    {"class": "slice", "axis": "T", "slice_step": -1},
    {"class": "slice_nd", "start": "number", "size": 3},
    {"class": "slice_nd", "start": 1, "size": 4},
    {"class": "softmax", "n_out": 3},
    {"class": "softmax_over_spatial", "from": "energy"},
    {"class": "sparse_softmax_cross_entropy_with_logits", "logits": "five", "targets": "data:classes"},
    {"class": "split", "num_splits": 2},
    {"class": "split_concatenated_multichannel", "nr_of_channels": 2, "n_out": 3},
    {"class": "split_dims", "axis": "T", "dims": (-1, 4), "pad_to_multiples": True},
    {"class": "split_dims", "axis": "F", "dims": (F, T), "from": "ft"},
    {"class": "squeeze", "axis": "F", "from": "one"},
    {"class": "stack", "from": ["x", "x"]},
    {"class": "stft", "frame_shift": 1, "frame_size": 2, "from": "one"},
    {
        "class": "subnetwork",
        "subnetwork": {"output": {"class": "linear", "n_out": 2, "activation": None, "from": "data"}},
    },
    {"class": "swap_axes", "axis1": "T", "axis2": "F"},
    {"class": "switch", "condition": "loud", "true_from": "x", "false_from": "positive"},
    {"class": "synthetic_gradient", "gradient": "positive"},
    {"class": "tikhonov_regularization"},
    {"class": "tile", "multiples": {"F": 2}},
    {"class": "tile_features", "repetitions": 2, "n_out": 12},
    {"class": "time_unchunking", "chunking_layer": "chunks", "from": "chunks"},
    {"class": "top_k", "axis": "T", "k": 1},
    {"class": "transpose", "perm": {"F": "T", "T": "F"}},
    {"class": "transposed_conv", "n_out": 3, "filter_size": (3,), "strides": (1,)},
    {"class": "transposed_conv", "n_out": 3, "filter_size": (4,), "strides": (2,)},
    {"class": "twod_lstm", "from": ["x", "wide"], "n_out": 3},
    {"class": "weighted_sum", "axes": "T", "size": (3,), "padding": "same"},
    {"class": "window", "window_size": 3},
    {"class": "window", "window_size": 3, "padding": "valid"},
]
IN_LOOPS = """choice choice_get_beam_scores choice_get_src_beams cum_concat decide decide_keep_beam frame get_rec_accumulated masked_computation masked_frames
    optimal_completions prev rec_last_output rec_loop rec_unstack rnn_cell split_batch_beam step_index unmask"""
OF_NO_ENTRIES = """apply_length_distribution constant global_train_step image_summary hdf_dump length print rand_int random random_state_init range
    range_from_length range_in_axis relative_positional_encoding source train_flag variable variable_assign variable_read"""
OF_THE_BATCH_AXIS = "cond flatten_batch split_batch_time unflatten_batch unflatten_nd"
ELSEWHERE = {*IN_LOOPS.split(), *OF_NO_ENTRIES.split(), *OF_THE_BATCH_AXIS.split(), *REFUSED}


def batch(fill=0.0, rows=slice(None), inner=0.0):
    """Inputs whose padding is `fill`, and is `inner` after the layer `x`; of some of the sequences, without what none of them needs."""
    lengths = {T: LENGTHS[rows], S: OTHERS[rows]}
    found = {"fill": np.float32(inner)}
    for key, shape in (
        ("data", (3, 6, 6)),
        ("keep", (3, 6)),
        ("other", (3, 5, 6)),
        ("classes", (3, 6)),
        ("text", (3, 5)),
    ):
        dim = INPUTS[key]["dims"][1]
        random = np.random.RandomState(len(key))
        whole = random.randint(0, 4, shape) if "dtype" in INPUTS[key] else random.randn(*shape)
        whole = np.ones(shape) if key == "keep" else whole
        beyond = np.arange(shape[1]) >= (LENGTHS if dim is T else OTHERS)[:, None]
        whole[beyond] = 3 if "dtype" in INPUTS[key] else fill
        whole = whole[rows, : lengths[dim].max()].astype(INPUTS[key].get("dtype", "float32"))
        found[key] = (whole, lengths[dim])
    return found


def counted(x, row=None):
    """The entries that count, one after the other; of one sequence of the batch if asked."""
    keep = np.ones(x.shape, bool)
    for axis, dim in enumerate(x.dims):
        lengths = next((n for d, n in x.lengths.items() if d == dim), None)
        if lengths is not None:
            places = np.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
            keep &= places < np.asarray(network.ops.aligned(lengths, x.dims))
    data = np.asarray(x.data)
    if row is not None and x.batch_dim is batch_dim():
        data, keep = (np.take(a, row, x.batch_axis) for a in (data, keep))
    return data[keep]


@functools.cache
def model():
    net = {k: dict(v) for k, v in BASE.items()}
    for i, options in enumerate(LAYERS):
        net[f"{i}_{options['class']}"] = {"from": "x", **options, "is_output_layer": True}
    net["output"] = {"class": "copy", "from": "x"}
    made = network.Network(net, INPUTS)
    return made, *made.init(jax.random.key(0), batch())


def outputs(params, given):
    """What all layers give."""
    net, _, state = model()
    return net.apply(params, state, jax.random.key(1), given, layers=("*",))[0].outputs


def compiled(function, *args):
    """The function, compiled in haste."""
    hasty = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(function).lower(*args).compile(compiler_options=hasty)


FILLS = {"large": {"fill": 1e3, "inner": 1e3}, "NaN": {"fill": np.nan}}


def test_padding_changes_no_output_within_the_lengths():
    _, params, _ = model()
    forward = compiled(outputs, params, batch())
    plain = forward(params, batch())
    for name, how in {**FILLS, "NaN inside": {"inner": np.nan}}.items():
        for key, x in forward(params, batch(**how)).items():
            if key != "data:fill":
                wanted, found = counted(plain[key]), counted(x)
                assert np.allclose(found, wanted, rtol=1e-4, atol=1e-4), (name, key, x)
    padded = {f"{i}_{options['class']}": options.get("_padded") for i, options in enumerate(LAYERS)}
    alone = compiled(outputs, params, batch(rows=[1, 1, 1]))(params, batch(rows=[1, 1, 1]))
    for key, x in alone.items():
        if not padded.get(key) and x.batch_dim is batch_dim() and key != "norm":
            wanted, found = counted(plain[key], 1), counted(x, 0)
            assert np.allclose(found, wanted, rtol=1e-4, atol=1e-4), ("alone", key, x)


def sums(params, data, rest):
    """A number in which every entry that counts has its part."""
    total = 0.0
    for x in outputs(params, {**rest, "data": (data, rest["data"][1])}).values():
        if jnp.issubdtype(x.dtype, jnp.floating):
            known = network.sizes.Sizes()
            with network.sizes.use(known):
                for dim, n in zip(x.dims, x.shape, strict=True):
                    known.declare(dim.root, n, x.lengths.get(dim))
                total += jnp.sum(network.layout.zeroed(x.like(jnp.tanh(x.data))).data.astype(jnp.float32))
    return total


def same_gradients(function, params, plain, others):
    """Whether gradients by params, and by what counts of the data, are the same for all batches."""
    keep = np.arange(6) < LENGTHS[:, None]
    gradient = compiled(jax.grad(function, (0, 1)), params, plain["data"][0], plain)
    wanted = gradient(params, plain["data"][0], plain)
    for name, other in others.items():
        found = gradient(params, other["data"][0], other)
        for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(found[0]), jax.tree.leaves(wanted[0]), strict=True):
            assert np.allclose(a, b, rtol=1e-3, atol=1e-4), (name, jax.tree_util.keystr(path))
        assert np.allclose(found[1][keep], wanted[1][keep], rtol=1e-3, atol=1e-3), name


@pytest.mark.slow
def test_padding_changes_no_gradient():
    _, params, _ = model()
    fills = {**FILLS, "NaN inside": {"inner": np.nan}}
    same_gradients(sums, params, batch(), {name: batch(**how) for name, how in fills.items()})


SOFTMAX = {"class": "softmax", "n_out": 5, "target": "classes"}
DENSE = {"class": "linear", "n_out": 6, "activation": None, "target": "data"}
LOSSES = [
    {**SOFTMAX, "loss": "ce"},
    {**SOFTMAX, "loss": "ce", "loss_opts": {"label_smoothing": 0.1, "focal_loss_factor": 2.0}},
    {**SOFTMAX, "loss": "generic_ce"},
    {**SOFTMAX, "loss": "ctc", "target": "text"},
    {**SOFTMAX, "loss": "edit_distance", "target": "text", "loss_opts": {"ctc_decode": True}},
    {"class": "linear", "n_out": 1, "activation": None, "loss": "as_is"},
    {**DENSE, "loss": "mse"},
    {**DENSE, "loss": "l1"},
    {**DENSE, "loss": "mean_l1"},
    {**DENSE, "loss": "bin_ce"},
    {**DENSE, "loss": "sse_sigmoid"},
    {**DENSE, "loss": "mse", "L2": 0.1, "darc1": 0.1},
    {"class": "linear", "n_out": 9, "activation": None, "loss": "as_is", "spatial_smoothing": 0.1},
]


def test_padding_changes_no_loss():
    net = {k: dict(BASE[k]) for k in ("x",)}
    for i, options in enumerate(LOSSES):
        net[f"{i}_{options['loss']}"] = {**options, "from": "x"}
    made = network.Network(net, INPUTS)
    params, state = made.init(jax.random.key(0), batch())

    def objective(params, data, rest):
        fed = {**rest, "data": (data, rest["data"][1])}
        return made.apply(params, state, jax.random.key(1), fed, train=True)[0].objective

    def losses(params, given):
        found = made.apply(params, state, jax.random.key(1), given, train=True)[0]
        return {k: (x.loss, x.error, x.norm_factor) for k, x in found.losses.items()}, found.constraints

    forward = compiled(losses, params, batch())
    wanted = jax.tree_util.tree_leaves_with_path(forward(params, batch()))
    for name, how in FILLS.items():
        for (path, a), b in zip(wanted, jax.tree.leaves(forward(params, batch(**how))), strict=True):
            assert np.allclose(a, b, rtol=1e-4), (name, jax.tree_util.keystr(path), a, b)
    same_gradients(objective, params, batch(), {name: batch(**how) for name, how in FILLS.items()})


def test_the_table_has_every_class():
    named = {entry["class"] for entry in [*LAYERS, *BASE.values()]}
    classes = {k: c for k, c in registry.load().items() if c.__module__.startswith("tenure.")}  # not those of tests
    missing = sorted(k for k in classes if not any(classes[k] is classes[n] for n in named if n in classes))
    assert missing == sorted(ELSEWHERE)


def symbolic():
    """Shapes of the inputs, where batch and times are symbols."""
    b, t, s = jax.export.symbolic_shape("b, t, s")
    places = {"data": (b, t, 6), "keep": (b, t), "other": (b, s, 6), "classes": (b, t), "text": (b, s)}
    given, lengths = batch(), jax.ShapeDtypeStruct((b,), jnp.int32)
    shapes = {k: (jax.ShapeDtypeStruct(shape, given[k][0].dtype), lengths) for k, shape in places.items()}
    return {"fill": jax.ShapeDtypeStruct((), jnp.float32), **shapes}


def test_layers_and_losses_with_symbolic_batch_and_time():
    for table, train in ((LAYERS, False), (LOSSES, True)):
        net = {k: dict(v) for k, v in BASE.items()}
        for i, options in enumerate(table):
            if options["class"] != "batch_median_pooling":  # groups of a batch need its size
                net[f"{i}_{options['class']}"] = {"from": "x", **options, "is_output_layer": True}
        made = network.Network({**net, "output": {"class": "copy", "from": "x"}}, INPUTS)
        params, state = jax.eval_shape(made.init, jax.random.key(0), batch())
        state = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), state)

        def forward(params, given, made=made, state=state, train=train):
            return made.apply(params, state, jax.random.key(1), given, train=train, layers=("*",))[0].outputs

        found = jax.eval_shape(forward, params, symbolic())
        assert str(found["output"].shape) == "(b, t, 6)"


def test_an_exported_network_gives_the_same_numbers(tmp_path):
    net = {
        "conv": {"class": "conv", "n_out": 3, "filter_size": (3,), "strides": 2, "padding": "same", "from": "data"},
        "lstm": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "direction": -1, "from": "conv"},
        "output": {"class": "softmax", "n_out": 4, "from": "lstm"},
    }
    made = network.Network(net, {"data": INPUTS["data"]})
    params, state = made.init(jax.random.key(0))
    forward = jax.jit(lambda given: made.apply(params, state, None, {"data": given})[0].outputs["output"].data)
    saved = jax.export.export(forward)(symbolic()["data"]).serialize()
    file = tmp_path / "network"
    file.write_bytes(saved)
    x = batch()["data"]
    np.savez(tmp_path / "x.npz", data=x[0], lengths=x[1])
    program = """import sys, jax.export, numpy as np
x = np.load(sys.argv[2])
f = jax.export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
np.save(sys.argv[3], f.call((x["data"], x["lengths"])))"""
    subprocess.run([sys.executable, "-c", program, file, tmp_path / "x.npz", tmp_path / "y.npy"], check=True)
    assert np.allclose(np.load(tmp_path / "y.npy"), forward(x), atol=1e-6)


def test_sequences_without_frames_give_numbers():
    """What goes over nothing gives zeros, and no NaN in gradients."""
    net = {
        "att": {"class": "self_attention", "num_heads": 1, "total_key_dim": 2, "n_out": 6, "from": "data"},
        "energy": {"class": "reduce", "mode": "sum", "axis": "F", "from": "att"},
        "weights": {"class": "softmax_over_spatial", "from": "energy"},
        "context": {"class": "generic_attention", "weights": "weights", "base": "data", "from": []},
        "norm": {"class": "norm", "axis": "T", "from": "data"},
        "mean": {"class": "reduce", "mode": "mean", "axis": "T", "from": "norm"},
        "old": {"class": "dot_attention", "from": "mean", "base": "data", "base_ctx": "att"},
        "lstm": {"class": "rec", "unit": "nativelstm2", "n_out": 6, "direction": -1, "from": "data"},
        "last": {"class": "get_last_hidden_state", "from": "lstm", "n_out": 12, "combine": "concat"},
        "output": {"class": "linear", "n_out": 2, "activation": None, "from": ["context", "mean", "old", "last"]},
    }
    made = network.Network(net, {"data": INPUTS["data"]})
    x, lengths = batch()["data"][0], np.array([6, 0, 1])
    params, state = made.init(jax.random.key(0))

    def total(params, x):
        return jnp.sum(made.apply(params, state, None, {"data": (x, lengths)})[0].outputs["output"].data ** 2)

    found = compiled(jax.value_and_grad(total, (0, 1)), params, x)(params, x)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(found))


MAKERS = [
    {"class": "linear", "n_out": 3, "with_bias": False, "activation": "log"},
    {"class": "linear", "n_out": 3, "with_bias": False, "activation": "sqrt"},
    {"class": "linear", "n_out": 3, "with_bias": False, "activation": "tf.math.rsqrt(x)"},
    {"class": "activation", "activation": "log"},
    {"class": "eval", "eval": "1.0 / source(0)"},
    {"class": "eval", "eval": "tf.sqrt(source(0)) * tf.reduce_sum(source(0))"},
    {"class": "combine", "kind": "truediv", "from": ["hidden", "hidden"]},
    {"class": "combine", "kind": "pow", "from": ["hidden", "hidden"]},
    {"class": "math_norm", "p": 2, "axis": "F", "keep_dims": True},
    {"class": "norm", "axis": "F", "scale": False, "bias": False, "epsilon": 0.0},
    {"class": "subnetwork", "subnetwork": {"output": {"class": "activation", "activation": "log", "from": "data"}}},
]


@pytest.mark.parametrize(
    "made", MAKERS, ids=lambda made: f"{made['class']} {made.get('activation') or made.get('kind') or ''}"
)
def test_nan_that_a_layer_makes_of_padding_is_in_no_gradient(made):
    """The padding of `hidden` is zero, of which logarithms, quotients and roots make what is no number."""
    weights = {"forward_weights_init": "random_uniform_initializer(minval=0.1, maxval=0.5, seed=1)"}
    plain = {"class": "linear", "with_bias": False, **weights}
    net = {
        "hidden": {**plain, "n_out": 4, "activation": "relu", "from": "data"},
        "made": {"from": "hidden", **made, **(weights if made["class"] == "linear" else {})},
        "output": {**plain, "n_out": 2, "activation": None, "from": "made"},
    }
    net = network.Network(net, {"data": INPUTS["data"]})
    lengths = np.array([6, 2, 4])
    x = np.random.RandomState(0).rand(3, 6, 6).astype("float32") + 0.5
    x[np.arange(6) >= lengths[:, None]] = 0
    params, state = net.init(jax.random.key(0))

    def total(params, x, lengths):
        y = net.apply(params, state, None, {"data": (x, lengths)})[0].outputs["output"]
        keep = np.arange(x.shape[1]) < lengths[:, None]
        return jnp.sum(jnp.where(keep[:, :, None], y.data, 0) ** 2)

    def each(params):
        return sum(total(params, x[i : i + 1, :n], lengths[i : i + 1]) for i, n in enumerate(lengths))

    found, alone = (
        compiled(jax.grad(total), params, x, lengths)(params, x, lengths),
        compiled(jax.grad(each), params)(params),
    )
    if "reduce_sum" in str(made):  # of everything that there is
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
        return
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(alone), strict=True):
        assert np.isfinite(a).all() and np.allclose(a, b, rtol=1e-4, atol=1e-5)


STRIDED = [
    {"class": "conv", "filter_size": (3,), "strides": (2,), "n_out": 4},
    {"class": "conv", "filter_size": (5,), "strides": (3,), "n_out": 4, "dilation_rate": (2,)},
    {"class": "pool", "mode": "max", "pool_size": (3,)},
    {"class": "pool", "mode": "avg", "pool_size": (3,), "strides": (2,)},
    {"class": "conv", "filter_size": (3, 3), "strides": (2, 2), "n_out": 2, "input_add_feature_dim": True, "in_spatial_dims": ["T"]},
]  # fmt: skip


@pytest.mark.parametrize("entry", STRIDED)
def test_windows_with_strides_are_those_that_a_sequence_has_alone(entry):
    """TensorFlow's "SAME" depends on the longest sequence of the batch; a sequence's own length is what counts here."""
    net = network.network({"output": {"padding": "same", "from": "data", **entry}}, {"data": {"dim": 6}})
    x, lengths = RANDOM.randn(5, 8, 6).astype("float32"), np.array([8, 7, 6, 5, 1])
    params, state = net.init(jax.random.key(0), {"data": (x, lengths)})

    def run(x, lengths):
        out = net.apply(params, state, None, {"data": (x, lengths)})[0].outputs["output"].batch_first()
        return out.data, next(iter(out.lengths.values())).data

    run = jax.jit(run)
    together, counts = run(np.where(np.arange(8)[:, None] < lengths[:, None, None], x, np.nan), lengths)
    for b, n in enumerate(lengths):
        alone, (count,) = run(x[b : b + 1, :n], np.array([n]))
        assert count == counts[b] == alone.shape[1]
        np.testing.assert_allclose(together[b, :count], alone[0], rtol=1e-4, atol=1e-5)


NORMS = [{"class": "batch_norm", "masked_time": False}, {"class": "copy", "batch_norm": {"masked_time": False}}]


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm["class"])
def test_a_network_that_asks_for_padding_has_gradients_of_it(norm):
    """Statistics over padding, too: the gradient is what the difference of two values says."""
    net = {
        "hidden": {"class": "linear", "n_out": 4, "activation": "exp", "from": "data"},
        "output": {**norm, "from": "hidden"},
    }
    net = network.Network(net, {"data": INPUTS["data"]})
    x, lengths = batch()["data"]
    params, state = net.init(jax.random.key(0), {"data": (x, lengths)})
    keep = np.arange(6) < lengths[:, None]

    @jax.jit
    def total(params):
        y = net.apply(params, state, jax.random.key(0), {"data": (x, lengths)}, train=True)[0].outputs["output"]
        return jnp.sum(jnp.where(keep[:, :, None], y.data, 0) ** 3)

    moved = [{**params, "hidden": {**params["hidden"], "b": params["hidden"]["b"].at[0].add(d)}} for d in (0.01, -0.01)]
    slope = (total(moved[0]) - total(moved[1])) / 0.02
    assert abs(slope) > 0.1
    np.testing.assert_allclose(jax.grad(total)(params)["hidden"]["b"][0], slope, rtol=0.02)
