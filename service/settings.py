"""The service's settings: arguments first, then FOREWARN_* variables, then defaults. Nothing is read at import.

| variable | default | meaning |
|---|---|---|
| FOREWARN_BUNDLE | none | folder of the monitor to serve |
| FOREWARN_HOST | 127.0.0.1 | address to bind; one that others can reach is bound only once a key exists |
| FOREWARN_PORT | 8080 | port to bind; role worker answers only /livez, /readyz and /metrics there |
| FOREWARN_API_KEY | none | the operator's key (docs/keys.md): requests need a key then; the default host is 0.0.0.0 |
| FOREWARN_REDIS_URL | none | a Redis, or any node of a Redis Cluster, to use; without it the service starts its own |
| FOREWARN_WAIT_REPLICAS | 0 | replicas that must have a step before it is answered 2xx, so that a failover keeps it |
| FOREWARN_DATA_DIR | the platform's data folder | where the embedded Redis keeps its files |
| FOREWARN_MONITORS_DIR | `monitors` in the data folder | where registered bundles are kept |
| FOREWARN_MAX_BUNDLE_BYTES | 128 MiB | of an uploaded bundle, packed and unpacked |
| FOREWARN_MAX_MONITORS | 8 | monitors that a worker has loaded beside those that are active or shadows |
| FOREWARN_PARTITIONS | 8 embedded, 64 otherwise | fixed at the first start |
| FOREWARN_ROLE | all | all, api or worker |
| FOREWARN_WORKERS | 1 | worker processes |
| FOREWARN_DEVICE | auto | auto, cpu or cuda |
| FOREWARN_REDACT | none | what is masked in all that comes in, comma separated: secrets, email, card, phone |
| FOREWARN_CONTENT | keep | `none` drops what agents said once it is scored, and keeps scores and states only |
| FOREWARN_APPENDFSYNC | always | of the embedded Redis: `everysec` is faster and may lose the last 2 s |
| FOREWARN_WEBHOOK_ALLOW | none | private hosts and networks (CIDR) that webhooks may reach, comma separated |
| FOREWARN_WEBHOOK_GRACE_HOURS | 24 | how long a secret that was rotated signs beside the new one |
| FOREWARN_WEBHOOK_DISABLE_DAYS | 5 | a webhook that has failed for so long without a success is disabled; 0: never |
| FOREWARN_WEBHOOK_DISABLE_FAILURES | 20 | … if at least so many attempts failed meanwhile |
| FOREWARN_PUBLIC_URL | none | the service's address from outside, for links in alerts; without it they have no host |
| FOREWARN_SEVERITY_WARNING | 0.5 | failure probability from which an alert's severity is warning, else info |
| FOREWARN_SEVERITY_CRITICAL | 0.8 | failure probability from which it is critical |
| FOREWARN_LIMIT_STEPS_PER_S | none | steps that a project may send a second, where it has no limit of its own |
| FOREWARN_LIMIT_BURST_STEPS | ten seconds' worth | steps that it may send at once |
| FOREWARN_RETENTION_DAYS | 30 | runs idle for longer are deleted, and what the archive has of them |
| FOREWARN_MAX_BODY_BYTES | 8 MiB | of one request |
| FOREWARN_MAX_STEP_BYTES | 1 MiB | of one raw step as JSON |
| FOREWARN_MAX_DEPTH | 64 | arrays and objects nested in one raw step |
| FOREWARN_MAX_STEPS_PER_RUN | 100,000 | at most 1,048,576 |
| FOREWARN_MAX_BACKLOG | 100,000 | steps of one partition that wait to be scored |
| FOREWARN_MAX_LIVE_RUNS | 100,000 | runs that have neither ended nor expired; each partition has its share |
| FOREWARN_SEQ_WAIT_MS | 2000 | how long a step that came before its turn by `seq` waits for those before it |
| FOREWARN_SPAN_WAIT_MS | 1000 | how long a span waits for others of its run that ended before it |
| FOREWARN_OTLP_RUN_ID | gen_ai.conversation.id,session.id,trace_id | what names a span's run, the first first |
| FOREWARN_OTLP_SPANS | all | `agents` scores only spans that carry names of GenAI, OpenInference or OpenLLMetry |
| FOREWARN_OTLP_OUTCOME | none | `evaluation`, or `root-status`: what tells a run's outcome |
| FOREWARN_OTLP_OUTCOME_NAME | task_success | the gen_ai.evaluation.name that tells it |
| FOREWARN_OTLP_ENDPOINT | none | an OTLP/HTTP receiver's base address: it gets scores as gen_ai.evaluation.result |
| FOREWARN_OTLP_HEADERS | none | headers for it: `name=value`, comma separated |
| FOREWARN_OTLP_EVERY | turn | `turn`: the newest scores of runs, and alerts; `alert`: alerts alone |
| FOREWARN_RUN_IDLE_HOURS | 24 | a run without a step for so long counts as over (`expired`) until another comes |
| FOREWARN_ARCHIVE_DIR | `archive` in the data folder | where steps go once scored, or `none`; see `archive_folder` |
| FOREWARN_MAX_STREAMS | 256 | event streams that one API process has open |
| FOREWARN_DRIFT_LEVEL | 0.01 | probability that one of the tests of live quality ever flags a monitor wrongly |
| FOREWARN_LEASE_MS | 4000 | how long a silent worker keeps its partitions |
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import SettingsError
from service.records import SHAPES, Shape

PREFIX = "FOREWARN_"
# Set by whoever runs the test suite; never settings of the service.
NOT_SETTINGS = {"FOREWARN_REALDATA", "FOREWARN_REQUIRE"}
# Set by the supervisor for its children.
INTERNAL = {"FOREWARN_OWNER", "FOREWARN_PARENT_PIPE"}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")
EMBEDDED_PARTITIONS = 8
SHARED_PARTITIONS = 64


class Settings(BaseSettings):
    """What may be set. Read once, by `read_settings`, and handed on."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    bundle: Path | None = None
    host: str | None = None
    port: int = Field(8080, ge=0, le=65535)
    api_key: SecretStr | None = Field(None, min_length=8)
    redis_url: str | None = None
    data_dir: Path | None = None
    monitors_dir: Path | None = None
    max_bundle_bytes: int = Field(128 * 2**20, ge=2**20, le=2**30)
    max_monitors: int = Field(8, ge=1, le=1000)
    partitions: int | None = Field(None, ge=1, le=1024)
    role: Literal["all", "api", "worker"] = "all"
    workers: int = Field(1, ge=1, le=64)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    redact: str = "none"
    content: Literal["keep", "none"] = "keep"
    appendfsync: Literal["always", "everysec"] = "always"
    webhook_allow: str = ""
    webhook_grace_hours: float = Field(24, ge=0, le=24 * 90)
    webhook_disable_days: float = Field(5, ge=0, le=365)
    webhook_disable_failures: int = Field(20, ge=1, le=1_000_000)
    public_url: str = Field("", max_length=500)
    severity_warning: float = Field(0.5, ge=0, le=1)
    severity_critical: float = Field(0.8, ge=0, le=1)
    limit_steps_per_s: float | None = Field(None, gt=0, le=1e6)
    limit_burst_steps: int | None = Field(None, ge=1, le=10_000_000)
    retention_days: float = Field(30, gt=0)
    max_body_bytes: int = Field(8 * 2**20, ge=1024)
    max_step_bytes: int = Field(2**20, ge=64)
    max_depth: int = Field(64, ge=2, le=200)
    max_steps_per_run: int = Field(100_000, ge=1, le=2**20)
    max_backlog: int = Field(100_000, ge=1)
    max_live_runs: int = Field(100_000, ge=1)
    seq_wait_ms: int = Field(2000, ge=100, le=600_000)
    span_wait_ms: int = Field(1000, ge=0, le=600_000)
    otlp_run_id: str = Field("gen_ai.conversation.id,session.id,trace_id", max_length=500)
    otlp_spans: Literal["all", "agents"] = "all"
    otlp_outcome: Literal["none", "evaluation", "root-status"] = "none"
    otlp_outcome_name: str = Field("task_success", min_length=1, max_length=200)
    otlp_endpoint: str = Field("", max_length=500)
    otlp_headers: SecretStr | None = None
    otlp_every: Literal["turn", "alert"] = "turn"
    run_idle_hours: float = Field(24, gt=0)
    archive_dir: str | None = None
    wait_replicas: int = Field(0, ge=0, le=16)
    max_streams: int = Field(256, ge=0, le=100_000)
    drift_level: float = Field(0.01, gt=0, lt=1)
    lease_ms: int = Field(4000, ge=500, le=60_000)
    owner: str | None = None

    @model_validator(mode="after")
    def _shares_a_redis(self) -> Settings:
        if self.redis_url is None and self.role != "all":
            raise ValueError(
                f"role {self.role} shares a Redis with other processes: set FOREWARN_REDIS_URL (or --redis-url)"
            )
        return self

    @field_validator("redis_url")
    @classmethod
    def _is_a_redis(cls, raw_url: str | None) -> str | None:
        scheme, found, _ = (raw_url or "").partition("://")
        if raw_url and (not found or scheme not in REDIS_SCHEMES):
            raise ValueError(
                f"a Redis is named like redis://127.0.0.1:6379/0; its scheme is {', '.join(REDIS_SCHEMES)}"
            )
        return raw_url

    @field_validator("public_url", "otlp_endpoint")
    @classmethod
    def _is_a_plain_address(cls, raw_url: str) -> str:
        parts = urlsplit(raw_url)
        odd = parts.query or parts.fragment or "@" in parts.netloc or not raw_url.isprintable() or " " in raw_url
        if raw_url and (parts.scheme not in {"http", "https"} or not parts.hostname or odd):
            raise ValueError("an address such as https://forewarn.example.com, without a query, is needed")
        return raw_url.rstrip("/")

    @field_validator("otlp_run_id")
    @classmethod
    def _names_a_trace_at_last(cls, raw_names: str) -> str:
        names = [name.strip() for name in raw_names.split(",") if name.strip()]
        if "trace_id" not in names:
            raise ValueError("trace_id must be among the names: it is what every span has")
        return ",".join(names)

    @field_validator("redact")
    @classmethod
    def _names_shapes(cls, raw_shapes: str) -> str:
        unknown = [name for name in _list(raw_shapes) if name not in SHAPES] if raw_shapes != "none" else []
        if unknown:
            raise ValueError(f"can be none, or a list of {', '.join(SHAPES)}, comma separated; not {unknown[0]}")
        return raw_shapes

    @model_validator(mode="after")
    def _severities_rise(self) -> Settings:
        if self.severity_warning > self.severity_critical:
            raise ValueError("FOREWARN_SEVERITY_WARNING must not be above FOREWARN_SEVERITY_CRITICAL")
        return self

    @property
    def wanted_host(self) -> str:
        """The address to bind if that is safe, which Redis must be asked for: see `app.binding`."""
        return self.host or ("127.0.0.1" if self.api_key is None else "0.0.0.0")  # noqa: S104 - only behind an API key

    @property
    def partition_count(self) -> int:
        """The partitions to start with, or to insist on."""
        return self.partitions or (EMBEDDED_PARTITIONS if self.redis_url is None else SHARED_PARTITIONS)

    @property
    def folder(self) -> Path:
        """Where the service keeps files."""
        return (self.data_dir or default_data_dir()).expanduser().absolute()

    @property
    def monitors_folder(self) -> Path:
        """Where registered bundles are kept. Several machines share it, or each has the bundles in its own."""
        return (self.monitors_dir or self.folder / "monitors").expanduser().absolute()

    @property
    def archive_folder(self) -> Path | None:
        """Where raw steps are kept once they are scored: JSON lines, zstd, by day, for the retention. None: nowhere.

        With FOREWARN_REDIS_URL that is nowhere unless a folder is named: workers may be on several machines.
        """
        if self.archive_dir == "none" or (self.archive_dir is None and self.redis_url is not None):
            return None
        return Path(self.archive_dir).expanduser().absolute() if self.archive_dir else self.folder / "archive"

    @property
    def run_names(self) -> tuple[str, ...]:
        """The attributes that name a span's run, with `trace_id` for the trace itself."""
        return tuple(self.otlp_run_id.split(","))

    @property
    def otlp_header_values(self) -> dict[str, str]:
        """The headers for the OTLP receiver, by name."""
        raw = "" if self.otlp_headers is None else self.otlp_headers.get_secret_value()
        pairs = [part.partition("=") for part in raw.split(",") if part.strip()]
        return {name.strip(): value.strip() for name, _, value in pairs}

    @field_validator("otlp_headers")
    @classmethod
    def _are_headers(cls, raw: SecretStr | None) -> SecretStr | None:
        parts = [] if raw is None else [part for part in raw.get_secret_value().split(",") if part.strip()]
        for part in parts:
            name, found, value = part.partition("=")
            if not found or not _HEADER_NAME.fullmatch(name.strip()) or not (value.isascii() and value.isprintable()):
                raise ValueError("headers are written name=value, with commas between")
        return raw

    @property
    def allowed_targets(self) -> tuple[str, ...]:
        """Private networks and hosts that webhooks may reach."""
        return tuple(_list(self.webhook_allow))

    @property
    def redacted_shapes(self) -> tuple[Shape, ...]:
        """What is masked in projects that do not say so themselves."""
        return tuple(shape for shape in SHAPES if shape in _list(self.redact))

    def to_environment(self) -> dict[str, str]:
        """The FOREWARN_* variables that make `read_settings` give these settings again, in a child process."""
        values = {name: value for name, value in self if value is not None}
        if self.api_key is not None:
            values["api_key"] = self.api_key.get_secret_value()
        if self.otlp_headers is not None:
            values["otlp_headers"] = self.otlp_headers.get_secret_value()
        return {PREFIX + name.upper(): str(value) for name, value in values.items() if value != ""}


