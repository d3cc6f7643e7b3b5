"""Applying rules: the tensors of a file under new names, seen through views, with the ties that file and rules state."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tenure.convert import names
from tenure.convert.errors import MapError, name_of
from tenure.convert.rules import Rule, Rules
from tenure.convert.weights import Tensor, Weights
from tenure.core.errors import Party, nearest
from tenure.core.notation import views
from tenure.core.notation.view import Misfit, View


class _Made:
    """One new tensor: the texts of its parts, several for a stack, and which rule made it."""

    def __init__(self, rule: Rule):
        self.rule, self.parts, self.stacked = rule, dict[int, str](), False


def apply(weights: Weights, rules: Rules | Mapping[str, Any] | None) -> Weights:
    """The tensors of a file under new names.

    A name that the file ties to another one becomes a tie of the new names where the view between them can be said; values
    are given where it cannot.

    Args:
      weights: the file.
      rules: see `tenure.convert.rules`; None keeps all names.

    Raises:
      MapError: a rule is for nothing, a name is without a rule, two rules make one name, or a view does not fit.

    >>> from tenure.convert.weights import held
    >>> theirs = Weights("theirs.pt", "torch", {"wte": held(np.ones((5, 2)))}, ties={"lm_head": "wte"})
    >>> ours = apply(theirs, {"wte": "embed/embeddings", "lm_head | transpose": "head/w"})
    >>> ours.shape("head/w"), ours.ties
    ((2, 5), {'head/w': 'embed/embeddings | transpose'})
    """
    rules = Rules.of(rules)
    made = _made(weights, rules)
    texts = {target: _text(part) for target, part in made.items() if not part.stacked}
    ties = _file_ties(weights, texts)
    tensors = {t: _tensor(weights, t, part) for t, part in made.items() if t not in ties}
    for name, text in rules.ties.items():
        if name in tensors:
            _check_equal(tensors, name, text, rules)
            del tensors[name]
        ties[name] = text
        kept, _ = names.parse(text)
        if kept not in tensors and kept not in ties:
            raise MapError(
                f"{rules.path}: [ties] says '{name}' = '{text}', and there is no '{kept}'", near=nearest(kept, tensors)
            )
    _check_ends(rules, ties)
    found = Weights(weights.path, weights.format, tensors, ties, weights.about)
    for name in rules.ties:
        _shape_of(found, name)
    return found


def _check_ends(rules: Rules, ties: Mapping[str, str]) -> None:
    """No tie of the rules leads back to itself."""
    for name in rules.ties:
        seen = [name]
        while seen[-1] in ties:
            seen.append(names.parse(ties[seen[-1]])[0])
            if seen[-1] in seen[:-1]:
                raise MapError(
                    f"{rules.path}: the tie of '{name}' leads back to itself: {' → '.join(seen)}",
                    ways=["tie a name to one that the file has"],
                )


def _shape_of(found: Weights, name: str) -> None:
    try:
        found.shape(name)
    except Misfit as error:
        raise MapError(f"the tie of '{name}' does not fit: {error}", ways=["check the views in [ties]"]) from None


def _text(made: _Made) -> str:
    return next(iter(made.parts.values()))


def _made(weights: Weights, rules: Rules) -> dict[str, _Made]:
    """What is made, by its new name."""
    made: dict[str, _Made] = {}
    used: set[str] = set()
    known = list(weights)
    for rule in rules.rules:
        hits = list(rule.matches(known))
        if not hits:
            raise MapError(
                f"{rules.path}: the rule for '{rule.source}' is for nothing in '{name_of(weights.path)}'",
                near=nearest(rule.source.partition("|")[0].strip(), known),
                ways=[f"tenure inspect {name_of(weights.path)}", "leave the rule out"],
            )
        for text, target, order in hits:
            used.update(_mentioned(text))
            _put(made, rule, text, target, order, rules)
    idle = [glob for glob in rules.drop if not fnmatch.filter(known, glob)]
    if idle:
        raise MapError(
            f"{rules.path}: 'drop' has '{idle[0]}', which is nothing in '{name_of(weights.path)}'",
            ways=["leave it out"],
        )
    left = [n for n in known if n not in used and not any(fnmatch.fnmatchcase(n, glob) for glob in rules.drop)]
    if rules.rest == "keep":
        for name in left:
            _put(made, Rule(name, name), name, name, -1, rules)
    elif rules.rest == "error" and (left := [n for n in left if n not in weights.ties]):
        raise MapError(
            f"{rules.path}: no rule is for {len(left)} of the {len(known)} tensors in '{name_of(weights.path)}'",
            parties=[Party("left", n, f"{weights.shape(n)}") for n in left[:8]],
            ways=["write rules for them", 'drop = ["…"] in [options]', 'rest = "drop" or "keep" in [options]'],
        )
    return made


def _put(made: dict[str, _Made], rule: Rule, text: str, target: str, order: int, rules: Rules) -> None:
    entry = made.setdefault(target, _Made(rule))
    stacked = "{*}" in rule.source.partition("|")[0]
    if entry.rule is not rule or (entry.parts and not stacked) or order in entry.parts:
        raise MapError(
            f"{rules.path}: '{target}' is made twice",
            parties=[Party("first", entry.rule.source), Party("second", rule.source)],
            ways=["give each rule a new name of its own"],
        )
    entry.stacked = stacked
    entry.parts[order] = text


def _mentioned(text: str) -> Iterable[str]:
    """All names in a text, those of concatenated tensors too."""
    name, steps = names.parse(text)
    yield name
    for step in steps:
        if isinstance(step, views.Concat):
            for other in step.arguments["others"]:
                yield from _mentioned(other)


def _tensor(weights: Weights, target: str, made: _Made) -> Tensor:
    """A new tensor that is read when it is asked for; what can be checked by shape is checked now."""
    texts = [made.parts[order] for order in sorted(made.parts)]
    parsed = [names.parse(text) for text in texts]
    for name, steps in parsed:
        for mentioned in _mentioned(" | ".join([name, *map(str, steps)])):
            if mentioned not in weights:
                raise MapError(
                    f"the rule for '{target}' needs '{mentioned}', which is not in '{name_of(weights.path)}'",
                    near=nearest(mentioned, weights),
                )
    forms = [_form(weights, target, name, steps) for name, steps in parsed]
    if any(form != forms[0] for form in forms):
        raise MapError(
            f"'{target}' cannot be stacked: its parts are {forms[0]} and {next(f for f in forms if f != forms[0])}"
        )
    if sorted(made.parts) != list(range(len(texts))) and made.stacked:
        raise MapError(f"'{target}' cannot be stacked: the parts {sorted(made.parts)} leave gaps")
    shape, dtype = forms[0]

    def load() -> np.ndarray:
        values = [names.seen(weights, name, steps, target) for name, steps in parsed]
        return np.stack(values) if made.stacked else values[0]

    stored = weights.tensors[weights.owner(parsed[0][0])].stored
    return Tensor((len(texts), *shape) if made.stacked else shape, dtype, load, stored)


def _form(weights: Weights, target: str, name: str, steps: tuple[View, ...]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of a tensor seen through views."""
    shape, dtype = weights.shape(name), weights.tensors[weights.owner(name)].dtype
    for step in steps:
        try:
            others = [_form(weights, target, *names.parse(text)) for text in step.references()]
            shape, dtype = step.out(shape, dtype, *others)
        except Misfit as error:
            raise MapError(
                f"the view '{step}' does not fit: {error}",
                parties=[Party("file", name, f"{weights.shape(name)}"), Party("for", target)],
                ways=[f"tenure inspect {name_of(weights.path)} shows the shapes"],
            ) from None
    return tuple(shape), np.dtype(dtype)


