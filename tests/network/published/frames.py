"""Labels of frames: hybrid models, units, reuse, front ends, and a box of small layers."""

from tests.network.published.table import ALIGN, add

add(
    "hybrid",
    {
        "source": {"class": "batch_norm", "from": "data", "momentum": 0.1, "epsilon": 1e-3},
        "fwd_1": {
            "class": "rec",
            "unit": "nativelstm2",
            "n_out": 12,
            "L2": 0.01,
            "dropout": 0.1,
            "direction": 1,
            "from": ["source"],
            "unit_opts": {"rec_weight_dropout": 0.3},
        },
        "bwd_1": {
            "class": "rec",
            "unit": "nativelstm2",
            "n_out": 12,
            "L2": 0.01,
            "dropout": 0.1,
            "direction": -1,
            "from": ["source"],
            "unit_opts": {"rec_weight_dropout": 0.3},
        },
        "aux1_ff1": {"class": "linear", "from": ["fwd_1", "bwd_1"], "n_out": 10, "activation": None},
        "aux1_length": {"class": "reinterpret_data", "from": ["aux1_ff1"], "size_base": "data:classes"},
        "aux1": {
            "class": "softmax",
            "from": "aux1_length",
            "loss": "ce",
            "target": "classes",
            "loss_scale": 0.3,
            "loss_opts": {"focal_loss_factor": 2.0, "label_smoothing": 0.1},
        },
        "output": {
            "class": "softmax",
            "loss": "ce",
            "loss_opts": {"focal_loss_factor": 2.0},
            "from": ["fwd_1", "bwd_1"],
            "target": "classes",
        },
    },
    ALIGN,
)

for un in (
    "gru",
    "lstmp",
    "rhn",
    "basiclstm",
    "lstmblockfused",
    "nativelstmlowmem",
    "vanillalstm",
    "nativelstm",
):
    add(
        "unit_" + un,
        {
            "r": {"class": "rec", "unit": un, "n_out": 8, "from": "data"},
            "output": {"class": "softmax", "from": "r", "loss": "ce", "target": "classes"},
        },
        ALIGN,
    )


def mixed(**kw):
    r = kw["reuse_layer"]
    return r.params["W"]