def read_settings(**arguments: Any) -> Settings:
    """Settings from arguments (None means "not given") and the environment. Raises SettingsError naming every
    variable that is wrong."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(
        name for name in os.environ if name.startswith(PREFIX) and name not in known | NOT_SETTINGS | INTERNAL
    )
    if unknown:
        near = [match for name in unknown for match in get_close_matches(name, known - INTERNAL, 1)]
        meant = f"did you mean {', '.join(near)}?" if near else "there is none of that name"
        raise SettingsError(f"unknown setting {', '.join(unknown)}: {meant}")
    try:
        return Settings(**{name: value for name, value in arguments.items() if value is not None})
    except ValidationError as error:
        faults = "; ".join(
            _fault(fault["loc"], fault["msg"]) for fault in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"settings make no sense: {faults}") from None


def _list(raw_list: str) -> list[str]:
    return [part.strip() for part in raw_list.split(",") if part.strip()]


def _fault(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"{PREFIX}{str(location[0]).upper()}: {message}" if location else message


def worker_names(owner: str, workers: int) -> tuple[str, ...]:
    """What a supervisor calls its workers; `owner` is its own name."""
    return tuple(f"{owner}-{slot}" for slot in range(workers))


def is_loopback(host: str) -> bool:
    """True for addresses that only this machine reaches."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def default_data_dir() -> Path:
    """The platform's folder for an application's data."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "forewarn"
    root = os.environ.get("XDG_DATA_HOME")
    return (Path(root) if root else Path.home() / ".local" / "share") / "forewarn"
