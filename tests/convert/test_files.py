"""Files that are there whole or not at all."""

import os
import pathlib

import pytest

from tenure.convert.errors import FileError
from tenure.convert.files import check_path, replaced


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "w"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), replaced(path) as file:
        file.write(b"half")
        raise KeyError
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["w"]
    with replaced(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["w"]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileError, match="'.*w' cannot be written"), replaced(tmp_path / "none" / "w"):
        pass


@pytest.mark.parametrize("path", [None, 3, "", "a\0b", b"a"])
def test_what_is_no_path(path):
    with pytest.raises(FileError, match="is no path"):
        check_path(path)
    check_path(pathlib.Path("a"))
