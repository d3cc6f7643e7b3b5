"""LSTM encoders and decoders with attention: how they start, units, samples, risks, two inputs, windows."""

import copy

from tests.network.published.table import MT, add

T = "classes"


def seq2seq(**unit):
    return {
        "emb": {"class": "linear", "activation": None, "with_bias": False, "n_out": 12, "from": "data"},
        "fw": {"class": "rec", "unit": "standardlstm", "n_out": 8, "direction": 1, "from": "emb"},
        "bw": {"class": "rec", "unit": "standardlstm", "n_out": 8, "direction": -1, "from": "emb"},
        "enc": {"class": "copy", "from": ["fw", "bw"]},
        "fw_h": {"class": "get_last_hidden_state", "from": "fw", "key": "h", "n_out": 8},
        "fw_c": {"class": "get_last_hidden_state", "from": "fw", "key": "c", "n_out": 8},
        "bw_h": {"class": "get_last_hidden_state", "from": "bw", "key": "h", "n_out": 8},
        "bw_c": {"class": "get_last_hidden_state", "from": "bw", "key": "c", "n_out": 8},
        "h0": {"class": "linear", "activation": "tanh", "n_out": 10, "from": ["fw_h", "bw_h"]},
        "c0": {"class": "linear", "activation": None, "n_out": 10, "from": ["fw_c", "bw_c"]},
        "ctx": {"class": "linear", "activation": None, "n_out": 12, "from": "enc"},
        "output": {
            "class": "rec",
            "from": [],
            "target": T,
            "max_seq_len": "max_len_from('base:enc') * 2",
            "unit": {
                "output": {"class": "choice", "target": T, "beam_size": 8, "from": "output_prob", "initial_output": 0},
                "end": {"class": "compare", "from": "output", "value": 0},
                "trg": {
                    "class": "linear",
                    "activation": None,
                    "with_bias": False,
                    "n_out": 9,
                    "from": "output",
                    "initial_output": "apply(0)",
                },
                "s": {
                    "class": "rnn_cell",
                    "unit": "LSTMBlock",
                    "n_out": 10,
                    "from": ["prev:trg", "prev:att"],
                    "initial_state": {"h": "base:h0", "c": "base:c0"},
                },
                "sq": {"class": "get_last_hidden_state", "from": "s", "key": "c", "n_out": 10},
                "q": {"class": "linear", "activation": None, "with_bias": False, "n_out": 12, "from": ["s", "sq"]},
                "e_in": {"class": "combine", "kind": "add", "from": ["base:ctx", "q"], "n_out": 12},
                "e_t": {"class": "activation", "activation": "tanh", "from": "e_in"},
                "e": {"class": "linear", "activation": None, "with_bias": False, "n_out": 1, "from": "e_t"},
                "w": {"class": "softmax_over_spatial", "from": "e"},
                "att": {"class": "generic_attention", "weights": "w", "base": "base:enc"},
                "output_prob": {
                    "class": "softmax",
                    "from": ["s", "att", "prev:trg"],
                    "target": T,
                    "loss": "ce",
                    "loss_opts": {"label_smoothing": 0.1},
                },
                **unit,
            },
        },
        "decision": {"class": "decide", "from": "output", "loss": "bleu", "target": T},
    }


