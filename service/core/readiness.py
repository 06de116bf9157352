"""Is the service able to do its work now: one line for each thing it rests on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from service.records import WorkerReport


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the service rests on. A `warning` is told and does not make the service unready."""

    name: str
    ok: bool
    detail: str
    warning: bool = False


def check_monitor(active_id: str, chosen: Collection[str] = ()) -> Check:
    """Is there a monitor for new runs: the one that the service was started with, or one that a project has chosen?"""
    others = len(set(chosen) - {active_id})
    told = f"{others} more in projects of their own choice"
    if active_id:
        return Check("monitor", True, f"{active_id} is active" + (f", {told}" if others else ""))
    if others:
        return Check("monitor", True, f"none is active by default, {told}")
    return Check("monitor", False, "no bundle: start with forewarn serve --bundle BUNDLE, or set FOREWARN_BUNDLE")


def check_chosen(reports: Sequence[WorkerReport], chosen: Collection[str], now_ms: int, gone_ms: int) -> Check:
    """Has every live worker loaded what projects have chosen? Only those projects' runs wait for what is missing."""
    alive = [report for report in reports if report.seen_ms >= now_ms - gone_ms]
    missing = sorted(name for name in chosen if any(name not in report.monitors for report in alive))
    if not missing:
        return Check("chosen monitors", True, f"{len(chosen)} loaded by every worker", warning=True)
    whys = [report.refused[missing[0]] for report in alive if missing[0] in report.refused]
    return Check(
        "chosen monitors",
        False,
        f"not loaded by every worker: {', '.join(missing[:5])}" + (f"; {whys[0]}" if whys else ""),
        warning=True,
    )


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
