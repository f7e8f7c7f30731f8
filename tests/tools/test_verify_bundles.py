"""Every bundle keeps the rules of the model zoo, and what breaks one is said."""

from __future__ import annotations

import json
import shutil

import pytest
from package_bundle import package_files
from release import BUNDLES, ROOT
from verify_bundles import failures, verify_bundles
from zoo_rules.documents import check_package_readme, check_readme
from zoo_rules.files import check_files, check_license, check_logging, check_sums
from zoo_rules.metadata import check_metadata
from zoo_rules.weights import check_weights
from zoo_rules.workflow import check_inference, check_network, check_training

from meddiff_core.errors import InputError
from meddiff_core.files import sha256_of


@pytest.mark.parametrize("name", sorted(path.name for path in BUNDLES.iterdir() if path.is_dir()))
def test_every_bundle_keeps_the_rules(name):
    assert failures(BUNDLES / name) == []


@pytest.fixture
def bundle(tmp_path):
    """A copy of ct_denoising, beside the foundation."""
    shutil.copytree(BUNDLES / "ct_denoising", tmp_path / "ct_denoising")
    (tmp_path / "ct_foundation").symlink_to(BUNDLES / "ct_foundation")
    return tmp_path / "ct_denoising"


def edit(path, **changes):
    """Change top-level items of a JSON file; None takes one out."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def metadata_of(bundle):
    return bundle / "configs" / "metadata.json"


def test_a_missing_file_is_named_and_the_rest_is_not_tried(bundle):
    (bundle / "LICENSE").unlink()
    assert failures(bundle) == ["LICENSE is missing or empty: the model zoo requires it."]


def test_files_that_do_not_belong_there_are_named(bundle):
    (bundle / "scripts").mkdir()
    (bundle / "scripts" / "extra.py").write_text("")
    (bundle / "docs" / "link.txt").symlink_to(bundle / "LICENSE")
    with (bundle / "docs" / "huge.png").open("wb") as file:
        file.truncate(30_000_000)
    said = " ".join(check_files(bundle, packaged=False))
    for words in ("scripts/extra.py is Python", "docs/link.txt is a link", "docs/huge.png has 30 MB"):
        assert words in said
    assert "models/model.pt is missing" in " ".join(check_files(bundle, packaged=True))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": "https://a/meta_schema_1.json"}, "names another schema"),
        ({"task": None}, r"does not fit meta_schema_20240725.json \('task' is a required property\)"),
        ({"version": "9.0.0"}, "no line for version 9.0.0"),
        ({"version": "new"}, "the version 'new'"),
        (
            {"version": "0.1.0", "changelog": {"0.1.0": "first", "0.10.0": "later"}},
            "later version in 'changelog' than 0.1.0",
        ),
        ({"required_packages_version": {}}, "lacks nibabel"),
        ({"pytorch_version": "1.13.0"}, "names torch 1.13.0, but requirements.txt"),
        ({"name": None}, "has no 'name'"),
        ({"intended_use": "Diagnosis"}, "Research use only"),
    ],
)
def test_wrong_metadata_are_named(bundle, changes, words):
    edit(metadata_of(bundle), **changes)
    said = list(check_metadata(bundle, ROOT / "requirements.txt"))
    assert said
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(" ".join(said))


def test_channels_that_do_not_fit_the_network_are_named(bundle):
    replace(metadata_of(bundle), '"num_channels": 1', '"num_channels": 2')
    said = list(check_metadata(bundle, ROOT / "requirements.txt"))
    assert any("does not name each channel of outputs pred" in sentence for sentence in said)
    assert ["output channel number `1`" in sentence for sentence in check_network(bundle)] == [True]


def test_weights_that_are_not_the_named_ones_are_found(bundle):
    name = "../ct_foundation/models/model.pt"
    edit(metadata_of(bundle), weights_sha256={name: "00"})
    digest = sha256_of((bundle / name).read_bytes())
    assert f"{name} has the SHA-256 {digest}" in next(check_weights(bundle))
    edit(metadata_of(bundle), weights_sha256={"models/model.pt": "00"})
    said = " ".join(check_weights(bundle))
    assert f"does not name {name}" in said and "models/model.pt is missing" in said


def test_files_of_a_package_are_those_that_its_sums_name(bundle):
    names = ["LICENSE", "configs/metadata.json"]
    lines = [f"{sha256_of((bundle / name).read_bytes())}  {name}\n" for name in names]
    for path in [path for path in bundle.rglob("*") if path.is_file()]:
        if path.relative_to(bundle).as_posix() not in names:
            path.unlink()
    (bundle / "SHA256SUMS").write_text("".join(lines))
    assert list(check_sums(bundle)) == []
    (bundle / "LICENSE").write_text("other")
    (bundle / "extra.txt").write_text("")
    (bundle / "configs" / "metadata.json").unlink()
    said = [sentence.split()[0] for sentence in check_sums(bundle)]
    assert said == ["LICENSE", "configs/metadata.json", "extra.txt"]


def test_config_keys_are_looked_for(bundle):
    shutil.copy(BUNDLES / "ct_foundation" / "configs" / "train.json", bundle / "configs")
    assert list(check_training(bundle)) == []
    replace(bundle / "configs" / "train.json", '"trainer":', '"engine":')
    assert "configs/train.json has no train::trainer: apps of the zoo look for it." in check_training(bundle)
    replace(bundle / "configs" / "inference.json", '"inferer":', '"sampler":')
    assert "configs/inference.json has no inferer" in next(check_inference(bundle))


def test_documents_are_read(bundle):
    replace(bundle / "docs" / "README.md", "## Limitations", "## Notes")
    replace(bundle / "docs" / "README.md", "(data_license.txt) lists", "(licences.txt) lists")
    (bundle.parents[1] / "docs").symlink_to(ROOT / "docs")
    assert list(check_readme(bundle)) == [
        "docs/README.md has no section '## Limitations': add it.",
        "docs/README.md links licences.txt, which does not exist: correct the link.",
    ]
    replace(bundle / "LICENSE", "Apache", "Other")
    assert "LICENSE differs" in next(check_license(bundle, ROOT / "LICENSE"))
    replace(bundle / "configs" / "logging.conf", "keys=console", "keys=console,file")
    assert list(check_logging(bundle)) == [
        "configs/logging.conf lists the handler file: define or remove it."
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("configs/inference.json", "configs/infer.json", "there is no configs/infer.json"),
        ("--image scan", "--imgae scan", "have no imgae"),
        ("meddiff_core.preparation", "meddiff_core.prepare", "there is no module meddiff_core.prepare"),
        ("python -m monai.bundle run", "python tools/measure.py", "only MONAI and meddiff_core"),
        ("`docs/speed.md`", "`docs/fast.md`", "names docs/fast.md, which is not in the package"),
        ("(`docs/speed.md`)", "![](fast.png)", "links fast.png, which is not in the root"),
    ],
)
def test_what_a_package_does_not_hold_is_found(tmp_path, old, new, words):
    for name, data in package_files(BUNDLES / "ct_super_resolution").items():
        if name.split("/")[0] in ("configs", "docs") or name.endswith(".py"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.pt").touch()
    assert list(check_package_readme(tmp_path)) == []
    readme = tmp_path / "docs" / "README.md"
    readme.write_text(readme.read_text().replace(old, new))
    assert words in " ".join(check_package_readme(tmp_path))


def test_a_rule_that_cannot_be_tried_is_a_sentence(bundle):
    (bundle / "configs" / "inference.json").write_text("{")
    said = failures(bundle)
    assert any(sentence.startswith("check inference stopped: JSONDecodeError") for sentence in said)
    assert all("\n" not in sentence for sentence in said)


def test_the_command_says_what_is_wrong_and_exits_with_one(bundle, capsys):
    (bundle / "LICENSE").unlink()
    with pytest.raises(SystemExit) as exit_info:
        verify_bundles(str(bundle.parent), "ct_denoising")
    assert exit_info.value.code == 1
    assert capsys.readouterr().err.startswith("ct_denoising: LICENSE is missing")
    verify_bundles(bundles="ct_denoising,ct_synthesis")
    assert "2 bundle(s) keep the rules" in capsys.readouterr().out
    for options, words in (
        (("nowhere",), "nowhere is no folder"),
        ((str(BUNDLES), "ct_x"), "Unknown bundle 'ct_x'"),
    ):
        with pytest.raises(InputError, match=words):
            verify_bundles(*options)
