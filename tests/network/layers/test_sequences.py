"""Layers on sequences, against numpy, sequence by sequence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure import TenureError
from tenure.network.layers.linear import gradient_filter
from tests.network.layers.running import KEEP, LABELS, LENGTHS, X, lengths, output, run


def per_sequence(found, expected, tolerance=1e-5):
    """Compares [B, T, …] with a list of what each sequence should be."""
    for row, wanted in zip(found, expected, strict=True):
        assert np.allclose(row[: len(wanted)], wanted, atol=tolerance), (row[: len(wanted)], wanted)


SEQUENCES = [X[b, :n] for b, n in enumerate(LENGTHS)]


def test_prefix_and_postfix():
    y, t = output({"class": "prefix_in_time", "prefix": 7.0, "repeat": 2})
    per_sequence(y, [np.concatenate([np.full((2, 5), 7), s]) for s in SEQUENCES])
    assert lengths(t, 1).tolist() == (LENGTHS + 2).tolist()
    y, t = output({"class": "postfix_in_time", "postfix": 7.0, "repeat": 2})
    per_sequence(y, [np.concatenate([s, np.full((2, 5), 7)]) for s in SEQUENCES])
    assert lengths(t, 1).tolist() == (LENGTHS + 2).tolist()


def test_a_postfix_from_a_layer():
    more = {"last": {"class": "reduce", "mode": "sum", "axis": "T", "from": "data"}}
    y, _ = output({"class": "postfix_in_time", "postfix": "last"}, more=more)
    per_sequence(y, [np.concatenate([s, s.sum(0, keepdims=True)]) for s in SEQUENCES], 1e-4)


def test_a_prefix_whose_length_differs():
    more = {
        "n": {"class": "reduce", "mode": "max", "axis": "T", "from": "c"},
        "c": {"class": "reinterpret_data", "from": "data:classes", "set_sparse": False},
    }
    y, t = output({"class": "prefix_in_time", "prefix": 1.0, "repeat": "n"}, more=more)
    counts = [LABELS[b, :n].max() for b, n in enumerate(LENGTHS)]
    per_sequence(y, [np.concatenate([np.ones((c, 5)), s]) for c, s in zip(counts, SEQUENCES)])
    assert lengths(t, t.axis(t.time_dim)).tolist() == [len(s) + c for c, s in zip(counts, SEQUENCES)]


@pytest.mark.parametrize("amount", [2, -2])
def test_shift(amount):
    y, _ = output({"class": "shift_axis", "axis": "T", "amount": amount, "pad_value": 9.0, "adjust_size_info": False})
    gap = np.full((2, 5), 9)
    per_sequence(y, [np.concatenate([gap, s] if amount > 0 else [s[2:], gap])[: len(s)] for s in SEQUENCES])
    _, t = output({"class": "shift_axis", "axis": "T", "amount": amount})
    assert lengths(t, 1).tolist() == np.clip(LENGTHS + amount, 0, 6).tolist()


def test_repeat_by_a_number_and_by_a_layer():
    y, _ = output({"class": "repeat", "repetitions": 3})
    assert np.allclose(y, np.repeat(X, 3, axis=1))
    more = {"n": {"class": "reinterpret_data", "from": "data:classes", "set_sparse": False}}
    y, t = output({"class": "repeat", "repetitions": "n"}, more=more)
    per_sequence(y, [np.repeat(s, LABELS[b, : len(s)], axis=0) for b, s in enumerate(SEQUENCES)])
    assert lengths(t, 1).tolist() == [LABELS[b, :n].sum() for b, n in enumerate(LENGTHS)]


def test_resize():
    y, _ = output({"class": "resize", "axis": "T", "factor": 2, "kind": "cubic"})
    per_sequence(y[:, ::2], SEQUENCES, 1e-6)
    middle = (-0.09375, 0.59375, 0.59375, -0.09375)  # Keys at one half, with -3/4
    assert np.allclose(y[:2, 3], sum(w * X[:2, i] for i, w in enumerate(middle)), atol=1e-5)
    y, t = output({"class": "resize", "axis": "T", "factor": 2, "kind": "linear"})
    ends = np.concatenate([X[:, 1:], X[:, -1:]], 1)
    ends[range(3), LENGTHS - 1] = X[range(3), LENGTHS - 1]  # the last frame has no next one
    per_sequence(y[:, ::2], SEQUENCES, 1e-6)
    per_sequence(y[:, 1::2], [((X + ends) / 2)[b, :n] for b, n in enumerate(LENGTHS)], 1e-6)
    assert lengths(t, 1).tolist() == (LENGTHS * 2).tolist()
    y, t = output({"class": "resize", "axis": "T", "factor": 0.5})
    assert np.allclose(y, X[:, ::2]) and lengths(t, 1).tolist() == [3, 2, 1]
    y, _ = output({"class": "resize", "axis": "T", "factor": 2, "kind": "fill", "fill_value": 5.0})
    assert np.allclose(y[:, ::2], X) and np.all(y[:, 1::2] == 5)


@pytest.mark.parametrize("padding, stride", [("same", 1), ("same", 2), ("valid", 1), ("valid", 2)])
def test_windows(padding, stride):
    _, t = output({"class": "window", "window_size": 3, "padding": padding, "stride": stride})
    time, window = t.axis(t.time_dim), next(i for i, d in enumerate(t.dims) if d.size == 3)
    y = np.moveaxis(np.asarray(t.data), (t.batch_axis, time, window), (0, 1, 2))
    around = np.pad(X, ((0, 0), (1, 1), (0, 0))) if padding == "same" else X
    starts = range(0, around.shape[1] - 2, stride)
    assert np.allclose(y, np.stack([around[:, s : s + 3] for s in starts], 1))


def test_a_fold_undoes_a_window():
    net = {
        "w": {"class": "window", "window_size": 3, "padding": "valid", "from": "data"},
        "x": {
            "class": "fold",
            "mode": "mean",
            "in_spatial_dim": "T",
            "window_dim": "dim:3",
            "padding": "valid",
            "from": "w",
        },
    }
    batch = {"data": (X, np.array([6, 6, 6])), "classes": (LABELS, np.array([6, 6, 6]))}
    found = run(net, batch=batch)[0].outputs["x"]
    assert np.allclose(found.batch_first().data, X, atol=1e-6)


def test_chunks_and_back():
    net = {
        "c": {"class": "time_chunking", "chunk_size": 4, "chunk_step": 2, "from": "data"},
        "x": {"class": "time_unchunking", "chunking_layer": "c", "from": "c"},
    }
    result = run(net)[0]
    chunks = result.outputs["c"]
    assert chunks.shape == (4, 6, 5) and lengths(chunks, 0).tolist() == [4, 4, 4, 2, 1, 0]
    per_sequence(np.asarray(result.outputs["x"].batch_first().data), SEQUENCES)


def test_packing_and_back():
    for major in (True, False):
        net = {
            "f": {"class": "flatten_batch", "batch_major": major, "from": "data"},
            "x": {"class": "unflatten_batch", "from": "f"},
        }
        result = run(net)[0]
        flat = np.asarray(result.outputs["f"].data)
        assert np.allclose(flat, X[KEEP] if major else X.transpose(1, 0, 2)[KEEP.T])
        per_sequence(np.asarray(result.outputs["x"].batch_first().data), SEQUENCES)


def test_slices_that_start_elsewhere():
    more = {
        "s": {"class": "reduce", "mode": "argmax", "axis": "T", "from": "m"},
        "m": {"class": "reduce", "mode": "sum", "axis": "F", "from": "data"},
    }
    starts = [int(np.argmax(s.sum(-1))) for s in SEQUENCES]
    y, _ = output({"class": "slice_nd", "start": "s", "size": 3}, more=more)
    expected = [np.pad(s[a : a + 3], ((0, max(0, a + 3 - len(s))), (0, 0))) for a, s in zip(starts, SEQUENCES)]
    assert np.allclose(y, np.stack(expected))
    y, t = output({"class": "slice_nd", "start": "s", "size": None}, more=more)
    per_sequence(y, [s[a:] for a, s in zip(starts, SEQUENCES)])
    assert lengths(t, 1).tolist() == [len(s) - a for a, s in zip(starts, SEQUENCES)]


def test_gather_goes_through_common_dims_together():
    y, t = output({"class": "gather", "axis": "F", "position": "data:classes"})
    assert np.allclose(y, np.take_along_axis(X, LABELS[..., None], -1)[..., 0])
    assert [d.name for d in t.dims] == ["batch", "time"]


def test_running_sums():
    y, _ = output({"class": "cumsum", "axis": "T"})
    assert np.allclose(y, np.cumsum(X, 1), atol=1e-5)
    y, _ = output({"class": "cumsum", "axis": "T", "reverse": True})
    assert np.allclose(y, np.cumsum(X[:, ::-1], 1)[:, ::-1], atol=1e-5)


def test_masked_computation_and_unmask():
    mask = {"class": "compare", "kind": "greater", "value": 1, "from": "data:classes"}
    unit = {"class": "linear", "activation": None, "n_out": 2, "from": "data"}
    net = {
        "m": mask,
        "x": {"class": "masked_computation", "mask": "m", "unit": unit, "from": "data"},
        "u": {"class": "unmask", "mask": "m", "from": "x"},
        "output": {"class": "copy", "from": "u"},
    }
    result, params = run(net)
    w, b = (np.asarray(params["x"][n]) for n in "Wb")
    kept = [s[LABELS[i, : len(s)] > 1] @ w + b for i, s in enumerate(SEQUENCES)]
    found = result.outputs["x"]
    per_sequence(np.asarray(found.batch_first().data), kept)
    assert lengths(found, found.axis(found.time_dim)).tolist() == [len(k) for k in kept]
    full = np.asarray(result.outputs["u"].batch_first().data)
    for i, s in enumerate(SEQUENCES):
        index = np.cumsum(LABELS[i, : len(s)] > 1)
        table = np.concatenate([np.zeros((1, 2)), kept[i]])
        assert np.allclose(full[i, : len(s)], table[index], atol=1e-5)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("unit", ["nativelstm2", "gru"])
def test_recurrent_layers_see_their_own_sequence_only(unit, direction):
    net = {"x": {"class": "rec", "unit": unit, "n_out": 3, "direction": direction, "from": "data"}}
    result, _ = run(net)
    for b, n in enumerate(LENGTHS):
        alone = {"data": (X[b : b + 1, :n], LENGTHS[b : b + 1]), "classes": (LABELS[b : b + 1, :n], LENGTHS[b : b + 1])}
        single = run(net, batch=alone)[0].outputs["x"]
        assert np.allclose(result.outputs["x"].data[:n, b], single.data[:, 0], atol=1e-5)


def test_states_go_from_layer_to_layer():
    net = {
        "a": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data"},
        "s": {"class": "get_last_hidden_state", "key": "c", "n_out": 3, "from": "a"},
        "h": {"class": "get_last_hidden_state", "key": "h", "n_out": 3, "from": "a"},
        "b": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data", "initial_state": {"c": "s", "h": "h"}},
        "c": {
            "class": "rec",
            "unit": "nativelstm2",
            "n_out": 3,
            "from": "data",
            "initial_state": "a",
            "reuse_params": "b",
        },
        "output": {"class": "copy", "from": ["b", "c"]},
    }
    outputs = run(net)[0].outputs
    last = np.asarray(outputs["a"].data)[LENGTHS - 1, np.arange(3)]
    assert np.allclose(outputs["h"].data, last, atol=1e-6)
    assert np.allclose(outputs["b"].data, outputs["c"].data, atol=1e-6)


def test_a_loss_as_a_layer_is_a_number_for_each_frame():
    net = {
        "p": {"class": "softmax", "n_out": 4, "from": "data"},
        "x": {"class": "loss", "loss_": "ce", "target_": "classes", "from": "p", "is_output_layer": True},
        "output": {"class": "softmax", "n_out": 4, "from": "data", "reuse_params": "p", "loss": "ce"},
    }
    result, _ = run(net)
    frames = np.asarray(result.outputs["x"].batch_first().data)
    assert frames.shape == (3, 6)
    assert result.losses["output"].loss == pytest.approx(frames[KEEP].sum(), rel=1e-5)
    assert result.losses["output"].norm_factor == pytest.approx(1 / LENGTHS.sum())


def test_top_k_gives_places_too():
    net = {
        "x": {"class": "top_k", "axis": "F", "k": 2, "from": "data"},
        "output": {"class": "copy", "from": "x/indices"},
    }
    outputs = run(net)[0].outputs
    assert np.allclose(outputs["x"].data, np.sort(X, -1)[..., :-3:-1])
    assert np.array_equal(outputs["output"].data, np.argsort(-X, -1)[..., :2])


def test_spectra_and_back():
    signal = np.random.RandomState(3).randn(2, 64, 1).astype("float32")
    net = {
        "x": {"class": "stft", "frame_size": 16, "frame_shift": 4, "from": "data"},
        "output": {"class": "istft", "frame_size": 16, "frame_shift": 4, "from": "x"},
    }
    outputs = run(net, inputs={"data": {"dim": 1}}, batch={"data": (signal, np.array([64, 64]))})[0].outputs
    assert outputs["x"].shape == (2, 13, 9) and str(outputs["x"].dtype) == "complex64"
    assert np.allclose(outputs["output"].data[:, 16:-16], signal[:, 16:-16], atol=1e-4)
    short = run(net, inputs={"data": {"dim": 1}}, batch={"data": (signal[:, :7], np.array([7, 5]))})[0].outputs
    assert short["x"].shape == (2, 0, 9)
    assert not np.any(short["output"].data) and short["output"].shape == (2, 12, 1)  # RETURNN's: 0 * 4 + (16 - 4)


def test_programs_serve_other_lengths():
    net = {
        "r": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data"},
        "p": {"class": "postfix_in_time", "postfix": 1.0, "from": "r"},
        "output": {"class": "softmax", "n_out": 4, "from": "r", "loss": "ce"},
        "s": {"class": "slice_nd", "size": 2, "start": 1, "from": "p", "is_output_layer": True},
    }
    plain, compiled = run(net)[0], run(net, compiled=True)[0]
    for name in ("output", "s"):
        assert np.allclose(plain.outputs[name].data, compiled.outputs[name].data, atol=1e-5)
    assert float(compiled.losses["output"].loss) == pytest.approx(float(plain.losses["output"].loss), rel=1e-5)


@pytest.mark.parametrize(
    "options, word",
    [
        ({"class": "rec", "unit": "lstmm", "n_out": 3}, "lstm"),
        ({"class": "rec", "unit": "lstm", "n_out": 3, "direction": 2}, "direction"),
        ({"class": "window", "window_size": 0}, "window_size"),
        ({"class": "gather", "axis": "T", "position": True}, "position"),
        ({"class": "shift_axis", "axis": "T", "amount": 0}, "amount"),
        ({"class": "time_chunking", "chunk_size": 4, "chunk_step": 0}, "chunk_step"),
        ({"class": "softmax", "n_out": 4, "loss": "cee"}, "ce"),
        ({"class": "softmax", "n_out": 4, "loss": "ce", "loss_opts": {"focal_loss": 1}}, "focal_loss_factor"),
        ({"class": "softmax", "n_out": 5, "loss": "ce"}, "n_out"),
        ({"class": "linear", "n_out": 5, "loss": "l1"}, "mse"),
        ({"class": "masked_computation", "mask": "data:classes", "unit": {"class": "copy", "from": "data"}}, "mask"),
    ],
)
def test_errors_name_the_layer_and_what_is_wrong(options, word):
    with pytest.raises(TenureError) as error:
        output(options)
    assert "'x" in str(error.value) and word in str(error.value)


def test_the_gradient_of_one_layer_by_another():
    net = {
        "h": {"class": "linear", "n_out": 4, "activation": "tanh", "from": "data"},
        "q": {"class": "eval", "eval": "source(0) ** 3", "from": "h"},
        "y": {"class": "reduce", "mode": "sum", "axis": ["B", "T", "F"], "from": "q"},
        "output": {"class": "gradient", "y": "y", "x": "h"},
    }
    outputs = run(net)[0].outputs
    assert np.allclose(outputs["output"].data, 3 * np.asarray(outputs["h"].data) ** 2 * KEEP[..., None], atol=1e-5)
    assert np.allclose(run(net, compiled=True)[0].outputs["output"].data, outputs["output"].data, atol=1e-5)
    with pytest.raises(TenureError, match="does not depend"):
        run({**net, "output": {"class": "gradient", "y": "y", "x": "z"}, "z": {"class": "copy", "from": "h"}})


IGNORED_BEFORE = [
    ({"class": "self_attention", "num_heads": 1, "total_key_dim": 4, "n_out": 4}, "restrict_state_to_last_seq", True),
    ({"class": "self_attention", "num_heads": 1, "total_key_dim": 4, "n_out": 4}, "initial_state", "data"),
    ({"class": "rec", "unit": "lstm", "n_out": 3}, "max_seq_len_via", "data"),
]


@pytest.mark.parametrize(("entry", "option", "value"), IGNORED_BEFORE)
def test_an_option_that_a_layer_does_not_do_is_an_error_that_names_it(entry, option, value):
    output(entry)
    with pytest.raises(TenureError, match=option):
        output({**entry, option: value})


def test_a_gradient_filter_drops_the_gradients_of_whole_sequences():
    x = jnp.zeros((2, 3, 4))
    scale = jnp.ones((2, 3, 4)).at[0, 1, 2].set(5.0)  # one large element in the first sequence
    grads = jax.grad(lambda x: jnp.sum(gradient_filter(x, 0, 10.0) * scale))(x)
    assert not jnp.any(grads[0]) and jnp.array_equal(grads[1], scale[1])
    assert jnp.array_equal(jax.grad(lambda x: jnp.sum(gradient_filter(x, 0, 26.0) * scale))(x), scale)


def test_dropping_some_of_what_was_put_in_between():
    y, t = output({"class": "resize", "axis": "T", "factor": 3, "kind": "fill", "fill_value": 9.0, "fill_dropout": 0.5})
    counts = lengths(t, 1)
    filled = [(row[:n] == 9).all(-1) for row, n in zip(y, counts, strict=True)]
    for row, gone, s in zip(y, filled, SEQUENCES, strict=True):
        assert np.allclose(row[: len(gone)][~gone], s)
    assert counts[0] == 6 + filled[0].sum() and 0 < filled[0].sum() < 12
    assert all(np.array_equal(f, filled[0][: len(f)]) for f in filled)  # the same places in all sequences
    y, t = output({"class": "resize", "axis": "T", "factor": 3, "fill_dropout": 1e-9}, compiled=True)
    assert lengths(t, 1).tolist() == (LENGTHS * 3).tolist() and np.allclose(y, np.repeat(X, 3, axis=1))
