"""Beam search written by hand, with all options of `choice`, next to the dictionary that says the same."""

import dataclasses
import itertools
import random

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn

LABELS, UNITS, WIDE = 3, 4, 40
DATA = {"data": {"dim": 3}, "classes": {"dim": LABELS, "sparse": True, "available_for_inference": False}}
LENGTHS = np.array([4, 2])
X = np.random.RandomState(3).randn(2, 4, 3).astype("float32")
GOLD = np.array([[2, 1, 1, 0], [1, 0, 0, 0]])
OPTIONS = {
    "beam": (1, 2, 4, WIDE),
    "input": ("softmax", "prob", "log_prob", "logits"),
    "exponent": (None, 1.0, 0.5),
    "scale": (1.0, 0.5),
    "keep": (False, True),
    "cheating": (None, True, "exclusive"),
    "sources": (None, "explicit_search_source", "explicit_search_sources"),
    "combine": (None, "own"),
    "two": (False, True),
    "nested": (False, True),
    "eos": (False, True),
    "limit": (3, "max_len_from('base:enc')", "max_len_from('base:enc') - 2", "frames"),
}


def combined(scores_in, scores_base, t, **_):
    """A `custom_score_combine`: another scale, and a price for late steps."""
    return scores_in * 0.7 + scores_base - 0.1 * jnp.asarray(t + 1, jnp.float32)


def pairs(seed):
    """Choices of options such that every two values of two options meet, few of them."""
    rng = random.Random(seed)
    open_ = {(a, x, b, y) for a, b in itertools.combinations(OPTIONS, 2) for x in OPTIONS[a] for y in OPTIONS[b]}
    while open_:
        tries = []
        for _ in range(60):
            a, x, b, y = rng.choice(sorted(open_, key=repr))
            tries.append({k: rng.choice(v) for k, v in OPTIONS.items()} | {a: x, b: y})
        found = max(tries, key=lambda c: sum(c[a] == x and c[b] == y for a, x, b, y in open_))
        open_ = {(a, x, b, y) for a, x, b, y in open_ if not (found[a] == x and found[b] == y)}
        yield found


def network(o):
    """The dictionary."""
    kind = o["input"]
    choice = {"class": "choice", "target": "classes", "beam_size": o["beam"], "from": "p", "initial_output": 0}
    choice |= {"input_type": {"softmax": "prob"}.get(kind, kind), "prob_scale": o["scale"], "keep_beams": o["keep"]}
    choice |= {"length_normalization": o["exponent"] is not None, "cheating": o["cheating"]}
    if o["exponent"] is not None:
        choice["length_normalization_exponent"] = o["exponent"]
    if o["combine"]:
        choice["custom_score_combine"] = combined
    frames = o["limit"] == "frames"
    unit = {
        "emb": {"class": "linear", "n_out": 3, "activation": None, "from": "prev:output"},
        "s": {"class": "linear", "n_out": UNITS, "activation": "tanh", "from": ["prev:s", "emb", "base:ctx"]},
        "p": {"class": "linear", "n_out": LABELS, "from": ["s"], "activation": {"softmax": "softmax", "log_prob": "log_softmax"}.get(kind)},
        "output": choice,
        "end": {"class": "compare", "kind": "equal", "value": 0, "from": "output"},
    }  # fmt: skip
    if kind == "prob":
        unit["logits"] = unit["p"]
        unit["p"] = {"class": "eval", "eval": "tf.nn.softmax(source(0))", "from": "logits"}
    scored = unit["logits"] if kind == "prob" else unit["p"]
    if o["sources"]:
        first = "first" if o["two"] else "output"
        value = "again" if o["sources"].endswith("e") else ["again"]
        unit["again"] = {"class": "copy", "from": f"prev:{first}"}
        choice[o["sources"]] = value
    if o["two"]:
        unit["p0"] = {"class": "softmax", "n_out": LABELS, "from": "s"}
        unit["first"] = {"class": "choice", "target": "classes", "beam_size": 3, "from": "p0", "initial_output": 0, "length_normalization": False}  # fmt: skip
        unit["e0"] = {"class": "linear", "n_out": 2, "activation": None, "from": "first"}
        scored["from"].append("e0")
    if o["nested"]:
        inner = {
            "e": {"class": "linear", "n_out": 2, "activation": None, "from": "prev:output"},
            "q": {"class": "softmax", "n_out": LABELS, "from": ["base:s", *(["base:e0"] if o["two"] else []), "e"]},
            "output": {"class": "choice", "target": "classes", "beam_size": 2, "from": "q", "initial_output": 0, "length_normalization": False},
            "end": {"class": "compare", "value": 0, "from": "output"},
        }  # fmt: skip
        unit["inner"] = {"class": "rec", "from": [], "max_seq_len": 2, "target": "classes", "unit": inner}
        unit["said"] = {"class": "gather", "from": "inner", "axis": "T", "position": 0}
        unit["f"] = {"class": "linear", "n_out": 2, "activation": None, "from": "said"}
        scored["from"].append("f")
    loop = {"class": "rec", "from": "enc" if frames else [], "target": "classes", "unit": unit, "include_eos": o["eos"]}
    if not frames:
        loop["max_seq_len"] = o["limit"]
    if frames:
        del unit["end"]
    return {
        "enc": {"class": "linear", "n_out": 3, "activation": "tanh", "from": "data"},
        "ctx": {"class": "reduce", "mode": "mean", "axis": "T", "from": "enc"},
        "output": loop,
    }


