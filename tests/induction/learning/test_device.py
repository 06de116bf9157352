"""Networks train where they are told to, nothing reaches them past the move there, and they come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from induction.errors import NoCudaError
from induction.learning.batches import to_run_batch
from induction.learning.best.classes import N_CLASSES
from induction.learning.best.distilling import Schedule, distil
from induction.learning.best.steps import Steps, count_runs, to_steps
from induction.learning.best.teaching import Lessons
from induction.learning.best.texts import N_COLUMNS
from induction.learning.checkpoints import NO_CHECKPOINTS, Checkpoints, NoCheckpoints
from induction.learning.corpus import FeaturedRun
from induction.learning.device import Device, choose_device, find_cuda, move
from induction.learning.export import check_parity, export_graph
from induction.learning.identity import identify_learning
from induction.learning.network import MonitorNetwork, NetworkSize
from induction.learning.paper.network import build_activity_network, build_paper_network
from induction.learning.paper.sparse import SparseLinear, sum_bags
from induction.learning.paper.training import PaperSettings, fit_network
from induction.learning.presets.default import DefaultRecipe
from induction.learning.split import Split
from induction.learning.step_network import StepNetwork
from induction.learning.training import TrainingSettings, train_network
from tests.induction.learning.another_device import NAME, AnotherDevice, MixedDevicesError
from tests.induction.learning.paper_runs import ROWS, random_turns, store_of
from tests.tiny_bundle import TinyBundle, labelled, write_corpus

ELSEWHERE = cast(Device, NAME)
LEARNERS = ("default", "best", "gru", "transformer", "fsm", "flat", "lstm")


def found() -> str:
    return "a GPU"


def not_found() -> str:
    raise NoCudaError("CUDA is there and fails (no kernel image)")


def never_asked() -> str:
    raise AssertionError("nobody asked for a GPU")


def test_auto_takes_a_gpu_that_computes_and_names_it() -> None:
    chosen = choose_device("auto", found)

    assert (chosen.device, chosen.note) == ("cuda", "Networks train on CUDA (a GPU)")


def test_auto_takes_the_cpu_where_the_gpu_fails_and_says_why() -> None:
    chosen = choose_device("auto", not_found)

    assert chosen.device == "cpu"
    assert chosen.note == "Networks train on the CPU: CUDA is there and fails (no kernel image)"


def test_the_cpu_is_taken_unseen() -> None:
    assert choose_device("cpu", never_asked).device == "cpu"


def test_a_gpu_that_is_asked_for_and_fails_says_what_to_do() -> None:
    with pytest.raises(NoCudaError, match=r"no kernel image.*the CUDA build of torch .*--device cpu"):
        choose_device("cuda", not_found)


@pytest.mark.skipif(torch.backends.cuda.is_built(), reason="this torch is built with CUDA")
def test_a_torch_without_cuda_is_named() -> None:
    with pytest.raises(NoCudaError, match=f"torch {torch.__version__} is built without CUDA".replace("+", r"\+")):
        find_cuda()


@pytest.mark.skipif(torch.cuda.is_available(), reason="here CUDA computes")
def test_a_gpu_that_is_listed_and_cannot_compute_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    assert "CUDA is there and fails" in choose_device("auto").note


def test_sums_of_bags_are_the_compiled_layer_with_its_gradient() -> None:
    torch.manual_seed(1)
    layer = SparseLinear(9, 4)
    sparse = (torch.tensor([1, 8, 1, 3]), torch.rand(4), torch.tensor([0, 2, 2, 4]))
    compiled = layer(*sparse)
    compiled.square().sum().backward()
    gradient = cast(Tensor, layer.weight.grad).clone()
    layer.zero_grad()

    bags = sum_bags(layer.weight, *sparse) + layer.bias
    bags.square().sum().backward()

    assert torch.allclose(bags, compiled, atol=1e-6)
    assert torch.allclose(cast(Tensor, layer.weight.grad), gradient, atol=1e-6)


@dataclass(frozen=True, slots=True)
class Learners:
    """Trains one of LEARNERS for a few epochs on random runs."""

    runs: list[FeaturedRun]
    n_rows: int
    steps: Steps

    def train(
        self, name: str, device: Device, checkpoints: Checkpoints = NO_CHECKPOINTS, epochs: int = 2
    ) -> StepNetwork:
        if name == "default":
            settings = TrainingSettings(max_epochs=epochs, device=device)
            return train_network(self.runs, self.n_rows, settings, checkpoints=checkpoints).network
        if name == "best":
            rng = np.random.default_rng(1)
            n_steps = self.steps.run.size
            lessons = Lessons(
                rng.normal(size=(n_steps, self.steps.shape.shape[1] + 4 * N_COLUMNS)).astype(np.float32),
                rng.dirichlet(np.ones(N_CLASSES), n_steps).astype(np.float32),
            )
            return distil(self.steps, lessons, Schedule(1, epochs=epochs, device=device), checkpoints=checkpoints)
        parts = [random_turns([1] * (3 + number % 4), number) for number in range(40)]
        settings_of_paper = PaperSettings(epochs=epochs, batch_sizes=(8,), device=device)
        with store_of(parts, [number % 2 == 0 for number in range(40)]) as store:
            return fit_network(
                store,
                lambda: build_activity_network(ROWS) if name == "lstm" else build_paper_network(name, ROWS),
                settings_of_paper,
                checkpoints=checkpoints,
            ).network


@pytest.fixture(scope="module")
def learners(featured: tuple[list[FeaturedRun], int], tmp_path_factory: pytest.TempPathFactory) -> Learners:
    corpus = write_corpus(tmp_path_factory.mktemp("device"), n_runs=40, n_tasks=20, seed=3)
    return Learners(*featured, to_steps(count_runs(labelled(corpus), lambda *_: True)))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> AnotherDevice:
    """A second device that knows AdamW in one kernel, as CUDA does."""
    optimizer = import_module("torch.optim.optimizer")
    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: ["cpu", NAME])
    return AnotherDevice()


def greatest_difference(one: StepNetwork, other: StepNetwork) -> float:
    """Of logits over some turns: where a weight does nothing for them, Adam makes steps of rounding errors."""
    rng = torch.Generator().manual_seed(1)
    states, found = [torch.zeros(64, one.state_size)] * 2, 0.0
    for _ in range(4):
        rows = torch.randint(one.n_rows, (64, 5), generator=rng)
        weights, shape = torch.rand(64, 5, generator=rng), torch.randn(64, one.n_shape, generator=rng)
        with torch.no_grad():
            left, right = (
                network.step(rows, weights, torch.arange(64)[:, None], shape, torch.ones(64), state)
                for network, state in zip((one, other), states, strict=True)
            )
        states = [left[3], right[3]]
        found = max(found, *(float((left[place] - right[place]).abs().max()) for place in (0, 1)))
    return found


@pytest.mark.parametrize("name", LEARNERS)
def test_nothing_but_moved_tensors_meets_a_network_and_it_comes_back(
    learners: Learners, elsewhere: AnotherDevice, name: str
) -> None:
    with elsewhere:
        network = learners.train(name, ELSEWHERE)

    assert elsewhere.operations > 1000
    assert {value.device.type for value in network.state_dict().values()} == {"cpu"}
    # The same arithmetic, but for the order of the paper's sparse sums.
    assert greatest_difference(network, learners.train(name, "cpu")) < 1e-4


def test_a_batch_that_is_not_moved_is_noticed(
    featured: tuple[list[FeaturedRun], int], elsewhere: AnotherDevice
) -> None:
    runs, n_rows = featured
    batch = to_run_batch(runs[:3], 3)
    with elsewhere:
        network = MonitorNetwork(NetworkSize(n_rows)).to(NAME)

        network(move(batch, torch.device(NAME)))
        with pytest.raises(MixedDevicesError):
            network(replace(move(batch, torch.device(NAME)), shape=batch.shape))


class KeptInMemory(NoCheckpoints):
    """Remembers the first so many checkpoints of a name, as a killed process leaves them."""

    def __init__(self, at_most: int) -> None:
        self.kept: dict[str, dict[str, NDArray[Any]]] = {}
        self.at_most = at_most

    def find(self, name: str) -> dict[str, NDArray[Any]] | None:
        return self.kept.get(name)

    def keep(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        if len(arrays["history"]) <= self.at_most:
            self.kept[name] = {key: value.copy() for key, value in arrays.items()}


# torch says that a copy to its device `meta` does nothing; on this one it does.
@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter.*:UserWarning")
@pytest.mark.parametrize("name", ["default", "best", "gru"])
def test_a_network_goes_on_from_arrays_of_the_cpu(learners: Learners, elsewhere: AnotherDevice, name: str) -> None:
    checkpoints = KeptInMemory(at_most=1)
    with elsewhere:
        whole = learners.train(name, ELSEWHERE, checkpoints, epochs=3)
        assert all(type(array) is np.ndarray for kept in checkpoints.kept.values() for array in kept.values())
        checkpoints.at_most = 0
        resumed = learners.train(name, ELSEWHERE, checkpoints, epochs=3)

    assert greatest_difference(whole, resumed) == 0.0


def test_checkpoints_of_another_device_are_told_by_the_device_alone(tiny: TinyBundle) -> None:
    on_cpu, on_cuda = (
        identify_learning(labelled(tiny.corpus), Split(None), TrainingSettings(device=device), DefaultRecipe())
        for device in cast(tuple[Device, ...], ("cpu", "cuda"))
    )

    assert {name for name in on_cpu if on_cpu[name] != on_cuda[name]} == {"device"}


@pytest.mark.cuda("torch")
@pytest.mark.parametrize("name", LEARNERS)
def test_a_network_that_a_gpu_trained_is_close_to_that_of_the_cpu(learners: Learners, name: str) -> None:
    network = learners.train(name, "cuda")

    check_parity(network, export_graph(network))
    # Random numbers are the GPU's own; those of another seed moved logits on the CPU by up to 0.18.
    assert greatest_difference(network, learners.train(name, "cpu")) < 0.5


@pytest.mark.cuda("torch")
@pytest.mark.parametrize("name", ["default", "best", "gru"])
def test_a_gpu_goes_on_from_a_checkpoint_with_its_own_random_numbers(learners: Learners, name: str) -> None:
    checkpoints = KeptInMemory(at_most=1)
    whole = learners.train(name, "cuda", checkpoints, epochs=3)
    checkpoints.at_most = 0

    assert greatest_difference(learners.train(name, "cuda", checkpoints, epochs=3), whole) < 1e-2
