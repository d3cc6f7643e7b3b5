"""GGUF, against the package of llama.cpp."""

import numpy as np

from tenure import convert
from tests.convert.compared import same


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
