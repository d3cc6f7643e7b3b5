"""A conformer over a convolutional front end, with relative positions, CTC, and a decoder with two heads."""

from tests.network.published.speech import att_asr
from tests.network.published.table import SPEECH, add


def conformer(blocks=2, d=16, h=4, target="bpe"):
    net = {
        "source0": {"class": "split_dims", "axis": "F", "dims": (-1, 1), "from": "data"},
        "conv0": {
            "class": "conv",
            "from": "source0",
            "padding": "same",
            "filter_size": (3, 3),
            "n_out": 8,
            "activation": "relu",
            "with_bias": True,
            "auto_use_channel_first": True,
        },
        "conv0p": {
            "class": "pool",
            "mode": "max",
            "padding": "same",
            "pool_size": (1, 2),
            "strides": (1, 2),
            "from": "conv0",
            "use_channel_first": True,
        },
        "conv1": {
            "class": "conv",
            "from": "conv0p",
            "padding": "same",
            "filter_size": (3, 3),
            "n_out": 8,
            "strides": (3, 1),
            "activation": "relu",
        },
        "conv_merged": {"class": "merge_dims", "from": "conv1", "axes": "static"},
        "source_linear": {"class": "linear", "activation": None, "with_bias": False, "from": "conv_merged", "n_out": d},
    }
    x = "source_linear"
    for i in range(blocks):
        p = f"conformer_block_{i}"

        def ff(name, x):
            net[p + name + "_ln"] = {"class": "layer_norm", "from": x}
            net[p + name + "_1"] = {
                "class": "linear",
                "activation": "swish",
                "from": p + name + "_ln",
                "n_out": 32,
                "L2": 1e-4,
            }
            net[p + name + "_2"] = {
                "class": "linear",
                "activation": None,
                "from": p + name + "_1",
                "n_out": d,
                "dropout": 0.1,
            }
            net[p + name + "_half"] = {
                "class": "eval",
                "eval": "0.5 * source(0) + source(1)",
                "from": [p + name + "_2", x],
            }
            return p + name + "_half"

        y = ff("_ffmod_1", x)
        net[p + "_ln"] = {"class": "layer_norm", "from": y}
        net[p + "_rel"] = {
            "class": "relative_positional_encoding",
            "from": p + "_ln",
            "n_out": d // h,
            "clipping": 8,
            "forward_weights_init": "glorot_uniform",
        }
        net[p + "_att"] = {
            "class": "self_attention",
            "num_heads": h,
            "total_key_dim": d,
            "n_out": d,
            "from": p + "_ln",
            "attention_left_only": False,
            "key_shift": p + "_rel",
            "attention_dropout": 0.1,
        }
        net[p + "_att_lin"] = {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "from": p + "_att",
            "n_out": d,
        }
        net[p + "_att_res"] = {"class": "combine", "kind": "add", "from": [p + "_att_lin", y], "n_out": d}
        net[p + "_c_ln"] = {"class": "layer_norm", "from": p + "_att_res"}
        net[p + "_c_p1"] = {"class": "linear", "activation": None, "from": p + "_c_ln", "n_out": 2 * d}
        net[p + "_c_glu"] = {"class": "gating", "from": p + "_c_p1", "activation": "identity"}
        net[p + "_c_dw"] = {
            "class": "conv",
            "from": p + "_c_glu",
            "filter_size": (7,),
            "groups": d,
            "n_out": d,
            "padding": "same",
            "with_bias": True,
            "activation": None,
        }
        net[p + "_c_bn"] = {
            "class": "batch_norm",
            "from": p + "_c_dw",
            "momentum": 0.1,
            "epsilon": 1e-3,
            "update_sample_only_in_training": True,
            "delay_sample_update": True,
            "masked_time": False,
        }
        net[p + "_c_act"] = {"class": "activation", "activation": "swish", "from": p + "_c_bn"}
        net[p + "_c_p2"] = {"class": "linear", "activation": None, "from": p + "_c_act", "n_out": d, "dropout": 0.1}
        net[p + "_c_res"] = {"class": "combine", "kind": "add", "from": [p + "_c_p2", p + "_att_res"], "n_out": d}
        z = ff("_ffmod_2", p + "_c_res")
        net[p] = {"class": "layer_norm", "from": z}
        x = p
    net["encoder"] = {"class": "layer_norm", "from": x}
    net["ctc"] = {
        "class": "softmax",
        "from": "encoder",
        "loss": "ctc",
        "target": target,
        "loss_opts": {"beam_width": 1, "use_native": True, "ctc_opts": {"logits_normalize": False}},
    }
    a = att_asr(1)
    for k in ("enc_ctx", "inv_fertility", "output", "decision"):
        net[k] = a[k]
    net["enc_value"] = {"class": "split_dims", "axis": "F", "dims": (2, -1), "from": ["encoder"]}
    net["inv_fertility"]["n_out"] = 2
    u = net["output"]["unit"]
    u["energy"]["n_out"] = 2
    u["accum_att_weights"]["out_type"] = {"dim": 2, "shape": (None, 2)}
    return net


add("conformer", conformer(), SPEECH)
