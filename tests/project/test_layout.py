"""The project is what its texts say it is: the tree, the tasks, the licence, the pins."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from forewarn.failures import EXTRA_OF

ROOT = Path(__file__).parents[2]
PACKAGES = ("forewarn", "monitors", "induction", "service")
LISTED = {".git", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", "demo-out"}


def project_files() -> list[Path]:
    """Every file of the source tree, generated folders left out, by path."""
    return sorted(path for path in ROOT.rglob("*") if path.is_file() and not LISTED.intersection(path.parts))


def tree_entries(page: str) -> list[str]:
    """The paths that the file trees of a page name. A tree is a `text` block; depth is the indentation."""
    entries: list[str] = []
    for block in re.findall(r"```text\n(.*?)```", page, flags=re.DOTALL):
        parents: list[tuple[int, str]] = []
        for line in block.splitlines():
            plain = re.sub("[│├└─]", " ", line)
            if not plain.strip():
                continue
            depth = len(plain) - len(plain.lstrip())
            while parents and parents[-1][0] >= depth:
                parents.pop()
            parents.append((depth, plain.split()[0].rstrip("/")))
            entries.append("/".join(name for _, name in parents))
    return entries


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        table: dict[str, Any] = tomllib.load(file)["project"]
    return table


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    stated = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in stated if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9A-Za-z.]*", line)] == []
    return dict(line.split("==") for line in stated)


def imported_names(package: str) -> set[str]:
    """The top-level packages of others that this package imports anywhere, lazily or for typing included."""
    names: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - set(PACKAGES)


def required_names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;! ]", requirement)[0].lower() for requirement in requirements}


def test_every_name_in_the_tree_of_files_exists() -> None:
    entries = tree_entries((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(entries) > 5
    assert [entry for entry in entries if not (ROOT / entry).exists()] == []


def test_every_package_is_in_the_tree_of_files() -> None:
    assert set(PACKAGES) <= set(tree_entries((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))


def test_every_package_says_what_may_live_there() -> None:
    silent = [
        name for name in PACKAGES if not (ROOT / name / "__init__.py").read_text(encoding="utf-8").startswith('"""')
    ]
    assert silent == []


def test_every_package_is_typed() -> None:
    assert [name for name in PACKAGES if not (ROOT / name / "py.typed").exists()] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}
    sources = [path for path in project_files() if path.suffix == ".py"]
    assert [str(path.relative_to(ROOT)) for path in sources if vague & {path.stem, path.parent.name}] == []


def test_no_text_names_a_folder_of_somebodys_machine() -> None:
    personal = re.compile(rb"(?<![\w.])/(?:root|home/\w+|Users/\w+|work)/")
    texts = [path for path in project_files() if path != Path(__file__)]
    assert [str(path.relative_to(ROOT)) for path in texts if personal.search(path.read_bytes())] == []


def test_make_help_lists_every_task() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    tasks = set(re.findall(r"^([a-z-]+):(?!=)", makefile, flags=re.MULTILINE))
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert tasks
    assert set(re.findall(r"^make ([a-z-]+) +\S", shown, flags=re.MULTILINE)) == tasks


def test_every_task_is_phony() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == set(re.findall(r"^([a-z-]+):(?!=)", makefile, flags=re.MULTILINE))


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text


def test_every_requirement_is_pinned(project: dict[str, Any], pins: dict[str, str]) -> None:
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    assert required_names(project["dependencies"] + extras) - set(pins) == set()


@pytest.mark.parametrize(
    ("package", "extras"), [("monitors", ["cpu"]), ("service", ["cpu"]), ("induction", ["cpu", "train"])]
)
def test_every_import_is_a_stated_requirement(package: str, extras: list[str], project: dict[str, Any]) -> None:
    stated = project["dependencies"] + [line for name in extras for line in project["optional-dependencies"][name]]
    owners = packages_distributions()
    allowed = required_names(stated)
    undeclared = {
        name
        for name in imported_names(package)
        if not allowed & {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners.get(name, [name])}
    }
    assert undeclared == set()


def test_every_package_of_an_extra_is_known_by_the_extra_that_brings_it(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    brought = required_names(extras["cpu"] + extras["train"])
    assert set(EXTRA_OF) == {name.replace("scikit-learn", "sklearn") for name in brought}


def test_torch_is_the_version_to_test_with(pins: dict[str, str]) -> None:
    assert pins["torch"] == "2.13.0"


def test_the_base_install_holds_no_torch_and_no_runtime(project: dict[str, Any]) -> None:
    assert (
        required_names(project["dependencies"]) & {"torch", "scikit-learn", "onnxruntime", "onnxruntime-gpu"} == set()
    )


def test_no_extra_brings_both_runtimes(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    owners = {name: required_names(extra) & {"onnxruntime", "onnxruntime-gpu"} for name, extra in extras.items()}
    assert {name: owned for name, owned in owners.items() if owned} == {
        "cpu": {"onnxruntime"},
        "gpu": {"onnxruntime-gpu"},
    }


def test_every_decision_names_the_check_that_enforces_it() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert records
    for record in records:
        last = re.split(r"^## ", record.read_text(encoding="utf-8"), flags=re.MULTILINE)[-1]
        assert last.startswith("Enforced by\n"), f"{record.name}: the last heading is not 'Enforced by'"
        named = [name for name in re.findall(r"`([^`\s]+)`", last) if "/" in name]
        assert named, f"{record.name}: names no file that enforces it"
        assert [name for name in named if not (ROOT / name.partition("::")[0]).exists()] == [], record.name


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\(([0-9]{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(record.name for record in folder.glob("[0-9]*.md"))
