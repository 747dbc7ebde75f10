"""What the documentation names is there: settings, modules, files; and the README stays short."""

import functools
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from jaxcell import cli
from jaxcell.cli.flags import changes_of
from jaxcell.configs import settings

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


@functools.cache
def _settings() -> set[str]:
    """Every setting and section of every config, by its dotted name."""
    found = set()
    for config in settings.names():
        for row in settings.described(config):
            parts = row.name.split(".")
            found |= {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return found


def _module(name: str) -> Path:
    return (ROOT / "jaxcell").joinpath(*name.split(".")).with_suffix(".py")


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_setting_and_config_that_a_page_names_exists(page):
    text = page.read_text()
    named = set(re.findall(r"--config\.([a-z0-9_.]+)=", text))
    named |= set(re.findall(r"`((?:plates|dataset|training|evaluation|machine)\.[a-z_.]+)`", text))
    # Modules of the package stand in backticks too.
    named = {name for name in named if not _module(name).exists()}
    # Of kinds of cells there are any.
    of_kinds = {name for name in named if name.startswith("kinds.")}
    assert {name.rpartition(".")[2] for name in of_kinds} <= set(settings.OF_A_KIND)
    named -= of_kinds
    assert not named - _settings()
    assert not set(re.findall(r"--config[ =]([a-z_]+)\b", text)) - set(settings.names())


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_module_and_file_that_a_page_names_exists(page):
    text = page.read_text()
    modules = set(re.findall(r"python -m ((?:jaxcell|benchmarks)[a-z_.]*[a-z_])\b", text))
    assert all(importlib.util.find_spec(name) for name in modules)
    paths = re.findall(r"`((?:jaxcell|benchmarks|tests|docs|scripts)/[\w/.-]*)`", text)
    paths += re.findall(r"bash (scripts/\w+)", text)
    assert not [path for path in paths if "NAME" not in path and not (ROOT / path).exists()]


def _commands(text: str) -> list[list[str]]:
    """The words of each command of jaxcell that a page shows to be typed."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [each[1:] for each in words if each[:1] == ["jaxcell"]]


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_command_that_a_page_shows_is_one(page):
    for words in _commands(page.read_text()):
        options, unknown = cli._parser().parse_known_args(words)
        changes = changes_of(options, unknown)
        if hasattr(options, "config"):
            settings.changed(settings.load_config(options.config), changes)


def test_every_link_and_picture_of_the_readme_exists():
    text = README.read_text()
    targets = re.findall(r'(?:\]\(|src=")(?!http)([^)"#]+)', text)
    assert len(targets) > 10
    assert not [target for target in targets if not (ROOT / target).exists()]


def test_the_readme_is_short():
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    assert len(text.split()) <= 1200
