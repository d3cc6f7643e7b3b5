import pytest

from tenure.training.data.classes import dataset, in_processes
from tenure.training.errors import DataSetError


def test_a_data_set_of_options_text_or_itself():
    made = dataset({"class": "Task12AXDataset", "num_seqs": 3})
    assert made.count() == dataset("Task12AXDataset:num_seqs=3").count() == 3
    assert dataset(made) is made
    assert dataset({"class": "Task12AXDataset"}, num_seqs=5).count() == 5


def test_a_misspelled_class_is_answered_with_the_nearest():
    with pytest.raises(DataSetError, match="Task12AXDataset"):
        dataset({"class": "Task12AXDatset", "num_seqs": 3})


def test_an_open_data_set_is_not_sent_to_processes():
    with pytest.raises(DataSetError, match="open already"):
        in_processes(dataset("Task12AXDataset:num_seqs=3"), 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "Task12AXDataset:num_seqs=3"}, "'dataset' is"),
        ({"dataset": {"class": "Task12AXDataset"}, "num_wokers": 2}, "no option 'num_wokers'(.|\n)*num_workers"),
    ],
)
def test_options_of_multi_proc_dataset(options, message):
    with pytest.raises(DataSetError, match=message):
        dataset({"class": "MultiProcDataset", **options})
