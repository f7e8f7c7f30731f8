"""Lesions of a synthetic CT: their HU, their border, and the tissue around them."""

from __future__ import annotations

import pytest
import torch
from grouped_options import grouped
from monai.data import MetaTensor

from meddiff_core.conditions.lesion_hu import LesionHU
from meddiff_core.conditions.organ_hu import TissueHU
from meddiff_core.conditions.vocabulary import label_id
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.inferers.lesion_synthesis import LesionSynthesisInferer

SHAPE = (28, 24, 20)
LESION = (slice(8, 20), slice(7, 17), slice(5, 15))
CORE = (slice(9, 19), slice(8, 16), slice(6, 14))
LUNG = label_id("lung")


def synthesize(lesion_hu=None, tissue=None, region="chest", lesion=True, **options):
    """HU `(28, 24, 20)` of a lung in which the network sees no lesion, and the meta."""
    inputs = torch.full((1, 2, *SHAPE), float(LUNG))
    inputs[:, 1] = 0
    if lesion:
        inputs[(0, 1, *LESION)] = 1
    options = grouped(**{"steps": 2} | options)
    inferer = LesionSynthesisInferer(NoiseSchedule(), lesion_hu=lesion_hu, tissue=tissue, **options)
    inferer.image_size = 8
    result = inferer(MetaTensor(inputs, meta={"region": region}), _noise)
    return result.as_tensor()[0, 0], result.meta


def _noise(x, timesteps, class_labels):
    """Predicts v = 0: what comes out is noise."""
    return torch.zeros_like(x[:, :1])


@pytest.mark.parametrize("region", ["chest", "abdomen"])
@pytest.mark.parametrize(("mean", "deviation"), [(60, 40), (-50, 15)])
def test_mean_and_deviation_of_the_core_are_those_asked_for(mean, deviation, region):
    hu, meta = synthesize(LesionHU(mean, deviation), region=region)
    assert float(hu[CORE].mean()) == pytest.approx(mean, abs=0.1 * deviation)
    assert float(hu[CORE].std()) == pytest.approx(deviation, rel=0.2)
    assert (meta["lesion_hu"], meta["lesion_deviation"]) == (mean, deviation)


def test_by_default_they_are_those_of_a_training_lesion_of_a_lung():
    _, meta = synthesize()
    assert (meta["lesion_hu"], meta["lesion_deviation"]) in {
        LesionHU().draw(torch.full((9,), LUNG).numpy(), seed) for seed in range(9)
    }


def test_the_lung_around_it_has_its_own_mean():
    hu, _ = synthesize(LesionHU(60, 20), TissueHU("lung=-800"))
    outside = torch.ones(SHAPE, dtype=torch.bool)
    outside[LESION] = False
    assert float(hu[outside].mean()) == pytest.approx(-800, abs=5)
    assert float(hu[CORE].mean()) == pytest.approx(60, abs=5)


def test_without_a_lesion_it_is_plain_synthesis():
    _, meta = synthesize(LesionHU(60, 20), lesion=False)
    assert "lesion_hu" not in meta


def test_the_options_of_all_groups_are_recorded():
    inferer = LesionSynthesisInferer(NoiseSchedule(), lesion_hu=LesionHU(5, 6), tissue=TissueHU(retries=1))
    recorded = {"lesion_hu": 5, "lesion_deviation": 6, "retries": 1, "contrast": None, "steps": 8}
    assert recorded.items() <= inferer.options.items()
