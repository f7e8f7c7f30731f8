"""A map where there is none; the user's own stays."""

from __future__ import annotations

import numpy as np
import torch
from monai.data import MetaTensor

from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.phantoms import make_phantom
from meddiff_core.transforms.coarse_anatomy import CoarseAnatomyd


def test_a_map_is_made_on_the_grid_of_the_scan_and_a_given_one_stays(caplog):
    phantom = make_phantom("chest", (32, 32, 24), (10.0, 10.0, 12.0))
    image = MetaTensor(torch.from_numpy(phantom.hu)[None].float(), affine=phantom.affine)
    with caplog.at_level("INFO", logger="meddiff"):
        made = CoarseAnatomyd()({"image": image})["anatomy"]
    assert "No anatomy map is given" in caplog.text
    np.testing.assert_array_equal(made.numpy()[0], coarse_labels(phantom.hu, phantom.spacing))
    assert made.dtype == torch.float32 and torch.equal(made.affine, image.affine)
    given = MetaTensor(torch.ones(1, 32, 32, 24))
    assert CoarseAnatomyd()({"image": image, "anatomy": given})["anatomy"] is given