add("seq2seq_states", seq2seq(), MT)
add(
    "seq2seq_zoneout",
    seq2seq(
        s={
            "class": "rec",
            "unit": "zoneoutlstm",
            "unit_opts": {"zoneout_factor_cell": 0.15, "zoneout_factor_output": 0.05},
            "n_out": 10,
            "from": ["prev:trg", "prev:att"],
        }
    ),
    MT,
)
add(
    "seq2seq_lnlstm",
    seq2seq(
        s={
            "class": "rnn_cell",
            "unit": "layernormvariantslstmcell",
            "n_out": 10,
            "from": ["prev:trg", "prev:att"],
            "unit_opts": {"forget_bias": 0.0},
        },
        sq={"class": "copy", "from": "s"},
    ),
    MT,
)
ss = seq2seq()
ss["output"]["unit"]["output"].update({"scheduled_sampling": {"gold_mixin_prob": 0.5}})
add("sched_sampling", ss, MT)
mw = seq2seq()
mw["extra.search:output"] = copy.deepcopy(mw["output"])
mw["extra.search:output"]["unit"]["output"]["beam_size"] = 4
mw["exp_loss"] = {
    "class": "copy",
    "from": "extra.search:output",
    "loss": "expected_loss",
    "target": T,
    "loss_opts": {"loss": {"class": "edit_distance"}, "loss_kind": "error"},
    "loss_scale": 0.9,
}
add("min_risk", mw, MT)
md = seq2seq()
md["emb2"] = {"class": "linear", "activation": None, "n_out": 12, "from": "data:context"}
md["enc2"] = {"class": "rec", "unit": "nativelstm2", "n_out": 16, "from": "emb2"}
u = md["output"]["unit"]
u["e2_in"] = {"class": "combine", "kind": "add", "from": ["base:ctx2", "q"], "n_out": 12}
md["ctx2"] = {"class": "linear", "activation": None, "n_out": 12, "from": "enc2"}
u["e2"] = {"class": "linear", "activation": None, "n_out": 1, "from": "e2_in"}
u["w2"] = {"class": "softmax_over_spatial", "from": "e2"}
u["att2"] = {"class": "generic_attention", "weights": "w2", "base": "base:enc2"}
u["gate"] = {"class": "linear", "activation": "sigmoid", "n_out": 16, "from": ["att", "att2"]}
u["mix"] = {"class": "eval", "from": ["gate", "att", "att2"], "eval": "source(0)*source(1)+(1-source(0))*source(2)"}
u["output_prob"]["from"] = ["s", "mix", "prev:trg"]
add("multi_source", md, {**MT, "context": {"dim": 50, "sparse": True}})
add(
    "twod",
    {
        "emb": {"class": "linear", "activation": None, "n_out": 8, "from": "data"},
        "enc": {"class": "rec", "unit": "nativelstm2", "n_out": 8, "from": "emb"},
        "output": {
            "class": "rec",
            "from": [],
            "target": T,
            "max_seq_len": "max_len_from('base:enc')",
            "unit": {
                "output": {"class": "choice", "target": T, "beam_size": 4, "from": "output_prob", "initial_output": 0},
                "end": {"class": "compare", "from": "output", "value": 0},
                "trg": {
                    "class": "linear",
                    "activation": None,
                    "n_out": 8,
                    "from": ["prev:output"],
                    "initial_output": 0,
                },
                "cell": {"class": "twod_lstm", "from": ["base:enc", "trg"], "n_out": 8, "pooling": "max"},
                "output_prob": {"class": "softmax", "from": "cell", "target": T, "loss": "ce"},
            },
        },
        "decision": {"class": "decide", "from": "output", "loss": "bleu", "target": T},
    },
    MT,
)
hm = seq2seq()
u = hm["output"]["unit"]
u["p_in"] = {"class": "linear", "activation": "sigmoid", "n_out": 1, "from": "s", "with_bias": False}
u["t"] = {
    "class": "eval",
    "from": ["prev:t", "p_in"],
    "eval": "source(0) + tf.squeeze(source(1), axis=-1)",
    "out_type": {"shape": (), "dim": None, "dtype": "float32"},
    "initial_output": 0,
}
u["pos"] = {"class": "cast", "dtype": "int32", "from": "t"}
u["win"] = {"class": "slice_nd", "from": "base:enc", "start": "pos", "size": 3}
u["winc"] = {"class": "slice_nd", "from": "base:ctx", "start": "pos", "size": 3}
u["e_in"]["from"] = ["winc", "q"]
u["att"]["base"] = "win"
add("hard_monotonic", hm, MT)
gw = seq2seq()
u = gw["output"]["unit"]
u["t_pred"] = {"class": "linear", "activation": "sigmoid", "n_out": 1, "from": "s"}
u["cen"] = {"class": "combine", "kind": "add", "from": ["prev:cen", "t_pred"], "initial_output": 0}
u["att"] = {"class": "gauss_window_attention", "base": "base:enc", "window_size": 5, "std": 2.0, "from": "cen"}
for k in ("e", "e_in", "e_t", "w", "q"):
    u.pop(k)
add("gauss", gw, MT)
