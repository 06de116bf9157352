"""What a kustomization comes to: the little of kustomize that deploy/kubernetes uses, so that its objects are checked
where there is no kubectl too. `test_kubernetes` compares it with kubectl's answer where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
KNOWN = {"apiVersion", "kind", "namespace", "resources", "components", "images", "patches"}
CLUSTER_WIDE = {"Namespace"}


def build(folder: Path) -> list[Object]:
    """The objects of a folder's kustomization, in no promised order."""
    return _build(folder, [])


def _build(folder: Path, found: list[Object]) -> list[Object]:
    recipe: Object = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    assert set(recipe) <= KNOWN, f"{folder} says what this reader does not know: {set(recipe) - KNOWN}"
    for name in recipe.get("resources", []):
        path = folder / name
        found += _build(path, []) if path.is_dir() else yaml.safe_load_all(path.read_text(encoding="utf-8"))
    for name in recipe.get("components", []):
        found = _build(folder / name, found)
    for patch in recipe.get("patches", []):
        targets = [one for one in found if _fits(one, patch["target"])]
        assert targets, f"{folder}: nothing is {patch['target']}"
        for one in targets:
            for operation in yaml.safe_load(patch["patch"]):
                _apply(one, operation)
    for one in found:
        if "namespace" in recipe and one["kind"] not in CLUSTER_WIDE:
            one["metadata"]["namespace"] = recipe["namespace"]
        for image in recipe.get("images", []):
            for container in containers(one):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"
    return found


def containers(one: Object) -> list[Object]:
    """The containers of a workload; none of anything else."""
    return list(one.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []))


def _fits(one: Object, target: Object) -> bool:
    return one["kind"] == target["kind"] and target.get("name", one["metadata"]["name"]) == one["metadata"]["name"]


def _apply(one: Object, operation: Object) -> None:
    *way, last = [part.replace("~1", "/") for part in operation["path"].split("/")[1:]]
    place: Any = one
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if operation["op"] == "remove":
        del place[last]
    elif last == "-":
        place.append(operation["value"])
    else:
        assert operation["op"] == "add" or last in place, operation
        place[last] = operation["value"]
