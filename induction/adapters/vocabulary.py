"""Common key names and values, the prior of the statistical inducer. Structure outweighs them; none is the name of a
trace format.

A name counts if one of its words is listed: `tool_name`, `toolName` and `gen_ai.tool.name` all hold the words tool
and name.
"""

from __future__ import annotations

import re
from functools import lru_cache

AGENT_VALUES = frozenset(
    {"assistant", "agent", "ai", "model", "bot", "llm", "action", "act", "chat", "gpt", "completion", "i", "stdin"}
)
TOOL_VALUES = frozenset(
    {
        "tool",
        "function",
        "observation",
        "result",
        "response",
        "output",
        "environment",
        "env",
        "obs",
        "execute",
        "terminal",
        "measurement",
        "o",
        "stdout",
        "stderr",
    }
)
OTHER_VALUES = frozenset(
    {"user", "human", "customer", "system", "developer", "client", "instruction", "task", "question", "patient"}
)

DISCRIMINATOR_KEYS = frozenset(
    {"role", "type", "kind", "event", "operation", "source", "from", "speaker", "author", "sender"}
)
ROLE_KEYS = frozenset({"role", "from", "speaker", "author", "sender"})
EVENT_LIST_KEYS = frozenset(
    {
        "messages", "steps", "history", "traj", "trajectory", "transitions", "events", "turns", "log", "conversation",
        "trace", "dialogue", "dialog", "chat", "records", "entries", "interactions",
    }
)  # fmt: skip
CALL_NAME_KEYS = frozenset({"name", "tool", "function", "tool_name", "function_name", "action", "command", "method"})
CALL_ARGS_KEYS = frozenset({"arguments", "args", "input", "parameters", "params", "kwargs", "inputs"})
ACTION_TEXT_KEYS = frozenset(
    {
        "content", "text", "message", "thought", "thoughts", "thinking", "rationale", "action", "output", "reasoning",
        "response", "reply", "code", "command", "llm", "body", "value",
    }
)  # fmt: skip
THINKING_KEYS = frozenset({"thought", "thoughts", "thinking", "rationale", "reasoning"})
PART_VALUES = frozenset({"text", "thinking", "reasoning", "tool", "function", "image", "call", "result"})
PRINTED_VALUES = frozenset({"o", "out", "stdout", "stderr"})
SHOWN_KEYS = frozenset(
    {"prompt", "prompts", "input", "inputs", "request", "query", "page", "screen", "html", "tree", "axtree", "dom"}
)
"""What the agent was given to look at, rather than what it says."""
PLAN_KEYS = frozenset({"plan", "facts"})
RESULT_KEYS = frozenset(
    {
        "observation",
        "result",
        "results",
        "output",
        "outputs",
        "response",
        "stdout",
        "stderr",
        "return",
        "obs",
        "answer",
        "feedback",
    }
)
ERROR_KEYS = frozenset({"error", "errors", "exception", "stderr", "failed", "failure"})
EXIT_CODE_KEYS = frozenset({"returncode", "exitcode", "exit", "code"})
PRIOR_SAID_PATHS = ("/thought", "/rationale", "/reasoning", "/plan", "/content", "/text", "/message")
PRIOR_TOOL_PATHS = ("/tool_name", "/tool", "/function_name")
PRIOR_ARGS_PATHS = ("/arguments", "/args", "/input", "/parameters", "/tool_arguments", "/tool_args", "/tool_input")
PRIOR_RESULT_PATHS = ("/observation", "/result", "/output")
PRIOR_ERROR_PATH = "/error"
PRIOR_OPENERS = ("Action:", "Error", "Observation:", "Task:", "Thought:")
TASK_KEYS = (
    "task_id",
    "task",
    "instance_id",
    "problem_id",
    "question_id",
    "case_id",
    "scenario_id",
    "question",
    "problem",
)
RUN_KEYS = ("run_id", "id", "trace_id", "episode_id", "session_id", "uuid", "simulation_id", "conversation_id")
OUTCOME_KEYS = (
    "success", "reward", "resolved", "is_correct", "correct", "passed", "outcome", "score", "solved", "succeeded",
    "is_success", "is_resolved", "is_solved", "em", "exact_match",
)  # fmt: skip
METADATA_KEYS = frozenset({"id", "model", "name", "agent", "requestor", "call", "span"})
TIME_KEYS = frozenset({"timestamp", "time", "ts", "date", "datetime", "created", "nano"})
ACT_MARKERS = frozenset(
    {"action", "act", "tool", "call", "command", "execute", "run", "invoke", "exec", "cmd", "bash", "shell", "stdin"}
)
THOUGHT_MARKERS = frozenset({"thought", "think", "reasoning", "plan", "rationale"})
SPEECH_MARKERS = frozenset(
    {"agent", "assistant", "ai", "reply", "say", "speak", "final", "answer", "finish", "bot", "respond"}
)
RESULT_MARKERS = frozenset(
    {"observation", "result", "output", "response", "obs", "return", "tool_result", "measurement", "stdout", "stderr"}
)
ERROR_WORDS = (
    "error",
    "exception",
    "traceback",
    "invalid",
    "failed",
    "failure",
    "not found",
    "denied",
    "unknown",
    "cannot",
)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@lru_cache(maxsize=65536)
def words_of(name: str) -> frozenset[str]:
    """Return the lower-case words of a key or value, with the whole name itself."""
    return frozenset(word.lower() for word in _WORD.findall(name)) | {name.lower()}


def last_key(path: str) -> str:
    """Return the last segment of a pointer that is no `*`."""
    return next((segment for segment in reversed(path.split("/")) if segment not in ("*", "")), "")


def matches(name: str, vocabulary: frozenset[str]) -> bool:
    """Return whether a name holds a word of a vocabulary."""
    return not vocabulary.isdisjoint(words_of(name))
