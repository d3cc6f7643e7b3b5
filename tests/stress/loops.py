"""`python -m tests.stress.loops --times 10000`: dictionaries with loops and searches made wrong; each builds or fails with an error.

Whatever is changed in a decoder, planning it for training and for search succeeds, or raises a `TenureError` that names
the layer, within `--seconds`.
"""

import argparse
import collections
import copy
import random
import sys
import traceback
import warnings

from tenure import TenureError
from tenure.network.model import Network
from tests.replay.mutations import at, places
from tests.seconds import spent

DATA = {"data": {"dim": 4}, "classes": {"dim": 7, "sparse": True, "available_for_inference": False}}
JUNK = [
    None,
    True,
    False,
    0,
    1,
    -1,
    3,
    10**9,
    -(10**12),
    0.5,
    1e300,
    float("nan"),
    "",
    "x",
    "data",
    "data:nope",
    "base:x",
]
JUNK += [
    "prev:output",
    "prev:",
    "prev:prev:output",
    ":i",
    "T",
    "F",
    [],
    ["data"],
    [3, 3],
    (),
    {},
    {"a": 1},
    {"class": "linear"},
]
JUNK += ["max_len_from('base:enc')", "max_len_from(", "9**9**9", "keep_over_epoch", "apply(0)", "var", {"class": "rec"}]


def decoder(beam, **unit):
    """A loop over labels, that attends to an encoder."""
    body = {
        "output": {"class": "choice", "target": "classes", "beam_size": beam, "from": "p", "initial_output": 0},
        "end": {"class": "compare", "value": 0, "from": "output"},
        "emb": {"class": "linear", "n_out": 3, "activation": None, "from": "output", "initial_output": 0},
        "p": {"class": "softmax", "target": "classes", "loss": "ce", "from": "s"},
        "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 5, "from": ["prev:emb"]},
        **unit,
    }
    loop = {"class": "rec", "from": [], "target": "classes", "max_seq_len": "max_len_from('base:enc')", "unit": body}
    return {
        "enc": {"class": "linear", "n_out": 6, "from": "data"},
        "val": {"class": "split_dims", "axis": "F", "dims": (1, 6), "from": "enc"},
        "output": loop,
        "decision": {"class": "decide", "from": "output", "loss": "edit_distance", "target": "classes"},
    }


ATTENTION = {
    "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 5, "from": ["prev:emb", "prev:att"]},
    "q": {"class": "linear", "n_out": 6, "from": "s"},
    "back": {"class": "linear", "n_out": 6, "with_bias": False, "from": "prev:acc"},
    "e_in": {"class": "combine", "kind": "add", "from": ["base:enc", "q", "back"], "n_out": 6},
    "e": {"class": "linear", "n_out": 1, "from": "e_in"},
    "w": {"class": "softmax_over_spatial", "from": "e"},
    "acc": {
        "class": "eval",
        "from": ["prev:acc", "w"],
        "eval": "source(0) + source(1)",
        "out_type": {"dim": 1, "shape": (None, 1)},
    },
    "att0": {"class": "generic_attention", "weights": "w", "base": "base:val"},
    "att": {"class": "merge_dims", "axes": "except_batch", "from": "att0"},
}
TRANSFORMER = {
    "s": {
        "class": "self_attention",
        "num_heads": 2,
        "total_key_dim": 4,
        "n_out": 4,
        "attention_left_only": True,
        "from": "pos",
    },
    "pos": {"class": "positional_encoding", "add_to_input": True, "from": "prev:emb"},
}
TRANSDUCER = {
    "mask": {"class": "compare", "kind": "not_equal", "value": 0, "from": "prev:output", "initial_output": True},
    "slow": {
        "class": "masked_computation",
        "mask": "mask",
        "from": "prev:emb",
        "unit": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 5, "from": "data"},
    },
    "s": {"class": "linear", "n_out": 5, "activation": "tanh", "from": "slow"},
}
TWO = {
    "first": {"class": "choice", "target": "classes", "beam_size": 3, "from": "p0", "initial_output": 0},
    "p0": {"class": "softmax", "n_out": 7, "from": "s"},
    "e0": {"class": "linear", "n_out": 4, "from": "first"},
    "p": {"class": "softmax", "target": "classes", "loss": "ce", "from": ["s", "e0"]},
    "count": {"class": "combine", "kind": "add", "from": [":i", "one"]},
    "one": {"class": "constant", "value": 1, "dtype": "int32"},
}
NESTED = {
    "inner": {
        "class": "rec",
        "from": "base:enc",
        "unit": {"output": {"class": "linear", "n_out": 3, "from": ["data:source", "prev:output"]}},
    },
    "m": {"class": "reduce", "mode": "mean", "axes": "T", "from": "inner"},
    "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 5, "from": ["prev:emb", "m"]},
}
NETS = [
    decoder(1),
    decoder(2, **ATTENTION),
    decoder(2, **TRANSFORMER),
    decoder(2, **TRANSDUCER),
    decoder(2, **TWO),
    decoder(2, **NESTED),
]


def mutated(rng):
    """A decoder with one to three things changed."""
    net = copy.deepcopy(rng.choice(NETS))
    for _ in range(rng.randint(1, 3)):
        found = list(places(net))
        path = rng.choice(found)
        holder, key = at(net, path[:-1]), path[-1]
        kind = rng.choice(["value", "rename", "remove", "layer", "swap"])
        if kind == "value":
            holder[key] = copy.deepcopy(rng.choice(JUNK))
        elif kind == "rename" and isinstance(holder, dict):
            holder[rng.choice([f"{key}x", "class", "from", "n_out", "output", str(key)[:-1]])] = holder.pop(key)
        elif kind == "remove":
            del holder[key]
        elif kind == "layer":
            names = [
                *map(str, net),
                "data",
                *(f"prev:{p[-1]}" for p in found if len(p) == 4),
                *(str(p[-1]) for p in found),
            ]
            holder[key] = rng.choice(names)
        else:
            holder[key] = copy.deepcopy(at(net, rng.choice(found)))
    return net


def names(net):
    for key, value in net.items():
        yield str(key)
        if isinstance(value, dict):
            yield from names(value)


def failure(net, flags):
    """Builds the dictionary. Returns the error of Tenure's that it raises, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Network(net, DATA, behavior_version=0).plan(None, **flags)
    except TenureError as error:
        return error


def attempt(net, seconds):
    """What is wrong with how a dictionary builds or fails, or ""."""
    for flags in ({"train": True}, {"search": True, "losses": False}):
        said = []
        try:
            took = spent(lambda flags=flags: said.append(failure(net, flags)), seconds)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            return f"{type(error).__name__} at {last.filename.rpartition('/')[2]}:{last.lineno}: {str(error)[:150]}"
        if took > seconds:
            return f"took {took:.1f} s ({flags})"
        failed = said[0]
        if failed is not None and "the network has no layer" not in (text := str(failed)):
            if not any(f"'{n}" in text or f"{n}'" in text for n in names(net)):
                return f"names no layer: {text[:200]}"
    return ""


def main(argv=None):
    parser = argparse.ArgumentParser(description="Wrong dictionaries with loops and searches.")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args(argv)
    wrong = collections.Counter()
    for i in range(given.times):
        net = mutated(random.Random(given.seed * 1_000_003 + i))
        problem = attempt(net, given.seconds)
        if problem:
            wrong[problem.partition(":")[0]] += 1
            print(f"{given.seed}/{i}: {problem}", flush=True)
    print(f"{given.times - sum(wrong.values())} of {given.times} build, or fail with an error that names the layer")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
