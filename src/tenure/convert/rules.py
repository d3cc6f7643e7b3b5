"""Rules from the names of one file to those of another: `theirs | view` → ours.

```toml
[rules]
"decoder.embed.weight" = "embed/embeddings"
"decoder.layers.{i}.fc.weight | transpose" = "layer_{i}/linear/w"       # one rule for all layers
"decoder.norm.{p=weight:scale,bias:offset}" = "norm/{p}"                 # these two only, under new names
"decoder.layers.{*}.norm.weight" = "stack/norm/scale"                    # all layers, stacked on a new first axis
"qkv.weight | split(3, 0) | transpose" = "query/w"

[regex]
'h_(\\d)_(w|b)' = 'layer_\\1/\\2'

[ties]
"output/w" = "embed/embeddings | transpose"

[options]
drop = ["*.num_batches_tracked"]
rest = "keep"
```
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenure.convert.errors import MapError, name_of
from tenure.convert.names import parse
from tenure.core.errors import TenureError, brief, nearest
from tenure.core.notation import views

_PLACE = re.compile(r"\{(\*|[A-Za-z_]\w*)(?:=([^{}|]*))?\}")
_TABLES = {"rules", "regex", "ties", "options"}
_RESTS = ("error", "keep", "drop")
ALL = "all"  # how the placeholder `{*}` is called within a regular expression


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
      source: a name, perhaps with placeholders, perhaps with views.
      target: the new name, with the same placeholders, or a regular expression's groups.
      regex: whether the source's name is a regular expression.
    """

    source: str
    target: str
    regex: bool = False

    def matches(self, names: Sequence[str]) -> Iterator[tuple[str, str, int]]:
        """(source with its views, target, order in a stack or -1) for each name that the rule is for.

        >>> list(Rule("h.{i}.w | transpose", "layer_{i}/w").matches(["h.0.w", "h.1.b"]))
        [('h.0.w | transpose', 'layer_0/w', -1)]
        """
        name, bar, rest = (self.source, "", "") if self.regex else self.source.partition("|")
        pattern = re.compile(self.source if self.regex else _expression(name.strip()), re.S)
        choices = {} if self.regex else _choices(name)
        for found in names:
            match = pattern.fullmatch(found)
            if not match:
                continue
            if self.regex:
                yield found, match.expand(self.target), -1
                continue
            places = match.groupdict()
            order = int(places.pop(ALL, None) or -1)
            renamed = {key: choices.get(key, {}).get(text, text) for key, text in places.items()}
            yield found + (f" | {_filled(rest, places).strip()}" if bar else ""), _filled(self.target, renamed), order

    def reversed(self) -> Rule:
        """The rule that leads back.

        Raises:
          MapError: a view has no inverse that needs no shape, or the rule stacks or is a regular expression.
        """
        name, steps = parse(self.source)
        choices = {k: ",".join(f"{b}:{a}" for a, b in pairs.items()) for k, pairs in _choices(name).items()}
        plain = _PLACE.sub(lambda m: f"{{{m[1]}}}", name)
        target = _PLACE.sub(lambda m: f"{{{m[1]}={choices.pop(m[1])}}}" if m[1] in choices else m[0], self.target)
        back = [_inverse(step) for step in reversed(steps)]
        if self.regex or "{*}" in self.source or not all(back):
            raise MapError(f"the rule {self.source!r} has no reverse", ways=["write the rules for the other direction"])
        return Rule(" | ".join([target, *map(str, back)]), plain)


def _expression(name: str) -> str:
    """A name with placeholders as a regular expression; a placeholder is for one part between dots and slashes."""
    out, at, seen = "", 0, set()
    for place in _PLACE.finditer(name):
        key = place[1]
        out += re.escape(name[at : place.start()])
        if key == "*":
            out += rf"(?P<{ALL}>\d+)" if key not in seen else rf"(?P={ALL})"
        else:
            one = "|".join(map(re.escape, _pairs(place[2]))) if place[2] else "[^./]+"
            out += rf"(?P<{key}>{one})" if key not in seen else rf"(?P={key})"
        seen.add(key)
        at = place.end()
    return out + re.escape(name[at:])


def _pairs(text: str) -> dict[str, str]:
    """`weight:w,bias:b` as a dict.

    >>> _pairs("weight:w,bias")
    {'weight': 'w', 'bias': 'bias'}
    """
    parts = [part.strip().partition(":") for part in text.split(",")]
    return {old: new if colon else old for old, colon, new in parts}


def _choices(name: str) -> dict[str, dict[str, str]]:
    """The placeholders of a name that stand for some texts only: what each text becomes."""
    return {place[1]: _pairs(place[2]) for place in _PLACE.finditer(name) if place[2]}


def _filled(text: str, places: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda m: places.get(m[1], m[0]), text)


def _inverse(step: Any) -> Any:
    """The inverse of a view that is the same for all shapes, or None."""
    if isinstance(step, (views.Transpose, views.Permute, views.Scale, views.StopGradient)):
        return step.inverse((), "float32")
    return None


