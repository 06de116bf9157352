"""From live runs to the next monitor, on the simulated help desk: serve a first monitor, archive what it sees with how
it ended, train the next one from that archive, ask whether it is better, and activate it while the service runs.

    python examples/learn_from_live.py --out learn-out

Every step is a command that you would type (printed as it runs), but for the last: two requests to the service.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from forewarn.demo.serving import run_service
from induction.archive.gathering import gather_archive
from induction.archive.selection import Selection
from induction.errors import NoRunsError
from induction.helpdesk import write_corpus
from monitors.bundle import read_monitor_id

FIRST_RUNS, HELD_OUT_RUNS = 150, 300
# Small on purpose: `--preset best`, the usual one, is better and takes minutes.
LEARNING = ["--preset", "default", "--epochs", "8", "--device", "cpu"]
VERDICTS = {0: "better", 1: "worse", 3: "cannot be told"}


def main() -> None:
    """Run the whole path in a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("learn-out"), help="a new folder for all that is made")
    parser.add_argument("--runs", type=int, default=500, help="runs to serve")
    given = parser.parse_args()
    learn_from_live(given.out.absolute(), given.runs)


def learn_from_live(out: Path, runs: int) -> None:
    """Serve, archive, train, compare, activate, and check that a new run begins on the new monitor."""
    out.mkdir(parents=True)
    # Three seeds, three sets of tasks: what was there before, what is served, and what nobody learns from.
    for seed, (name, count) in enumerate((("before", FIRST_RUNS), ("live", runs), ("held-out", HELD_OUT_RUNS)), 1):
        write_corpus(out / name, runs=count, seed=seed, formats=("chat",))
    first, following, adapter = out / "first", out / "next", out / "adapter.json"
    forewarn("induce", *corpus(out / "before"), "--out", adapter)
    forewarn("train", *corpus(out / "before"), "--adapter", adapter, "--out", first, *LEARNING)
    with run_service(first, out, None) as url:
        forewarn("replay", *corpus(out / "live"), "--url", url)
        archive = out / "data" / "archive"
        wait_until_archived(archive, runs)
        forewarn("train", "--from-archive", archive, "--base", first, "--out", following, *LEARNING)
        compared = forewarn("compare", first, following, *corpus(out / "held-out"), may_say=VERDICTS)
        print(f"compared with the first, the next is: {VERDICTS[compared]}")
        if VERDICTS[compared] == "worse":
            sys.exit("the first monitor stays")
        activate(url, following)
        began_on = begin_run(url)
        print(f"a new run began on {began_on}")
        if began_on != read_monitor_id(following):
            sys.exit("that is not the next monitor")


def corpus(folder: Path) -> list[str | Path]:
    """The runs of a help-desk corpus and their outcomes, as options."""
    return [folder / "chat" / "raw", "--outcomes", folder / "chat" / "runs.jsonl"]


def forewarn(*arguments: str | Path, may_say: dict[int, str] | None = None) -> int:
    """Run the command; its exit status, which must be 0 or one of `may_say`."""
    line = [str(argument) for argument in arguments]
    print("$ forewarn", *line, flush=True)
    status = subprocess.run([sys.executable, "-m", "forewarn", *line], check=False).returncode
    if status and status not in (may_say or {}):
        sys.exit(f"forewarn {line[0]} ended with status {status}")
    return status


def wait_until_archived(archive: Path, runs: int) -> None:
    """Wait until so many runs are in the archive with all their steps and how they ended: it is half a second late."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with tempfile.TemporaryDirectory() as folder:
                if gather_archive(archive, Selection(), Path(folder)).taken >= runs:
                    return
        except NoRunsError:
            pass
        time.sleep(0.5)
    sys.exit(f"fewer than {runs} runs are in {archive}")


def activate(url: str, bundle: Path) -> None:
    """Register a bundle with the service, and have new runs begin with it."""
    registered = httpx.post(f"{url}/v1/monitors", json={"path": str(bundle)}, timeout=60).raise_for_status()
    monitor_id = registered.json()["monitor_id"]
    httpx.post(f"{url}/v1/monitors/{monitor_id}/activate", timeout=90).raise_for_status()
    print(f"activated {monitor_id}")


def begin_run(url: str) -> str:
    """Begin a run, and say which monitor it is on."""
    step = {"role": "user", "content": "Hello, where is my order?"}
    httpx.post(f"{url}/v1/runs/after/steps?wait=score", json=step, timeout=30).raise_for_status()
    return str(httpx.get(f"{url}/v1/runs/after", timeout=30).raise_for_status().json()["monitor_id"])


if __name__ == "__main__":
    main()