rc = {
    "a": {"class": "linear", "activation": "relu", "n_out": 40, "from": "data"},
    "b": {"class": "linear", "activation": "relu", "n_out": 40, "from": "a", "reuse_params": "a"},
    "c": {
        "class": "linear",
        "activation": "relu",
        "n_out": 40,
        "from": "b",
        "reuse_params": {"map": {"W": {"reuse_layer": "b"}, "b": None}, "auto_create_missing": True},
    },
    "d": {
        "class": "linear",
        "activation": "relu",
        "n_out": 40,
        "from": "c",
        "reuse_params": {"map": {"W": {"reuse_layer": "c", "custom": mixed}}, "auto_create_missing": True},
    },
    "l1": {"class": "rec", "unit": "nativelstm2", "n_out": 8, "from": "d"},
    "l2": {"class": "rec", "unit": "nativelstm2", "n_out": 8, "from": "c", "reuse_params": "l1"},
    "sub": {
        "class": "subnetwork",
        "from": ["l1", "l2"],
        "concat_sources": True,
        "subnetwork": {
            "x": {"class": "linear", "n_out": 16, "activation": "tanh", "from": "data"},
            "y": {
                "class": "linear",
                "n_out": 16,
                "activation": "tanh",
                "from": ["base:l1", "base:l2"],
                "reuse_params": "x",
            },
            "output": {"class": "combine", "kind": "add", "from": ["x", "y"]},
        },
    },
    "sub2": {
        "class": "subnetwork",
        "from": ["l2", "l1"],
        "reuse_params": "sub",
        "subnetwork": {
            "x": {"class": "linear", "n_out": 16, "activation": "tanh", "from": "data"},
            "y": {"class": "linear", "n_out": 16, "activation": "tanh", "from": "x"},
            "output": {"class": "combine", "kind": "add", "from": ["x", "y"]},
        },
    },
    "output": {"class": "softmax", "from": ["sub", "sub2"], "loss": "ce", "target": "classes"},
}
add("reuse_chain", rc, ALIGN)
add(
    "toolbox",
    {
        "pre": {"class": "prefix_in_time", "from": "data", "prefix": 0.0},
        "post": {"class": "postfix_in_time", "from": "pre", "postfix": 1.0},
        "sl": {"class": "slice", "axis": "T", "slice_start": 1, "slice_end": -1, "from": "post"},
        "shift": {"class": "shift_axis", "axis": "T", "amount": 1, "adjust_size_info": False, "from": "sl"},
        "win": {"class": "window", "window_size": 5, "from": "shift"},
        "wm": {"class": "merge_dims", "axes": "except_time", "from": "win"},
        "wlin": {"class": "linear", "n_out": 16, "activation": "elu", "from": "wm"},
        "len": {"class": "length", "from": "data", "axis": "T"},
        "mask": {
            "class": "eval",
            "from": "data",
            "eval": "tf.cast(tf.greater(tf.reduce_sum(source(0),axis=-1),0.0),tf.float32)",
            "out_type": {"shape": (None,), "dim": None, "dtype": "float32"},
        },
        "exp": {"class": "expand_dims", "axis": "F", "from": "mask"},
        "prod": {"class": "combine", "kind": "mul", "from": ["wlin", "exp"]},
        "pos": {"class": "range_in_axis", "axis": "T", "from": "data", "dtype": "float32", "keepdims": False},
        "posf": {"class": "range_in_axis", "axis": "T", "from": "data", "dtype": "float32"},
        "cs": {"class": "cumsum", "axis": "T", "from": "prod"},
        "nrm": {"class": "norm", "axes": "F", "from": "cs"},
        "top": {"class": "reduce", "mode": "max", "axes": "F", "keep_dims": True, "from": "nrm"},
        "sw": {"class": "switch", "condition": True, "true_from": "nrm", "false_from": "cs"},
        "stk": {"class": "copy", "from": ["nrm", "sw"]},
        "tl": {"class": "tile", "from": "stk", "multiples": {"F": 2}},
        "rs": {"class": "resize", "factor": 2, "axis": "T", "kind": "linear", "from": "tl"},
        "back": {"class": "pool", "mode": "avg", "pool_size": (2,), "padding": "same", "from": "rs"},
        "re": {"class": "reinterpret_data", "from": "back", "size_base": "data:classes"},
        "bn": {"class": "batch_norm", "from": "re"},
        "chunk": {"class": "time_chunking", "chunk_size": 4, "chunk_step": 2, "from": "bn"},
        "clstm": {"class": "rec", "unit": "nativelstm2", "n_out": 8, "from": "chunk"},
        "unch": {"class": "time_unchunking", "chunk_size": 4, "chunk_step": 2, "from": "clstm"},
        "vari": {"class": "variable", "shape": (16,), "init": "zeros"},
        "cst": {"class": "constant", "value": 0.5},
        "mul": {"class": "eval", "from": ["bn", "cst"], "eval": "source(0)*source(1)"},
        "ws": {"class": "copy", "from": "bn"},
        "lin": {"class": "linear", "n_out": 8, "activation": "leaky_relu", "from": "mul"},
        "acc": {
            "class": "accumulate_mean",
            "exp_average": 0.001,
            "from": "output",
            "is_prob_distribution": True,
            "is_output_layer": True,
        },
        "scaled": {
            "class": "combine",
            "kind": "eval",
            "eval": "safe_log(source(0)) - 0.3 * safe_log(source(1))",
            "from": ["output", "acc"],
            "eval_for_output_loss": True,
        },
        "output": {"class": "softmax", "loss": "ce", "target": "classes", "from": ["lin", "clean"]},
        "clean": {"class": "copy", "from": "bn"},
        "frame_err": {"class": "copy", "from": "output"},
    },
    ALIGN,
)


