"""g2p-en: letters to phonemes by a GRU that reads and one that writes. Weights: the package `g2p-en`, an `.npz`.

The weights are PyTorch's: gates in the order reset, update, candidate, where the update gate is one minus ours.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

import tenure as tn
from examples.weights.fetch import fetch
from tenure import convert, nn

Params = dict[str, dict[str, Any]]

LETTERS = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
NAMES = (
    "<pad> <unk> <s> </s> AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 "
    "EH1 EH2 ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 P R S "
    "SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH"
)
PHONEMES = NAMES.split()
START, END, LONGEST = 2, 3, 20


def gates(name: str) -> str:
    """Reset, update, candidate → 1 - update, reset, candidate: σ(-x) is 1 - σ(x)."""
    return f"{name} | split(3, 1) | scale(-1) | concat('{name} | split(3, 0)', '{name} | split(3, 2)')"


SIDES = {"enc": "reader", "dec": "writer"}
RULES = {
    **{f"{a}_emb": f"{b}_embed/embeddings" for a, b in SIDES.items()},
    **{f"{gates(f'{a}_w_ih')} | transpose": f"{b}/w_i" for a, b in SIDES.items()},
    **{f"{gates(f'{a}_w_hh')} | transpose": f"{b}/w_h" for a, b in SIDES.items()},
    **{gates(f"{a}_b_ih"): f"{b}/b" for a, b in SIDES.items()},
    **{gates(f"{a}_b_hh"): f"{b}/b_h" for a, b in SIDES.items()},
    "fc_w | transpose": "output/w",
    "fc_b": "output/b",
}


def pronounce(letters: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The phonemes [20] of letters [T], the end and what follows it included; and the logits [20, 74] of each."""
    reader, writer = nn.ResetAfterGRU(256, name="reader"), nn.ResetAfterGRU(256, name="writer")
    embed, output = nn.Embed(len(PHONEMES), 256, name="writer_embed"), nn.Linear(len(PHONEMES), name="output")
    _, heard = nn.dynamic_unroll(reader, nn.Embed(len(LETTERS), 256, name="reader_embed")(letters), jnp.zeros(256))

    def step(carry: tuple[jax.Array, jax.Array], _: None) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        state, last = carry
        state = writer(embed(last), state)[1]
        logits = output(state)
        return (state, jnp.argmax(logits)), logits

    _, logits = tn.scan(step, (heard, jnp.asarray(START)), None, LONGEST)
    return jnp.argmax(logits, -1), logits


def load() -> tuple[tn.Transformed, Params]:
    """The model and its params."""
    model = tn.transform(pronounce)
    plan = model.plan(jnp.zeros(3, int))
    return model, convert.load(fetch("g2p") / "checkpoint20.npz", RULES, plan)


def spell(model: tn.Transformed, params: Params, word: str) -> list[str]:
    """A word's phonemes."""
    letters = [LETTERS.index(c) if c in LETTERS else 1 for c in word] + [LETTERS.index("</s>")]
    found = jax.device_get(model.apply(params, None, jnp.array(letters))[0]).tolist()
    return [PHONEMES[i] for i in (found[: found.index(END)] if END in found else found)]


if __name__ == "__main__":
    import sys

    made = load()
    for word in sys.argv[1:] or ["activationist", "tenure", "jax"]:
        print(word, *spell(*made, word))
