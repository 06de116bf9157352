"""The Dockerfile builds the three images that it promises. It is read here, not built: building takes an engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stages() -> dict[str, list[str]]:
    """Stage name → its instructions, continuation lines joined, comments dropped; the first is its FROM."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    instructions = [line.strip() for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]
    found: dict[str, list[str]] = {}
    name = ""
    for instruction in instructions:
        opened = re.fullmatch(r"FROM \S+ AS (\S+)", instruction)
        if opened:
            name = opened[1]
        found.setdefault(name, []).append(instruction)
    return found


def lineage(stages: dict[str, list[str]], name: str) -> list[str]:
    """The instructions that make this stage: its own after those of the stages that it is FROM."""
    parent = stages[name][0].split()[1]
    return (lineage(stages, parent) if parent in stages else []) + stages[name]


def environment_of(stages: dict[str, list[str]], image: str) -> str:
    """The stage whose environment the image copies."""
    copies = (re.match(r"COPY --from=(\S+) /opt/forewarn /opt/forewarn$", line) for line in lineage(stages, image))
    return next(copy[1] for copy in copies if copy)


def installed_extras(stages: dict[str, list[str]], image: str) -> set[str]:
    text = " ".join(lineage(stages, environment_of(stages, image)))
    return {extra for group in re.findall(r"pip install .*?\.\[([a-z,]+)\]", text) for extra in group.split(",")}


@pytest.mark.parametrize(
    ("image", "extras"), [("serve", {"cpu"}), ("serve-gpu", {"gpu"}), ("induce", {"cpu", "train"})]
)
def test_each_image_holds_its_extras_and_no_others(stages: dict[str, list[str]], image: str, extras: set[str]) -> None:
    assert installed_extras(stages, image) == extras


@pytest.mark.parametrize("image", ["serve", "serve-gpu"])
def test_the_build_of_a_serving_image_fails_if_torch_is_in_it(stages: dict[str, list[str]], image: str) -> None:
    environment = lineage(stages, environment_of(stages, image))
    assert environment[-1].startswith("RUN /opt/forewarn/bin/python -c")
    assert "sys.exit(find_spec('torch') is not None)" in environment[-1]


@pytest.mark.parametrize("image", ["serve", "serve-gpu", "induce"])
def test_no_image_runs_as_root(stages: dict[str, list[str]], image: str) -> None:
    users = [line for line in lineage(stages, image) if line.startswith("USER ")]
    assert users[-1:] == ["USER forewarn"]


@pytest.mark.parametrize("image", ["serve", "serve-gpu"])
def test_a_serving_image_says_whether_it_is_alive(stages: dict[str, list[str]], image: str) -> None:
    assert any(line.startswith("HEALTHCHECK") and "/livez" in line for line in lineage(stages, image))


def test_every_install_goes_through_the_constraints(stages: dict[str, list[str]]) -> None:
    installs = [line for name in stages for line in stages[name] if "pip install" in line]
    assert installs
    assert [line for line in installs if "constraints.txt" not in line] == []


def test_what_the_images_copy_passes_the_dockerignore(stages: dict[str, list[str]]) -> None:
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), flags=re.MULTILINE))
    copies = [line.split()[1:-1] for name in stages for line in stages[name] if re.match(r"COPY [^-]", line)]
    assert {source for copy in copies for source in copy} <= allowed
