"""The ablation: every arm is an overlay that both bundles take, and the table compares them."""

from __future__ import annotations

import json
from pathlib import Path

import ablation
import pytest
from monai.bundle import ConfigParser

from meddiff_core.errors import InputError

CONFIGS = Path(__file__).parents[2] / "bundles"


@pytest.fixture
def runs(monkeypatch):
    """What the tool would run; each training leaves weights, each evaluation its numbers."""
    noted = []

    def run(bundle, configs, arm, options):
        noted.append((bundle, arm, options))
        folder = Path(dict(option[2:].split("=") for option in options)["output_dir"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.pt").write_bytes(arm.encode())
        result = {"count": 2, "features": "spy", "segmenter": "spy", "mean": {"dice_lung": 0.5}}
        (folder / "synthesis.json").write_text(json.dumps(result))

    monkeypatch.setattr(ablation, "_run", run)
    return noted


def test_every_arm_is_trained_then_evaluated_with_its_own_weights(runs, tmp_path, capsys):
    ablation.main("prepared", str(tmp_path), arms="ddpm,position", max_epochs=2, patch_size=16)
    assert [(bundle, arm) for bundle, arm, _ in runs] == [
        ("ct_foundation", "ddpm"),
        ("ct_synthesis", "ddpm"),
        ("ct_foundation", "position"),
        ("ct_synthesis", "position"),
    ]
    assert f"--foundation_root={tmp_path / 'ddpm'}" in runs[1][2]
    assert (tmp_path / "ddpm" / "models" / "model.pt").read_bytes() == b"ddpm"
    table = (tmp_path / "ablation.md").read_text()
    assert capsys.readouterr().out.strip() == table.strip()
    assert "| + position | - |" in table and "2 volume(s)" in table
    assert json.loads((tmp_path / "ablation.json").read_text())["ddpm"] == {"dice_lung": 0.5}


def test_an_unknown_arm(tmp_path):
    with pytest.raises(InputError, match="Unknown arm 'positions'"):
        ablation.main("prepared", str(tmp_path), arms="positions")


@pytest.mark.parametrize("arm", [arm for arm in ablation.ARMS if arm != "position_embedding"])
def test_an_overlay_fits_training_and_synthesis(arm):
    overlay = str(CONFIGS / "ct_synthesis" / "configs" / f"ablation_{arm}.json")
    kinds = []
    for bundle, config in (("ct_foundation", "train"), ("ct_synthesis", "inference")):
        parser = ConfigParser()
        parser.read_config([str(CONFIGS / bundle / "configs" / f"{config}.json"), overlay])
        network = parser.get_parsed_content("network_def")
        kinds.append((network.stem.num_frequencies, parser.get_parsed_content("schedule").prediction_type))
    assert kinds[0] == kinds[1]
    assert kinds[0][0] == (0 if arm == "position" else None)
    assert kinds[0][1] == ("epsilon" if arm == "ddpm" else "v_prediction")
