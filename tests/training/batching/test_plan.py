"""Plans of batches: which sequences come together, and what planning costs."""

import random

import pytest

from tenure.training.batching.frames import Frames
from tenure.training.batching.plan import Batching
from tenure.training.errors import BatchError


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


def test_a_row_of_frames_goes_on_until_the_longest_stream_ends():
    lengths = [Frames({"data": 7, "classes": 29}), Frames({"data": 3, "classes": 3})]
    found = [*Batching(batch_size=10, recurrent=False).batches(lengths)]
    spans = [[(p.index, dict(p.start.of), dict(p.end.of)) for p in batch.pieces] for batch in found]
    first = (0, {"data": 0, "classes": 0}, {"data": 7, "classes": 10})
    assert spans[0] == [first] and spans[1] == [(0, {"data": 7, "classes": 10}, {"data": 7, "classes": 20})]
    assert spans[2][0] == (0, {"data": 7, "classes": 20}, {"data": 7, "classes": 29})
    assert sum(end["data"] - start["data"] for batch in spans for _, start, end in batch) == 10


def test_frames_without_room_for_the_longest_stream_are_refused():
    with pytest.raises(BatchError, match="no room for the stream 'data'"):
        [*Batching(batch_size={"classes": 5}, recurrent=False).batches([Frames({"data": 9, "classes": 3})])]


@pytest.mark.parametrize("recurrent, last", [(True, 5), (False, 4)])
def test_sequences_that_are_left_out_are_not_counted(recurrent, last):
    lengths = [Frames({"data": n}) for n in (2, 9, 2, 9, 2, 2, 2)]
    limits = Batching(batch_size=100, max_seq_length=5, max_total_num_seqs=3 if recurrent else 4, recurrent=recurrent)
    assert [*limits.batches(lengths)][-1].pieces[-1].index == last


def test_limits_of_other_streams_and_of_none_do_not_count():
    lengths = [Frames({"data": n}) for n in (3, 4)]
    found = [*Batching(batch_size={"data": 50, "other": 2}, max_total_num_seqs=None, recurrent=False).batches(lengths)]
    assert [[p.index for p in batch.pieces] for batch in found] == [[0, 1]]


@pytest.mark.parametrize("limits", [{"batch_size": -5}, {"batch_size": 10, "packed_batch_size": 0}])
def test_sizes_below_one_frame_are_refused(limits):
    with pytest.raises(BatchError, match="above 0"):
        Batching(**limits)
