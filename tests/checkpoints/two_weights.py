"""Two parameters, tied in several ways, and files of them."""

import jax.numpy as jnp

import tenure as tn
from tenure.checkpoints.source import Held, Side
from tenure.core.trees import flat

X = jnp.ones(2)
# view → the shapes of embed/w and head/w, and the way back
VIEWS = {
    "same": ((4, 3), (4, 3), "", ""),
    "transpose": ((4, 3), (3, 4), " | transpose", " | transpose"),
    "slice": ((4, 3), (2, 3), " | slice(1, 3)", None),
}
FILES = ["tied", "equal", "different", "owner", "user"]  # the last two: only the key of embed/w, only that of head/w
MODELS = ["tied", "untied", "reversed"]
CELLS = [(v, f, m) for v in VIEWS for f in FILES for m in MODELS if not (v == "slice" and m == "reversed")]


class Weight(tn.Module):
    """One parameter, w."""

    def __call__(self, shape):
        return tn.get_parameter("w", shape, init=jnp.zeros).sum()


def two(view):
    """A function with two parameters of the shapes that a view needs."""
    embed, head = VIEWS[view][:2]

    def function(x):
        return Weight("embed")(embed) + Weight("head")(head) + x

    return function


def plan_of(view, model, **options):
    """The plan with the ties of a model."""
    forth, back = VIEWS[view][2:]
    ties = {"tied": {"head/w": f"embed/w{forth}"}, "untied": {}, "reversed": {"embed/w": f"head/w{back}"}}[model]
    return tn.transform(two(view), ties=ties, **options).plan(X)


def seen(view, embed):
    """What head/w is, tied to embed/w."""
    return {"same": embed, "transpose": embed.T, "slice": embed[1:3]}[view]


EMBED = jnp.arange(12.0).reshape(4, 3) / 8


def saved(view, file, path):
    """Writes a file; returns the values of both slots as it says them, None for what it does not know."""
    embed, head = EMBED, seen(view, EMBED)
    if file == "different":
        head = head + jnp.zeros_like(head).at[0, 1].set(0.25)
    params = {"embed": {"w": embed}, "head": {"w": head}}
    if file == "tied":
        tn.save(path, plan_of(view, "tied"), {"embed": {"w": embed}})
    else:
        only = {"owner": "embed/w", "user": "head/w"}.get(file)
        tn.save(path, plan_of(view, "untied"), params, only=only)
    return None if file == "user" else embed, None if file == "owner" else head


def values(plan, params):
    """The values of both slots in a model."""
    held = {p: Held(p, v) for p, v in flat(params, "params").items()}
    both = Side({r.path: r for r in plan.ledger.rows}, held)
    return both.value("embed/w"), both.value("head/w")


def staged(*stages):
    """The two parameters, tied through a transpose, the owner with stages."""
    ties = {"head/w": "embed/w | transpose"}
    return tn.transform(two("transpose"), ties=ties, stages={"embed/w": list(stages)} if stages else None)
