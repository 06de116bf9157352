"""A project's settings as a form shows and sends them."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from service.core.projects import Feedback, Privacy, RateLimits
from service.records import SHAPES

OWN = "own"
Section = TypeVar("Section", bound=BaseModel)


class FormRefused(Exception):
    """What was typed is no such section: a fault for each field, in words."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = faults


def to_form(privacy: Privacy) -> dict[str, str]:
    """What the fields of the privacy form hold. Without `rules` where a pattern cannot stand in a line of its own."""
    shown = {"content": privacy.content or "", "redact": "" if privacy.redact is None else OWN}
    shown |= {f"redact_{shape}": "on" for shape in privacy.redact or ()}
    shown["retention_days"] = "" if privacy.retention_days is None else f"{privacy.retention_days:g}"
    if all(rule.pattern == rule.pattern.strip() and len(rule.pattern.splitlines()) == 1 for rule in privacy.rules):
        shown["rules"] = "\n".join(f"{rule.name}: {rule.pattern}" for rule in privacy.rules)
    return shown


def read_privacy(said: dict[str, str], old: Privacy) -> Privacy:
    """The section that a form says; its patterns stay where the form has none. Raises FormRefused."""
    rules: list[dict[str, str]] | None = None
    if "rules" in said:
        rules = []
        for number, line in enumerate(said["rules"].splitlines(), 1):
            name, colon, pattern = line.partition(":")
            if line.strip() and not colon:
                raise FormRefused({"rules": f"line {number}: write NAME: PATTERN"})
            if line.strip():
                rules.append({"name": name.strip(), "pattern": pattern.strip()})
    body = {
        "content": said.get("content") or None,
        "redact": [shape for shape in SHAPES if said.get(f"redact_{shape}")] if said.get("redact") == OWN else None,
        "rules": [rule.model_dump() for rule in old.rules] if rules is None else rules,
        "retention_days": _number(said.get("retention_days", "")),
    }
    return _checked(Privacy, body)


def read_feedback(said: dict[str, str]) -> Feedback:
    """The section that a form says. Raises FormRefused."""
    return _checked(Feedback, {"control_ratio": _number(said.get("control_ratio", "")) or 0.0})


def read_limits(said: dict[str, str]) -> RateLimits:
    """The section that a form says; nothing typed is no limit of its own. Raises FormRefused."""
    return _checked(RateLimits, {name: _number(said.get(name, "")) for name in ("steps_per_s", "burst_steps")})


def _number(text: str) -> float | str | None:
    """A number where one is meant, nothing where nothing was typed; else the text, to be told of."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value


def _checked(section: type[Section], body: dict[str, Any]) -> Section:
    try:
        return section.model_validate(body)
    except ValidationError as error:
        faults = {str(one["loc"][0]): one["msg"].removeprefix("Value error, ") for one in error.errors()}
        raise FormRefused(faults) from None
