"""Files that are whole or not there."""

import os

import pytest

from tenure.training.errors import TrainingError
from tenure.training.files import write_bytes, write_text


def test_a_file_is_replaced_as_a_whole_and_its_folder_made(tmp_path):
    path = tmp_path / "new" / "file"
    write_text(path, "ä")
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second" and os.listdir(path.parent) == ["file"]


def test_what_cannot_be_written_is_told_and_leaves_nothing(tmp_path):
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "inside").touch()
    with pytest.raises(TrainingError, match="file' cannot be written"):
        write_bytes(tmp_path / "file", b"x")
    assert os.listdir(tmp_path) == ["file"]
