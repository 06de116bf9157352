"""All of these formats by name, in two halves: those the inducer was developed on, and those only looked at after."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.induction.wild import browsing, clinics, coding, engineering, episodes, reasoning, spans, terminals, vendors
from tests.induction.wild.judging import Runs

Write = Callable[[Path, random.Random, int], Runs]

SEEN: dict[str, Write] = {
    "sessions": coding.write_sessions,
    "trajectories": engineering.write_trajectories,
    "episode folders": episodes.write_episode_folders,
    "casts": terminals.write_casts,
    "histories": browsing.write_histories,
    "message spans": spans.write_message_spans,
    "span trees": spans.write_span_trees,
    "spoken lists": clinics.write_spoken_lists,
    "numbered thoughts": reasoning.write_numbered_thoughts,
    "rooms": reasoning.write_rooms,
}
VENDORS: dict[str, Write] = vendors.FORMATS
HELD: dict[str, Write] = {
    "rollouts": coding.write_rollouts,
    "event streams": engineering.write_event_streams,
    "numbered steps": episodes.write_numbered_steps,
    "typescripts": terminals.write_typescripts,
    "page trees": browsing.write_page_trees,
    "flat spans": spans.write_flat_spans,
    "spoken text": clinics.write_spoken_text,
    "action inputs": reasoning.write_action_inputs,
    "notebooks": reasoning.write_notebooks,
}
