"""The simulated world: tools with real effects and errors, tasks that can be solved, a judge of databases."""

from __future__ import annotations

import inspect
from random import Random

import pytest

from induction.helpdesk import HelpdeskRun, simulate
from induction.helpdesk.desk import MAX_TURNS
from induction.helpdesk.judge import compute_expected_state, judge, read_state
from induction.helpdesk.tasks import KINDS, REFUSED, Task, build_task
from induction.helpdesk.tools import TRANSIENT, Faults, Toolbox
from induction.helpdesk.world import open_database


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return [build_task(3, index) for index in range(120)]


@pytest.fixture(scope="module")
def runs() -> list[HelpdeskRun]:
    return list(simulate(600, 3))


def find_task(tasks: list[Task], kind: str) -> Task:
    return next(task for task in tasks if task.wishes[0].kind == kind)


def test_every_task_can_be_solved_by_its_right_handling(tasks: list[Task]) -> None:
    for task in tasks:
        connection = open_database(task.rows)
        toolbox = Toolbox(connection)
        assert not any(toolbox.call(name, args).error for name, args in task.gold_calls())
        assert judge(connection, compute_expected_state(task))
        connection.close()


def test_doing_nothing_solves_exactly_the_tasks_that_ask_for_what_is_forbidden(tasks: list[Task]) -> None:
    for task in tasks:
        connection = open_database(task.rows)
        hopeless = all(wish.kind in REFUSED for wish in task.wishes)
        assert judge(connection, compute_expected_state(task)) == hopeless
        connection.close()


def test_the_same_changes_without_verified_identity_fail(tasks: list[Task]) -> None:
    task = find_task(tasks, "cancel")
    connection = open_database(task.rows)
    toolbox = Toolbox(connection)
    for name, args in task.gold_calls():
        if name != "verify_identity":
            assert not toolbox.call(name, args).error
    assert not judge(connection, compute_expected_state(task))
    connection.close()


def test_a_mistake_that_is_undone_counts_as_success(tasks: list[Task]) -> None:
    task = find_task(tasks, "cancel")
    connection = open_database(task.rows)
    others = "SELECT order_id FROM orders WHERE user_id = ? AND order_id != ? AND status = 'pending'"
    (other,) = connection.execute(others, (task.user.user_id, task.wishes[0].order_id)).fetchone()
    order = {"order_id": other}
    toolbox = Toolbox(connection)
    for name, args in task.gold_calls():
        toolbox.call(name, args)
    expected = compute_expected_state(task)
    assert not toolbox.call("cancel_order", order | {"reason": "customer_request"}).error
    assert not judge(connection, expected)
    assert not toolbox.call("reinstate_order", order).error
    assert judge(connection, expected)
    connection.close()


def test_notes_do_not_change_the_judgement(tasks: list[Task]) -> None:
    connection = open_database(tasks[0].rows)
    before = read_state(connection)
    assert not Toolbox(connection).call("add_note", {"user_id": tasks[0].user.user_id, "text": "a note"}).error
    assert read_state(connection) == before
    connection.close()


def test_the_judge_is_given_databases_and_nothing_else() -> None:
    assert list(inspect.signature(judge).parameters) == ["connection", "expected"]


@pytest.mark.parametrize(
    ("kind", "name", "extra", "code"),
    [
        ("cancel_shipped", "cancel_order", {"reason": "customer_request"}, "wrong_status"),
        ("refund_late", "refund_order", {"scope": "order"}, "outside_window"),
        ("cancel", "refund_order", {"scope": "order"}, "wrong_status"),
        ("cancel", "cancel_order", {}, "invalid_argument"),
    ],
)
def test_tools_refuse_what_the_shop_does_not_allow(
    tasks: list[Task], kind: str, name: str, extra: dict[str, str], code: str
) -> None:
    task = find_task(tasks, kind)
    connection = open_database(task.rows)
    before = read_state(connection)
    reply = Toolbox(connection).call(name, {"order_id": task.wishes[0].order_id} | extra)
    assert reply.error == reply.result["error"]["code"] == code
    assert read_state(connection) == before
    connection.close()


def test_passing_trouble_ends_when_the_call_is_repeated(tasks: list[Task]) -> None:
    connection = open_database(tasks[0].rows)
    toolbox = Toolbox(connection, Faults(Random(1), rate=0.5))
    errors = [toolbox.call("list_orders", {"user_id": tasks[0].user.user_id}).error for _ in range(40)]
    assert {error for error in errors if error} <= set(TRANSIENT)
    assert 0 < sum(not error for error in errors) < 40
    connection.close()


def test_all_kinds_of_wishes_and_customers_occur(tasks: list[Task]) -> None:
    assert {wish.kind for task in tasks for wish in task.wishes} == set(KINDS)
    assert any(len(task.wishes) == 2 for task in tasks)
    assert any(task.wrong_order_id for task in tasks)
    assert any(task.first_wish for task in tasks)
    assert len({task.task_id for task in tasks}) == len(tasks)


def test_failures_are_between_a_third_and_a_half(runs: list[HelpdeskRun]) -> None:
    share = sum(not run.success for run in runs) / len(runs)
    assert 0.33 <= share <= 0.5


def test_better_agents_fail_less(runs: list[HelpdeskRun]) -> None:
    shares = []
    for agent in ("strong", "medium", "weak"):
        outcomes = [run.success for run in runs if run.agent == agent]
        shares.append(1 - sum(outcomes) / len(outcomes))
    assert shares == sorted(shares)
    assert shares[0] > 0.02
    assert shares[2] < 0.9


def test_runs_last_four_to_twenty_five_turns(runs: list[HelpdeskRun]) -> None:
    turns = [run.turns for run in runs]
    assert min(turns) >= 4
    assert max(turns) == MAX_TURNS
    assert len(set(turns)) > 15


def test_successful_runs_contain_errors_retries_and_mended_mistakes(runs: list[HelpdeskRun]) -> None:
    successes = [run for run in runs if run.success]
    assert sum(any(call.error for call in run.calls) for run in successes) > 0.4 * len(successes)
    assert sum(_repeats_a_call(run) for run in successes) > 0.3 * len(successes)
    assert sum(bool(run.slips) for run in successes) > 0.2 * len(successes)


def _repeats_a_call(run: HelpdeskRun) -> bool:
    calls = [(call.name, str(call.args)) for call in run.calls]
    return len(set(calls)) < len(calls)


def test_every_way_to_go_wrong_occurs_and_none_explains_most_failures(runs: list[HelpdeskRun]) -> None:
    failures = [run for run in runs if not run.success]
    counts = {name: sum(name in run.slips for run in failures) for run in failures for name in run.slips}
    named = {
        "skipped_check",
        "wrong_line",
        "made_up",
        "ignored_error",
        "stuck",
        "gave_up",
        "missed_wish",
        "handed_over",
    }
    assert named <= set(counts)
    decisive = {name: count for name, count in counts.items() if name not in {"typo", "malformed"}}
    assert max(decisive.values()) < 0.5 * len(failures)
