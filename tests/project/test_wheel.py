"""The wheel holds all that the service reads beside its code, and the web page works from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.service.live import running

ROOT = Path(__file__).parents[2]
PACKAGES = ("forewarn", "monitors", "induction", "service")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as the project's own build makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    [found] = folder.glob("*.whl")
    return found


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    held = set(ZipFile(wheel).namelist())
    files = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".nbi", ".nbc", ".pyc"}
    }
    assert {"service/pages/templates/runs.html", "service/pages/static/runs.js"} <= files
    assert files - held == set()


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_the_page_works_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    ZipFile(wheel).extractall(installed)
    # Found nowhere but there: it shows that the checkout is not what runs.
    (installed / "service/pages/static/only-here.css").write_text("p { color: teal }")
    # Without the checkout, which would come first otherwise.
    paths = {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    with running(tmp_path / "data", environment=paths) as service:
        service.until(lambda: service.get("/livez") == 200, 40, "alive")
        service.until(lambda: service.get("/") == 200, 40, "showing its page")
        page = service.http.get("/")
        assert "No run yet" in page.text
        for name in ("only-here.css", "forewarn.css", "runs.js", "words.js", "forewarn.svg"):
            assert service.http.get(f"/static/{name}").status_code == 200, name
