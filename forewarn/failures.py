"""What a failure says: what is wrong, and the next command to try.

A message that names a command or an option itself is left as it is; to others the step of the error's class is added.
"""

from __future__ import annotations

import errno
import re

# Import name → the extra that brings it. The first line that a user of the base install sees must say what to do.
EXTRA_OF = {
    "onnxruntime": "cpu",
    "aalpy": "train",
    "ijson": "train",
    "matplotlib": "train",
    "onnx": "train",
    "onnxscript": "train",
    "scipy": "train",
    "sklearn": "train",
    "threadpoolctl": "train",
    "torch": "train",
}
# Name of an error's class, or of one above it → what to try. `{verb}` is the command that failed.
NEXT_STEPS = {
    "AdapterError": "`forewarn induce RAW --out FILE` makes an adapter",
    "BundleError": "`forewarn inspect BUNDLE` checks a bundle, `forewarn train` makes one",
    "BundleRefused": "`forewarn inspect BUNDLE` checks a bundle, `forewarn train` makes one",
    "DemoServiceError": "`forewarn doctor` looks at this machine",
    "FatalError": "`forewarn doctor` looks at this machine",
    "LlmError": "`curl URL/models` says whether the endpoint of --llm-url answers",
    "LogUnavailable": "`forewarn doctor` looks at Redis",
    "MissingExtraError": "`forewarn doctor` shows what is installed",
    "NoCudaError": "`forewarn doctor` looks at the GPU; --device cpu does without",
    "NoMonitor": "`forewarn monitors list` shows what there is",
    "NoRunsError": "`forewarn adapter check ADAPTER RAW` says what is found in raw runs",
    "NotFound": "`{group} list` shows which there are",
    "RedisMissing": "`forewarn doctor` looks at Redis",
    "RedisUnfit": "`forewarn doctor` looks at Redis",
    "SchemaMismatch": "`forewarn doctor` looks at Redis",
    "ServiceUnreachableError": "`forewarn serve --bundle BUNDLE` starts a service; --url says where one is",
    "SettingsError": "`forewarn doctor` looks at all settings",
    "UnreadableRawError": "`forewarn induce --help` says what can be read",
}
# The status of a service's answer, and the collection that was asked ("" for any) → what to try.
AFTER_ANSWERS = {
    (401, ""): "--api-key (FOREWARN_API_KEY) gives a key, `forewarn keys create --kind read` makes one",
    (403, ""): "`forewarn keys create --kind admin` makes a key that may do more",
    (404, "runs"): "`forewarn runs list` shows which there are",
    (404, "monitors"): "`forewarn monitors list` shows which there are",
    (409, "monitors"): "`forewarn monitors list` shows what there is",
}
OPERATORS = "only the key that the service has as FOREWARN_API_KEY may do that: give it with --api-key"
# These have no adapter yet, and are told what they may be given.
BEFORE_ADAPTERS = {"forewarn induce", "forewarn benchmark"}
ANYWAY = "`{verb} --help` says how it is used"
FULL = {errno.ENOSPC, errno.EDQUOT}
_NAMES_A_STEP = re.compile(r"`(forewarn|make|pip)\b|(?<![\w-])--[a-z]")


def failure_line(error: Exception, verb: str = "forewarn") -> str | None:
    """One line that says what is wrong and what to try, or None if the error is a defect of forewarn itself. `verb` is
    the command that failed, such as `forewarn keys create`.
    """
    line = _what(error)
    if line is None or _NAMES_A_STEP.search(line):
        return line
    return f"{line}{' ' if line.endswith('?') else '; '}{next_step(error, verb)}"


def next_step(error: Exception, verb: str) -> str:
    """What to try after an error of this class."""
    if (status := getattr(error, "status", None)) is not None:
        collection = str(getattr(error, "path", "")).removeprefix("/v1/").partition("/")[0]
        if status == 403 and "`operate`" in str(error):
            return OPERATORS
        answered = AFTER_ANSWERS.get((status, "")) or AFTER_ANSWERS.get((status, collection))
        if answered:
            return answered
    names = [one.__name__ for one in type(error).__mro__]
    if "NoRunsError" in names and verb in BEFORE_ADAPTERS:
        names = []
    steps = (NEXT_STEPS[name] for name in names if name in NEXT_STEPS)
    return next(steps, ANYWAY).format(verb=verb, group=verb.rpartition(" ")[0] or verb)


def _what(error: Exception) -> str | None:
    if isinstance(error, ModuleNotFoundError):
        extra = EXTRA_OF.get((error.name or "").partition(".")[0])
        or_gpu = " (or 'gpu', never both)" if extra == "cpu" else ""
        return extra and (
            f"this needs {error.name}, which is not installed: install forewarn with the extra '{extra}'{or_gpu}, "
            f"in its folder: `pip install -c constraints.txt '.[{extra}]'`"
        )
    if isinstance(error, OSError):
        if error.filename is not None:
            return f"{error.filename}: {error.strerror}"
        return f"cannot write: {error.strerror}" if error.errno in FULL else None
    # Imported late: the errors are light, but their package's front door is not.
    from monitors.errors import ForewarnError

    return str(error) if isinstance(error, ForewarnError) else None
