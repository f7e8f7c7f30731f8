"""The benchmark of the foundation, on a phantom and with an untrained network."""

import json
import sys

import benchmark
import numpy as np
import pytest
import torch
from benchmarks import foundation, foundation_network, holes
from benchmarks.scans import Scan

from meddiff_core.errors import InputError
from meddiff_core.networks.ct_denoiser import CTDenoiser


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foundation")
    torch.manual_seed(0)
    torch.save(CTDenoiser().state_dict(), folder / "model.pt")
    options = {"regions": "chest", "sections": "noise,steps,local,organs", "peers": "noisy"}
    benchmark.foundation(str(folder), weights=str(folder / "model.pt"), **options)
    assert "one step from t = 950" in (folder / "foundation.md").read_text()
    return json.loads((folder / "foundation.json").read_text())


def _values(rows, question):
    return next(row for row in rows if row["question"].startswith(question))


def test_noise_is_measured_white_and_correlated_beside_the_peers(rows):
    # sigma 0.15 of a width of 2 is 22.5 dB
    assert _values(rows, "white noise of 0.15")["beside"]["noisy"] == pytest.approx(22.5, abs=0.6)
    assert _values(rows, "correlated noise of 0.15")["beside"]["noisy"] == pytest.approx(22.5, abs=0.8)
    assert np.isfinite([row["network"] for row in rows]).all()


def test_an_untrained_network_is_no_better_than_its_peers_in_holes(rows):
    row = _values(rows, "balls of 12 mm in lung")
    peers = [row["beside"][name] for name in ("mean of the tissue", "linear interpolation")]
    assert min(row["network"], row["beside"]["without anatomy"]) > max(peers) > 0


def test_organs_of_the_map_are_named_with_their_real_hu(rows):
    assert _values(rows, "HU of aorta")["beside"]["real"] > 0
    assert _values(rows, "HU of lung")["beside"]["real"] < -500


def test_a_linear_field_is_interpolated_exactly():
    x, y, z = np.indices((40, 40, 30)).astype(float)
    scan = Scan("linear", 2 * x - y + 3 * z, np.diag([1.0, 1.0, 2.0, 1.0]), "abdomen")
    balls = holes.balls_in(np.ones(scan.hu.shape, bool), scan.spacing)
    assert 200 < balls.sum() < 20000
    np.testing.assert_allclose(holes.interpolated(scan, balls), scan.hu, atol=1e-9)


def test_a_scan_without_anatomy_is_refused():
    scan = Scan("bare", np.zeros((8, 8, 8)), np.eye(4), "chest")
    with pytest.raises(InputError, match="bare has no anatomy map"):
        foundation.with_anatomy([scan])


def test_a_peer_that_is_not_installed_is_said_to_be_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm4d", None)
    monkeypatch.setattr(foundation_network, "BLOCK", (32, 32, 16))
    benchmark.foundation(str(tmp_path), regions="chest", sections="noise", peers="bm4d")
    assert "bm4d n/a" in (tmp_path / "foundation.md").read_text()