def resnet():
    net = {
        "s0": {"class": "split_dims", "axis": "F", "dims": (-1, 1), "from": "data"},
        "c0": {
            "class": "conv",
            "n_out": 4,
            "filter_size": (3, 3),
            "padding": "same",
            "strides": (1, 2),
            "activation": None,
            "with_bias": False,
            "from": "s0",
        },
    }
    x = "c0"
    for i in range(3):
        p = f"b{i}"
        net[p + "_bn"] = {"class": "batch_norm", "from": x}
        net[p + "_a"] = {"class": "activation", "activation": "relu", "from": p + "_bn"}
        net[p + "_c1"] = {
            "class": "conv",
            "n_out": 4 * (i + 1),
            "filter_size": (3, 3),
            "padding": "same",
            "strides": (1, 2),
            "activation": "relu",
            "from": p + "_a",
        }
        net[p + "_c2"] = {
            "class": "conv",
            "n_out": 4 * (i + 1),
            "filter_size": (3, 3),
            "padding": "same",
            "activation": None,
            "from": p + "_c1",
        }
        net[p + "_sc"] = {
            "class": "conv",
            "n_out": 4 * (i + 1),
            "filter_size": (1, 1),
            "padding": "same",
            "strides": (1, 2),
            "activation": None,
            "from": x,
        }
        net[p] = {"class": "combine", "kind": "add", "from": [p + "_c2", p + "_sc"]}
        x = p
    net["m"] = {"class": "merge_dims", "axes": "static", "from": x}
    net["output"] = {"class": "softmax", "loss": "ce", "from": "m", "target": "classes"}
    return net


add("resnet", resnet(), ALIGN)
add(
    "wave",
    {
        "w": {"class": "copy", "from": "data"},
        "gt": {
            "class": "conv",
            "filter_size": (64,),
            "strides": (10,),
            "n_out": 20,
            "padding": "valid",
            "activation": None,
            "with_bias": False,
            "from": "w",
            "forward_weights_init": "glorot_uniform",
        },
        "abs": {"class": "activation", "activation": "abs", "from": "gt"},
        "sp": {"class": "split_dims", "axis": "F", "dims": (-1, 1), "from": "abs"},
        "tf1": {
            "class": "conv",
            "filter_size": (40, 1),
            "strides": (16, 1),
            "n_out": 5,
            "padding": "valid",
            "activation": "abs",
            "from": "sp",
        },
        "root": {"class": "eval", "eval": "tf.pow(source(0)+1e-5, 1/2.5)", "from": "tf1"},
        "mg": {"class": "merge_dims", "axes": "static", "from": "root"},
        "ln": {"class": "layer_norm", "from": "mg"},
        "lstm": {"class": "rec", "unit": "nativelstm2", "n_out": 8, "from": "ln"},
        "output": {"class": "softmax", "loss": "ctc", "from": "lstm", "target": "classes"},
    },
    {"data": {"dim": 1, "shape": (None, 1)}, "classes": {"dim": 30, "sparse": True, "available_for_inference": False}},
)
add(
    "forced_align",
    {
        "enc": {"class": "rec", "unit": "nativelstm2", "n_out": 8, "from": "data"},
        "ctc": {"class": "linear", "activation": "log_softmax", "from": "enc", "n_out": 31},
        "align": {
            "class": "forced_align",
            "from": "ctc",
            "input_type": "log_prob",
            "align_target": "data:classes",
            "topology": "ctc",
        },
        "aw": {"class": "reinterpret_data", "from": "align", "set_sparse": True, "set_sparse_dim": 31},
        "output": {"class": "softmax", "from": "enc", "n_out": 31, "target": "layer:align", "loss": "ce"},
    },
    {"data": {"dim": 40}, "classes": {"dim": 30, "sparse": True, "available_for_inference": False}},
)
add(
    "transfer",
    {
        "teacher": {"class": "softmax", "n_out": 50, "from": "data", "trainable": False},
        "stop": {"class": "scaled_grad", "scale": 0.0, "from": "teacher"},
        "output": {"class": "softmax", "from": "data", "n_out": 50, "loss": "ce", "target": "layer:stop"},
        "kl": {"class": "activation", "activation": "softmax", "from": "lg", "loss": "ce", "target": "layer:stop"},
        "lg": {"class": "linear", "n_out": 50, "activation": None, "from": "data"},
        "mse": {"class": "linear", "n_out": 40, "activation": None, "from": "lg", "loss": "mse", "target": "data"},
        "cosine": {"class": "copy", "from": "lg"},
    },
    ALIGN,
)
