"""The app's folder for MONAI Label, without the server."""

from __future__ import annotations

import pytest
from serve_monailabel import lay_out, serve

from meddiff_core.errors import InputError


def test_app_holds_packaged_bundles_and_keeps_fine_tuned_weights(tmp_path):
    tuned = tmp_path / "app" / "model" / "ct_denoising" / "models" / "model_finetuned.pt"
    tuned.parent.mkdir(parents=True)
    tuned.write_bytes(b"mine")
    lay_out(tmp_path / "app", "ct_denoising")
    assert (tmp_path / "app" / "main.py").is_file()
    assert (tuned.parent / "model.pt").is_file()
    assert (tuned.parents[1] / "meddiff_core" / "__init__.py").is_file()
    assert tuned.read_bytes() == b"mine"
    assert [path.name for path in (tmp_path / "app" / "model").iterdir()] == ["ct_denoising"]


def test_mistakes_are_sentences(tmp_path):
    with pytest.raises(InputError, match=r"scans' is no folder: name the one with your scans"):
        serve(str(tmp_path / "scans"))
    with pytest.raises(InputError, match="Unknown bundle 'ct_nothing'"):
        lay_out(tmp_path / "app", "ct_denoising,ct_nothing")
    assert not (tmp_path / "app").exists()
