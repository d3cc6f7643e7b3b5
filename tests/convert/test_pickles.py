"""Pickles are read as data: nothing in them is executed."""

import pickle

import numpy as np
import pytest

from tenure import convert
from tenure.convert import FileError


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("touch executed",)


@pytest.mark.parametrize("file", ["params.pkl", "evil.pt", "evil.npz"])
def test_nothing_is_executed(file, tmp_path, monkeypatch):
    from tenure.convert import archive

    monkeypatch.chdir(tmp_path)
    raw = pickle.dumps({"w": Evil()})
    with open(file, "wb") as out:
        if file.endswith(".pt"):
            archive.write(out, {"evil/data.pkl": raw})
        elif file.endswith(".npz"):
            np.savez(out, w=np.array([Evil()], dtype=object))
        else:
            out.write(raw)
    (tmp_path / "executed").unlink(missing_ok=True)
    with pytest.raises(FileError, match="'[^']*evil|'params.pkl"):
        dict(convert.read(file, allow_pickle=True))
    assert not (tmp_path / "executed").exists()
