"""Where runs and their ordered steps stand in JSON documents: the list that carries the text of a run.

Every list of a document is a candidate. A list of steps is long, its items alike and mostly different from each
other, and it holds much of the document's text itself rather than in longer lists inside its items (histories
repeated in every step are told by their repetition). What several documents hold alike, such as the tasks beside the
runs, is no run's: each has its share of such a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from induction.adapters.vocabulary import EVENT_LIST_KEYS, RESULT_KEYS, last_key, matches
from induction.reading.documents import Document
from monitors.adapter.pointers import join_pointer
from monitors.stepview import JsonValue

MAX_ITEMS = 48
MAX_DEPTH = 12
INNER_LIST_LENGTH = 3.0
"""Lists with fewer items on average are parts of a step (parallel calls, content blocks), not a sequence of their
own.
"""


@dataclass(slots=True)
class _ListProfile:
    """What all lists at one path have in common."""

    lengths: list[int] = field(default_factory=list)
    texts: dict[int, int] = field(default_factory=dict)
    mass: float = 0.0
    items: int = 0
    repeated: int = 0
    seen: set[int] = field(default_factory=set)
    keys: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def mean_length(self) -> float:
        return sum(self.lengths) / len(self.lengths)


@dataclass(frozen=True, slots=True)
class ListScore:
    """One candidate for the list of steps: its pointer (with a trailing `*`) and why it scored as it did."""

    path: str
    score: float
    lists: int
    mean_length: float
    text_share: float
    distinct_ratio: float
    likeness: float


def score_lists(document: Document) -> list[ListScore]:
    """Return the candidate lists of one document, best first."""
    return _score_all(_profile_lists(document), Counter())


def _profile_lists(document: Document) -> dict[tuple[str, ...], _ListProfile]:
    profiles: dict[tuple[str, ...], _ListProfile] = {}
    _walk(document.value, (), (), profiles, 0)
    return profiles


def _score_all(profiles: dict[tuple[str, ...], _ListProfile], owners: Counter[int]) -> list[ListScore]:
    """Score the lists of a document; `owners` says how many documents hold a text."""
    for profile in profiles.values():
        profile.mass = sum(chars / max(1, owners[code]) for code, chars in profile.texts.items())
    _merge_inner(profiles)
    total = sum(profile.mass for profile in profiles.values()) or 1
    scores = [_score(path, profile, total) for path, profile in profiles.items() if profile.items]
    return sorted(scores, key=lambda item: (-item.score, item.path))


def find_event_lists(documents: Sequence[Document]) -> list[ListScore]:
    """Return the pointers of the lists of steps, most important first: each wins in some documents that have none of
    those before it.
    """
    profiled = [_profile_lists(document) for document in documents]
    owners = Counter(
        code for profiles in profiled for code in {code for profile in profiles.values() for code in profile.texts}
    )
    scored = [_score_all(profiles, owners) for profiles in profiled]
    found: list[ListScore] = []
    left = [scores for scores in scored if scores and scores[0].score > 0]
    while left and len(found) < 4:
        totals: Counter[str] = Counter()
        best: dict[str, ListScore] = {}
        for scores in left:
            for item in scores:
                totals[item.path] += item.score  # type: ignore[assignment]
                if item.path not in best or item.score > best[item.path].score:
                    best[item.path] = item
        path = min(totals, key=lambda key: (-totals[key], key))
        rest = [scores for scores in left if all(item.path != path for item in scores)]
        if len(left) - len(rest) < max(1, len(scored) // 100) or (found and best[path].score < 0.1):
            break
        found.append(best[path])
        left = rest
    return found


def _names_both_sides(keys: Sequence[str]) -> bool:
    """Items that name an action and what answers it are steps rather than a list of messages beside them."""
    return any(matches(key, RESULT_KEYS) for key in keys) and any(key.lower() in ("action", "actions") for key in keys)


def split_at_run(path: str) -> tuple[str, str]:
    """Return (runs, events) pointers for a list of steps: a run is the innermost list item that holds the list, else
    the document.
    """
    segments = path.split("/")
    stars = [index for index, segment in enumerate(segments) if segment == "*"]
    if len(stars) < 2:
        return "", path
    cut = stars[-2] + 1
    return "/".join(segments[:cut]), "/" + "/".join(segments[cut:])


def _walk(
    node: JsonValue,
    path: tuple[str, ...],
    owner: tuple[str, ...],
    profiles: dict[tuple[str, ...], _ListProfile],
    depth: int,
) -> int:
    """Record the lists under a node; return a hash of the node, by which repeated items are told."""
    if isinstance(node, str):
        profile = profiles.get(owner)
        code = hash(node)
        if profile is not None and code not in profile.texts:
            profile.texts[code] = len(node)
        return code
    if depth > MAX_DEPTH or not isinstance(node, dict | list):
        return hash(node) if not isinstance(node, dict | list) else 0
    if isinstance(node, dict):
        return hash(tuple((key, _walk(value, (*path, key), owner, profiles, depth + 1)) for key, value in node.items()))
    return _walk_list(node, (*path, "*"), profiles, depth)


def _walk_list(
    items: list[JsonValue],
    path: tuple[str, ...],
    profiles: dict[tuple[str, ...], _ListProfile],
    depth: int,
) -> int:
    shown = items[:MAX_ITEMS]
    if not any(isinstance(item, dict | str | list) for item in shown):
        return hash(tuple(item for item in shown if not isinstance(item, dict | list)))
    profile = profiles.setdefault(path, _ListProfile())
    profile.lengths.append(len(items))
    codes = []
    for item in shown:
        code = _walk(item, path, path, profiles, depth + 1)
        codes.append(code)
        profile.items += 1
        profile.kinds[type(item).__name__] += 1
        if isinstance(item, dict):
            profile.keys.update(item.keys())
        profile.repeated += code in profile.seen
        profile.seen.add(code)
    return hash(tuple(codes))


def _merge_inner(profiles: dict[tuple[str, ...], _ListProfile]) -> None:
    """Give the text of short lists to the list whose items they are part of, innermost first."""
    for path in sorted(profiles, key=len, reverse=True):
        profile = profiles[path]
        if profile.lengths and profile.mean_length < INNER_LIST_LENGTH:
            outer = next((p for n in range(len(path) - 1, 0, -1) if (p := path[:n]) in profiles), None)
            if outer is not None:
                profiles[outer].mass += profile.mass
                profile.mass = 0


def _score(path: tuple[str, ...], profile: _ListProfile, total: float) -> ListScore:
    mean_length = profile.mean_length
    objects = profile.kinds.get("dict", 0)
    core = [key for key, count in profile.keys.items() if count >= 0.8 * objects]
    likeness = 1.0 if objects and core else 0.5 if objects else 0.4
    likeness *= max(profile.kinds.values()) / profile.items
    distinct = 1 - profile.repeated / profile.items
    share = profile.mass / total
    length = min(1.0, max(0.02, (mean_length - 1) / 3))
    pointer = join_pointer(path)
    prior = 1.5 if matches(last_key(pointer), EVENT_LIST_KEYS) else 1.0
    prior *= 1.5 if _names_both_sides(core) else 1.0
    score = share * length * likeness * distinct * prior
    return ListScore(pointer, score, len(profile.lengths), mean_length, share, distinct, likeness)
