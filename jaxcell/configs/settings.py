"""Configs by name or file, settings changed by name, and what each setting means."""

import ast
import difflib
import importlib
import importlib.util
import io
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

HERE = Path(__file__).parent
# Files beside the configs that are none.
NO_CONFIGS = ("kinds", "settings")
# What a config of a measurement may say of a kind of cells, `kinds.NAME.FIELD`; these values say
# nothing.
OF_A_KIND = {
    "singular": "",
    "plural": "",
    "adjective": "",
    "colour": "",
    "mask_method": "",
    "radius_um": 0.0,
    "sensitivity": 0.0,
    "minimum_area_um2": 0.0,
}
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
        path.stem for path in HERE.glob("*.py") if path.stem not in ("__init__", *NO_CONFIGS)
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
    config = module.get_config(argument) if argument else module.get_config()
    if not isinstance(config, ConfigDict):
        raise ValueError(f"{source} is no config: its get_config returns no ConfigDict")
    return config


def changed(config: ConfigDict, changes: Mapping[str, str]) -> ConfigDict:
    """A config with some settings changed.

    Args:
      config: stays as it is.
      changes: dotted name -> value as text, read as the type of the value that is there.

    Raises:
      ValueError: there is no such setting, or the value is of another type.
    """
    config = ConfigDict(config.to_dict())
    known = flat(config.to_dict())
    for name, text in changes.items():
        named = {"measurement.kinds", "plates.views.t_cell"} & known.keys()
        if name.startswith("kinds.") and named:
            _say_of_a_kind(config, name, text)
            continue
        if name not in known:
            raise ValueError(f"there is no setting {name}{nearest(name, known)}")
        section, _, field = name.rpartition(".")
        parent = config
        for part in section.split(".") if section else ():
            parent = parent[part]
        parent[field] = _parsed(name, text, known[name])
    return config


def _say_of_a_kind(config: ConfigDict, setting: str, text: str) -> None:
    """Sets `kinds.NAME.FIELD`, of which no config need have any."""
    name, _, field = setting.removeprefix("kinds.").rpartition(".")
    if not name or field not in OF_A_KIND:
        raise ValueError(
            f"there is no setting {setting}: of a kind of cells there are "
            f"{', '.join(f'kinds.NAME.{field}' for field in OF_A_KIND)}"
        )
    if "kinds" not in config:
        config.kinds = ConfigDict()
    if name not in config.kinds:
        config.kinds[name] = ConfigDict()
    config.kinds[name][field] = _parsed(setting, text, OF_A_KIND[field])


def described(name: str) -> list[Setting]:
    """Every setting of a config with its meaning, by name.

    A meaning is what the config's own comments say or, where they say nothing, those of `default`
    or of another config.

    Args:
      name: of the config, as for `load_config`.
    """
    settings = flat(load_config(name).to_dict())
    source = name.partition(":")[0]
    own = HERE / f"{source}.py" if source in names() else Path(source)
    meanings: dict[str, str] = {}
    for path in (own, HERE / "default.py", *sorted(HERE.glob("*.py"))):
        meanings = _comments(path.read_text(encoding="utf-8")) | meanings
    return [
        Setting(setting, value, meanings.get(setting, "")) for setting, value in settings.items()
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


def flat(settings: Mapping, prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name, such as `dataset.window`."""
    result: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            result |= flat(value, f"{prefix}{key}.")
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
    """Dotted name -> the comment lines above it and the comment behind it."""
    above: dict[int, str] = {}
    behind: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            kept = above if token.line.lstrip().startswith("#") else behind
            kept[token.start[0]] = token.string.lstrip("# ")
    tree, found = ast.parse(source), {}
    parts = {
        ast.unparse(node.targets[0]): node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            name, value = ast.unparse(node.targets[0]), node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".update"):
            name, value = ast.unparse(node.func.value), node
        else:
            continue
        if name.startswith("config."):
            for setting, line in _lines(name.removeprefix("config."), value, node.lineno, parts):
                first = line
                while first - 1 in above:
                    first -= 1
                said = [" ".join(above[place] for place in range(first, line)), behind.get(line)]
                if any(said):
                    found[setting] = "; ".join(filter(None, said))
    return found


def _lines(
    name: str, value: ast.expr, line: int, parts: Mapping[str, ast.expr]
) -> Iterator[tuple[str, int]]:
    """A setting or section and all below it, by dotted name, with the line that each stands in.

    `parts` are what a source gives names to: a dict that several sections share.
    """
    yield name, line
    if isinstance(value, ast.Call) and value.args:  # ConfigDict({...}), .update({...})
        value = value.args[0]
    if isinstance(value, ast.Name):
        value = parts.get(value.id, value)
    if isinstance(value, ast.Dict):
        for key, below in zip(value.keys, value.values):
            inner = f"{name}.{key.value}" if isinstance(key, ast.Constant) else name  # {**recipe}
            yield from _lines(inner, below, below.lineno, parts)