def _file_ties(weights: Weights, texts: Mapping[str, str]) -> dict[str, str]:
    """New names whose sources the file ties: new name → other new name, with views.

    Where `b` is `a` in the file, `A = views_a(a)` and `B = views_b(b)`, `B` is `A` through the inverses of `views_a`, then `views_b`.
    """
    makers: dict[str, tuple[str, tuple[View, ...]]] = {}
    for target, text in texts.items():
        name, steps = names.parse(text)
        if name in weights.tensors and name not in makers:
            makers[name] = (target, steps)
    ties = {}
    for target, text in texts.items():
        name, steps = names.parse(text)
        if name not in weights.ties or any(isinstance(s, views.Concat) for s in steps):
            continue
        owner = weights.owner(name)
        if owner in makers:
            kept, forth = makers[owner]
            back = _backwards(weights, owner, forth)
            if back is not None:
                between = weights.views(name)
                ties[target] = " | ".join([kept, *map(str, _short((*back, *between, *steps)))])
    return ties


def _backwards(weights: Weights, name: str, steps: tuple[View, ...]) -> tuple[View, ...] | None:
    """From a tensor seen through views back to the tensor; None where a view has no inverse."""
    shape, dtype = weights.shape(name), weights.tensors[name].dtype
    back: list[View] = []
    for step in steps:
        inverse = None if isinstance(step, views.Concat) else step.inverse(shape, dtype)
        if inverse is None:
            return None
        back.insert(0, inverse)
        shape, dtype = step.out(shape, dtype)
    return tuple(back)


def _short(steps: tuple[View, ...]) -> list[View]:
    """Without transposes that follow each other."""
    out: list[View] = []
    for step in steps:
        if isinstance(step, views.Transpose) and out and isinstance(out[-1], views.Transpose):
            out.pop()
        else:
            out.append(step)
    return out


def _check_equal(tensors: Mapping[str, Tensor], name: str, text: str, rules: Rules) -> None:
    """A tie may be written down for a tensor that the file has twice, if both are equal."""
    kept, steps = names.parse(text)
    if kept not in tensors:
        return
    mine, theirs = tensors[name].load(), names.seen({kept: tensors[kept].load()}, kept, steps, name)
    if mine.shape != theirs.shape or not np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f"):
        far = "another shape" if mine.shape != theirs.shape else f"max|Δ| {np.abs(mine - theirs).max():.3g}"
        raise MapError(
            f"{rules.path}: [ties] says '{name}' = '{text}', and the file has two different values ({far})",
            parties=[Party("user", name, str(mine.shape)), Party("owner", kept, str(tensors[kept].shape))],
            ways=[f"leave the rule for '{name}' out, to keep the owner's value", "leave the tie out, to keep both"],
        )


__all__ = ["apply"]
