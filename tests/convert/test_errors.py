"""What is wrong with a foreign file: which file, where, and the way out."""

import os

from tenure.convert import errors


def test_names_are_relative_to_the_working_directory_where_they_are_below_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert errors.name_of(tmp_path / "a" / "w.npz") == os.path.join("a", "w.npz") == errors.name_of("a/w.npz")
    assert errors.name_of("/elsewhere/w.npz") == "/elsewhere/w.npz"


def test_messages_say_where_and_what_to_do():
    error = errors.damaged("w.pt", "byte 12", "it ends")
    assert error.rule == "'w.pt' is damaged at byte 12: it ends" and "fetch or write the file again" in error.ways[0]
    unknown = errors.unknown_tensor("w.pt", "embd", ["head", "embed"])
    assert unknown.near[0] == "embed" and unknown.ways == ("tenure inspect w.pt",)
    assert "a rule" in errors.unwritable("w.gguf", "a", "bool").ways[0]
    assert isinstance(error, errors.FileError) and not isinstance(unknown, errors.DamagedFileError)
