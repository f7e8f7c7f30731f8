"""Training on a scan: the best state is kept, and where nothing is better the network stays as it is."""

from __future__ import annotations

import pytest
import torch
from monai.engines.utils import PrepareBatch
from monai.transforms import Compose
from torch import nn

from meddiff_core.errors import InputError
from meddiff_core.inferers.windows import Runtime
from meddiff_core.training.adaptation import Adaptation, Lesson


class Twice(PrepareBatch):
    """Asks for twice of what goes in."""

    def __call__(self, batchdata, device=None, non_blocking=False, **kwargs):
        return batchdata["image"], 2 * batchdata["image"]


def factor(network):
    """What a network multiplies with."""
    return float(network.weight.detach().flatten()[0])


@pytest.fixture
def network():
    network = nn.Conv3d(1, 1, 1, bias=False)
    nn.init.ones_(network.weight)
    return network


def adapt(network, check, minutes=1.0):
    """Train a network of one factor towards 2, which takes about 100 iterations."""
    lesson = Lesson({"image": torch.ones(1, 2, 2, 2)}, Compose([]), Twice(), nn.MSELoss(), check)
    adaptation = Adaptation(minutes, 0.02, runtime=Runtime(precision="float32", progress=False))
    return adaptation, *adaptation.learn(network, lambda whole: whole, lesson)


def test_it_learns_while_the_check_falls_and_keeps_the_best(network):
    adaptation, learned, facts = adapt(network, lambda n: abs(factor(n) - 1.5))
    assert factor(learned) == pytest.approx(1.5, abs=0.1)
    assert factor(network) == 1 and network.weight.requires_grad
    assert adaptation.adapted is learned and not learned.training
    assert facts["adapt_check_after"] == pytest.approx(abs(factor(learned) - 1.5), abs=1e-3)
    assert facts["adapt_check_before"] == 0.5 and facts["adapt_iterations"] % 10 == 0
    assert facts["adapt_minutes"] < 1  # it stopped by itself


def test_without_a_fall_the_network_itself_comes_back(network):
    adaptation, learned, facts = adapt(network, factor)
    assert learned is network and adaptation.adapted is None
    assert facts["adapt_iterations"] == 0 and facts["adapt_check_after"] == facts["adapt_check_before"]


def test_a_fall_of_two_percent_is_none(network):
    _, learned, facts = adapt(network, lambda n: 100 - min(2, factor(n)))
    assert learned is network and facts["adapt_check_after"] == facts["adapt_check_before"] == 99


def test_it_ends_in_time(network):
    _, learned, facts = adapt(network, lambda n: 1.0 if factor(n) > 1 else 2.0, minutes=1e-6)
    assert facts["adapt_iterations"] == 1 and factor(learned) > 1


def test_each_scan_starts_anew_and_the_same_draws_follow(network):
    first, second = (adapt(network, lambda n: abs(factor(n) - 1.5))[1] for _ in range(2))
    assert factor(first) == factor(second)


@pytest.mark.parametrize("minutes", [-1, "long", True, float("nan")])
def test_minutes_are_checked(minutes):
    with pytest.raises(InputError, match=r"adapt is .*: use a number of minutes"):
        Adaptation(minutes)


def test_a_scan_that_processes_share_is_refused():
    with pytest.raises(InputError, match="split_windows"):
        Adaptation(1.0, runtime=Runtime(split_windows=True))
