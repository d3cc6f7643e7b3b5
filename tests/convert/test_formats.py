"""Every format: what is written is read, by us and by the libraries that the formats are of; their files are read."""

import zipfile

import pytest

from tenure import convert
from tenure.convert import FileError, formats
from tests.convert.compared import same
from tests.convert.samples import WRITTEN, weights


@pytest.mark.parametrize("format", WRITTEN)
def test_what_is_written_is_read(format, tmp_path):
    path = tmp_path / WRITTEN[format]
    given = weights(format)
    convert.write(path, given, format)
    found = convert.read(path)
    assert found.format == format
    assert len(found) == len(given)
    for i, name in enumerate([*given.tensors, *given.ties]):
        same(found[str(i) if format == "equinox" else name], given[name])
    with pytest.raises(FileError, match="exists already"):
        convert.write(path, given, format)
    convert.write(path, given, format, force=True)
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("format", ["safetensors", "torch", "ctranslate2", "tenure"])
def test_ties_are_kept_where_the_format_says_them(format, tmp_path):
    path = tmp_path / WRITTEN[format]
    convert.write(path, weights(), format)
    ties = convert.read(path).ties
    assert ties["head/w"] == "embed/w"
    assert ties.get("out/w") == ("embed/w | transpose" if format == "tenure" else None)


def test_an_unknown_file_and_an_unknown_format(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"nothing known")
    with pytest.raises(FileError, match="no format that is known"):
        convert.read(tmp_path / "x.bin")
    with pytest.raises(FileError, match="no format 'tourch'"):
        convert.read(tmp_path / "x.bin", "tourch")
    with pytest.raises(FileError, match="not there"):
        convert.read(tmp_path / "y.bin")


def test_a_network_that_was_exported_is_told_from_weights(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.exported", "w") as archive:
        for name in ("about.json", "program.bin", "weights.safetensors"):
            archive.writestr(name, b"{}")
    with pytest.raises(FileError, match="`tenure export` wrote(.|\n)*load_exported"):
        convert.read(tmp_path / "net.exported")


def test_every_format_has_a_module_that_reads():
    for found in formats.FORMATS.values():
        assert callable(found.module.read)
        assert hasattr(found.module, "write") == found.writes
