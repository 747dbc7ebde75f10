"""Configs by name or file, settings changed by name, and what each setting means."""

import ast
import difflib
import importlib
import importlib.util
import io
import tokenize
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

HERE = Path(__file__).parent
# What a value of each type is called where another was given.
WORDS = {bool: "True or False", int: "a whole number", float: "a number", tuple: "a tuple"}


class Setting(NamedTuple):
    """A setting: its dotted name, its value, and what the config's comment says of it."""

    name: str
    value: Any
    meaning: str


def names() -> list[str]:
    """The configs that come with the package."""
    return sorted(
        path.stem for path in HERE.glob("*.py") if path.stem not in ("__init__", "settings")
    )


def load_config(name: str) -> ConfigDict:
    """A config by its name, such as `default`, or by its file.

    Args:
      name: of one in this folder, or path of a Python file with `get_config`; after a colon what
        `get_config` is given, as in `latent_sweep:study`.

    Raises:
      ValueError: there is no such config.
    """
    source, _, argument = name.partition(":")
    path = Path(source)
    if source in names():
        module = importlib.import_module(f"jaxcell.configs.{source}")
    elif path.suffix == ".py" and path.is_file():
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        raise ValueError(f"there is no config {source!r}{nearest(source, names())}")
    if not hasattr(module, "get_config"):
        raise ValueError(f"{source} is no config: it has no function get_config")
    return module.get_config(argument) if argument else module.get_config()


def changed(config: ConfigDict, changes: Mapping[str, str]) -> ConfigDict:
    """A config with some settings changed.

    Args:
      config: stays as it is.
      changes: dotted name -> value as text, read as the type of the value that is there.

    Raises:
      ValueError: there is no such setting, or the value is of another type.
    """
    config = ConfigDict(config.to_dict())
    known = _flat(config.to_dict())
    for name, text in changes.items():
        if name not in known:
            raise ValueError(f"there is no setting {name}{nearest(name, known)}")
        section, _, field = name.rpartition(".")
        parent = config
        for part in section.split(".") if section else ():
            parent = parent[part]
        parent[field] = _parsed(name, text, known[name])
    return config


def described(config: ConfigDict) -> list[Setting]:
    """Every setting of a config with its meaning, in the order in which the config has them."""
    meanings: dict[str, str] = {}
    for path in sorted(HERE.glob("*.py"), key=lambda path: path.stem != "default"):
        for name, meaning in _comments(path.read_text(encoding="utf-8")).items():
            meanings.setdefault(name, meaning)
    return [
        Setting(name, value, meanings.get(name.rpartition(".")[2], ""))
        for name, value in _flat(config.to_dict()).items()
    ]


def nearest(word: str, known: Iterable[str]) -> str:
    """What to say after an unknown word: `; did you mean ...?`, or all that is known."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if not close:  # a field without its section
        close = [name for name in known if name.rpartition(".")[2] == word.rpartition(".")[2]][:1]
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there are {', '.join(known)}" if len(known) < 20 else ""


def _flat(settings: Mapping, prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            result |= _flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result


def _parsed(name: str, text: str, old: Any) -> Any:
    if isinstance(old, str) or old is None:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(old, tuple | list) and not isinstance(value, str):
        value = tuple(value) if isinstance(value, tuple | list) else (value,)
    wanted = tuple if isinstance(old, list) else type(old)
    if type(value) is not wanted:
        raise ValueError(f"{name} is {text!r}: give {WORDS.get(wanted, wanted.__name__)}")
    return value


def _comments(source: str) -> dict[str, str]:
    """Field -> the comment behind it or, without one, the comment lines above it."""
    found: dict[str, str] = {}
    above: list[str] = []
    field = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        first = not token.line[: token.start[1]].strip()
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip("# ")
            if first:
                above.append(text)
            elif field:
                found[field] = text
        elif token.type == tokenize.STRING and first and '":' in token.line:
            field = ast.literal_eval(token.string)
            if above:
                found.setdefault(field, " ".join(above))
            above = []
        elif token.type == tokenize.NAME and token.line.strip().startswith("config."):
            field = token.line.split("=")[0].strip().rpartition(".")[2] if "=" in token.line else ""
    return found
