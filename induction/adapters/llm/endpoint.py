"""An OpenAI-compatible chat endpoint: one question, one answer, within a time and a cost. The door of httpx.

What an endpoint refuses is asked for more plainly: a JSON Schema, then any JSON object, then plain text; without a
temperature; with the newer name for the length of an answer. It remembers what it learned for the next question.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal

import httpx
import orjson

from induction.adapters.llm.budget import TokenBudget, estimate_tokens
from induction.adapters.llm.recording import ExchangeRecord
from induction.adapters.llm.settings import LlmSettings
from induction.errors import LlmError

MAX_ANSWER_BYTES = 4 << 20
MAX_WAIT_S = 30.0
FIRST_WAIT_S = 0.5
SCHEMA_NAME = "forewarn_adapter"

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said. `refusal` says why it did not; `cut_off` that the answer ends where its length ran out."""

    text: str
    refusal: str | None = None
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class _Form:
    """How a question is put: the most that this endpoint has not refused yet."""

    answer: Literal["json_schema", "json_object", "text"] = "json_schema"
    length_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True

    def plainer(self, complaint: str) -> _Form | None:
        """Return the form without what the complaint names, else one that asks for less; None if nothing is left."""
        if "max_completion_tokens" in complaint and self.length_key == "max_tokens":
            return replace(self, length_key="max_completion_tokens")
        if "temperature" in complaint and self.temperature:
            return replace(self, temperature=False)
        if self.answer == "json_schema":
            return replace(self, answer="json_object")
        return replace(self, answer="text") if self.answer == "json_object" else None


@dataclass(frozen=True, slots=True)
class _Reply:
    """One HTTP exchange: a status with its body, or the reason why there is none."""

    status: int = 0
    body: bytes = b""
    wait_s: float | None = None
    failure: str = ""

    @property
    def is_transient(self) -> bool:
        return bool(self.failure) or self.status in (408, 409, 425, 429) or self.status >= 500


