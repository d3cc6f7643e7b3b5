"""Every format: what is written is read, by us and by the libraries that the formats are of; their files are read."""

import json
import pathlib
import pickle

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure import convert
from tenure.convert import FileError, Weights, formats, held
from tenure.core.errors import TenureError
from tests.convert.samples import WRITTEN, arrays, weights

FIXTURES = pathlib.Path(__file__).parent / "fixtures"


def same(found, expected):
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.array_equal(found, expected)


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


def expected():
    return dict(np.load(FIXTURES / "expected.npz"))


def test_torch_files_are_read_with_shared_and_transposed_tensors():
    found = convert.read(FIXTURES / "torch.pt")
    for name, value in expected().items():
        same(found[f"model.{name}"], value)
    assert found.ties == {"model.head.weight": "model.embed.weight"}
    same(found["model.transposed"], expected()["linear.weight"].T)
    assert found["model.brain"].astype("float32").tolist() == [1, 1, 1]
    assert found["model.empty"].shape == (0, 3) and found["model.parameter"].tolist() == [1, 1]


@pytest.mark.parametrize("file", ["torch_module.pt", "torch_script.pt"])
def test_whole_modules_of_torch_are_read_by_the_names_of_their_state_dicts(file):
    found = convert.read(FIXTURES / file)
    expected = dict(np.load(FIXTURES / "torch_module.npz"))
    assert set(expected) <= set(found)
    for name, value in expected.items():
        same(found[name], value)


def test_files_of_torch_before_1_6_are_refused_by_name():
    with pytest.raises(FileError, match=r"before 1\.6"):
        convert.read(FIXTURES / "torch_before_1_6.pt")


@pytest.mark.parametrize("file", ["onnx.onnx", "outside.onnx"])
def test_onnx_initialisers_are_read(file):
    found = convert.read(FIXTURES / file)
    for name, value in expected().items():
        same(found[name], value)
    assert found["listed"].tolist() == [[1, 2], [3, 4]]
    same(found["listed_half"], np.array([1, -2], "float16"))
    same(found["listed_int"], np.array([-1, 2**40]))


@pytest.mark.parametrize("file", ["keras2.h5", "keras3.weights.h5"])
def test_keras_files_are_read(file):
    found = convert.read(FIXTURES / file)
    values = [np.array(v) for v in np.load(FIXTURES / "keras_expected.npz").values()]
    assert len(found) == len(values)
    for value in values:
        assert any(f.shape == value.shape and np.array_equal(f, value) for f in found.values())


def test_ctranslate2_models_are_read_with_aliases():
    found = convert.read(FIXTURES / "ctranslate2_float32")
    same(found["head/weight"], expected()["linear.weight"])
    assert found.ties == {"head/weight": "embed/weight", "head/bias": "embed/bias"}
    assert found.about["spec"] == "TestSpec" and found.about["revision"] == 2


def test_ctranslate2_weights_of_8_bits_become_floats():
    found = convert.read(FIXTURES / "ctranslate2_int8")
    assert found.tensors["embed/weight"].stored == "int8"
    rows = np.abs(expected()["linear.weight"]).max(1, keepdims=True)
    assert (np.abs(found["embed/weight"] - expected()["linear.weight"]) <= rows / 127).all()


def test_safetensors_of_the_library(tmp_path):
    from safetensors.numpy import load_file, save_file

    save_file(arrays_plain := {n: v for n, v in arrays().items() if n != "brain/w"}, tmp_path / "theirs.safetensors")
    found = convert.read(tmp_path / "theirs.safetensors")
    for name, value in arrays_plain.items():
        same(found[name], value)
    convert.write(tmp_path / "ours.safetensors", weights())
    theirs = load_file(tmp_path / "ours.safetensors")
    for name, value in arrays_plain.items():
        same(theirs[name], value)


def test_several_safetensors_by_an_index(tmp_path):
    convert.write(tmp_path / "a.safetensors", Weights("", "", {"x": held(np.ones(2))}))
    convert.write(tmp_path / "b.safetensors", Weights("", "", {"y": held(np.zeros(3))}))
    index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert convert.read(tmp_path)["y"].tolist() == [0, 0, 0]
    index["weight_map"]["y"] = "../b.safetensors"
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(FileError, match="weight_map"):
        convert.read(tmp_path)


def test_flax_both_ways(tmp_path):
    from flax import serialization

    tree = {"params": {"dense": {"kernel": jnp.ones((2, 3)), "bias": np.zeros(3, "float16")}}, "step": 3}
    (tmp_path / "theirs.msgpack").write_bytes(serialization.to_bytes(tree))
    found = convert.read(tmp_path / "theirs.msgpack")
    same(found["params/dense/kernel"], np.ones((2, 3), "float32"))
    assert found.about["step"] == 3
    convert.write(tmp_path / "ours.msgpack", weights())
    back = serialization.msgpack_restore((tmp_path / "ours.msgpack").read_bytes())
    for name, value in arrays().items():
        leaf = back
        for part in name.split("/"):
            leaf = leaf[part]
        same(np.asarray(leaf), value)


