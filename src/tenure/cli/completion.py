"""Scripts that make shells complete commands, options, and keys after `++`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

Commands = Mapping[str, tuple[str, Mapping[str, str]]]  # name → (help, {option: help})
SHELLS = ("bash", "zsh", "fish")


def completion(shell: str, parser: argparse.ArgumentParser) -> str:
    """The script for a shell. It needs nothing of Tenure when it runs.

    Args:
      shell: one of `SHELLS`.
      parser: of all commands with their arguments.
    """
    from tenure.training.config.keys import DONE, KEYS

    keys = [key.name for key in KEYS.values() if key.state == DONE]
    make: dict[str, Callable[[Commands, list[str]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    return make[shell](_commands(parser), keys)


def _commands(parser: argparse.ArgumentParser) -> Commands:
    table = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    helps = {choice.dest: choice.help or "" for choice in table._choices_actions}
    found: dict[str, tuple[str, Mapping[str, str]]] = {"": ("", _options(parser))}
    for name, sub in table.choices.items():
        found[name] = (helps[name], _options(sub))
    return found


def _options(parser: argparse.ArgumentParser) -> dict[str, str]:
    return {option: a.help or "" for a in parser._actions for option in a.option_strings if option.startswith("--")}


def _bash(commands: Commands, keys: list[str]) -> str:
    cases = "\n".join(f"      {name}) words={_quoted(' '.join(of))} ;;" for name, (_, of) in commands.items() if name)
    names = " ".join(name for name in commands if name)
    return f"""_tenure() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} command= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${{COMP_WORDS[i]}} != -* ]]; then command=${{COMP_WORDS[i]}}; break; fi
  done
  if [[ -z $command ]]; then
    words={_quoted(" ".join(commands[""][1]))}
    [[ $word == -* ]] || words={_quoted(names)}
    COMPREPLY=($(compgen -W "$words" -- "$word")); return
  fi
  if [[ $word == ++* ]]; then
    COMPREPLY=($(compgen -P ++ -W {_quoted(" ".join(keys))} -- "${{word#++}}")); return
  fi
  if [[ $word == -* ]]; then
    case $command in
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word")); return
  fi
  COMPREPLY=($(compgen -f -- "$word"))
}}
complete -o filenames -F _tenure tenure"""


def _zsh(commands: Commands, keys: list[str]) -> str:
    names = " ".join(_quoted(f"{name}:{help}") for name, (help, _) in commands.items() if name)
    cases = "\n".join(f"    {name}) words=({' '.join(of)}) ;;" for name, (_, of) in commands.items() if name)
    return f"""_tenure() {{
  local -a names words keys
  names=({names})
  keys=({" ".join(f"++{key}" for key in keys)})
  if (( CURRENT == 2 )); then
    if [[ $PREFIX == -* ]]; then compadd -- {" ".join(commands[""][1])}; else _describe command names; fi
    return
  fi
  case $words[2] in
{cases.replace("words=", "options=")}
  esac
  if [[ $PREFIX == ++* ]]; then compadd -- $keys
  elif [[ $PREFIX == -* ]]; then compadd -- $options
  else _files; fi
}}
compdef _tenure tenure""".replace("local -a names words keys", "local -a names options keys")


def _fish(commands: Commands, keys: list[str]) -> str:
    first = "not __fish_seen_subcommand_from " + " ".join(name for name in commands if name)
    lines = [f"complete -c tenure -n {_quoted(first)} -l {o[2:]} -d {_quoted(h)}" for o, h in commands[""][1].items()]
    for name, (help, options) in commands.items():
        if name:
            lines.append(f"complete -c tenure -f -n {_quoted(first)} -a {name} -d {_quoted(help)}")
            seen = _quoted(f"__fish_seen_subcommand_from {name}")
            lines += [f"complete -c tenure -n {seen} -l {o[2:]} -d {_quoted(h)}" for o, h in options.items()]
    plus = _quoted("string match -q -- '++*' (commandline -ct)")
    lines.append(f"complete -c tenure -n {plus} -a {_quoted(' '.join(f'++{key}' for key in keys))}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """A text as one word of a shell.

    >>> print(_quoted("it's"))
    'it'"'"'s'
    """
    return "'" + text.replace("'", "'\"'\"'") + "'"
