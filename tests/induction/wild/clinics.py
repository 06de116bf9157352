"""Dialogues of a doctor with a patient, where requests are answered by somebody who measures."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.induction.wild.judging import Runs, Told
from tests.induction.wild.prose import say

TESTS = ("CBC", "Chest X-Ray", "ECG", "Blood Pressure", "MRI of the Brain", "Urinalysis")
ILLS = ("Myasthenia gravis", "Ménière disease", "Acute appendicitis", "Influenza A")


def _exchange(rng: random.Random, told: Told, names: tuple[str, str, str], ill: str) -> list[tuple[str, str]]:
    doctor, patient, measurer = names
    lines: list[tuple[str, str]] = []
    for _ in range(rng.randint(4, 12)):
        if rng.random() < 0.3:
            test = rng.choice(TESTS)
            said = f"{say(rng, 3, 12)} REQUEST TEST: {test}" if rng.random() < 0.4 else f"REQUEST TEST: {test}"
            found = (
                "NORMAL READINGS"
                if rng.random() < 0.2
                else f"{test}: {say(rng, 2, 8)} WBC: {rng.random():.2f} (ref 0.1-0.9)"
            )
            lines += [(doctor, said), (measurer, f"RESULTS: {found}")]
            told.replies.append((f"RESULTS: {found}", found))
        else:
            said = say(rng, 6, 40)
            lines += [(doctor, said), (patient, say(rng, 3, 40))]
        told.messages.append((said,))
        told.turns["said"] += 1
    if rng.random() < 0.85:
        said = f"DIAGNOSIS READY: {ill}"
        lines.append((doctor, said))
        told.messages.append((said,))
        told.turns["said"] += 1
    return lines


def write_spoken_lists(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Scenarios in one list: the case with its answer, and the dialogue as objects of speaker and text."""
    truths: Runs = {}
    for part in range(4):
        rows: list[dict[str, Any]] = []
        for number in range(runs // 4):
            told, ill = Told(), rng.choice(ILLS)
            lines = _exchange(rng, told, ("Doctor Agent", "Patient Agent", "Measurement Agent"), ill)
            case = {
                "Objective_for_Doctor": say(rng, 8, 20),
                "Correct_Diagnosis": ill,
                "Patient_Actor": {"History": say(rng, 20, 60)},
            }
            turns = [{"turn": n // 2, "speaker": who, "text": text} for n, (who, text) in enumerate(lines)]
            row = {"scenario_id": number + part * 100, "case": case, "dialogue": turns, "bias": None}
            rows.append({**row, "diagnosis": ill if rng.random() < 0.5 else "Gout", "correct": rng.random() < 0.5})
            truths[f"results_{part}.json", number] = told
        (folder / f"results_{part}.json").write_text(
            json.dumps({"config": {"doctor_llm": "m-4"}, "results": rows}, indent=1)
        )
    return truths


def write_spoken_text(folder: Path, rng: random.Random, runs: int) -> Runs:
    """One row a dialogue, all of it in one text: a line or more a speaker."""
    truths: Runs = {}
    rows = []
    for number in range(runs):
        told, ill = Told(), rng.choice(ILLS)
        lines = _exchange(rng, told, ("Doctor", "Patient", "Measurement"), ill)
        text = f"Patient presents with {say(rng, 3, 9)}\n\n" if rng.random() < 0.3 else ""
        text += ("\n\n" if number % 1 else "\n").join(f"{who}: {said}" for who, said in lines)
        row = {"id": f"case-{number:04d}", "specialty": rng.choice(("neurology", "surgery")), "dialogue": text}
        rows.append({**row, "final_diagnosis": ill, "is_correct": rng.random() < 0.5, "n_turns": len(lines)})
        truths["dialogues.jsonl", number] = told
    (folder / "dialogues.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n")
    return truths
