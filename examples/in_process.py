"""Shows: the monitor inside the agent's own process. No service, no network, the same scores.

    python examples/in_process.py my-bundle

`my-bundle` is what `forewarn train` wrote. The agents are scripted ones of the simulated help desk.
"""

from __future__ import annotations

import sys
import time

from induction.helpdesk import simulate
from induction.helpdesk.chat import to_chat
from monitors import Monitor
from monitors.errors import ForewarnError

AGENTS = 12


def main() -> None:
    """Watch each agent with a session of its own."""
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/in_process.py BUNDLE; `forewarn train` makes one")
    try:
        monitor = Monitor.read(sys.argv[1])  # once a process; sessions share it
    except ForewarnError as error:
        sys.exit(f"{error}. `forewarn train` makes a bundle, `forewarn inspect BUNDLE` says what one is")
    scored, spent_s = 0, 0.0
    for number, run in enumerate(simulate(AGENTS, seed=77)):
        steps = to_chat(run)["messages"]
        session, stopped = monitor.session(), False
        for taken, step in enumerate(steps, 1):
            started = time.perf_counter()
            verdict = session.step(step)
            scored, spent_s = scored + 1, spent_s + time.perf_counter() - started
            if verdict.alert:
                would = "succeed" if run.success else "fail"
                chance = f"P(fails) {verdict.failure_probability:.2f}"
                print(f"agent {number:2}: STOPPED at step {taken} of {len(steps)}, {chance}; it would {would}")
                stopped = True
                break
        if not stopped:
            did = "succeeded" if run.success else "failed"
            print(f"agent {number:2}: no warning in {len(steps)} steps; it {did}")
    print(f"{scored} steps scored, {1000 * spent_s / scored:.2f} ms each")


if __name__ == "__main__":
    main()
