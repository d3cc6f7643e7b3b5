"""Translation and language models: Transformers, LSTMs, attention over all labels so far."""

from tenure.network import Dim
from tests.network.published.table import LM, MT, add


def transposed(reuse_layer, **kwargs):
    import tensorflow as tf

    return tf.transpose(reuse_layer.params["W"])


def trafo(enc=2, dec=2, d=16, h=4, ff=32, target="classes", src="data"):
    init = "variance_scaling_initializer(mode='fan_in', distribution='uniform', scale=0.78)"
    net = {
        "source_embed_raw": {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "n_out": d,
            "forward_weights_init": init,
            "from": src,
        },
        "source_embed_weighted": {"class": "eval", "from": ["source_embed_raw"], "eval": f"source(0) * {d**0.5}"},
        "source_embed_with_pos": {
            "class": "positional_encoding",
            "add_to_input": True,
            "from": ["source_embed_weighted"],
        },
        "source_embed": {"class": "dropout", "from": ["source_embed_with_pos"], "dropout": 0.1},
    }
    x = "source_embed"
    for i in range(enc):
        p = f"enc_{i + 1}"
        net[p + "_self_att_laynorm"] = {"class": "layer_norm", "from": [x]}
        net[p + "_self_att_att"] = {
            "class": "self_attention",
            "num_heads": h,
            "total_key_dim": d,
            "n_out": d,
            "from": [p + "_self_att_laynorm"],
            "attention_left_only": False,
            "attention_dropout": 0.1,
            "forward_weights_init": init,
        }
        net[p + "_self_att_lin"] = {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "from": [p + "_self_att_att"],
            "n_out": d,
            "forward_weights_init": init,
        }
        net[p + "_self_att_drop"] = {"class": "dropout", "from": [p + "_self_att_lin"], "dropout": 0.1}
        net[p + "_self_att_out"] = {"class": "combine", "kind": "add", "from": [x, p + "_self_att_drop"], "n_out": d}
        net[p + "_ff_laynorm"] = {"class": "layer_norm", "from": [p + "_self_att_out"]}
        net[p + "_ff_conv1"] = {
            "class": "linear",
            "activation": "relu",
            "with_bias": True,
            "from": [p + "_ff_laynorm"],
            "n_out": ff,
        }
        net[p + "_ff_conv2"] = {
            "class": "linear",
            "activation": None,
            "with_bias": True,
            "from": [p + "_ff_conv1"],
            "n_out": d,
            "dropout": 0.1,
        }
        net[p + "_ff_drop"] = {"class": "dropout", "from": [p + "_ff_conv2"], "dropout": 0.1}
        net[p + "_ff_out"] = {
            "class": "combine",
            "kind": "add",
            "from": [p + "_self_att_out", p + "_ff_drop"],
            "n_out": d,
        }
        net[p] = {"class": "copy", "from": [p + "_ff_out"]}
        x = p
    net["encoder"] = {"class": "layer_norm", "from": [x]}
    u = {
        "output": {
            "class": "choice",
            "target": target,
            "beam_size": 5,
            "from": ["output_prob"],
            "initial_output": 0,
            "length_normalization_exponent": 0.6,
        },
        "end": {"class": "compare", "from": ["output"], "value": 0},
        "target_embed_raw": {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "from": ["prev:output"],
            "n_out": d,
            "forward_weights_init": init,
        },
        "target_embed_weighted": {"class": "eval", "from": ["target_embed_raw"], "eval": f"source(0) * {d**0.5}"},
        "target_embed_with_pos": {
            "class": "positional_encoding",
            "add_to_input": True,
            "from": ["target_embed_weighted"],
        },
        "target_embed": {"class": "dropout", "from": ["target_embed_with_pos"], "dropout": 0.1},
    }
    x = "target_embed"
    for i in range(dec):
        p = f"dec_{i + 1}"
        u[p + "_self_att_laynorm"] = {"class": "layer_norm", "from": [x]}
        u[p + "_self_att_att"] = {
            "class": "self_attention",
            "num_heads": h,
            "total_key_dim": d,
            "n_out": d,
            "from": [p + "_self_att_laynorm"],
            "attention_left_only": True,
            "attention_dropout": 0.1,
        }
        u[p + "_self_att_lin"] = {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "from": [p + "_self_att_att"],
            "n_out": d,
        }
        u[p + "_self_att_drop"] = {"class": "dropout", "from": [p + "_self_att_lin"], "dropout": 0.1}
        u[p + "_self_att_out"] = {"class": "combine", "kind": "add", "from": [x, p + "_self_att_drop"], "n_out": d}
        u[p + "_att_laynorm"] = {"class": "layer_norm", "from": [p + "_self_att_out"]}
        u[p + "_att_query0"] = {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "from": [p + "_att_laynorm"],
            "n_out": d,
        }
        u[p + "_att_query"] = {"class": "split_dims", "axis": "F", "dims": (h, d // h), "from": [p + "_att_query0"]}
        net[p + "_att_key0"] = {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "from": ["encoder"],
            "n_out": d,
        }
        net[p + "_att_value0"] = {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "from": ["encoder"],
            "n_out": d,
        }
        net[p + "_att_key"] = {"class": "split_dims", "axis": "F", "dims": (h, d // h), "from": [p + "_att_key0"]}
        net[p + "_att_value"] = {"class": "split_dims", "axis": "F", "dims": (h, d // h), "from": [p + "_att_value0"]}
        u[p + "_att_energy"] = {
            "class": "dot",
            "red1": -1,
            "red2": -1,
            "var1": "T",
            "var2": "T?",
            "from": ["base:" + p + "_att_key", p + "_att_query"],
        }
        u[p + "_att_weights"] = {
            "class": "softmax_over_spatial",
            "from": [p + "_att_energy"],
            "energy_factor": (d // h) ** -0.5,
        }
        u[p + "_att_weights_drop"] = {
            "class": "dropout",
            "dropout_noise_shape": {"*": None},
            "from": [p + "_att_weights"],
            "dropout": 0.1,
        }
        u[p + "_att0"] = {
            "class": "generic_attention",
            "weights": p + "_att_weights_drop",
            "base": "base:" + p + "_att_value",
        }
        u[p + "_att_att"] = {"class": "merge_dims", "axes": "static", "from": [p + "_att0"]}
        u[p + "_att_lin"] = {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "from": [p + "_att_att"],
            "n_out": d,
        }
        u[p + "_att_drop"] = {"class": "dropout", "from": [p + "_att_lin"], "dropout": 0.1}
        u[p + "_att_out"] = {
            "class": "combine",
            "kind": "add",
            "from": [p + "_self_att_out", p + "_att_drop"],
            "n_out": d,
        }
        u[p + "_ff1"] = {"class": "linear", "activation": "relu", "from": [p + "_att_out"], "n_out": ff}
        u[p + "_ff2"] = {"class": "linear", "activation": None, "from": [p + "_ff1"], "n_out": d, "dropout": 0.1}
        u[p] = {"class": "combine", "kind": "add", "from": [p + "_att_out", p + "_ff2"], "n_out": d}
        x = p
    u["decoder"] = {"class": "layer_norm", "from": [x]}
    u["output_prob"] = {
        "class": "softmax",
        "from": ["decoder"],
        "dropout": 0.0,
        "target": target,
        "loss": "ce",
        "loss_opts": {"label_smoothing": 0.1},
        "with_bias": True,
        "reuse_params": {"map": {"W": {"reuse_layer": "target_embed_raw", "custom": transposed}, "b": None}},
    }
    net["output"] = {
        "class": "rec",
        "from": [],
        "unit": u,
        "target": target,
        "max_seq_len": "max_len_from('base:encoder') * 3",
    }
    net["decision"] = {"class": "decide", "from": ["output"], "loss": "bleu", "target": target}
    return net


t = trafo()
add("trafo", t, MT)
t2 = trafo()
t2["output"]["unit"]["output_prob"].pop("reuse_params")
add("trafo_untied", t2, MT)

add(
    "lm_lstm",
    {
        "input": {
            "class": "linear",
            "n_out": 16,
            "activation": "identity",
            "forward_weights_init": "random_normal_initializer(mean=0.0, stddev=0.1)",
            "bias_init": "random_normal_initializer(mean=0.0, stddev=0.1)",
            "with_bias": False,
            "from": "data:delayed",
        },
        "lstm0": {
            "class": "rec",
            "unit": "lstm",
            "forward_weights_init": "random_normal_initializer(mean=0.0, stddev=0.1)",
            "recurrent_weights_init": "random_normal_initializer(mean=0.0, stddev=0.1)",
            "bias_init": "random_normal_initializer(mean=0.0, stddev=0.1)",
            "n_out": 16,
            "dropout": 0.2,
            "L2": 0.0,
            "direction": 1,
            "from": ["input"],
        },
        "lstm1": {
            "class": "rec",
            "unit": "lstm",
            "n_out": 16,
            "dropout": 0.2,
            "direction": 1,
            "from": ["lstm0"],
            "initial_state": "keep_over_epoch",
        },
        "output": {
            "class": "softmax",
            "dropout": 0.2,
            "use_transposed_weights": True,
            "loss_opts": {"num_sampled": 16, "use_full_softmax": True, "nce_loss": False},
            "loss": "sampling_loss",
            "target": "data",
            "from": ["lstm1"],
        },
    },
    LM,
)


def lm_trafo():
    net = {"output": {"class": "rec", "from": ["data:delayed"], "target": "data", "unit": {}}}
    u = net["output"]["unit"]
    u["target_embed_raw"] = {
        "class": "linear",
        "activation": None,
        "with_bias": False,
        "from": ["data:source"],
        "n_out": 16,
        "forward_weights_init": "truncated_normal_initializer(mean=0.0, stddev=0.1)",
    }
    u["target_embed"] = {"class": "dropout", "from": ["target_embed_raw"], "dropout": 0.1}
    u["target_embed_lin"] = {
        "class": "linear",
        "activation": None,
        "with_bias": False,
        "n_out": 16,
        "from": ["target_embed"],
    }
    x = "target_embed_lin"
    for i in range(2):
        p = f"dec_{i}"
        u[p + "_laynorm"] = {"class": "layer_norm", "from": [x]}
        u[p + "_att_att"] = {
            "class": "self_attention",
            "num_heads": 4,
            "total_key_dim": 16,
            "n_out": 16,
            "from": [p + "_laynorm"],
            "attention_left_only": True,
            "attention_dropout": 0.1,
        }
        u[p + "_att_lin"] = {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "n_out": 16,
            "from": [p + "_att_att"],
        }
        u[p + "_att_out"] = {
            "class": "combine",
            "kind": "add",
            "from": [x, p + "_att_lin"],
            "n_out": 16,
            "trainable": True,
        }
        u[p + "_ff1"] = {
            "class": "linear",
            "activation": "relu" if i else "gelu",
            "n_out": 32,
            "from": [p + "_att_out"],
        }
        u[p + "_ff2"] = {"class": "linear", "activation": None, "n_out": 16, "from": [p + "_ff1"]}
        u[p] = {"class": "combine", "kind": "add", "from": [p + "_att_out", p + "_ff2"], "n_out": 16}
        x = p
    u["decoder"] = {"class": "layer_norm", "from": [x]}
    u["output"] = {
        "class": "softmax",
        "dropout": 0.0,
        "use_transposed_weights": True,
        "loss": "ce",
        "target": "data",
        "from": ["decoder"],
    }
    return net


add("lm_trafo", lm_trafo(), LM)


def dotdec(d=16, h=4, target="classes"):
    u = {
        "output": {"class": "choice", "target": target, "beam_size": 4, "from": "output_prob", "initial_output": 0},
        "end": {"class": "compare", "from": "output", "value": 0},
        "embed": {"class": "linear", "activation": None, "n_out": d, "from": "prev:output"},
        "qkv": {"class": "linear", "activation": None, "with_bias": False, "n_out": 3 * d, "from": "embed"},
        "qkv_split": {"class": "split_dims", "axis": "F", "dims": (h, 3 * d // h), "from": "qkv"},
        "parts": {"class": "split", "axis": "F", "size_splits": (d // h, d // h, d // h), "from": "qkv_split"},
        "q": {"class": "eval", "from": "parts/0", "eval": f"source(0) * {(d // h) ** -0.5}"},
        "k_acc": {"class": "cum_concat", "from": "parts/1"},
        "v_acc": {"class": "cum_concat", "from": "parts/2"},
        "energy": {
            "class": "dot",
            "from": ["q", "k_acc"],
            "red1": "static:-1",
            "red2": "static:-1",
            "var1": None,
            "var2": "auto",
        },
        "weights": {"class": "softmax_over_spatial", "from": "energy", "axis": "stag:rec-history"},
        "att": {
            "class": "dot",
            "from": ["weights", "v_acc"],
            "red1": "stag:rec-history",
            "red2": "stag:rec-history",
            "var1": None,
            "var2": "static:-1",
        },
        "att_m": {"class": "merge_dims", "axes": "static", "from": "att"},
        "ctx": {"class": "dot", "from": ["base:enc", "att_q"], "red1": "F", "red2": "F", "var1": "T", "var2": None},
        "att_q": {"class": "linear", "n_out": d, "activation": None, "from": "att_m"},
        "cw": {"class": "softmax_over_spatial", "from": "ctx"},
        "catt": {"class": "generic_attention", "weights": "cw", "base": "base:enc"},
        "output_prob": {"class": "softmax", "from": ["att_m", "catt"], "loss": "ce", "target": target},
    }
    return {
        "embed0": {"class": "linear", "n_out": d, "activation": None, "from": "data"},
        "enc": {"class": "rec", "unit": "nativelstm2", "n_out": d, "from": "embed0"},
        "output": {
            "class": "rec",
            "from": [],
            "unit": u,
            "target": target,
            "max_seq_len": "max_len_from('base:enc') * 2 + 10",
        },
        "decision": {"class": "decide", "from": "output", "loss": "edit_distance", "target": target},
    }


c = dotdec()
hist = Dim(None, "hist")
u = c["output"]["unit"]
u["k_acc"]["out_spatial_dim"] = hist
u["v_acc"]["out_spatial_dim"] = hist
u["weights"]["axis"] = hist
u["att"]["red1"] = hist
u["att"]["red2"] = hist
add("cum_concat", c, MT)
