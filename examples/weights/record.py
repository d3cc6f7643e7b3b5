"""Records what independent implementations make of the same weights: `python -m examples.weights.record NAME …`.

It runs in an environment of its own (Tenure with `faster-whisper torch transformers gguf`, and with `keras tensorflow`); nothing else does. The
results are small files in `expected/`, which the tests compare with.

    whisper     faster-whisper: beam 1, temperature 0, float32, no voice detection
    smollm2     transformers' Llama on the weights dequantised by `gguf`, float32
    minilm      transformers' BERT and the mean that sentence-transformers takes
    g2p         the package's own `predict`, called on a bare object, as nltk's data cannot be had
    textgenrnn  Keras
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from examples.weights.fetch import fetch

EXPECTED = Path(__file__).with_name("expected")
QUESTIONS = [
    "What is gravity?", "Name three colours.", "Write a haiku about the sea.", "What is 12 times 12?", "Who was Ada Lovelace?",
    "Translate 'good morning' into French.", "Why is the sky blue?", "List the planets.", "What does HTTP mean?", "Tell me a joke.",
]  # fmt: skip
SENTENCES = [
    "The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.", "Parameters have exactly one owner.",
    "A", "Ein Satz auf Deutsch mit Umlauten: äöü.", "The quick brown fox jumps over the lazy dog, " * 8,
]  # fmt: skip
WORDS = ["activationist", "tenure", "jax", "haiku", "returnn", "borrower", "zyzzyva", "a", "don't", "xqz", "transcribe"]
TEXTS = ["What is the best ", "", "I am ", "The end of the world is near and we should all be more careful about"]


def whisper() -> None:
    """Transcripts of 50 prompts."""
    from faster_whisper import WhisperModel

    from examples.weights.prompts import prompts
    from examples.weights.whisper_audio import read

    model = WhisperModel(str(fetch("whisper")), device="cpu", compute_type="float32")
    found = {}
    for file in prompts(50):
        segments, _ = model.transcribe(read(file), beam_size=1, temperature=0, vad_filter=False)
        found[file.name] = "".join(segment.text for segment in segments).strip()
    (EXPECTED / "whisper.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def smollm2() -> None:
    """The prompts' tokens, some logits after each prompt, and 20 tokens that follow."""
    import torch
    from gguf import GGUFReader, dequantize
    from transformers import LlamaConfig, LlamaForCausalLM

    from examples.weights.smollm2_chat import TEMPLATE, tokenizer

    file = next(fetch("smollm2").glob("*.gguf"))
    weights = {t.name: torch.tensor(dequantize(t.data, t.tensor_type).copy()) for t in GGUFReader(file).tensors}
    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, rope_theta=1e5, rms_norm_eps=1e-5, tie_word_embeddings=True, max_position_embeddings=8192,
    )  # fmt: skip
    config.rope_parameters = {"rope_type": "default", "rope_theta": 1e5}
    model = LlamaForCausalLM(config).eval()
    parts = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
             "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}  # fmt: skip
    state = {
        "model.embed_tokens.weight": weights["token_embd.weight"],
        "model.norm.weight": weights["output_norm.weight"],
    }
    for name, value in weights.items():
        if name.startswith("blk."):
            _, layer, part, _ = name.split(".")
            if part in ("attn_q", "attn_k"):
                heads = 9 if part == "attn_q" else 3
                value = value.reshape(heads, 32, 2, 576).transpose(1, 2).reshape(-1, 576)
            state[f"model.layers.{layer}.{parts[part]}.weight"] = value
    print(model.load_state_dict(state, strict=False))
    model.tie_weights()
    rows: dict[str, list[Any]] = {"prompts": [], "following": [], "logits": []}
    for question in QUESTIONS:
        prompt = tokenizer().encode(TEMPLATE.format(question)).ids
        with torch.no_grad():
            logits = model(torch.tensor([prompt])).logits[0, -1]
            following = model.generate(
                torch.tensor([prompt]), do_sample=False, max_new_tokens=20, eos_token_id=2, pad_token_id=2
            )
        rows["prompts"].append(prompt)
        rows["following"].append(following[0, len(prompt) :].tolist())
        rows["logits"].append([float(v) for v in logits[::97]])
    (EXPECTED / "smollm2.json").write_text(json.dumps(rows) + "\n")


