"""Files of vocabularies."""

from tenure.training.vocab import vocabulary

PARTS = ["<unk>", "low", "lo@@", "l@@", "o@@", "w", "new@@", "ne@@", "n@@", "e@@", "w@@", "er", "r"]


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
    return str(path)


def bpe(folder, **options):
    labels = written(folder, "vocab", "\n".join(PARTS))
    return vocabulary({"vocab_file": labels, "unknown_label": "<unk>", **options})
