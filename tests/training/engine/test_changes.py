"""A training that was stopped within an epoch, and whose data or batches have changed since: the error says what."""

import os
import signal

import numpy as np
import pytest

from tenure.training.data.base import Stream
from tenure.training.data.classes import dataset
from tenure.training.data.writing import HdfWriter
from tenure.training.engine import changes, tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models
from tenure.training.engine.signals import Stopped
from tenure.training.errors import TrainingError

h5py = pytest.importorskip("h5py")
random = np.random.RandomState(0)
SEQUENCES = [
    (f"seq{i}", random.randn(n, 3).astype("float32"), random.randint(0, 4, n)) for i, n in enumerate([5, 7] * 8)
]
LABELS = ["a", "b", "c", "d"]


def write(folder, sequences=SEQUENCES, labels=LABELS):
    streams = {"data": Stream(3), "classes": Stream(4, True, labels=labels)}
    with HdfWriter(folder / "train.hdf", streams, force=True) as file:
        for tag, data, classes in sequences:
            file.add(tag, {"data": data, "classes": classes})


def config(folder, **more):
    return {
        "model": f"{folder}/net/model",
        "learning_rate_file": f"{folder}/rates",
        "report": False,
        "extern_data": {"data": {"dim": 3}, "classes": {"dim": 4, "sparse": True}},
        "network": {"output": {"class": "softmax", "loss": "ce", "from": "data", "dropout": 0.1}},
        "train": {"class": "HDFDataset", "files": [str(folder / "train.hdf")]},
        "batching": "random",
        "batch_size": 1000,
        "max_seqs": 2,
        "recurrent_net": True,
        "num_epochs": 2,
        **more,
    }


def stop_at(step):
    def watch(what, values):
        if what == "step" and (values["epoch"], values["step"]) == step:
            os.kill(os.getpid(), signal.SIGINT)

    return watch


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A training that was stopped in its first epoch."""
    folder = tmp_path_factory.mktemp("stopped")
    write(folder)
    with pytest.raises(Stopped, match="in epoch 1 after 4 steps, which are saved"):
        tasks.run(config(folder), Log(0), stop_at((1, 3 - 1)))
    return folder


other = [(tag, data + 1, classes) for tag, data, classes in SEQUENCES]
CHANGES = {
    "more sequences": (
        lambda f: write(f, [*SEQUENCES, ("x", *SEQUENCES[0][1:])]),
        {},
        "there are 17 sequences, and were 16",
    ),
    "fewer sequences": (lambda f: write(f, SEQUENCES[:-1]), {}, "there are 15 sequences, and were 16"),
    "another order": (
        lambda f: write(f, SEQUENCES[::-1]),
        {},
        "sequences have other names, or another order in the data",
    ),
    "other values": (lambda f: write(f, other), {}, "the file '.*train.hdf' is another one"),
    "other labels": (lambda f: write(f, labels=["a", "b", "d", "c"]), {}, "the vocabulary of 'classes' is another one"),
    "max_seqs": (None, {"max_seqs": 3}, "max_seqs is 3, and was 2"),
    "batch_size": (None, {"batch_size": 10}, "batch_size is 10, and was 1000"),
    "an order": (
        None,
        {"batching": "sorted"},
        "batching is 'sorted', and was 'random'; train's option seq_ordering is",
    ),
    "a seed": (None, {"random_seed": 3}, "random_seed is 3, and was not set"),
    "chunks": (None, {"chunking": "3:3"}, "chunking is '3:3', and was not set"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_has_changed_is_named(stopped, name):
    change, more, says = CHANGES[name]
    if change:
        change(stopped)
    try:
        with pytest.raises(TrainingError, match=f"(?s)epoch 1 cannot go on after 4 steps: .*{says}.*model.unfinished'"):
            tasks.run(config(stopped, **more), Log(0))
    finally:
        write(stopped)


def test_what_changes_no_batch_may_change_and_a_new_epoch_takes_anything(stopped):
    with pytest.raises(Stopped, match="in epoch 1 after 6 steps"):
        tasks.run(config(stopped, batch_size=900), Log(0), stop_at((1, 4)))
    with pytest.raises(Stopped, match="in epoch 2 after 2 steps"):
        tasks.run(config(stopped), Log(0), stop_at((2, 0)))
    write(stopped, SEQUENCES[3:])
    Models(stopped / "net" / "model").remove(Models(stopped / "net" / "model").unfinished)
    tasks.run(config(stopped, max_seqs=5), Log(0))


def test_epochs_without_a_checkpoint_are_not_trained_again(tmp_path):
    write(tmp_path)
    seen = []
    with pytest.raises(Stopped, match="in epoch 3 after 3 steps, which are saved"):
        tasks.run(config(tmp_path, save_interval=5, num_epochs=3), Log(0), stop_at((3, 1)))
    tasks.run(
        config(tmp_path, save_interval=5, num_epochs=3),
        Log(0),
        lambda what, values: seen.append((values["epoch"], values["step"])) if what == "step" else None,
    )
    assert seen[0] == (3, 3) and Models(tmp_path / "net" / "model").existing().keys() == {3}


class Read:
    """A source that counts what is read of it."""

    def __init__(self):
        self.read = 0

    def __len__(self):
        return 500

    def __getitem__(self, index):
        self.read += 1
        return {"data": np.full((3, 2), index, "float32"), "name": f"n{index}"}


def basis_of(options, data=None):
    data = data or dataset(options)
    return changes.basis({}, options, {}, data, data.epoch(1))


def test_a_source_is_not_read_for_the_names_of_its_sequences():
    source = Read()
    options = {"class": "SourceDataset", "source": lambda: source, "tag_column": "name"}
    data = dataset(options)
    assert data.streams and source.read < 4
    found = basis_of(options, data)
    assert (found["sequences"]["count"], found["sequences"]["tags"], source.read < 4) == ("500", "", True)
    named = {**found, "sequences": {**found["sequences"], "tags": "of another version"}}
    assert changes.contents(named, found) == []


def test_options_that_are_no_files_and_files_that_cannot_be_read_do_not_end_a_training(tmp_path, monkeypatch):
    file = tmp_path / "list"
    file.write_text("x")
    options = {"class": "StaticDataset", "data": [{"data": np.ones((2, 3))}], "name": "x" * 300}
    assert basis_of(options)["files"] == {}
    data = dataset({"class": "StaticDataset", "data": [{"data": np.ones((2, 3))}]})
    readable = changes.basis({}, {"list": str(file)}, {}, data, data.epoch(1))
    monkeypatch.setattr(changes.Path, "open", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "denied")))
    denied = changes.basis({}, {"list": str(file)}, {}, data, data.epoch(1))
    assert list(denied["files"]) == [str(file)] and changes.contents(readable, denied) == []


def test_a_function_that_gives_a_file_is_called_once(tmp_path):
    (tmp_path / "a.txt").write_text("a b\n")
    (tmp_path / "symbols").write_text("a\nb\n")
    called = []

    def name():
        called.append(1)
        return str(tmp_path / "a.txt")

    options = {"class": "LmDataset", "corpus_file": name, "orth_symbols_file": str(tmp_path / "symbols")}
    found = basis_of({**options, "word_based": True, "unknown_symbol": None, "seq_end_symbol": None})
    assert set(found["files"]) == {str(tmp_path / "a.txt"), str(tmp_path / "symbols")} and len(called) == 1
