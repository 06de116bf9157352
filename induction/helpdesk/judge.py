"""The judge: a run succeeded if the shop's final state is the one that the right handling leaves. Only that counts."""

from __future__ import annotations

import sqlite3

from induction.helpdesk.tasks import Task
from induction.helpdesk.tools import Toolbox
from induction.helpdesk.world import open_database

JUDGED = (
    "SELECT order_id, status, confirmed, street, city, zip FROM orders ORDER BY order_id",
    "SELECT item_id, variant, status FROM items ORDER BY item_id",
    "SELECT order_id, status, refunded_cents FROM payments ORDER BY order_id",
    "SELECT DISTINCT user_id, order_id, queue FROM tickets ORDER BY user_id, order_id, queue",
    "SELECT DISTINCT order_id, kind FROM changes WHERE verified = 0 ORDER BY order_id, kind",
)
"""What is compared: orders, money, tickets, and every change made for somebody whose identity was not verified.
Notes are comments and may differ; a mistake that was undone leaves no trace here."""

State = tuple[tuple[tuple[object, ...], ...], ...]


def read_state(connection: sqlite3.Connection) -> State:
    """The judged part of a database, in an order that does not depend on the history."""
    return tuple(tuple(tuple(row) for row in connection.execute(query)) for query in JUDGED)


def compute_expected_state(task: Task) -> State:
    """The state that the right handling of the task leaves behind.

    Raises ValueError if a call of the right handling fails: then the task itself is broken.
    """
    connection = open_database(task.rows)
    try:
        toolbox = Toolbox(connection)
        for name, args in task.gold_calls():
            reply = toolbox.call(name, args)
            if reply.error:
                raise ValueError(f"task {task.task_id}: the right handling fails at {name}: {reply.result}")
        return read_state(connection)
    finally:
        connection.close()


def judge(connection: sqlite3.Connection, expected: State) -> bool:
    """True if the database is in the expected state."""
    return read_state(connection) == expected
