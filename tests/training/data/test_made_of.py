import numpy as np
import pytest

from tenure.training.data import made_of
from tenure.training.data.classes import dataset
from tenure.training.data.static import StaticDataset
from tenure.training.errors import DataSetError

ARRAYS = [np.array(labels, np.int32) for labels in ([1, 2, 9], [3, 9], [4, 5, 6, 9])]


def static(*arrays):
    return StaticDataset([{"data": array} for array in arrays])


def said(data, epoch=1):
    return [item.data["data"].tolist() for item in data.epoch(epoch)]


def joined(tmp_path, lines=("seq-0;seq-1", "seq-2"), **options):
    (tmp_path / "list").write_text("\n".join(lines))
    (tmp_path / "lens").write_text(repr({f"seq-{i}": len(array) for i, array in enumerate(ARRAYS)}))
    files = {"seq_list_file": str(tmp_path / "list"), "seq_len_file": str(tmp_path / "lens")}
    return made_of.ConcatSeqsDataset(dataset=static(*ARRAYS), **files, **options)


def test_sequences_one_after_the_other_are_one(tmp_path):
    data = joined(tmp_path)
    assert said(data) == [[1, 2, 9, 3, 9], [4, 5, 6, 9]]
    assert data.tag(0) == "seq-0;seq-1" and data.sort_lengths(1).tolist() == [5, 4]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"remove_in_between_postfix": {"data": 9}}, [1, 2, 3, 9]),
        ({"repeat_in_between_last_frame_up_to_multiple_of": {"data": 4}}, [1, 2, 9, 9, 3, 9]),
        ({"pad_narrow_data_to_multiple_of_target_len": {"data": ("data", 2)}}, [1, 2, 9, 9, 9, 9, 3, 9, 9, 9]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_changed_where_sequences_meet(tmp_path, options, wanted):
    assert said(joined(tmp_path, **options))[0] == wanted


def test_sequences_that_cannot_be_joined(tmp_path):
    with pytest.raises(DataSetError, match="does not end in 8"):
        said(joined(tmp_path, remove_in_between_postfix={"data": 8}))
    with pytest.raises(DataSetError, match="no 'seq-7'"):
        joined(tmp_path, lines=["seq-0;seq-7"])
    with pytest.raises(DataSetError, match="needs 'seq_list_file'"):
        made_of.ConcatSeqsDataset(dataset=static(*ARRAYS))


def test_data_sets_one_after_the_other():
    data = made_of.ConcatDataset(datasets=[static(*ARRAYS[:2]), static(ARRAYS[2])])
    assert data.count() == 3 and said(data) == [a.tolist() for a in ARRAYS]
    assert [data.measure(i, 1)["data"] for i in range(3)] == [3, 2, 4]
    assert data.load(2, 1).index == 2
    with pytest.raises(DataSetError, match="no more sequences"):
        data.tag(3)


def test_data_sets_one_after_the_other_have_no_order_of_their_own():
    with pytest.raises(DataSetError, match="no order of its own"):
        dataset({"class": "ConcatDataset", "datasets": [static(*ARRAYS)], "seq_ordering": "random"})
    with pytest.raises(DataSetError, match="names none"):
        made_of.ConcatDataset()


def test_several_epochs_are_one():
    asked = []
    each = made_of.VariableDataset(
        get_dataset=lambda epoch, **_: asked.append(epoch) or static(np.array([epoch] * epoch))
    )
    data = made_of.MultiEpochDataset(dataset=each, multi_epoch=2)
    epoch = data.epoch(2)
    assert asked == [3, 4]
    assert [epoch.lengths(i)["data"] for i in range(len(epoch))] == [3, 4]
    assert said(data) == [[1], [2, 2]]


def test_another_data_set_in_every_epoch():
    data = made_of.VariableDataset(get_dataset=lambda epoch, **_: static(*ARRAYS[:epoch]))
    assert [len(said(data, epoch)) for epoch in (1, 3, 2)] == [1, 3, 2]
    with pytest.raises(DataSetError, match="needs 'get_dataset'"):
        made_of.VariableDataset().count()


def test_zeros_for_streams_that_nobody_looks_at():
    data = made_of.AnythingDataset({"data": {"dim": 3}, "classes": {"dim": 7, "sparse": True}})
    assert data.count() == float("inf")
    for index in (0, 1000):
        found = data.load(index, 1).data
        assert (found["data"].shape, found["data"].dtype) == ((1, 3), np.float32)
        assert (found["classes"].shape, found["classes"].dtype) == ((1,), np.int32)
        assert not found["data"].any()
