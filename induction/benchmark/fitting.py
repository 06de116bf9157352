"""Doing the fits of a plan: what is on disk is not done again; several at once, in processes of their own."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from induction.adapters.inducing import induce_adapter
from induction.benchmark.fits import FitKey, fit, write_fit
from induction.benchmark.plan import Corpus
from induction.errors import TooFewRunsError
from monitors.adapter import AdapterSpec, read_spec, write_spec

OnFit = Callable[[FitKey, str], None]
"""Hears a fit's stages: "done" when it is on disk, "left out" when a share of the data is too small to learn from."""
DONE, LEFT_OUT = "done", "left out"


@dataclass(frozen=True, slots=True)
class Work:
    """A fit to do."""

    key: FitKey
    corpus: Corpus
    spec: AdapterSpec


def read_or_induce_adapter(corpus: Corpus, out: Path, say: Callable[[str], None]) -> AdapterSpec:
    """Return the corpus's adapter, induced once and kept under `out/adapters`."""
    path = out / "adapters" / f"{corpus.adapter_of or corpus.name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        say(f"Inducing how to read {corpus.name}")
        write_spec(induce_adapter(corpus.raw, corpus.outcomes).proposal.spec, path)
    return read_spec(path)


def do_fits(works: Sequence[Work], folder: Path, on_fit: OnFit, jobs: int = 1) -> Iterator[FitKey]:
    """Yield the key of each fit when it is written, or known to be left out; in any order.

    Raises what a fit raises; fits that were done stay done. Interrupted, it ends the processes that it started.
    """
    if jobs <= 1 or len(works) <= 1:
        for work in works:
            on_fit(work.key, _do(work, folder, on_fit))
            yield work.key
        return
    yield from _do_in_processes(works, folder, on_fit, min(jobs, len(works)))


def _do(work: Work, folder: Path, on_fit: OnFit) -> str:
    # One thread: fits run side by side, and sums come out the same however many do.
    with threadpool_limits(1):
        try:
            found = fit(
                work.key, work.corpus.raw, work.spec, work.corpus.outcomes, lambda stage: on_fit(work.key, stage)
            )
        except TooFewRunsError:
            if work.key.share == 1.0:
                raise
            return LEFT_OUT
    write_fit(found, folder)
    return DONE


def _do_in_processes(works: Sequence[Work], folder: Path, on_fit: OnFit, jobs: int) -> Iterator[FitKey]:
    # Spawned, not forked: torch and ONNX Runtime hold threads that do not survive a fork.
    context = multiprocessing.get_context("spawn")
    heard = context.SimpleQueue()
    with tempfile.TemporaryDirectory() as scratch:
        executor = ProcessPoolExecutor(jobs, context, _start, (heard, scratch))
        try:
            running: dict[Future[str], FitKey] = {}
            # Workers begin with Ctrl-C held back: before `_start`, while they import, it would end in tracebacks.
            held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                running |= {executor.submit(_do_and_tell, work, folder): work.key for work in works}
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, held)
            while running:
                finished, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                while not heard.empty():
                    on_fit(*heard.get())
                for future in finished:
                    key = running.pop(future)
                    on_fit(key, future.result())
                    yield key
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


_heard: Any = None


def _start(heard: Any, scratch: str) -> None:
    """Begin a worker: it dies of Ctrl-C without a word, and what it leaves half done lies where the parent clears."""
    global _heard  # noqa: PLW0603 (a worker process has one parent to tell)
    _heard = heard
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    tempfile.tempdir = scratch


def _do_and_tell(work: Work, folder: Path) -> str:
    return _do(work, folder, lambda key, stage: _heard.put((key, stage)))
