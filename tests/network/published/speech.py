"""Recognisers: attention with its pretraining networks, fusion, a conformer, transducers."""

import copy

from tests.network.published.table import SPEECH, add, unchanged


def att_asr(layers=3, target="bpe", **more):
    net = {
        "source": {
            "class": "eval",
            "eval": "self.network.get_config().typed_value('transform')(source(0), network=self.network)",
        }
    }
    src = "source"
    for i in range(layers):
        for d, n in ((1, "fw"), (-1, "bw")):
            net[f"lstm{i}_{n}"] = {
                "class": "rec",
                "unit": "nativelstm2",
                "n_out": 16,
                "L2": 0.0001,
                "direction": d,
                "from": [src],
                "dropout": 0.3,
            }
        if i < 2:
            net[f"lstm{i}_pool"] = {
                "class": "pool",
                "mode": "max",
                "padding": "same",
                "pool_size": ((3,), (2,))[i],
                "from": [f"lstm{i}_fw", f"lstm{i}_bw"],
                "trainable": False,
            }
            src = f"lstm{i}_pool"
        else:
            src = [f"lstm{i}_fw", f"lstm{i}_bw"]
    last = layers - 1
    net["encoder"] = {"class": "copy", "from": [f"lstm{last}_fw", f"lstm{last}_bw"]}
    net["enc_ctx"] = {
        "class": "linear",
        "activation": None,
        "with_bias": True,
        "from": ["encoder"],
        "n_out": 32,
        "L2": 0.0001,
    }
    net["inv_fertility"] = {
        "class": "linear",
        "activation": "sigmoid",
        "with_bias": False,
        "from": ["encoder"],
        "n_out": 1,
    }
    net["enc_value"] = {"class": "split_dims", "axis": "F", "dims": (1, 32), "from": ["encoder"]}
    net["output"] = {
        "class": "rec",
        "from": [],
        "cheating": False,
        "unit": {
            "output": {
                "class": "choice",
                "target": target,
                "beam_size": 12,
                "cheating": None,
                "from": ["output_prob"],
                "initial_output": 0,
            },
            "end": {"class": "compare", "from": ["output"], "value": 0},
            "target_embed": {
                "class": "linear",
                "activation": None,
                "with_bias": False,
                "from": ["output"],
                "n_out": 21,
                "initial_output": 0,
            },
            "weight_feedback": {
                "class": "linear",
                "activation": None,
                "with_bias": False,
                "from": ["prev:accum_att_weights"],
                "n_out": 32,
                "dropout": 0.3,
            },
            "s_transformed": {
                "class": "linear",
                "activation": None,
                "with_bias": False,
                "from": ["s"],
                "n_out": 32,
                "dropout": 0.3,
            },
            "energy_in": {
                "class": "combine",
                "kind": "add",
                "from": ["base:enc_ctx", "weight_feedback", "s_transformed"],
                "n_out": 32,
            },
            "energy_tanh": {"class": "activation", "activation": "tanh", "from": ["energy_in"]},
            "energy": {"class": "linear", "activation": None, "with_bias": False, "from": ["energy_tanh"], "n_out": 1},
            "att_weights": {"class": "softmax_over_spatial", "from": ["energy"]},
            "accum_att_weights": {
                "class": "eval",
                "from": ["prev:accum_att_weights", "att_weights", "base:inv_fertility"],
                "eval": "source(0) + source(1) * source(2) * 0.5",
                "out_type": {"dim": 1, "shape": (None, 1)},
            },
            "att0": {"class": "generic_attention", "weights": "att_weights", "base": "base:enc_value"},
            "att": {"class": "merge_dims", "axes": "except_batch", "from": "att0"},
            "s": {
                "class": "rnn_cell",
                "unit": "LSTMBlock",
                "from": ["prev:target_embed", "prev:att"],
                "n_out": 24,
                "dropout": 0.3,
            },
            "readout_in": {
                "class": "linear",
                "from": ["s", "prev:target_embed", "att"],
                "activation": None,
                "n_out": 30,
                "dropout": 0.3,
            },
            "readout": {"class": "reduce_out", "mode": "max", "num_pieces": 2, "from": ["readout_in"]},
            "output_prob": {
                "class": "softmax",
                "from": ["readout"],
                "dropout": 0.3,
                "target": target,
                "loss": "ce",
                "loss_opts": {"label_smoothing": 0.1},
            },
        },
        "target": target,
        "max_seq_len": "max_len_from('base:encoder')",
    }
    net["decision"] = {
        "class": "decide",
        "from": ["output"],
        "loss": "edit_distance",
        "target": target,
        "loss_opts": {},
    }
    net["ctc"] = {
        "class": "softmax",
        "from": ["encoder"],
        "loss": "ctc",
        "target": target,
        "loss_opts": {"beam_width": 1, "ctc_opts": {"ignore_longer_outputs_than_inputs": True}},
    }
    for k, v in more.items():
        if k in net["output"]["unit"] or k.startswith("u_"):
            net["output"]["unit"][k[2:] if k.startswith("u_") else k] = v
        else:
            net[k] = v
    return net


