"""Guarded and plain windows alternate, and a guarded service that guards nothing voids the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.bench.guards import SETTINGS, prove_guards, put_guards
from scripts.bench.measures.guarded import paired_ratio
from scripts.bench.service import ServiceError, serving
from tests.tiny_bundle import shared_tiny_bundle


def test_each_pair_begins_with_the_one_that_the_pair_before_ended_with() -> None:
    asked: list[str] = []

    def measure(kind: str) -> float:
        asked.append(kind)
        return 1.0

    assert paired_ratio(measure, 3, warm_up=False) == 1.0
    assert asked == ["plain", "guarded", "guarded", "plain", "plain", "guarded"]


def test_the_ratio_is_the_median_of_pairs_without_the_warm_up() -> None:
    # Warm-up, then pairs of 0.9, 0.5 and 0.8 while the machine slows down.
    found = {"plain": iter([1.0, 100.0, 10.0, 1.0]), "guarded": iter([9.0, 90.0, 5.0, 0.8])}
    assert paired_ratio(lambda kind: next(found[kind]), 3, warm_up=True) == pytest.approx(0.8)


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_only_a_service_with_every_guard_proves_them(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    tiny = shared_tiny_bundle(tmp_path_factory.getbasetemp())
    settings = {f"FOREWARN_{name.upper()}": value for name, value in SETTINGS.items()}
    with serving(tiny.path, tmp_path / "guarded", role="api", settings=settings) as service:
        with pytest.raises(ServiceError, match="answered 401"):
            prove_guards(service, "keyless")
        put_guards(service)
        prove_guards(service, "proof")
    unmasked = settings | {"FOREWARN_REDACT": "secrets,email,card"}
    with serving(tiny.path, tmp_path / "unmasked", role="api", settings=unmasked) as service:
        put_guards(service)
        with pytest.raises(ServiceError, match=r"not masked: \+49"):
            prove_guards(service, "proof")
