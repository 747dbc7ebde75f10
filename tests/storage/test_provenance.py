"""A result says which jaxcell made it."""

import subprocess

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