def test_flax_arrays_in_pieces(monkeypatch, tmp_path):
    from flax import serialization

    from tenure.convert import flax

    monkeypatch.setattr(flax, "_CHUNK", 16)
    convert.write(tmp_path / "ours.msgpack", weights())
    same(convert.read(tmp_path / "ours.msgpack")["embed/w"], arrays()["embed/w"])
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 16)
    (tmp_path / "theirs.msgpack").write_bytes(serialization.msgpack_serialize({"w": arrays()["embed/w"]}))
    same(convert.read(tmp_path / "theirs.msgpack")["w"], arrays()["embed/w"])


def test_equinox_both_ways(tmp_path):
    import equinox as eqx

    model = eqx.nn.MLP(2, 3, 4, 1, key=jax.random.key(0))
    eqx.tree_serialise_leaves(tmp_path / "theirs.eqx", model)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_array))]
    found = convert.read(tmp_path / "theirs.eqx")
    assert len(found) == len(leaves)
    for i, leaf in enumerate(leaves):
        same(found[str(i)], leaf)
    convert.write(tmp_path / "ours.eqx", found)
    other = eqx.tree_deserialise_leaves(tmp_path / "ours.eqx", eqx.nn.MLP(2, 3, 4, 1, key=jax.random.key(1)))
    assert eqx.tree_equal(other, model)
    with open(tmp_path / "line.eqx", "wb") as file:
        file.write(json.dumps({"width": 4}).encode() + b"\n")
        eqx.tree_serialise_leaves(file, model)
    assert convert.read(tmp_path / "line.eqx").about == {"width": 4}