@dataclass(frozen=True)
class Rules:
    """All rules of a conversion.

    Attributes:
      rules: applied to every name each; a name may be the source of several.
      ties: new names that are other new names, seen through views: `{"output/w": "embed/w | transpose"}`.
      drop: globs of names that no rule needs to be for.
      rest: what becomes of names that no rule is for: "error", "keep" or "drop".
      path: the file that the rules are from, for messages.
    """

    rules: tuple[Rule, ...] = ()
    ties: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    rest: str = "error"
    path: str = "the rules"

    @staticmethod
    def of(data: Mapping[str, Any] | Rules | None, path: str = "the rules") -> Rules:
        """Rules from the tables of a TOML file; a plain table of texts is its `[rules]`; None keeps all names.

        Args:
          data: the tables.
          path: of the file, for errors.

        Raises:
          MapError: a table or an option that there is not, or of another form.
          ViewSyntaxError, UnknownViewError: a rule's views.

        >>> Rules.of({"w | transpose": "linear/w"}).rules
        (Rule(source='w | transpose', target='linear/w', regex=False),)
        """
        if isinstance(data, Rules):
            return data
        if data is None:
            return Rules(rest="keep")
        if not isinstance(data, Mapping) or not all(isinstance(key, str) for key in data):
            raise MapError(
                f"{path}: rules are a dict of texts, not {brief(data)}", ways=['{"theirs | transpose": "ours/w"}']
            )
        if data and all(isinstance(value, str) for value in data.values()):
            data = {"rules": data}
        options = data.get("options", {})
        _check(data, options, path)
        made = [Rule(k, v) for k, v in data.get("rules", {}).items()]
        made += [Rule(k, v, True) for k, v in data.get("regex", {}).items()]
        for rule in made:
            _check_rule(rule, path)
        ties = dict(data.get("ties", {}))
        for name, text in ties.items():
            _read(text, f"{path}: the tie of '{name}'")
        return Rules(tuple(made), ties, tuple(options.get("drop", ())), options.get("rest", "error"), path)

    @staticmethod
    def read(path: str | Path) -> Rules:
        """Rules from a TOML file.

        Raises:
          MapError: it is not there, or not TOML, or as in `of`.
        """
        try:
            data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise MapError(f"'{name_of(path)}' cannot be read: {error.strerror}", ways=["check the path"]) from None
        except (ValueError, RecursionError) as error:
            raise MapError(
                f"'{name_of(path)}' is not TOML: {error}", ways=['write  "theirs | transpose" = "ours/w"']
            ) from None
        return Rules.of(data, name_of(path))

    def reversed(self) -> Rules:
        """The rules that lead back; ties, which are what files state, are left out.

        Raises:
          MapError: a rule has no reverse.
        """
        return Rules(tuple(rule.reversed() for rule in self.rules), {}, (), self.rest, self.path)


def _check(data: Mapping[str, Any], options: Any, path: str) -> None:
    for table in data:
        if table not in _TABLES:
            raise MapError(
                f"{path} has a table [{str(table)[:60]}]",
                near=nearest(str(table), _TABLES),
                ways=["tables: " + ", ".join(sorted(_TABLES))],
            )
    for table in ("rules", "regex", "ties"):
        entries = data.get(table, {})
        if not isinstance(entries, Mapping) or not all(isinstance(v, str) for v in entries.values()):
            raise MapError(f"{path}: [{table}] is a table of texts", ways=['"theirs | transpose" = "ours/w"'])
    if not isinstance(options, Mapping) or set(options) - {"drop", "rest"}:
        raise MapError(f"{path}: [options] has 'drop' and 'rest' only, not {brief(options)}", ways=['rest = "keep"'])
    drop = options.get("drop", [])
    if not isinstance(drop, (list, tuple)) or not all(isinstance(glob, str) for glob in drop):
        raise MapError(f"{path}: 'drop' is a list of globs, not {brief(drop)}", ways=['drop = ["*.bias"]'])
    if options.get("rest", "error") not in _RESTS:
        raise MapError(f"{path}: 'rest' is one of {', '.join(_RESTS)}, not {brief(options['rest'])}")


def _read(text: str, place: str) -> None:
    """Whether a name with views can be read; an error names the file and the rule."""
    try:
        parse(text)
    except TenureError as error:
        raise type(error)(f"{place}: {error.rule}", parties=error.parties, near=error.near, ways=error.ways) from None


def _check_rule(rule: Rule, path: str) -> None:
    """Whether the rule can be read at all, before any name is compared with it."""
    try:
        if rule.regex:
            re.compile(rule.source)
            return
        _read(rule.source, f"{path}: the rule {brief(rule.source)}")
        sources = {place[1] for place in _PLACE.finditer(rule.source.partition("|")[0])} - {"*"}
        re.compile(_expression(rule.source.partition("|")[0].strip()))
    except re.error as error:
        raise MapError(
            f"{path}: {brief(rule.source)} is no pattern: {error}", ways=["'h.{i}.w', or [regex] 'h_(\\d+)'"]
        ) from None
    further = {place[1] for place in _PLACE.finditer(rule.target)} - sources
    if further:
        raise MapError(
            f"{path}: the rule for {brief(rule.source)} has '{{{sorted(further)[0]}}}' in its new name only",
            ways=["use the placeholder in both names"],
        )


__all__ = ["Rule", "Rules"]