add("att_asr", att_asr(), SPEECH, transform=unchanged)
net = att_asr()


def construction_algo(idx, net):
    if idx > 2:
        return None
    new = copy.deepcopy(net)
    new["#config"] = {"batch_size": 1000}
    k = idx + 1
    for i in range(k, 3):
        for n in ("fw", "bw"):
            del new[f"lstm{i}_{n}"]
    for i in (0, 1):
        if i >= k:
            new.pop(f"lstm{i}_pool", None)
    new["encoder"]["from"] = [f"lstm{k - 1}_fw", f"lstm{k - 1}_bw"]
    if idx == 0:
        new["output"]["unit"]["output_prob"]["loss_opts"]["label_smoothing"] = 0
    return new


for i in range(3):
    add(f"att_asr_pre{i}", construction_algo(i, net), SPEECH, transform=unchanged)


def rna(latent=True):
    u = {
        "am": {"class": "copy", "from": "data:source"},
        "prev_wrapper": {"class": "copy", "from": "prev:output"},
        "prev_out_non_blank": {
            "class": "reinterpret_data",
            "from": "prev:output",
            "set_sparse_dim": 31,
            "set_sparse": True,
        },
        "lm_masked": {
            "class": "masked_computation",
            "mask": "prev:output_emit",
            "from": "prev_out_non_blank",
            "masked_from": None,
            "unit": {
                "class": "subnetwork",
                "from": "data",
                "trainable": True,
                "subnetwork": {
                    "input_embed": {"class": "linear", "n_out": 8, "activation": None, "from": "data"},
                    "lstm0": {
                        "class": "rec",
                        "unit": "nativelstm2",
                        "dropout": 0.2,
                        "n_out": 12,
                        "from": ["input_embed", "base:prev:sum"],
                    },
                    "output": {"class": "copy", "from": "lstm0"},
                },
            },
        },
        "readout_in": {
            "class": "linear",
            "from": ["am", "lm_masked"],
            "activation": None,
            "n_out": 20,
            "L2": 0.0001,
            "dropout": 0.2,
        },
        "sum": {"class": "linear", "n_out": 6, "activation": "tanh", "from": "am"},
        "readout": {"class": "reduce_out", "mode": "max", "num_pieces": 2, "from": "readout_in"},
        "label_log_prob": {
            "class": "linear",
            "from": "readout",
            "activation": "log_softmax",
            "dropout": 0.3,
            "n_out": 31,
        },
        "label_prob": {"class": "activation", "from": "label_log_prob", "activation": "exp"},
        "emit_prob0": {"class": "linear", "from": "readout", "activation": None, "n_out": 1},
        "emit_log_prob": {"class": "activation", "from": "emit_prob0", "activation": "log_sigmoid"},
        "blank_log_prob": {"class": "eval", "from": "emit_prob0", "eval": "tf.math.log_sigmoid(-source(0))"},
        "label_emit_log_prob": {"class": "combine", "kind": "add", "from": ["label_log_prob", "emit_log_prob"]},
        "output_log_prob": {"class": "copy", "from": ["label_emit_log_prob", "blank_log_prob"]},
        "output_prob": {"class": "activation", "from": "output_log_prob", "activation": "exp"},
        "output_ce": {"class": "copy", "from": "output_prob", "target": "align", "loss": "ce"},
        "output": {
            "class": "choice",
            "target": "align",
            "beam_size": 4,
            "from": "output_log_prob",
            "input_type": "log_prob",
            "initial_output": 0,
            "length_normalization": False,
            "cheating": "exclusive",
            "explicit_search_sources": ["prev:u"],
            "custom_score_combine": (
                lambda layer, scores_in, scores_base, batch_dim, scores_beam_in, base_beam_in, **kw: (
                    scores_in + scores_base
                )
            ),
        },
        "u": {
            "class": "eval",
            "from": ["prev:u", "output_emit"],
            "eval": "source(0) + tf.cast(source(1), tf.int32)",
            "initial_output": 0,
            "out_type": {"dim": None, "dtype": "int32", "shape": (), "sparse": False},
        },
        "output_is_not_blank": {
            "class": "compare",
            "from": "output",
            "value": 31,
            "kind": "not_equal",
            "initial_output": True,
        },
        "output_emit": {
            "class": "copy",
            "from": "output_is_not_blank",
            "initial_output": True,
            "is_output_layer": True,
        },
        "const0": {"class": "constant", "value": 0, "collocate_with": ["u"]},
        "const1": {"class": "constant", "value": 1, "collocate_with": ["u"]},
    }
    if not latent:
        u["output"]["cheating"] = None
    return {
        "source": {"class": "copy", "from": "data"},
        "lstm0_fw": {"class": "rec", "unit": "nativelstm2", "n_out": 12, "from": "source", "direction": 1},
        "encoder": {"class": "copy", "from": "lstm0_fw"},
        "output": {
            "class": "rec",
            "from": "encoder",
            "include_eos": True,
            "back_prop": True,
            "unit": u,
            "target": "align",
        },
        "decision": {"class": "decide", "from": "output", "loss": "edit_distance", "target": "align"},
    }


