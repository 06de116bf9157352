"""Every head of the paper: whole runs in training, raw steps online and the exported graph are one recurrence."""

from __future__ import annotations

import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from induction.learning.export import TOLERANCE, check_parity, export_graph
from induction.learning.paper.batches import to_turn_batch
from induction.learning.paper.network import HEADS, TurnNetwork, build_activity_network, build_paper_network
from induction.learning.paper.transformer import WINDOW
from induction.learning.paper.turns import RunTurns
from tests.induction.learning.paper_runs import ROWS, random_turns, store_of
from tests.induction.learning.test_export import CUDA_OPERATORS

NETWORKS = (*HEADS, "lstm")
ONE_CHUNK = torch.zeros(1, 1, dtype=torch.int64)


def random_network(head: str, seed: int = 0) -> TurnNetwork:
    """A network whose weights are far from where they start, so that its scores move a lot."""
    torch.manual_seed(seed)
    network = build_activity_network(ROWS) if head == "lstm" else build_paper_network(head, ROWS)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    network.cool(0.5)
    return network.eval()


@torch.no_grad()
def step_by_step(network: TurnNetwork, run: RunTurns) -> list[float]:
    state, found = torch.zeros(1, network.state_size), []
    for index, group in enumerate(run.groups.tolist()):
        part = slice(int(run.offsets[index]), int(run.offsets[index + 1]))
        opens = index == 0 or group != run.groups[index - 1]
        logit, failure, _, state = network.step(
            torch.from_numpy(run.rows[None, part].astype("int64")),
            torch.from_numpy(run.weights[None, part].copy()),
            ONE_CHUNK,
            torch.zeros(1, 1),
            torch.tensor([float(opens)]),
            state,
        )
        assert float(logit) == float(failure)
        found.append(float(logit))
    return found


def greatest_difference(network: TurnNetwork, runs: list[RunTurns]) -> float:
    with store_of(runs) as store, torch.no_grad():
        logits = network(to_turn_batch(store.runs, [store.read(run) for run in store.runs], 3)).logits
    differences = [
        (row[: run.turns.size] - torch.tensor(step_by_step(network, run))).abs().max()
        for row, run in zip(logits, runs, strict=True)
    ]
    return float(max(differences))


PATTERNS = st.lists(st.lists(st.integers(0, 2), max_size=9).map(lambda rest: [1, *rest]), min_size=1, max_size=4)


@pytest.mark.parametrize("head", NETWORKS)
@given(PATTERNS, st.integers(0, 100))
@settings(max_examples=8, deadline=None)
def test_whole_runs_in_a_padded_batch_score_as_raw_steps_one_by_one(
    head: str, patterns: list[list[int]], seed: int
) -> None:
    runs = [random_turns(opens, seed + number) for number, opens in enumerate(patterns)]

    assert greatest_difference(random_network(head, seed), runs) < 1e-4


@pytest.mark.parametrize("head", NETWORKS)
def test_turns_that_are_scored_once_complete_score_as_one_by_one(head: str) -> None:
    assert greatest_difference(random_network(head), [random_turns([1, 2, 1, 1], 1), random_turns([1, 1], 2)]) < 1e-4


def test_a_transformer_forgets_turns_beyond_its_window_in_training_as_online() -> None:
    runs = [random_turns([1] * (WINDOW + 25), 1)]

    assert greatest_difference(random_network("transformer"), runs) < 1e-4


@pytest.mark.parametrize("head", NETWORKS)
def test_the_first_action_is_scored_from_an_empty_state_whatever_came_before_it(head: str) -> None:
    network = random_network(head)
    rows, weights = torch.ones(1, 3, dtype=torch.int64), torch.rand(1, 3)
    shape, closed, opened = torch.zeros(1, 1), torch.zeros(1), torch.ones(1)

    with torch.no_grad():
        *_, state = network.step(rows, weights * 9, ONE_CHUNK, shape, closed, torch.zeros(1, network.state_size))
        after_prelude = network.step(rows, weights, ONE_CHUNK, shape, opened, state)[0]
        at_once = network.step(rows, weights, ONE_CHUNK, shape, opened, torch.zeros(1, network.state_size))[0]

    assert float(after_prelude) == pytest.approx(float(at_once), abs=1e-6)


@pytest.mark.parametrize("head", NETWORKS)
def test_torch_graph_and_numpy_agree_on_operators_that_cuda_has(head: str) -> None:
    network = random_network(head)
    graph = export_graph(network)

    assert 0 < check_parity(network, graph, seed=5) <= TOLERANCE
    assert {node.op_type for node in onnx.load_from_string(graph).graph.node} <= CUDA_OPERATORS


@pytest.mark.parametrize("head", NETWORKS)
def test_the_state_is_as_small_as_promised(head: str) -> None:
    assert 4 * random_network(head).state_size <= (16_384 if head == "transformer" else 4_096)


def test_heads_have_as_many_parameters_as_published() -> None:
    counts = {head: sum(one.numel() for one in build_paper_network(head, 4096).head.parameters()) for head in HEADS}

    assert counts == {"fsm": 4_129, "flat": 289, "gru": 1_921, "transformer": 6_849}
