"""The whole audit: automaton, picture, page, and how the automaton does as a monitor beside the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from induction.automaton.comparing import Comparison, compare, read_automaton
from induction.automaton.drawing import DrawingError, draw, read_inline_svg, to_dot, to_picture
from induction.automaton.extracting import extract_automaton
from induction.automaton.merging import MINIMUM_SUPPORT
from induction.automaton.page import render_page
from induction.learning.labelled import LabelledCorpus
from monitors.automaton_record import Automaton
from monitors.bundle.folder import AUTOMATON, PICTURE, add_automaton, add_part
from monitors.errors import BundleError
from monitors.monitor import Monitor


def to_json(automaton: Automaton) -> bytes:
    """Return the bytes of `automaton.json`."""
    return automaton.model_dump_json(indent=2).encode("utf-8", "replace") + b"\n"


def audit(
    bundle: Path,
    corpus: LabelledCorpus | None,
    out: Path,
    *,
    minimum_support: int = MINIMUM_SUPPORT,
    save: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Automaton, Comparison | None]:
    """Write automaton.json, automaton.dot, automaton.svg and index.html; put automaton and picture into the bundle, if
    `save`.

    Without a corpus, the bundle's own automaton is shown. Raises BundleError where it has none, NoRunsError,
    TooFewRunsError, and DrawingError where there is no Graphviz: then all but the picture is written.
    """
    monitor = Monitor.read(bundle, device="cpu")
    comparison = None
    if corpus is None:
        found = read_automaton(bundle, monitor)
        if found is None:
            raise BundleError(f"{bundle} has no automaton yet: give --data, the finished runs that it was trained on")
        automaton = found
    else:
        say("Reading the event symbols of its runs and merging states")
        automaton = extract_automaton(monitor, corpus, minimum_support)
        say("Scoring runs that it never saw")
        comparison = compare(monitor, automaton, corpus)
        if save:
            add_automaton(bundle, to_json(automaton))
    say("Drawing")
    out.mkdir(parents=True, exist_ok=True)
    dot, svg = out / "automaton.dot", out / PICTURE
    (out / AUTOMATON).write_bytes(to_json(automaton))
    dot.write_text(to_dot(automaton), "utf-8")
    svg.unlink(missing_ok=True)
    failure: DrawingError | None = None
    try:
        draw(dot, svg)
    except DrawingError as error:
        failure = error
    picture = read_inline_svg(svg) if failure is None else None
    if picture is not None and save:
        add_part(bundle, PICTURE, to_picture(picture))
    (out / "index.html").write_text(render_page(automaton, monitor.manifest, comparison, picture), "utf-8")
    if failure is not None:
        raise failure
    return automaton, comparison
