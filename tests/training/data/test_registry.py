"""Options that published configs give to data sets of any class, and data that cannot be had."""

import numpy as np
import pytest

from tenure.training.config import Config, from_command_line
from tenure.training.data.classes import dataset
from tenure.training.data.writing import HdfWriter, Stream
from tenure.training.engine.checking import findings, missing_files
from tenure.training.errors import DataSetError, OrderError

LM = """#!rnn.py
import subprocess
def cached(name):
    return subprocess.check_output(["echo", name]).strip().decode("utf8")
def get_dataset(name):
    return {
        "class": "LmDataset", "corpus_file": lambda: cached(name), "orth_symbols_map_file": lambda: cached("words"), "word_based": True,
        "orth_replace_map_file": "", "seq_end_symbol": "<sb>", "add_delayed_seq_data": True, "delayed_seq_data_start_symbol": "<sb>",
    }
train, dev = get_dataset("train.txt"), get_dataset("dev.txt")
cache_size, window, target = "0", 1, "data"
num_outputs = {"data": {"dim": 3, "sparse": True, "dtype": "int32"}, "delayed": {"dim": 3, "sparse": True, "dtype": "int32"}}
network = {"output": {"class": "softmax", "loss": "ce", "from": ["data:delayed"]}}
batching, batch_size, max_seqs, model = "random", 100, 4, "net/model"
"""


def test_a_language_model_whose_files_are_functions_is_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lm.config").write_text(LM)
    (tmp_path / "words").write_text("{'<sb>': 0, 'a': 1, 'b': 2}")
    for name in ("train.txt", "dev.txt"):
        (tmp_path / name).write_text("a b\nb b a\n")
    told = list(findings(from_command_line(["lm.config"])))
    assert len(told) > 5 and not [finding for finding in told if finding.wrong], told
    (tmp_path / "dev.txt").unlink()
    (wrong,) = (finding for finding in findings(from_command_line(["lm.config"])) if finding.wrong)
    assert wrong.about == "data set 'dev'" and "'dev.txt' does not exist" in wrong.says
    assert list(missing_files({"corpus_file": lambda: "none", "bpe_file": {"a": "none"}})) == ["none"]


def test_a_window_of_one_is_none(tmp_path):
    for name in ("corpus", "symbols"):
        (tmp_path / name).write_text("a\n")
    lm = {"class": "LmDataset", "corpus_file": str(tmp_path / "corpus"), "orth_symbols_file": str(tmp_path / "symbols")}
    assert dataset({**lm, "seq_end_symbol": None}, window=1).epoch(1)[0].data["data"].tolist() == [0]
    with pytest.raises(DataSetError, match="LmDataset has no option 'window'"):
        dataset(lm, window=3)


def test_sequences_are_sorted_by_the_lengths_of_a_file(tmp_path):
    path = tmp_path / "lengths"
    path.write_text("{'seq-0': 3, 'seq-1': 1, 'seq-2': 2, 'more': 0}")
    static = [{"data": np.zeros((2, 1), "float32")}] * 3
    data = {"class": "StaticDataset", "data": static, "seq_ordering": "sorted", "seq_order_seq_lens_file": str(path)}
    assert [item.tag for item in dataset(data).epoch(1)] == ["seq-1", "seq-2", "seq-0"]
    path.write_text("{'seq-0': 3, 'seq-1': 1}")
    with pytest.raises(OrderError, match="seq_order_seq_lens_file has no length of 'seq-2', and of 1 sequences"):
        dataset(data).epoch(1)
    path.write_text("[3, 1, 2]")
    with pytest.raises(DataSetError, match="seq_order_seq_lens_file '.*lengths' is no dictionary"):
        dataset(data)


def test_names_of_hdf_files_are_a_data_set(tmp_path):
    for name in ("a.h5", "b.hdf"):
        with HdfWriter(tmp_path / name, {"data": Stream(4)}) as writer:
            writer.add(name, {"data": np.zeros((2, 4), "float32")})
    assert [item.tag for item in dataset(f"{tmp_path}/a.h5,{tmp_path}/b.hdf").epoch(1)] == ["a.h5", "b.hdf"]
    with pytest.raises(DataSetError, match="no HDF file 'none.h5'"):
        dataset("none.h5")
    with pytest.raises(DataSetError, match="'HDFDatset' is not known(.|\n)*HDFDataset"):
        dataset("HDFDatset")


def test_a_class_that_cannot_be_had_is_told_before_the_files_that_it_lacks(tmp_path):
    made_of = {
        "a": {"class": "ExternSprintDataset", "bpe": {"bpe_file": "none"}},
        "b": {"class": "Mine", "path": "none"},
    }
    train = {"class": "MetaDataset", "datasets": made_of, "data_map": {"data": ("a", "data")}}
    config = {
        "model": "net",
        "extern_data": {"data": {"dim": 1}},
        "network": {"output": {"class": "copy", "from": "data"}},
    }
    found = [f.says for f in findings(Config({**config, "train": train})) if f.about == "data set 'train'"]
    assert [text.splitlines()[0] for text in found] == [
        "the data set class 'ExternSprintDataset' cannot be had here",
        "the data set class 'Mine' is not known",
        "not there: 'none', 'none'",
    ]


@pytest.mark.parametrize(
    "options", ["sprint:train", {"class": "ExternSprintDataset", "sprintTrainerExecPath": "nn-trainer"}]
)
def test_data_that_rasr_gives_are_refused_with_the_way_out(options):
    with pytest.raises(
        DataSetError, match="(?s)cannot be had here.*dump the features and alignments that RASR gives to HDF"
    ):
        dataset(options)
