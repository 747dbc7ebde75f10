"""A result says which jaxcell made it, and a digest of code changes with its files."""

import shutil
import subprocess
import sys

import pytest

from jaxcell.storage import provenance


def git(folder, *arguments):
    settings = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_commit_is_that_of_the_checkout_and_marked_where_files_differ(tmp_path):
    assert provenance.commit(tmp_path) == provenance.UNKNOWN
    (tmp_path / "code.py").write_text("one")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    git(tmp_path, "tag", "-a", "v1", "-m", "a tag is no commit")
    clean = provenance.commit(tmp_path)
    assert len(clean) == 12 and int(clean, 16) >= 0
    (tmp_path / "code.py").write_text("two")
    assert provenance.commit(tmp_path) == f"{clean}+"


def test_a_package_inside_somebody_elses_repository_has_no_commit(tmp_path):
    git(tmp_path, "init")
    installed = tmp_path / "env" / "site-packages"
    installed.mkdir(parents=True)
    assert provenance.commit(installed) == provenance.UNKNOWN


def test_the_version_of_a_checkout_is_that_of_its_pyproject(tmp_path, monkeypatch):
    def not_installed(name):
        raise provenance.PackageNotFoundError(name)

    monkeypatch.setattr(provenance, "version", not_installed)
    assert provenance.own_version(tmp_path) == provenance.UNKNOWN
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "jaxcell"\nversion = "1.2.3"\n')
    assert provenance.own_version(tmp_path) == "1.2.3"


def test_versions_name_jaxcell_its_commit_and_the_device():
    found = provenance.versions()
    assert {"jaxcell", "commit", "jax", "device"} <= found.keys()
    assert all(isinstance(value, str) and value for value in found.values())


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Digests of a package of two files and of a module beside it, as they are now."""
    package = tmp_path / "here" / "toy_room"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""A room."""\n')
    (package / "first.py").write_text("ONE = 1\n")
    (tmp_path / "here" / "toy_alone.py").write_text("raise SystemExit('never imported')\n")

    def now(*modules: str, folder: str = "here") -> str:
        provenance.code_digest.cache_clear()
        monkeypatch.setattr(sys, "path", [str(tmp_path / folder), *sys.path])
        monkeypatch.delitem(sys.modules, "toy_room", raising=False)
        return provenance.code_digest(*modules)

    yield now
    provenance.code_digest.cache_clear()


def test_every_file_of_a_package_counts_wherever_it_lies(digest, tmp_path):
    package = tmp_path / "here" / "toy_room"
    before = digest("toy_room")
    assert len(before) == 12 and before == digest("toy_room")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    assert digest("toy_room", folder="there") == before
    (package / "first.py").write_text("ONE = 2\n")
    changed = digest("toy_room")
    (package / "first.py").rename(package / "second.py")
    assert len({before, changed, digest("toy_room")}) == 3
    assert digest("toy_room", "toy_alone") != digest("toy_alone")


def test_a_module_that_moved_away_is_an_error(digest):
    with pytest.raises(ValueError, match="no module toy_room_that_was"):
        digest("toy_room_that_was")
