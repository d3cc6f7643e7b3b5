"""BLEU by counting."""

import collections
import math


def counted(a, b):
    """Modified n-gram precisions with `collections.Counter`."""
    logs, smooth = 0.0, 1.0
    for n in range(1, 5):
        grams = [collections.Counter(tuple(x[i : i + n]) for i in range(len(x) - n + 1)) for x in (a, b)]
        total, hits = sum(grams[0].values()), sum((grams[0] & grams[1]).values())
        if total:
            smooth = smooth if hits else smooth * 2
            logs += math.log((hits or 1 / smooth) / total)
    if not a:
        return 0.0
    return math.exp(logs / 4) * min(1.0, math.exp(1 - len(b) / len(a)))