class ChatEndpoint:
    """Asks one endpoint. Use as a context manager: it holds connections. Raises LlmError where it can hold none."""

    def __init__(
        self,
        settings: LlmSettings,
        schema: dict[str, Any],
        budget: TokenBudget,
        record: ExchangeRecord,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._schema = schema
        self._budget = budget
        self._record = record
        self._sleep = sleep
        self._form = _Form()
        key = settings.key.get_secret_value() if settings.key is not None else ""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._client = httpx.Client(headers=headers, timeout=settings.timeout_s, follow_redirects=False)
        except (ImportError, ValueError, OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            # Proxies and certificates come from the environment, and may be anything.
            raise LlmError(f"no connections can be made: {error}") from None

    def __enter__(self) -> ChatEndpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(self, messages: list[Message]) -> Answer:
        """Return the model's answer. Raises LlmError where there is none in time, in budget, or at all."""
        attempt = 0
        while True:
            question = self._question(messages)
            reply = self._exchange(question)
            if 200 <= reply.status < 300:
                answer = _read_answer(reply.body)
                if answer is not None:
                    return answer
            elif reply.status in (400, 404, 415, 422, 501):
                plainer = self._form.plainer(_text(reply.body).lower())
                if plainer is not None and reply.status != 404:
                    self._form = plainer
                    continue
            if not (reply.is_transient or reply.status == 200) or attempt >= self._settings.retries:
                raise LlmError(self._describe(reply, attempt + 1))
            self._wait(reply, attempt)
            attempt += 1

    def _question(self, messages: list[Message]) -> dict[str, Any]:
        tokens = sum(estimate_tokens(message["content"]) for message in messages)
        if self._form.answer == "json_schema":
            tokens += estimate_tokens(orjson.dumps(self._schema).decode())
        question: dict[str, Any] = {
            "model": self._settings.model,
            "messages": messages,
            self._form.length_key: self._budget.answer_tokens(tokens),
        }
        if self._form.temperature:
            question["temperature"] = 0
        if self._form.answer == "json_schema":
            # Not strict: strict schemas know no objects with free keys, which conditions are.
            schema = {"name": SCHEMA_NAME, "schema": self._schema, "strict": False}
            question["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self._form.answer == "json_object":
            question["response_format"] = {"type": "json_object"}
        return question

    def _exchange(self, question: dict[str, Any]) -> _Reply:
        started = time.monotonic()
        reply = self._post(orjson.dumps(question), started + self._settings.timeout_s)
        tokens = _count_tokens(reply, question)
        self._budget.charge(tokens)
        self._record.add(
            "exchange",
            url=self._settings.shown_url,
            request=question,
            status=reply.status or None,
            response=_parsed(reply.body),
            failure=reply.failure or None,
            tokens=tokens,
            duration_ms=round(1_000 * (time.monotonic() - started)),
        )
        return reply

    def _post(self, content: bytes, deadline: float) -> _Reply:
        """Read an answer with a deadline for all of it: a body that drips must not hold the induction."""
        headers = {"Content-Type": "application/json"}
        try:
            with self._client.stream("POST", self._settings.endpoint_url, content=content, headers=headers) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        return _Reply(failure=f"the answer is larger than {MAX_ANSWER_BYTES >> 20} MiB")
                    if time.monotonic() > deadline:
                        return _Reply(failure=self._late())
                return _Reply(response.status_code, bytes(body), _wait_asked(response.headers.get("retry-after")))
        except httpx.TimeoutException:
            return _Reply(failure=self._late())
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            return _Reply(failure=f"no answer: {str(error) or type(error).__name__}")

    def _late(self) -> str:
        return f"no whole answer within {self._settings.timeout_s:g} s"

    def _wait(self, reply: _Reply, attempt: int) -> None:
        wait_s = FIRST_WAIT_S * 2**attempt if reply.wait_s is None else reply.wait_s
        if wait_s > MAX_WAIT_S:
            raise LlmError(f"{self._describe(reply, attempt + 1)}; it asks to wait {wait_s:.0f} s")
        self._sleep(wait_s)

    def _describe(self, reply: _Reply, attempts: int) -> str:
        said = reply.failure or f"answered {reply.status}: {_text(reply.body)[:200] or 'nothing'}"
        if reply.status == 200:
            said = "answered 200, but no chat completion"
        times = f" ({attempts} attempts)" if attempts > 1 else ""
        return f"{self._settings.shown_url} {said}{times}"


def _read_answer(body: bytes) -> Answer | None:
    """Return what a chat completion says, or None if the body is none."""
    document = _parsed(body)
    choices = document.get("choices") if isinstance(document, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return None
    content, refusal = message.get("content"), message.get("refusal")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    text = content if isinstance(content, str) else ""
    if refusal is None and choice.get("finish_reason") == "content_filter":
        refusal = "its content filter stepped in"
    if refusal is None and not text.strip() and choice.get("finish_reason") != "length":
        refusal = "it said nothing"
    return Answer(text, None if refusal is None else str(refusal)[:200], choice.get("finish_reason") == "length")


def _count_tokens(reply: _Reply, question: dict[str, Any]) -> int:
    """Return what an exchange cost: as reported, or estimated where a question may have been read."""
    document = _parsed(reply.body)
    usage = document.get("usage") if isinstance(document, dict) else None
    if isinstance(usage, dict):
        counts = [usage.get(key) for key in ("total_tokens", "prompt_tokens", "completion_tokens")]
        whole = [count if isinstance(count, int) and count > 0 else 0 for count in counts]
        if any(whole):
            return max(whole[0], whole[1] + whole[2])
    if reply.status >= 300:
        return 0
    return estimate_tokens(orjson.dumps(question).decode()) + estimate_tokens(_text(reply.body))


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _text(body) or None


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _wait_asked(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header; dates are rare here and count as none."""
    if header is None or not header.strip().isdecimal():
        return None
    return float(header.strip()[:9])