r = rna()
add("rnnt_cheat", r, {"data": {"dim": 40}, "align": {"dim": 32, "sparse": True, "available_for_inference": False}})
r = rna(False)
add("rnnt", r, {"data": {"dim": 40}, "align": {"dim": 32, "sparse": True, "available_for_inference": False}})


f = att_asr()
u = f["output"]["unit"]
u["lm_output"] = {
    "class": "subnetwork",
    "from": ["prev:output"],
    "n_out": 31,
    "subnetwork": {
        "input": {"class": "linear", "n_out": 8, "activation": "identity", "from": "data"},
        "lstm0": {
            "class": "rnn_cell",
            "unit": "LSTMBlock",
            "n_out": 12,
            "unit_opts": {"forget_bias": 0.0},
            "from": ["input"],
        },
        "lstm1": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 12, "from": ["lstm0"]},
        "output": {"class": "linear", "activation": "identity", "n_out": 31, "from": ["lstm1"]},
    },
}
u["lm_output_prob"] = {"class": "activation", "activation": "softmax", "from": ["lm_output"], "target": "bpe"}
u["combo_output_log_prob"] = {
    "class": "eval",
    "from": ["output_prob", "lm_output_prob"],
    "eval": "safe_log(source(0)) + 0.35 * safe_log(source(1))",
}
u["output"] = {**u["output"], "from": ["combo_output_log_prob"], "input_type": "log_prob"}
add("lm_fusion", f, SPEECH, transform=unchanged)

l = att_asr()
u = l["output"]["unit"]
u["convolved_att"] = {
    "class": "conv",
    "from": ["prev:accum_att_weights"],
    "filter_size": (5,),
    "n_out": 8,
    "padding": "same",
    "activation": None,
}
u["weight_feedback"]["from"] = ["convolved_att"]
add("location_aware", l, SPEECH, transform=unchanged)
