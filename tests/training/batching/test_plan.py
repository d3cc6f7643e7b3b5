"""Plans of batches: which sequences come together, and what planning costs."""

import random

import pytest

from tenure.training.batching.frames import Frames
from tenure.training.batching.plan import Batching


def closed_by_hand(lengths, size, packed, padding, seqs):
    """Batches by the rule itself: every sum is made anew for every sequence."""
    batches, batch = [], []
    for index, length in enumerate(lengths):
        of = [lengths[i] for i in batch] + [length]
        padded, real = {k: max(x[k] for x in of) * len(of) for k in length}, {k: sum(x[k] for x in of) for k in length}
        most = max(padded.values()) > size or max(real.values()) > packed
        if batch and (len(of) > seqs or most or max(padded[k] - real[k] for k in length) > padding):
            batches, batch = [*batches, batch], []
        batch = [*batch, index]
    return [*batches, batch]


@pytest.mark.parametrize(
    "size, packed, padding, seqs", [(90, 999, 999, 99), (999, 60, 999, 99), (999, 999, 9, 99), (80, 50, 20, 4)]
)
def test_batches_are_closed_by_each_limit(size, packed, padding, seqs):
    rng = random.Random(3)
    lengths = [{"data": rng.randint(1, 20), "classes": rng.randint(1, 9)} for _ in range(300)]
    limits = Batching(batch_size=size, packed_batch_size=packed, max_pad_size=padding, max_seqs=seqs)
    found = [*limits.batches(map(Frames, lengths))]
    assert [[piece.index for piece in batch.pieces] for batch in found] == closed_by_hand(
        lengths, size, packed, padding, seqs
    )
    for batch in found:
        assert [piece.row for piece in batch.pieces] == [*range(batch.rows)]
        assert batch.frames.of == {k: max(lengths[p.index][k] for p in batch.pieces) for k in ("data", "classes")}


def test_planning_takes_time_in_proportion_to_the_sequences(monkeypatch):
    made = []
    monkeypatch.setattr(Frames, "_with", lambda *a, real=Frames._with: made.append(1) or real(*a))
    [batch] = Batching(batch_size=10**6, packed_batch_size=10**6).batches([Frames({"data": 5})] * 400)
    assert batch.rows == 400 and len(made) <= 10 * 400