def open_ended(o):
    """Whether a hypothesis ends by its label: not where there are frames, or labels that the choice cheats with."""
    return o["limit"] != "frames" and not o["cheating"]


def steps(o):
    """How many steps there are for each sequence, else."""
    return LENGTHS if o["limit"] == "frames" else np.array([4, 4])


@dataclasses.dataclass(frozen=True)
class Hypothesis:
    """One hypothesis by hand."""

    score: float
    labels: tuple = ()
    s: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(UNITS))
    ended: bool = False
    length: int = 0
    first: int = 0
    said: tuple = ()


def log_softmax(x):
    return x - np.max(x) - np.log(np.sum(np.exp(x - np.max(x))))


class Search:
    """The search of one sequence."""

    def __init__(self, o, params, b):
        self.o, self.b = o, b
        self.p = {k.rpartition("/rec/")[2]: {n: np.asarray(v, "float64") for n, v in of.items()} for k, of in params.items()}  # fmt: skip
        x = X[b, : LENGTHS[b]].astype("float64")
        self.ctx = np.mean(np.tanh(x @ self.p["enc"]["W"] + self.p["enc"]["b"]), axis=0)
        self.beam = [Hypothesis(0.0)]

    def linear(self, name, *inputs):
        of = self.p[name]
        return np.concatenate(inputs) @ of["W"] + of["b"]

    def embed(self, name, label):
        return self.p[name]["W"][label] + self.p[name]["b"]

    def step(self, t):
        o, width = self.o, max(self.o["beam"], 1)
        beam = []
        for h in self.beam:
            emb = self.embed("emb", h.labels[-1] if h.labels else 0)
            beam.append(dataclasses.replace(h, s=np.tanh(self.linear("s", h.s, emb, self.ctx))))
        live = len(beam)
        beam += [dataclasses.replace(beam[0], score=-np.inf)] * (width - len(beam))
        if o["two"]:
            scores = [log_softmax(self.linear("p0", h.s)) for h in beam]
            chosen = self.choose(scores, beam, 3, live, {"exponent": None}, t)
            beam = [dataclasses.replace(beam[i], score=s, first=k) for i, k, s in chosen]
            live = len(beam)
        if o["nested"]:
            beam = self.inner(beam, live)
            live = len(beam)
        more = [
            [
                self.embed(name, label)
                for name, label in (("e0", h.first), ("f", h.said[0] if h.said else 0))
                if name in self.p
            ]
            for h in beam
        ]
        scores = [log_softmax(self.linear("logits" if o["input"] == "prob" else "p", h.s, *m)) for h, m in zip(beam, more, strict=True)]  # fmt: skip
        chosen = self.choose(scores, beam, o["beam"], live, o, t)
        self.beam = []
        for i, label, score in chosen:
            h = beam[i]
            over = h.ended or label == 0 if open_ended(o) else t + 1 >= steps(o)[self.b]
            counted = not (h.ended if o["eos"] else over)
            self.beam.append(dataclasses.replace(h, score=score, labels=(*h.labels, label), ended=over, length=h.length + counted))  # fmt: skip

    def inner(self, beam, live):
        """The search in a step: its hypotheses end for themselves."""
        width, inside = len(beam), [dataclasses.replace(h, ended=False, said=()) for h in beam]
        outer = [h.ended for h in beam]
        marked = [dataclasses.replace(h, labels=(*h.labels, ("at", i))) for i, h in enumerate(inside)]
        for t in range(2):
            scores = [
                log_softmax(
                    self.linear(
                        "q",
                        h.s,
                        *([self.embed("e0", h.first)] if self.o["two"] else []),
                        self.embed("e", h.said[-1] if h.said else 0),
                    )
                )
                for h in marked
            ]
            chosen = self.choose(scores, marked, 2, live if t == 0 else len(marked), {"exponent": None}, t)
            marked = [dataclasses.replace(marked[i], score=s, said=(*marked[i].said, k), ended=marked[i].ended or k == 0) for i, k, s in chosen]  # fmt: skip
            marked += [dataclasses.replace(marked[0], score=-np.inf)] * (width - len(marked))
        return [dataclasses.replace(h, labels=h.labels[:-1], ended=outer[h.labels[-1][1]]) for h in marked]

    def choose(self, scores, beam, size, live, o, t):
        """(old hypothesis, label, score) of the new ones, the best first."""
        total = np.empty((len(beam), LABELS))
        for i, (row, h) in enumerate(zip(scores, beam, strict=True)):
            base = h.score
            if h.ended:
                row = np.array([0.0, -1e30, -1e30])
                base = base * ((t + 1) / max(t, 1)) ** (o["exponent"] or 0)
            own = o.get("combine")
            total[i] = 0.7 * row + base - 0.1 * (t + 1) if own else row * o.get("scale", 1.0) + base
        found = self.best(total, size, live, o.get("keep"))
        if o.get("cheating"):
            last, gold = live - 1, int(GOLD[self.b, t])
            score = total[last, gold]
            if o["cheating"] == "exclusive":
                total[last, gold] = -np.inf
                found = self.best(total, size, live, o.get("keep"))
            found = [*found[:-1], (last, gold, score)]
        return found

    @staticmethod
    def best(total, size, live, keep):
        width = len(total)
        every = [(i, k, total[i, k]) for i in range(live) for k in range(LABELS)]
        if keep and live == width and size % width == 0:
            found = []
            for i in range(width):
                mine = sorted((c for c in every if c[0] == i), key=lambda c: -c[2])[: size // width]
                found += mine + [(i, 0, -np.inf)] * (size // width - len(mine))
            return found
        found = sorted(every, key=lambda c: -c[2])[:size]
        return found + [(0, 0, -np.inf)] * (size - len(found))


def by_hand(o, params):
    """The final hypotheses of each sequence, and by what their scores are divided."""
    searches = [Search(o, params, b) for b in range(2)]
    limit = {3: 3, "max_len_from('base:enc')": 4, "max_len_from('base:enc') - 2": 2, "frames": 4}[o["limit"]]
    for t in range(limit if open_ended(o) else 4):
        if open_ended(o) and all(h.ended for s in searches for h in s.beam):
            break
        for s in searches:
            s.step(t)
    lengths = [h.length for s in searches for h in s.beam] if open_ended(o) else steps(o)
    longest = max(lengths) + (0 if o["eos"] else 1)
    return [s.beam for s in searches], 1 if o["exponent"] is None else max(longest, 1)


def by_network(o):
    """What the network finds, and its parameters."""
    model = tn.network(network(o), DATA, check=False)
    batch = {"data": (X, LENGTHS), "classes": (GOLD, np.array([4, 4]))}
    flags = dict(losses=False, search=True)
    params, state = model.init(jax.random.key(0), batch, train=False, **flags)
    rng = np.random.RandomState(11)
    params = jax.tree.map(lambda x: jnp.asarray(rng.randn(*x.shape) * 1.3, x.dtype), params)
    result = jax.jit(lambda p: model.apply(p, state, None, batch, **flags)[0])(params)
    return result, params
