"""Files that hold Python values: nothing in them is executed, and none unpacks to absurdly much."""

import gzip
import os
import pickle
import zipfile

import pytest

from tenure.training.data.classes import dataset
from tenure.training.errors import TrainingError
from tests.training.data.files import GOOD, train, written


class Evil:
    """A pickle that runs a program when it is read as pickles are."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_data_files_are_not_executed(tmp_path):
    done = tmp_path / "done"
    (tmp_path / "list.pkl").write_bytes(pickle.dumps(Evil(done)))
    good = written(tmp_path / "good.hdf", GOOD)
    meta = {
        "class": "MetaDataset",
        "datasets": {"a": good},
        "data_map": {"data": ("a", "data"), "classes": ("a", "classes")},
    }
    for data in (
        {**good, "seq_list_filter_file": str(tmp_path / "list.pkl")},
        {**meta, "seq_list_file": str(tmp_path / "list.pkl")},
    ):
        with pytest.raises(TrainingError, match="list.pkl' cannot be unpickled: it holds posix.system"):
            train(tmp_path, data)
    call = f"__import__('os').system('touch {done}')"
    (tmp_path / "map").write_text(call)
    with pytest.raises(TrainingError, match="map' is neither a Python literal nor JSON"):
        dataset(
            {"class": "LmDataset", "corpus_file": str(tmp_path / "map"), "orth_symbols_map_file": str(tmp_path / "map")}
        )
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.txt", call)
    with pytest.raises(TrainingError, match=r"'a.txt' of .*a.zip' is no list as a Python literal"):
        dataset({"class": "OggZipDataset", "path": str(tmp_path / "a.zip")})
    assert not done.exists()


def test_what_unpacks_to_absurdly_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tenure.training.literals.LARGE", 1 << 16)
    zeros = b"0" * (1 << 22)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(zeros))
    with pytest.raises(TrainingError, match="corpus_file '.*bomb.gz' unpacks to more than"):
        dataset({"class": "LmDataset", "corpus_file": str(tmp_path / "bomb.gz"), "orth_symbols_file": "x"})
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.txt", zeros)
    with pytest.raises(TrainingError, match="'bomb.txt' of '.*bomb.zip' unpacks to more than"):
        dataset({"class": "OggZipDataset", "path": str(tmp_path / "bomb.zip")})


@pytest.mark.parametrize("content", ["[" * 5000, "(" * 100_000, "9" * 100_000, "{'a': [1,", "\x00"])
def test_a_hostile_text_is_an_error_and_no_crash(tmp_path, content):
    (tmp_path / "map").write_text(content)
    with pytest.raises(TrainingError):
        dataset(
            {"class": "LmDataset", "corpus_file": str(tmp_path / "map"), "orth_symbols_map_file": str(tmp_path / "map")}
        )
