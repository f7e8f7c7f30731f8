"""The benchmark of small structures: its phantom, and what interpolations make of it."""

import json

import benchmark
import pytest
from benchmarks.small_structures import NODULES, VESSELS, phantom, structures


def test_the_phantom_holds_what_its_structures_say():
    scan = phantom()
    for structure, diameter in zip(structures(), NODULES + VESSELS, strict=True):
        contrast, width = structure.profiles(scan.hu)
        assert contrast.min() > 0.8 * 900
        assert width == pytest.approx(diameter, abs=0.4)


def test_smaller_structures_lose_more_and_better_methods_lose_less(tmp_path):
    benchmark.small_structures(str(tmp_path), slabs=5, methods="trilinear,trilinear_projected")
    rows = json.loads((tmp_path / "small_structures.json").read_text())
    plain, projected = rows[:8], rows[8:]
    for contrasts in ([row["contrast"] for row in plain[:5]], [row["contrast"] for row in plain[5:]]):
        assert contrasts == sorted(contrasts) and contrasts[0] < 60
    for before, after in zip(plain, projected, strict=True):
        assert before["contrast"] < after["contrast"]
        if before["structure"] not in ("nodule 6 mm", "nodule 8 mm"):  # thicker than a slice
            assert before["diameter_error"] > after["diameter_error"]
    assert "| 5 to 1 | nodule 3 mm | trilinear |" in (tmp_path / "small_structures.md").read_text()
