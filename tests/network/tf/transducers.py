"""The transducer's loss written in TensorFlow's functions alone, as configs do: over diagonals, which grow, in TensorArrays."""

import numpy as np


def transducer(tf, log_probs, labels, frames, lengths, blank=0):
    """The log probability [B] of labels [B, U], from log_probs [B, T, U + 1, V].

    `alphas` holds one element for each diagonal of frames and labels: [B, 1], [B, 2], …, as long as there are labels.
    """
    batch, time, rows = (tf.shape(log_probs)[axis] for axis in range(3))
    padded = tf.pad(labels, [[0, 0], [0, 1]])
    taken = tf.reduce_sum(log_probs * tf.one_hot(padded, tf.shape(log_probs)[3])[:, None], axis=-1)
    arcs = tf.stack([log_probs[..., blank], taken], axis=-1)  # [B, T, U + 1, 2]

    def shifted(pair):
        row, shift = pair  # [B, T, 2], to lie on diagonals
        return tf.pad(row, [[0, 0], [shift, rows - shift], [0, 0]]), shift

    skewed, _ = tf.map_fn(shifted, (tf.transpose(arcs, [2, 0, 1, 3]), tf.range(rows)))  # [U + 1, B, T + U + 1, 2]
    of_diagonal = tf.TensorArray("float32", size=time + rows, clear_after_read=False)
    of_diagonal = of_diagonal.unstack(tf.transpose(skewed, [2, 1, 0, 3]))
    alphas = tf.TensorArray(
        "float32", size=time + rows, clear_after_read=False, infer_shape=False, element_shape=(None, None)
    )
    alphas = alphas.write(0, tf.zeros([batch, 1]))
    never = tf.fill([batch, 1], -np.inf)

    def diagonal(d, alphas):
        arc, before = of_diagonal.read(d - 1)[:, :d], alphas.read(d - 1)
        stay = tf.concat([before + arc[..., 0], never], axis=1)
        move = tf.concat([never, before + arc[..., 1]], axis=1)
        return d + 1, alphas.write(d, tf.reduce_logsumexp(tf.stack([stay, move]), axis=0)[:, :rows])

    _, alphas = tf.while_loop(lambda d, _: tf.less(d, time + rows), diagonal, (tf.constant(1), alphas))

    def last(i, found):
        before = alphas.read(frames[i] - 1 + lengths[i])[i]
        return i + 1, found.write(i, before[lengths[i]] + log_probs[i, frames[i] - 1, lengths[i], blank])

    found = tf.TensorArray("float32", size=batch, infer_shape=False, element_shape=())
    return tf.while_loop(lambda i, _: i < batch, last, (tf.constant(0), found))[1].stack()


def example(batch=3, time=6, rows=5, labels=4):
    """Logits by a formula, and labels with frames and lengths that differ."""
    sizes = (batch, time, rows, labels)
    logits = np.sin(np.arange(np.prod(sizes), dtype="float32") * 1.7).reshape(sizes)
    found = (np.arange(batch * (rows - 1)) % (labels - 1) + 1).reshape(batch, rows - 1).astype("int32")
    frames, lengths = time - np.arange(batch, dtype="int32"), rows - 1 - np.arange(batch, dtype="int32")[::-1]
    return logits, found, frames.astype("int32"), lengths.astype("int32")
