"""What the bundles' pages show in Python gives the network with its weights."""

from __future__ import annotations

import re
from pathlib import Path

import monai.bundle
import pytest
import torch

ROOT = Path(__file__).parents[2]
PAGES = {
    path.parents[1].name: re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    for path in sorted(ROOT.glob("bundles/*/docs/README.md"))
}
FOUNDATION = 'monai.bundle.load("ct_foundation", bundle_dir="..", workflow_type="inference")'
"""The call of the bundle that is no task; it stands in the text."""


def test_every_page_shows_a_call():
    text = (ROOT / "bundles" / "ct_foundation" / "docs" / "README.md").read_text(encoding="utf-8")
    assert f"`{FOUNDATION}`" in text
    assert {name for name, calls in PAGES.items() if len(calls) != 1} == {"ct_foundation"}


@pytest.mark.parametrize("name", PAGES)
def test_a_pages_call_loads_the_weights(name, monkeypatch):
    monkeypatch.chdir(ROOT / "bundles" / name)
    if name == "ct_foundation":
        network = eval(FOUNDATION, {"monai": monai})
    else:
        before_the_scan, call = PAGES[name][0].strip().rsplit("\n", 1)
        shown: dict = {}
        exec(before_the_scan, shown)
        task = shown[re.fullmatch(r"results? = (\w+)\(.*", call)[1]]
        network = task._evaluator.network
    state = network.state_dict()
    whole = "foundation." if any(key.startswith("foundation.") for key in state) else ""
    files = {whole: "ct_foundation"}
    if whole:
        files["control."] = "ct_super_resolution" if name == "ct_super_resolution" else "ct_lesion_generation"
    for prefix, bundle in files.items():
        weights = torch.load(ROOT / "bundles" / bundle / "models" / "model.pt", weights_only=True)
        assert all(torch.equal(state[prefix + key].cpu(), value.float()) for key, value in weights.items())
    assert len(state) == sum(
        len(torch.load(ROOT / "bundles" / b / "models" / "model.pt", weights_only=True))
        for b in files.values()
    )
