"""What is asked of every verb, by its words: a call that fails, and one that prints. A verb that is not here fails the
tests of manners.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from forewarn.cli import VERBS, build_app

# Nobody listens there.
NOBODY = ["--url", "http://127.0.0.1:9"]
NO_REDIS = ["--redis-url", "redis://127.0.0.1:9/0"]
# Why a verb has no --json.
WITHOUT_JSON = {
    "serve": "it prints a log until it is stopped",
    "demo": "it is a show, and ends in a table for people",
    "adapter apply": "its result is JSON lines anyway",
}
# Each fails for a reason that users meet.
FAILING: dict[str, list[str]] = {
    "induce": ["{missing}", "--out", "{free}"],
    "adapter apply": ["{adapter}", "{missing}", "--out", "-"],
    "adapter check": ["{adapter}", "{missing}"],
    "adapter show": ["{missing}"],
    "adapter diff": ["{adapter}", "{missing}"],
    "train": ["{raw}", "--adapter", "{adapter}", "--outcomes", "{missing}", "--out", "{free}"],
    "evaluate": ["{raw}", "{raw}", "--out", "{free}"],
    "compare": ["{bundle}", "{missing}", "{raw}"],
    "benchmark": ["--data", "{empty}", "--out", "{free}"],
    "audit": ["{empty}", "--out", "{free}"],
    "explain": ["{bundle}", "{raw}", "--run", "nobody"],
    "judge": ["{missing}", "--adapter", "{adapter}", "--out", "{free}", "--llm-url", "http://x/v1", "--llm-model", "m"],
    "inspect": ["{empty}"],
    "serve": ["--bundle", "{empty}"],
    "keys create": ["--kind", "read", *NO_REDIS],
    "keys list": NO_REDIS,
    "keys show": ["ik_abcdefghijklmnop", *NO_REDIS],
    "keys rotate": ["ik_abcdefghijklmnop", *NO_REDIS],
    "keys revoke": ["ik_abcdefghijklmnop", *NO_REDIS],
    "projects list": NO_REDIS,
    "projects create": ["acme", *NO_REDIS],
    "projects show": ["acme", *NO_REDIS],
    "projects set": ["acme", "limits.steps_per_s=1", *NO_REDIS],
    "projects delete": ["acme", *NO_REDIS],
    "monitors list": NOBODY,
    "monitors add": ["{empty}", *NOBODY],
    "monitors activate": ["m-1", *NOBODY],
    "monitors shadow": ["m-1", *NOBODY],
    "monitors rollback": NOBODY,
    "monitors remove": ["m-1", *NOBODY],
    "runs list": NOBODY,
    "runs show": ["run-1", *NOBODY],
    "runs delete": ["run-1", *NOBODY],
    "parked list": NO_REDIS,
    "parked show": ["1-0@0", *NO_REDIS],
    "parked release": ["--all", *NO_REDIS],
    "parked drop": ["--all", "--yes", *NO_REDIS],
    "outcomes import": ["{missing}", *NOBODY],
    "replay": ["{raw}", *NOBODY],
    "doctor": ["--wrong"],
    "demo": ["--out", "{raw}"],
}
# Each prints a result within a second; `--json` is added to see whether that can be read.
PRINTING: dict[str, list[str]] = {
    "adapter apply": ["{adapter}", "{raw}", "--limit", "1", "--out", "-"],
    "adapter check": ["{adapter}", "{raw}"],
    "adapter show": ["{adapter}"],
    "adapter diff": ["{adapter}", "{adapter}"],
    "evaluate": ["{bundle}", "{raw}", "--outcomes", "{outcomes}", "--allow-known-tasks", "--out", "{free}"],
    "explain": ["{bundle}", "{raw}", "--run", "run-0"],
    "inspect": ["{bundle}"],
    "monitors list": ["--url", "{url}"],
    "monitors add": ["{bundle}", "--url", "{url}"],
    "monitors activate": ["m-1", "--url", "{url}"],
    "monitors shadow": ["m-1", "--url", "{url}"],
    "monitors rollback": ["--url", "{url}"],
    "monitors remove": ["m-1", "--url", "{url}"],
    "runs list": ["--url", "{url}"],
    "runs show": ["run-1", "--url", "{url}"],
    "runs delete": ["run-1", "--url", "{url}"],
    "outcomes import": ["{csv}", "--url", "{url}"],
    "doctor": [],
}
# What is dearer is run, and its JSON read, by these tests.
PRINTING_ELSEWHERE = {
    "induce": "tests/induction/test_induce_command.py",
    "train": "tests/forewarn/test_train_command.py",
    "compare": "tests/forewarn/test_compare_command.py",
    "benchmark": "tests/induction/benchmark/test_running.py",
    "audit": "tests/induction/automaton/test_auditing.py",
    "judge": "tests/induction/evaluation/test_llm_judge.py",
    "serve": "tests/acceptance/test_start_up.py",
    "demo": "tests/acceptance/test_demo_promise.py",
    "replay": "tests/acceptance/test_same_scores.py",
} | dict.fromkeys(
    (path for path in FAILING if path.startswith(("keys ", "projects "))), "tests/service/test_tenant_commands.py"
)
PRINTING_ELSEWHERE |= dict.fromkeys(
    (path for path in FAILING if path.startswith("parked ")), "tests/service/test_parking.py"
)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command of the parser that does something, by its words. The library gives their class no public name."""
    for verb in VERBS:
        root: Any = typer.main.get_command(build_app(verb))
        loaded = root.commands[verb]
        for name, command in getattr(loaded, "commands", {"": loaded}).items():
            yield f"{verb} {name}".rstrip(), command


COMMANDS = dict(commands())
