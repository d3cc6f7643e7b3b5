"""Archives: what their directory claims is checked before anything is unpacked."""

import numpy as np
import pytest

from tenure import convert
from tenure.convert import FileError


def test_archives_that_unpack_to_too_much_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", w=np.zeros(100_000_000, "int8"))
    with pytest.raises(FileError, match="would unpack to"):
        convert.read(tmp_path / "bomb.npz")
    assert convert.read(tmp_path / "bomb.npz", max_bytes=200_000_000)["w"].size == 100_000_000


def test_an_archive_whose_directory_is_empty_is_damaged(tmp_path):
    np.savez(tmp_path / "w.npz", w=np.ones(3))
    data = bytearray((tmp_path / "w.npz").read_bytes())
    for at in (8, 10, 12, 16):
        changed = bytearray(data)
        changed[len(data) - 22 + at] = 0
        (tmp_path / "w.npz").write_bytes(changed)
        try:
            found = dict(convert.read(tmp_path / "w.npz"))
        except FileError:
            continue
        assert at == 8 and list(found) == ["w"]  # how many are on this disk, which nobody asks
    np.savez(tmp_path / "none.npz")
    assert len(convert.read(tmp_path / "none.npz")) == 0
