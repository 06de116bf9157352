"""Runs: tasks met by agents, one conversation after the other, each from a stream of chance of its own."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from induction.helpdesk.agents import Agent
from induction.helpdesk.customers import Customer
from induction.helpdesk.desk import Desk
from induction.helpdesk.judge import State, compute_expected_state, judge
from induction.helpdesk.skills import LEVELS, draw_skill
from induction.helpdesk.tasks import Task, build_task
from induction.helpdesk.tools import Faults, Toolbox
from induction.helpdesk.trace import HelpdeskRun
from induction.helpdesk.voice import Voice
from induction.helpdesk.world import open_database

TASKS = 250
"""Different tasks of a seed; runs go round them, so that 1,000 runs meet each task four times."""

FAULT_RATE = 0.1
"""Share of calls at which passing trouble of the back office begins."""


def simulate(runs: int, seed: int) -> Iterator[HelpdeskRun]:
    """The first `runs` runs of the seed's endless series, one by one.

    Run i is the (i // TASKS)-th trial at task i % TASKS. The same seed gives the same runs, however many are asked for.
    """
    tasks: list[tuple[Task, State]] = []
    for index in range(runs):
        if index < TASKS:
            task = build_task(seed, index)
            tasks.append((task, compute_expected_state(task)))
        task, expected = tasks[index % TASKS]
        yield play(task, expected, seed=seed, index=index)


def play(task: Task, expected: State, *, seed: int, index: int) -> HelpdeskRun:
    """One conversation about the task and the judge's word on the database it leaves."""

    def stream(name: str) -> Random:
        return Random(f"helpdesk:{seed}:{index}:{name}")

    agent_rng = stream("agent")
    level = agent_rng.choices(list(LEVELS), weights=(4, 3, 4))[0]
    voice = Voice(stream("wording"))
    run_id = f"hd-{seed}-{index:05d}"
    connection = open_database(task.rows)
    try:
        toolbox = Toolbox(connection, Faults(stream("faults"), FAULT_RATE))
        desk = Desk(toolbox, Customer(task, stream("customer"), voice), voice, f"{agent_rng.randrange(16**8):08x}")
        agent = Agent(desk, task, draw_skill(agent_rng, level), agent_rng)
        agent.work()
        success = judge(connection, expected)
    finally:
        connection.close()
    return HelpdeskRun(run_id, task.task_id, level, index // TASKS, tuple(desk.events), success, tuple(agent.slips))
