"""Is the service able to do its work now: one line for each thing it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.records import WorkerReport


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the service rests on. A `warning` is told and does not make the service unready."""

    name: str
    ok: bool
    detail: str
    warning: bool = False


def check_monitor(active_id: str) -> Check:
    """Is there a monitor for new runs?"""
    if active_id:
        return Check("monitor", True, f"{active_id} is active")
    return Check("monitor", False, "no bundle: start with forewarn serve --bundle BUNDLE, or set FOREWARN_BUNDLE")


def check_workers(reports: Sequence[WorkerReport], partitions: int, active_id: str, now_ms: int, gone_ms: int) -> Check:
    """Does a live worker own each partition, with the active monitor loaded?"""
    alive = [report for report in reports if report.seen_ms >= now_ms - gone_ms]
    if not alive:
        return Check("workers", False, "no worker has reported: is one running (forewarn serve --role worker)?")
    if active_id and not any(active_id in report.monitors for report in alive):
        return Check("workers", False, f"no worker has loaded monitor {active_id} yet")
    owned = {partition for report in alive for partition in report.partitions}
    devices = ", ".join(sorted({report.device for report in alive}))
    told = f"{len(alive)} alive, {len(owned)} of {partitions} partitions owned, on {devices}"
    return Check("workers", len(owned) == partitions, told)


def check_own_workers(
    reports: Sequence[WorkerReport], names: Sequence[str], active_id: str, now_ms: int, gone_ms: int
) -> Check:
    """Are these workers alive, each with the active monitor loaded and run once? A worker reports only after that."""
    alive = {report.worker: report for report in reports if report.seen_ms >= now_ms - gone_ms}
    missing = [name for name in names if name not in alive]
    if missing:
        return Check("workers", False, f"not started, or silent: {', '.join(missing)}")
    without = [name for name in names if active_id not in alive[name].monitors]
    if active_id and without:
        return Check("workers", False, f"monitor {active_id} is not loaded yet by {', '.join(without)}")
    owned = sum(len(alive[name].partitions) for name in names)
    devices = ", ".join(sorted({alive[name].device for name in names}))
    return Check("workers", True, f"all {len(names)} of this role alive, they own {owned} partitions, on {devices}")


def check_backlog(backlog: Sequence[int], limit: int) -> Check:
    """Do workers keep up? `limit` is where a partition starts to refuse steps."""
    worst = max(backlog, default=0)
    return Check(
        "backlog",
        worst < limit,
        f"{sum(backlog)} steps wait to be scored, {worst} at most in one partition (limit {limit})",
    )
