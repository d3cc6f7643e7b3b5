"""A sample of the damaged files; `python -m tests.stress.damaged_files --times 10000` reads them all."""

import random

import numpy as np
import pytest

from tenure import convert
from tenure.convert import FileError
from tests.stress import damaged_files, damages
from tests.stress.whole_files import place, whole_files


def test_a_sample_is_refused_or_loads_right():
    counts = damaged_files.run(200, seed=1, tell=False)
    assert not counts["wrong"]
    assert counts["refused"] > 100 and counts["loaded"] > 10


def test_the_command_notices_what_is_wrong(tmp_path, monkeypatch):
    """A reader that fails otherwise, gives other values, or runs something is found out."""
    monkeypatch.chdir(tmp_path)
    wholes = [w for w in whole_files(tmp_path / "whole") if w.name == "npz"]
    flipped = next(n for n in range(100) if damaged_files.case(n, 0, wholes)[1] == "flip")

    def reads(function):
        monkeypatch.setattr(damaged_files, "read", function)
        damaged_files.check(flipped, 0, wholes, tmp_path / "damaged")

    def raises(path, format):
        raise KeyError("w")

    with pytest.raises(KeyError):
        reads(raises)
    with pytest.raises(AssertionError, match="another array"):
        reads(lambda path, format: {name: value + 1 for name, value in wholes[0].values.items()})

    def silent(path, format):
        raise FileError("something is wrong somewhere")

    with pytest.raises(AssertionError, match="no file is named"):
        reads(silent)

    def executes(path, format):
        (tmp_path / damages.MARK).touch()
        return wholes[0].values

    with pytest.raises(AssertionError, match="executed"):
        reads(executes)


def test_flipped_values_load_as_the_bytes_say(tmp_path):
    (whole,) = [w for w in whole_files(tmp_path / "whole") if w.name == "safetensors"]
    data = bytearray(whole.files["w.safetensors"])
    at = bytes(data).find(whole.values["embed/w"].tobytes())
    data[at] ^= 1
    predicted = damaged_files._predicted(whole, {"w.safetensors": bytes(data)})
    assert (predicted["embed/w"] != whole.values["embed/w"]).sum() == 1
    found = convert.read(place(whole, {"w.safetensors": bytes(data)}, tmp_path / "damaged"))
    assert np.array_equal(found["embed/w"], predicted["embed/w"])
    assert damaged_files._predicted(whole, {"w.safetensors": bytes(data[:-1])}) is None


@pytest.mark.parametrize("kind", range(9))
def test_hostile_pickles_are_refused(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Draw(random.Random):
        def randrange(self, *arguments):
            return kind if arguments == (9,) else super().randrange(*arguments)

    for seed in range(6):
        (tmp_path / "evil.pkl").write_bytes(damages.hostile_pickle(Draw(seed)))
        with pytest.raises(FileError, match=r"evil\.pkl"):
            found = convert.read("evil.pkl", "haiku", allow_pickle=True)
            raise FileError(f"evil.pkl loaded as {sorted(found)}") if not found.tensors else AssertionError
        assert not (tmp_path / damages.MARK).exists()