def test_gguf_of_the_package(tmp_path):
    import gguf

    writer = gguf.GGUFWriter(tmp_path / "theirs.gguf", "llama")
    writer.add_uint32("llama.block_count", 2)
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    table = np.random.RandomState(0).randn(4, 64).astype("float32")
    writer.add_tensor("token_embd.weight", table)
    for kind in (gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0):
        writer.add_tensor(kind.name, gguf.quants.quantize(table, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = convert.read(tmp_path / "theirs.gguf")
    same(found["token_embd.weight"], table)
    assert found.ties == {"output.weight": "token_embd.weight"}
    assert found.about["llama.block_count"] == 2 and found.about["tokenizer.ggml.tokens"] == ["a", "b"]
    for kind in (gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0):
        same(found[kind.name], gguf.quants.dequantize(gguf.quants.quantize(table, kind), kind))
    convert.write(tmp_path / "ours.gguf", found)
    tensors = gguf.GGUFReader(tmp_path / "ours.gguf").tensors
    assert sorted(t.name for t in tensors) == ["Q4_0", "Q8_0", "token_embd.weight"]
    assert convert.read(tmp_path / "ours.gguf").about["tokenizer.ggml.tokens"] == ["a", "b"]


def test_gguf_types_are_those_of_the_package():
    import gguf

    from tenure.convert.gguf_blocks import TYPES

    draw = np.random.RandomState(0)
    checked = 0
    for code, (name, kind) in TYPES.items():
        blocks = draw.randint(0, 256, (64, kind.bytes)).astype("uint8")
        with np.errstate(all="ignore"):
            found = kind.floats(blocks)
            try:
                wanted = gguf.quants.dequantize(blocks.reshape(-1), gguf.GGMLQuantizationType(code)).reshape(64, -1)
            except NotImplementedError:  # Q8_1 and Q8_K, which no file of weights has
                continue
        assert found.dtype == np.float32 and found.shape == (64, kind.values), name
        assert np.array_equal(found, wanted, equal_nan=True), name
        checked += 1
    assert checked >= 15


def test_haiku_pickles_only_when_asked_for(tmp_path):
    import haiku as hk

    params = {"mlp/~/linear_0": {"w": jnp.ones((2, 3)), "b": np.zeros(3, "float16")}, "n": {"x": np.float32(2)}}
    for protocol in range(2, 6):
        for tree in (params, hk.data_structures.to_haiku_dict(params)):
            path = tmp_path / "params.pkl"
            path.write_bytes(pickle.dumps(tree, protocol))
            with pytest.raises(FileError, match="allow-pickle"):
                convert.read(path)
            found = convert.read(path, allow_pickle=True)
            same(found["mlp/~/linear_0/w"], np.ones((2, 3), "float32"))
            same(found["mlp/~/linear_0/b"], np.zeros(3, "float16"))
            assert found["n/x"] == 2


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


def test_keras_reads_our_layout(tmp_path):
    convert.write(tmp_path / "w.h5", Weights("", "", {"dense/dense/kernel:0": held(np.ones((2, 3), "float32"))}))
    with h5py.File(tmp_path / "w.h5") as file:
        assert list(map(str, file["dense"].attrs["weight_names"])) == ["dense/kernel:0"]
        assert file["dense/dense/kernel:0"].shape == (2, 3)


def test_orbax_of_the_library(tmp_path):
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "theirs2", {"a": {"w": jnp.ones((2, 3))}, "list": [jnp.zeros(2)]})
    found = convert.read(tmp_path / "theirs2")
    same(found["a/w"], np.ones((2, 3), "float32"))
    same(found["list/0"], np.zeros(2, "float32"))


def test_archives_that_unpack_to_too_much_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", w=np.zeros(100_000_000, "int8"))
    with pytest.raises(FileError, match="would unpack to"):
        convert.read(tmp_path / "bomb.npz")
    assert convert.read(tmp_path / "bomb.npz", max_bytes=200_000_000)["w"].size == 100_000_000


def test_an_unknown_file_and_an_unknown_format(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"nothing known")
    with pytest.raises(FileError, match="no format that is known"):
        convert.read(tmp_path / "x.bin")
    with pytest.raises(FileError, match="no format 'tourch'"):
        convert.read(tmp_path / "x.bin", "tourch")
    with pytest.raises(FileError, match="not there"):
        convert.read(tmp_path / "y.bin")


def test_a_name_that_is_not_there_is_told_with_the_nearest(tmp_path):
    convert.write(tmp_path / "w.npz", weights())
    with pytest.raises(FileError, match=r"no tensor 'embd/w'(?s:.*)embed/w"):
        convert.read(tmp_path / "w.npz")["embd/w"]


def test_every_format_has_a_module_that_reads():
    for found in formats.FORMATS.values():
        assert callable(found.module.read)
        assert hasattr(found.module, "write") == found.writes


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


def test_what_a_format_cannot_hold_is_refused_by_name(tmp_path):
    half = np.asarray(jnp.ones((2, 2), "bfloat16"))
    for file, array in {"w.h5": half, "w.gguf": np.array([True]), "model.bin": np.arange(2)}.items():
        with pytest.raises(FileError, match=f"{file}' can not be written: its format can not hold 'a/w', an array of"):
            convert.write(tmp_path / file, Weights("", "", {"a/w": held(array)}))
    with pytest.raises(FileError, match="w.pkl' can not be written: the format 'haiku' is only read"):
        convert.write(tmp_path / "w.pkl", Weights("", "", {"a": held(half)}))
    assert not list(tmp_path.iterdir())


def test_keras_files_with_values_of_no_number_are_refused(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["a/w"] = np.zeros(3, np.dtype("V2"))
    with pytest.raises(FileError, match=r"w\.h5' is damaged at the data set 'a/w': its values are"):
        convert.read(tmp_path / "w.h5")


def test_arrays_of_no_numbers_in_an_npz_are_no_damage(tmp_path):
    odd = {"text": np.array(["a"]), "fields": np.zeros(2, [("a", "f4")]), "dates": np.array(["2020"], "M8[s]")}
    for name, array in odd.items():
        np.savez(tmp_path / "w.npz", ok=np.ones(2), odd=array)
        with pytest.raises(
            convert.UnsupportedFileError, match=r"w\.npz:odd\.npy' has an array .* which is not read"
        ) as caught:
            convert.read(tmp_path / "w.npz")
        assert name in str(caught.value) and "damaged" not in str(caught.value)


def test_arguments_of_another_kind_are_told(tmp_path):
    for path in (None, b"w.npz", "a\0b", ""):
        with pytest.raises(FileError, match="is no path"):
            convert.read(path)
        with pytest.raises(FileError, match="is no path"):
            convert.write(path, weights())
    with pytest.raises(convert.MapError, match="what is written are Weights, not 3"):
        convert.write(tmp_path / "w.npz", 3)
    for array in (np.array([{}]), np.array(["text"])):
        with pytest.raises(FileError, match="its format can not hold 'a'"):
            convert.write(tmp_path / "w.npz", Weights("", "", {"a": held(array)}))
    with pytest.raises(TenureError, match="a plan is needed"):
        convert.into(weights(), 3)


def test_keras_layers_and_weights_come_in_kerass_order(tmp_path):
    """Keras 2 loads by position, and HDF5 lists names by the alphabet."""
    names = ["z/z/bias:0", "z/z/kernel:0", "a/a/moving_mean:0", "a/a/beta:0", "a/a/gamma:0"]
    convert.write(tmp_path / "w.h5", Weights("", "", {n: held(np.full(2, i, "float32")) for i, n in enumerate(names)}))
    made = ["z/z/kernel:0", "z/z/bias:0", "a/a/gamma:0", "a/a/beta:0", "a/a/moving_mean:0"]
    found = convert.read(tmp_path / "w.h5")
    assert list(found) == made and all(found[n][0] == names.index(n) for n in names)
    assert list(convert.read(FIXTURES / "keras2.h5"))[0] == "embed/embed/embeddings"
    places = {f"layers/dense/vars/{i}": held(np.ones(2)) for i in range(2)}
    convert.write(tmp_path / "w.weights.h5", Weights("", "", places))
    with h5py.File(tmp_path / "w.weights.h5") as file:
        assert "layer_names" not in file.attrs
