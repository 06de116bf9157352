"""What may be set, what is refused, and what the defaults promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.app.binding import Binding, choose_binding
from service.errors import SettingsError
from service.settings import read_settings


def test_the_promised_defaults() -> None:
    settings = read_settings()
    assert (settings.wanted_host, settings.port, settings.role, settings.workers) == ("127.0.0.1", 8080, "all", 1)
    assert (settings.partition_count, settings.appendfsync, settings.device) == (8, "always", "auto")
    assert (settings.max_body_bytes, settings.max_step_bytes, settings.max_depth) == (8 * 2**20, 2**20, 64)


def test_a_shared_redis_has_64_partitions() -> None:
    assert read_settings(redis_url="redis://127.0.0.1:6379").partition_count == 64


def test_variables_are_read_and_arguments_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREWARN_PORT", "9000")
    monkeypatch.setenv("FOREWARN_WORKERS", "3")
    settings = read_settings(port=9001, workers=None)
    assert (settings.port, settings.workers) == (9001, 3)


def test_an_unknown_variable_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREWARN_PROT", "9000")
    with pytest.raises(SettingsError, match="FOREWARN_PROT"):
        read_settings()


def test_variables_of_the_test_suite_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREWARN_REALDATA", "/somewhere")
    monkeypatch.setenv("FOREWARN_REQUIRE", "all")
    read_settings()


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREWARN_PORT", "http")
    monkeypatch.setenv("FOREWARN_WORKERS", "0")
    with pytest.raises(SettingsError, match=r"FOREWARN_PORT.*FOREWARN_WORKERS"):
        read_settings()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_an_address_reachable_from_outside_needs_a_key(host: str) -> None:
    assert choose_binding(read_settings(host=host), keys_exist=False) == Binding("127.0.0.1", kept_in=True)
    with_key = read_settings(host=host, api_key="a-long-enough-key")
    assert choose_binding(with_key, keys_exist=False) == Binding(host)
    assert choose_binding(read_settings(host=host), keys_exist=True) == Binding(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_no_key(host: str) -> None:
    assert choose_binding(read_settings(host=host), keys_exist=False) == Binding(host)


def test_a_key_in_redis_alone_opens_no_address_that_was_not_asked_for() -> None:
    assert choose_binding(read_settings(), keys_exist=True) == Binding("127.0.0.1")


def test_with_a_key_the_service_listens_everywhere() -> None:
    assert read_settings(api_key="a-long-enough-key").wanted_host == "0.0.0.0"


def test_the_key_is_not_shown() -> None:
    assert "a-long-enough-key" not in repr(read_settings(api_key="a-long-enough-key"))


@pytest.mark.parametrize("role", ["api", "worker"])
def test_a_single_role_needs_a_shared_redis(role: str) -> None:
    with pytest.raises(SettingsError, match="FOREWARN_REDIS_URL"):
        read_settings(role=role)


def test_a_child_process_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = read_settings(
        bundle=tmp_path,
        api_key="a-long-enough-key",
        redis_url="redis://x",
        webhook_allow="127.0.0.0/8",
        redact="secrets",
        otlp_endpoint="https://otel.example:4318",
        otlp_headers="authorization=Bearer x,x-scope=a",
    )
    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)
    assert read_settings() == settings


def test_alerts_are_told_by_the_promised_defaults() -> None:
    settings = read_settings()
    assert (settings.public_url, settings.severity_warning, settings.severity_critical) == ("", 0.5, 0.8)


@pytest.mark.parametrize(
    "url", ["forewarn.example.com", "ftp://x", "https://", "https://x/?a=1", "https://u:p@x", "http://x y"]
)
def test_a_public_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="FOREWARN_PUBLIC_URL"):
        read_settings(public_url=url)


def test_severities_that_fall_are_refused() -> None:
    with pytest.raises(SettingsError, match="FOREWARN_SEVERITY_WARNING"):
        read_settings(severity_warning=0.9, severity_critical=0.8)


def test_headers_for_the_otlp_receiver_are_read_and_never_shown() -> None:
    settings = read_settings(otlp_headers="authorization=Bearer s3cret=, x-scope = a")
    assert settings.otlp_header_values == {"authorization": "Bearer s3cret=", "x-scope": "a"}
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize("raw", ["authorization", "a b=c", "x=a\r\nhost: y", "=x"])
def test_headers_that_are_none_are_refused_without_being_shown(raw: str) -> None:
    with pytest.raises(SettingsError, match="FOREWARN_OTLP_HEADERS") as refused:
        read_settings(otlp_headers=raw)
    assert raw not in str(refused.value).replace("FOREWARN_OTLP_HEADERS", "")
