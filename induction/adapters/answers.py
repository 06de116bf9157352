"""Which paths of raw steps without kinds hold the answer to their action, by name."""

from __future__ import annotations

from collections.abc import Sequence

from induction.adapters.fallback import read_error
from induction.adapters.profiles import PathProfile
from induction.adapters.selecting import object_results
from induction.adapters.sides import answers_action
from induction.adapters.texts import TextPath, is_result_path, rank_texts
from induction.adapters.vocabulary import RESULT_KEYS, last_key
from monitors.adapter.spec import Selector


def named_answers(profiles: dict[str, PathProfile], events: int) -> list[str]:
    """Return the texts under top-level keys that are named like answers, in the order of the alphabet.

    Every shape of raw step may have them, also where the sample shows too few of that shape to say so.
    """
    ranked = [item.path for item in rank_texts(profiles, events)]
    return sorted(
        path for path in ranked if "*" not in path and path.count("/") <= 2 and is_result_path(f"/{path.split('/')[1]}")
    )


def choose_answers(
    ranked: Sequence[TextPath], profiles: dict[str, PathProfile], named: Sequence[str], own: tuple[str, ...] = ()
) -> list[str]:
    """Return the paths of answers: texts, or an object that holds several of them; and the named ones beside these.
    What stands under a path in `own` the agent wrote.
    """
    texts = [item for item in ranked if answers_action(item.path, own)]
    objects = object_results({path: profile for path, profile in profiles.items() if answers_action(path, own)})
    named = [path for path in named if answers_action(path, own)]
    inside = [item for item in texts if objects and item.path.startswith(objects[0] + "/")]
    if objects and all(item in inside or item.fill < 0.2 for item in texts):
        chosen = _said_in_list(objects[0], inside, profiles) or _said_alone(objects[0], inside, profiles) or objects
    else:
        chosen = [item.path for item in texts if item not in inside][:3]
    return sorted({*chosen, *(path for path in named if not _is_related(path, chosen))})


def _said_in_list(path: str, inside: Sequence[TextPath], profiles: dict[str, PathProfile]) -> list[str]:
    """Of a list of answers, one a call, the text that each of them has, where it is named like one."""
    if profiles[path].kinds["list"] < 0.9 * profiles[path].values:
        return []
    items = profiles.get(f"{path}/*")
    return [
        item.path
        for item in inside
        if item.path.rsplit("/", 1)[0] == f"{path}/*"
        and (last_key(item.path).lower() in RESULT_KEYS or item.path.endswith("/content"))
        and items is not None
        and profiles[item.path].values >= 0.8 * items.values
    ][:1]


def _said_alone(path: str, inside: Sequence[TextPath], profiles: dict[str, PathProfile]) -> list[str]:
    """Of an object that holds one text, and numbers or flags about it, that text."""
    texts = [one for one, profile in profiles.items() if one.startswith(f"{path}/") and not _is_flag(profile)]
    whole = [item.path for item in inside if profiles[item.path].values >= 0.95 * profiles[path].values]
    return whole if len(texts) == 1 and texts == whole else []


def _is_flag(profile: PathProfile) -> bool:
    return not (profile.texts or profile.kinds["dict"] or profile.kinds["list"])


def select_answers(paths: Sequence[str]) -> tuple[Selector, ...]:
    """Return the selectors of answers. An error may be a text in some raw steps, an object in others."""
    errors = read_error()
    own = {selector.path for selector in errors}
    selected = tuple(Selector(path=path) for path in paths if path not in own)
    return (*selected, *errors) if own.intersection(paths) else selected


def _is_related(path: str, others: Sequence[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in others)
