"""Stand-alone zips: the same bytes each time, complete, and run where there is no repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import monai.bundle
import nibabel as nib
import pytest
import torch
from package_bundle import package_bundle
from release import BUNDLES, SUMS
from verify_bundles import failures
from zoo_rules.markdown import commands, inline_code, links

from meddiff_core.errors import InputError
from meddiff_core.files import sha256_of
from meddiff_core.phantoms import make_phantom

NAMES = sorted(path.name for path in BUNDLES.iterdir() if path.is_dir())
# What makes a tiny run of each bundle; the rest take the same scan.
OPTIONS = {
    "ct_denoising": {"image": "scan.nii.gz", "noise_level": 27.0},
    "ct_lesion_inpainting": {
        "image": "scan.nii.gz",
        "organ": "body",
        "lesion_diameter": [60, 70],
        "steps": 1,
    },
    "ct_foundation": {"image": "scan.nii.gz"},
    "ct_synthesis": {"anatomy": "anatomy.nii.gz", "steps": 1},
    "ct_anomaly_detection": {"image": "scan.nii.gz", "organ": "body", "samples": 1},
    "ct_super_resolution": {"image": "scan.nii.gz", "slice_thickness": 6.0},
    "ct_lesion_generation": {"anatomy": "anatomy.nii.gz", "lesion_diameter": [60, 70], "steps": 1},
}
IN_A_SUBPROCESS = ("ct_lesion_inpainting",)

# Where the package is installed for development, a finder of its own knows it: there is none elsewhere.
SCRIPT = """
import json, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
import monai.bundle, torch
root, options = sys.argv[1], json.loads(sys.argv[2])
assert "meddiff_core" not in sys.modules
config = f"{root}/configs/inference.json"
monai.bundle.run(config_file=config, bundle_root=root, workflow_type="infer", **options)
network = monai.bundle.load(
    root.split("/")[-1], bundle_dir=root.rpartition("/")[0], workflow_type="inference", device="cpu"
)
with torch.no_grad():
    torch.save(network(torch.load("x.pt")), "output.pt")
print(sys.modules["meddiff_core"].__file__)
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder of all zips."""
    folder = tmp_path_factory.mktemp("dist")
    package_bundle(str(folder))
    return folder


@pytest.fixture(scope="module")
def unpacked(dist, tmp_path_factory):
    """The folder of all bundles, unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    for archive in dist.glob("*.zip"):
        zipfile.ZipFile(archive).extractall(folder)
    return folder


@pytest.fixture(scope="module")
def x():
    """An input of a network with a control channel; the others leave it out."""
    return torch.rand(1, 6, 16, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def readme_of(bundle):
    return (bundle / "docs" / "README.md").read_text()


@torch.no_grad()
def output_of(name, x):
    """What the network in the repository makes of `x`."""
    parser = monai.bundle.ConfigParser()
    parser.read_config(BUNDLES / name / "configs" / "inference.json")
    parser.update({"bundle_root": str(BUNDLES / name), "device": "cpu"})
    return parser.get_parsed_content("network")(x)


def test_the_same_bytes_again(dist, tmp_path):
    package_bundle(str(tmp_path), "ct_denoising,ct_super_resolution")
    again = sorted(tmp_path.glob("*.zip"))
    assert [path.name.split("_v")[0] for path in again] == ["ct_denoising", "ct_super_resolution"]
    for path in again:
        assert path.read_bytes() == (dist / path.name).read_bytes()


def test_nothing_of_the_day_or_the_machine_is_in_a_zip(dist):
    lines = (dist / SUMS).read_text().splitlines()
    assert len(lines) == len(NAMES)
    for digest, name in (line.split("  ") for line in lines):
        assert sha256_of((dist / name).read_bytes()) == digest
        with zipfile.ZipFile(dist / name) as archive:
            entries = archive.infolist()
        assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
        assert not [entry.filename for entry in entries if "__pycache__" in entry.filename]


@pytest.mark.parametrize("name", NAMES)
def test_a_package_keeps_the_rules_of_the_zoo(unpacked, name):
    assert failures(unpacked / name, packaged=True) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_package_names_its_own_weights_and_their_licences(unpacked, name):
    root = unpacked / name
    metadata = json.loads((root / "configs" / "metadata.json").read_text())
    own = {"models/local_noise.pt"} if name == "ct_anomaly_detection" else set()
    assert metadata["weights_sha256"].keys() == {"models/model.pt", *own}
    for config in ("inference.json", "train.json"):
        if (root / "configs" / config).is_file():
            text = (root / "configs" / config).read_text()
            assert "ct_foundation'" not in text and "ct_lesion_generation'" not in text
    state = torch.load(root / "models" / "model.pt", weights_only=True)
    assert {value.dtype for value in state.values()} == {torch.float16}
    licences = (root / "docs" / "data_license.txt").read_text()
    assert "LIDC-IDRI (CC BY 3.0)" in licences and "uses those of" not in licences


@pytest.mark.parametrize("name", NAMES)
def test_monai_loads_the_network_of_the_repository_as_the_readme_says(unpacked, x, name, monkeypatch):
    (code,) = [
        code for code in inline_code(readme_of(unpacked / name)) if code.startswith("monai.bundle.load(")
    ]
    monkeypatch.chdir(unpacked / name)
    network = eval(code.removesuffix(")") + ', device="cpu")')
    with torch.no_grad():
        assert torch.equal(network(x), output_of(name, x))


@pytest.mark.parametrize("name", NAMES)
def test_a_readme_speaks_of_its_package(unpacked, name):
    text = readme_of(unpacked / name)
    assert "From this bundle's folder" in text and len(commands(text)) >= 1
    for elsewhere in ("bundles/", "tools/", "../../", "`make ", "<!--"):
        assert elsewhere not in text
    pictures = sorted(path.name for path in (BUNDLES / name / "docs").glob("*.png"))
    assert [path.name for path in sorted((unpacked / name).glob("*.png"))] == pictures


@pytest.mark.parametrize("page", ["speed.md", "packages.md", "many_scans.md"])
def test_a_page_leads_nowhere_outside(unpacked, page):
    folder = unpacked / "ct_denoising" / "docs"
    text = (folder / page).read_text()
    assert "Its commands run there" in text
    assert all((folder / link.partition("#")[0]).exists() for link in links(text) if "://" not in link)


@pytest.mark.cli
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in IN_A_SUBPROCESS else pytest.mark.bench) for n in NAMES],
)
def test_a_package_runs_where_there_is_no_repository(unpacked, x, tmp_path, name):
    phantom = make_phantom("abdomen", shape=(32, 32, 24), spacing=(10.0, 10.0, 12.0), seed=1)
    for file, volume in (("scan", phantom.hu), ("anatomy", phantom.anatomy)):
        nib.save(nib.Nifti1Image(volume, phantom.affine), tmp_path / f"{file}.nii.gz")
    torch.save(x, tmp_path / "x.pt")
    options = {"region": "abdomen", "output_dir": "out", "device": "cpu"} | OPTIONS[name]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(unpacked / name), json.dumps(options)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    used = result.stdout.splitlines()[-1]
    assert Path(used) == unpacked / name / "meddiff_core" / "__init__.py"
    assert list((tmp_path / "out").glob("*.nii.gz"))
    assert torch.equal(torch.load(tmp_path / "output.pt"), output_of(name, x))


def test_an_unknown_bundle_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Unknown bundle 'ct_nothing' in .*: use ct_anomaly_detection"):
        package_bundle(str(tmp_path), "ct_nothing")
    assert list(tmp_path.iterdir()) == []
