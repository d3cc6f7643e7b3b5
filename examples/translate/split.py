"""Which pairs are trained on, and which are held out.

Whole components are held out, not single sentences: the texts of one component
resemble each other, and a random split would put one half of such a family into
training and ask for the other half in the test.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .corpus import Pair


@dataclass(frozen=True)
class Split:
    """The three parts, and how many training pairs the test sets cost."""

    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]
    dropped: int

    def __str__(self) -> str:
        return (
            f"{len(self.train)} training pairs, {len(self.valid)} for validation, "
            f"{len(self.test)} for the test ({self.dropped} dropped from training: "
            "one of their sentences is held out)"
        )


def split_pairs(pairs: list[Pair], held_out: int = 500, largest: int = 60) -> Split:
    """Holds out components until validation and test have `held_out` pairs each.

    The order of components is that of their names' hashes: a new component moves
    no other. Components with more than `largest` pairs stay in training, so
    that the test is about many components. No sentence of the test or
    validation set, in either language and whatever its capitals, is in training.
    """
    components: dict[str, list[Pair]] = {}
    for pair in pairs:
        components.setdefault(pair.component, []).append(pair)
    order = sorted(components, key=_hash)
    small = [name for name in order if len(components[name]) <= largest]
    test, small = _take(components, small, held_out)
    valid, small = _take(components, small, held_out)
    away = {pair.component for pair in (*test, *valid)}
    seen = {_folded(text) for pair in (*test, *valid) for text in pair[1:]}
    rest = [pair for name in order if name not in away for pair in components[name]]
    train = [pair for pair in rest if not {_folded(text) for text in pair[1:]} & seen]
    return Split(train, _one_each(valid), _one_each(test), len(rest) - len(train))


def _take(components: dict[str, list[Pair]], names: list[str], wanted: int) -> tuple[list[Pair], list[str]]:
    taken: list[Pair] = []
    for number, name in enumerate(names):
        if len(taken) >= wanted:
            return taken, names[number:]
        taken += components[name]
    return taken, []


def _one_each(pairs: list[Pair]) -> list[Pair]:
    """One pair for each English sentence: a second would only repeat the question."""
    return list({_folded(pair.english): pair for pair in reversed(pairs)}.values())[::-1]


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _folded(text: str) -> str:
    return text.casefold()
