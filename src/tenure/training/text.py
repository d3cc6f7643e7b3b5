"""Texts before they become labels: cleaning, and the symbols of an orthography."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from tenure.core.errors import brief, nearest
from tenure.training.errors import DataSetError

Clean = Callable[[str], str]
_ABBREVIATIONS = {
    "mrs": "misses", "ms": "miss", "mr": "mister", "dr": "doctor", "st": "saint", "co": "company", "jr": "junior", "maj": "major",
    "gen": "general", "drs": "doctors", "rev": "reverend", "lt": "lieutenant", "hon": "honorable", "sgt": "sergeant",
    "capt": "captain", "esq": "esquire", "ltd": "limited", "col": "colonel", "ft": "fort",
}  # fmt: skip


def collapse_whitespace(text: str) -> str:
    """One space for all white space in a row, and none at the ends."""
    return re.sub(r"\s+", " ", text).strip()


def lowercase(text: str) -> str:
    """Small letters."""
    return text.lower()


def lowercase_keep_special(text: str) -> str:
    """Small letters, but for what is in square brackets or angle brackets in capitals."""
    return re.sub(r"(\[[^\]\s]*\]|<[^>\s]*>)|([^\[<]+|.)", lambda m: m.group(1) or m.group(2).lower(), text)


def expand_abbreviations(text: str) -> str:
    """English titles in full."""
    for short, full in _ABBREVIATIONS.items():
        text = re.sub(rf"\b{short}\.", full, text, flags=re.IGNORECASE)
    return text


def get_remove_chars(chars: str) -> Clean:
    """A function that makes white space of some characters, and one space of that."""
    table = str.maketrans(dict.fromkeys(chars, " "))
    return lambda text: collapse_whitespace(text.translate(table))


def get_replace(old: str, new: str) -> Clean:
    """A function that replaces a text by another."""
    return lambda text: text.replace(old, new)


def convert_to_ascii(text: str) -> str:
    """Letters without their accents; what has no counterpart is left out."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def basic_cleaners(text: str) -> str:
    """Small letters and single spaces."""
    return collapse_whitespace(lowercase(text))


CLEANERS: dict[str, Clean] = {
    f.__name__: f
    for f in (
        lowercase,
        lowercase_keep_special,
        collapse_whitespace,
        expand_abbreviations,
        convert_to_ascii,
        basic_cleaners,
    )
}
_MADE: dict[str, Callable[..., Clean]] = {"get_remove_chars": get_remove_chars, "get_replace": get_replace}
_CALL = re.compile(r"(\w+)\((.*)\)$", re.DOTALL)


def cleaner(option: Any) -> Clean:
    """The function that `orth_post_process` means: a name, several between commas, a list of them, or a function.

    Raises:
      DataSetError: a name is not known.

    >>> cleaner("lowercase, collapse_whitespace")("A  B")
    'a b'
    """
    if option is None:
        return lambda text: text
    if callable(option):
        return option
    parts = [cleaner(part) for part in option] if isinstance(option, list | tuple) else _named(option)

    def clean(text: str) -> str:
        for part in parts:
            text = part(text)
        return text

    return clean


def _named(option: Any) -> list[Clean]:
    if not isinstance(option, str):
        raise DataSetError(f"orth_post_process is {brief(option)}", ways=[", ".join(CLEANERS), "a function"])
    names = re.findall(r"\w+(?:\([^()]*\))?", option)
    found = []
    for name in names:
        call = _CALL.match(name)
        if call and call[1] in _MADE:
            arguments = ast.literal_eval(f"({call[2]},)")
            found.append(_MADE[call[1]](*arguments))
        elif name in CLEANERS:
            found.append(CLEANERS[name])
        else:
            raise DataSetError(
                f"orth_post_process {name!r} is not known", near=nearest(name, CLEANERS), ways=["a function"]
            )
    return found


def parse_orthography(
    orthography: str,
    *,
    prefix: Sequence[str] = (),
    postfix: Sequence[str] = ("[END]",),
    remove_chars: str = "(){}",
    collapse_spaces: bool = True,
    final_strip: bool = True,
    word_based: bool = False,
    square_brackets_for_specials: bool = True,
) -> list[str]:
    """The symbols of an orthography: characters or words, and special symbols in square brackets.

    >>> parse_orthography("a [noise]"), parse_orthography("a b", word_based=True, postfix=[])
    (['a', ' ', '[NOISE]', '[END]'], ['a', 'b'])
    """
    text = "".join(char for char in orthography if char not in remove_chars)
    if collapse_spaces:
        text = " ".join(text.split())
    if final_strip:
        text = text.strip()
    found = symbols_of(text, word_based, square_brackets_for_specials)
    return [*prefix, *found, *postfix]


def symbols_of(text: str, word_based: bool, specials: bool = True) -> list[str]:
    """Characters, or words, and what is in square brackets, which may be nested. With words, each white space starts a new one, so
    that two in a row make an empty word, and what follows a bracket without space belongs to it."""
    found: list[str] = []
    depth = 0
    for char in text:
        if depth:
            depth += (char == "[") - (char == "]")
            found[-1] += char.upper()
        elif specials and char == "[":
            depth = 1
            if found and not found[-1]:
                found[-1] = char
            else:
                found.append(char)
        elif not word_based:
            found.append(char)
        elif char.isspace():
            found.append("")
        else:
            found = found or [""]
            found[-1] += char
    return found
