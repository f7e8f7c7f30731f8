"""Weights that a bundle names are those or none; nothing in a file runs."""

from __future__ import annotations

import json
import os
import pickle

import pytest
import torch

from meddiff_core.errors import InputError
from meddiff_core.files import named_sha256, sha256_of
from meddiff_core.networks.controlled_denoiser import ControlledDenoiser
from meddiff_core.networks.ct_denoiser import CTDenoiser
from meddiff_core.networks.weights import load_controlled_weights, load_weights, read_state, whole_state
from meddiff_core.training.weight_export import export_weights


@pytest.fixture
def shipped(tmp_path):
    """The weights of a small bundle whose metadata names them."""
    path = tmp_path / "bundle" / "models" / "model.pt"
    export_weights(torch.nn.Linear(2, 2), path)
    metadata = tmp_path / "bundle" / "configs" / "metadata.json"
    metadata.parent.mkdir()
    metadata.write_text(json.dumps({"weights_sha256": {"models/model.pt": sha256_of(path.read_bytes())}}))
    return path


def test_the_named_weights_load(shipped, monkeypatch):
    assert load_weights(torch.nn.Linear(2, 2), shipped).weight.shape == (2, 2)
    monkeypatch.chdir(shipped.parent)
    assert named_sha256("model.pt") == sha256_of(shipped.read_bytes())


def test_other_weights_in_their_place_are_refused(shipped):
    export_weights(torch.nn.Linear(2, 2), shipped)
    with pytest.raises(InputError, match=r"model.pt are not those.*take their line out of weights_sha256"):
        load_weights(torch.nn.Linear(2, 2), shipped)
    (shipped.parents[1] / "configs" / "metadata.json").write_text("{}")
    load_weights(torch.nn.Linear(2, 2), shipped)


def test_weights_that_somebody_trained_need_no_name(shipped, tmp_path):
    for path in (shipped.with_name("mine.pt"), tmp_path / "runs" / "ct_foundation" / "model.pt"):
        export_weights(torch.nn.Linear(2, 2), path)
        load_weights(torch.nn.Linear(2, 2), path)


def test_damaged_metadata_are_named(shipped):
    (shipped.parents[1] / "configs" / "metadata.json").write_text("{")
    with pytest.raises(InputError, match=r"metadata.json is damaged"):
        read_state(shipped)


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"version https://git-lfs.github.com/spec/v1", b"PK" + bytes(99)]
)
def test_what_is_no_file_of_torch_is_named(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"model.pt are damaged"):
        read_state(tmp_path / "model.pt")


class _Code:
    def __reduce__(self):
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("content", [_Code(), torch.ones(2), [1], 7])
def test_nothing_but_a_state_dict_is_read_and_nothing_runs(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    torch.save(content, "model.pt")
    with pytest.raises(InputError, match=r"model.pt are damaged"):
        read_state("model.pt")
    (tmp_path / "model.pt").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=r"model.pt are damaged"):
        read_state("model.pt")
    assert not (tmp_path / "ran").exists()


def test_a_whole_network_is_both_foundation_and_control(tmp_path):
    torch.manual_seed(0)
    made = ControlledDenoiser(CTDenoiser("compact"))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    whole = whole_state(made.foundation.state_dict(), made.control.state_dict())
    assert list(whole) == list(made.state_dict())
    torch.save(whole, tmp_path / "whole.pt")
    # a package has one file, which both names of the config lead to
    loaded = load_controlled_weights(
        ControlledDenoiser(CTDenoiser("compact")), tmp_path / "whole.pt", tmp_path / "whole.pt"
    )
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in whole.items())
    anew = load_controlled_weights(ControlledDenoiser(CTDenoiser("compact")), tmp_path / "whole.pt")
    assert torch.equal(anew.foundation.unet.conv_in.conv.weight, made.foundation.unet.conv_in.conv.weight)
    assert torch.equal(anew.control.unet.conv_in.conv.weight, made.foundation.unet.conv_in.conv.weight)