def minilm() -> None:
    """Unit vectors of some sentences."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = fetch("minilm")
    model = BertModel(BertConfig.from_json_file(str(folder / "config.json")), add_pooling_layer=False).eval()
    from safetensors.torch import load_file

    print(model.load_state_dict(load_file(str(folder / "model.safetensors")), strict=False))
    tokenizer = BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), tokenizer_file=str(folder / "tokenizer.json"))
    tokens = tokenizer(SENTENCES, padding=True, truncation=True, max_length=128, return_tensors="pt")
    with torch.no_grad():
        states = model(**tokens).last_hidden_state
    mask = tokens["attention_mask"][..., None]
    vectors = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
    np.savez(EXPECTED / "minilm.npz", vectors=vectors.numpy())
    (EXPECTED / "minilm.json").write_text(json.dumps(SENTENCES) + "\n")


def g2p() -> None:
    """Phonemes of some words, by the package's code with stand-ins for the modules that want nltk's data."""
    import importlib
    import types
    import zipfile

    from examples.weights.fetch import FOLDER

    (wheel,) = FOLDER.glob("g2p_en*.whl")
    with zipfile.ZipFile(wheel) as archive:
        source = archive.read("g2p_en/g2p.py").decode()
    start, stop = source.index("class G2p"), source.index("        self.cmu = ")
    body = source[start:stop] + source[source.index("    def sigmoid") : source.index("    def __call__")]
    module = types.ModuleType("g2p")
    vars(module)["np"] = np
    exec(compile(body, "g2p.py", "exec"), module.__dict__)
    made = vars(module)["G2p"]()
    made.__dict__.update(np.load(fetch("g2p") / "checkpoint20.npz"))
    importlib.invalidate_caches()
    found = {word: made.predict(word) for word in WORDS}
    (EXPECTED / "g2p.json").write_text(json.dumps(found, indent=1) + "\n")


def textgenrnn() -> None:
    """The probabilities of the next character after some texts."""
    import keras

    from examples.weights.textgenrnn import LENGTH

    folder = fetch("textgenrnn")
    vocabulary = json.loads((folder / "textgenrnn_vocab.json").read_text())
    numbers = [([vocabulary.get(c, 0) for c in ["<s>", *text]])[-LENGTH:] for text in TEXTS]
    inputs = np.array([[0] * (LENGTH - len(n)) + n for n in numbers])

    import h5py

    with h5py.File(folder / "textgenrnn_weights.hdf5") as file:
        get = {name: np.array(file[f"{name.split('/')[0]}/{name}:0"]) for name in _names(file)}
    x = keras.layers.Embedding(465, 100)
    lstms = [keras.layers.LSTM(128, return_sequences=True) for _ in range(2)]
    embedded = x(inputs)
    x.set_weights([get["embedding/embeddings"]])
    embedded = x(inputs)
    outputs = [embedded]
    for i, lstm in enumerate(lstms, 1):
        lstm.build(outputs[-1].shape)
        lstm.set_weights(_from_cudnn(*(get[f"rnn_{i}/{part}"] for part in ("kernel", "recurrent_kernel", "bias"))))
        outputs.append(lstm(outputs[-1]))
    seen = np.concatenate([np.asarray(o) for o in outputs], -1)
    scores = seen @ get["attention/attention_W"]
    weights = np.exp(scores - scores.max(1, keepdims=True))
    mean = (seen * weights / weights.sum(1, keepdims=True)).sum(1)
    logits = mean @ get["output/kernel"] + get["output/bias"]
    probabilities = np.exp(logits - logits.max(-1, keepdims=True))
    np.savez(EXPECTED / "textgenrnn.npz", probabilities=probabilities / probabilities.sum(-1, keepdims=True))
    (EXPECTED / "textgenrnn.json").write_text(json.dumps(TEXTS) + "\n")


def _names(file: Any) -> list[str]:
    found: list[str] = []
    file.visit(lambda name: found.append(name.partition("/")[2].removesuffix(":0")) if name.endswith(":0") else None)
    return found


def _from_cudnn(kernel: Any, recurrent: Any, bias: Any) -> list[Any]:
    """Keras's own rule for weights of a CuDNNLSTM (keras/src/legacy/saving/legacy_h5_format.py)."""
    gates = [np.ravel(k).reshape(k.shape[::-1]).T for k in np.hsplit(kernel, 4)]
    return [np.hstack(gates), np.hstack([k.T for k in np.hsplit(recurrent, 4)]), np.sum(np.split(bias, 2), axis=0)]


if __name__ == "__main__":
    EXPECTED.mkdir(exist_ok=True)
    for name in sys.argv[1:]:
        globals()[name]()
