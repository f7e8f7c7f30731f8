"""Data preparation, from files on disk to the data list."""

import json
import os
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from meddiff_core.commands import run_command
from meddiff_core.conditions.vocabulary import BODY, label_id
from meddiff_core.errors import InputError
from meddiff_core.phantoms.phantom import make_phantom
from meddiff_core.preparation import prepare

AFFINE = np.array([[-2.0, 0, 0, 40], [0, -2, 0, 30], [0, 0, 3, -100], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def body() -> np.ndarray:
    """int16 `(24, 20, 16)`: a cylinder of soft tissue in air, every voxel different from its neighbours."""
    x, y, _ = np.indices((24, 20, 16))
    inside = ((x - 12) / 9) ** 2 + ((y - 10) / 7) ** 2 < 1
    noise = np.random.default_rng(0).integers(-20, 20, inside.shape)
    return np.where(inside, 50 + noise, -1000).astype(np.int16)


@pytest.fixture
def cts(tmp_path) -> Path:
    folder = tmp_path / "cts"
    folder.mkdir()
    return folder


@pytest.fixture
def run(tmp_path, cts):
    """run(*options) -> exit code and data list."""

    def run(*options: str) -> tuple[int, dict | None]:
        output, code = tmp_path / "prepared", 0
        words = ["--input_dir", str(cts), "--output_dir", str(output), "--workers", "0", *map(str, options)]
        try:
            run_command(prepare.command, words)
        except SystemExit as end:
            code = end.code
        except InputError as error:
            print(error, file=sys.stderr)
            code = 1
        datalist = output / "datalist.json"
        return code, json.loads(datalist.read_text()) if datalist.exists() else None

    return run


def items(datalist: dict) -> list[dict]:
    return [item for section in prepare.SECTIONS for item in datalist[section]]


def load(tmp_path: Path, file: str) -> nib.Nifti1Image:
    return nib.load(tmp_path / "prepared" / file)


def at_world(image: nib.Nifti1Image, voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Values of `image` where the `voxels` of another grid lie."""
    world = voxels @ affine[:3, :3].T + affine[:3, 3]
    index = np.rint((world - image.affine[:3, 3]) @ np.linalg.inv(image.affine[:3, :3]).T).astype(int)
    return np.asarray(image.dataobj)[tuple(index.T)]


def test_every_format_keeps_its_voxels_where_they_were(
    tmp_path, cts, run, body, affine, save_nifti, save_itk, save_dicom
):
    save_nifti(cts / "a.nii.gz", body, affine)
    save_itk(cts / "b.nrrd", body, affine)
    save_itk(cts / "c.mha", body, affine)
    save_dicom(cts / "d", body, affine, PatientID="Doe 17")
    code, datalist = run("--spacing", "native", "--region", "abdomen")
    assert code == 0
    assert [item["image"] for item in items(datalist) if item["image"]] and len(items(datalist)) == 4
    voxels = np.argwhere(body > -2000)
    for item in items(datalist):
        image, anatomy = load(tmp_path, item["image"]), load(tmp_path, item["anatomy"])
        assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
        assert (image.get_data_dtype(), anatomy.get_data_dtype()) == (np.int16, np.uint8)
        assert np.array_equal(image.affine, anatomy.affine) and image.shape == anatomy.shape
        np.testing.assert_array_equal(at_world(image, voxels, affine), body[tuple(voxels.T)])
    assert "Doe" not in json.dumps(datalist)


def test_default_spacing_is_1_mm_and_labels_follow(tmp_path, cts, run, body, save_nifti):
    lesion = np.zeros_like(body)
    lesion[10:14, 8:12, 5:9] = 255
    save_nifti(cts / "a.nii.gz", body, AFFINE)
    save_nifti(cts / "a_tumour.nii.gz", lesion[::-1], AFFINE @ np.diag([-1, 1, 1, 1]) + flip_shift(24))
    code, datalist = run("--lesion_suffix", "_nodule,_tumour")
    (item,) = items(datalist)
    assert code == 0 and set(item) == {"image", "anatomy", "lesion", "region", "patient", "spacing"}
    assert item["spacing"] == [1.0, 1.0, 1.0]
    image, mask = load(tmp_path, item["image"]), load(tmp_path, item["lesion"])
    np.testing.assert_allclose(image.header.get_zooms(), 1.0, rtol=1e-5)
    assert image.shape == mask.shape
    assert np.asarray(mask.dataobj).sum() == pytest.approx(64 * 2 * 2 * 3, rel=0.3)
    centre = np.array([[12, 10, 7]])
    assert at_world(mask, centre, AFFINE) == 1


def flip_shift(size: int) -> np.ndarray:
    """What to add to an affine whose first axis is stored the other way round."""
    shift = np.zeros((4, 4))
    shift[:3, 3] = AFFINE[:3, 0] * (size - 1)
    return shift


def test_whole_body_is_split_and_stays_in_place(tmp_path, cts, run, save_nifti):
    anatomy = np.zeros((12, 12, 100), np.uint8)
    spans = {"hip_left": (10, 25), "liver": (30, 52), "lung_lower_lobe_left": (45, 72), "brain": (80, 98)}
    for row, (name, (start, stop)) in enumerate(spans.items()):
        anatomy[2 * row + 2, 3:9, start:stop] = label_id(name)
    hu = np.where(anatomy > 0, 40, -1000) + np.arange(100)
    affine = np.diag([-8.0, -8, 10, 1])
    affine[:3, 3] = 50, 60, -700
    save_nifti(cts / "wb.nii.gz", hu.astype(np.int16), affine)
    (tmp_path / "labels").mkdir()
    save_nifti(tmp_path / "labels" / "wb.nii.gz", anatomy, affine)
    code, datalist = run("--spacing", "native", "--label_dir", tmp_path / "labels")
    found = {item["region"]: item for item in items(datalist)}
    assert code == 0 and set(found) == {"head_neck", "chest", "abdomen"}
    assert len({item["patient"] for item in found.values()}) == 1
    for region, (start, stop) in {"head_neck": (72, 100), "chest": (45, 72), "abdomen": (10, 52)}.items():
        image = load(tmp_path, found[region]["image"])
        assert image.shape == (12, 12, stop - start)
        voxels = np.argwhere(np.ones((12, 12, stop - start))) + np.array([0, 0, start])
        np.testing.assert_array_equal(at_world(image, voxels, affine), hu[tuple(voxels.T)])
        labels = load(tmp_path, found[region]["anatomy"])
        named = anatomy[:, :, start:stop] > 0
        np.testing.assert_array_equal(
            at_world(labels, voxels, affine)[named.ravel()], anatomy[:, :, start:stop][named]
        )


def test_whole_body_without_labels_is_refused(cts, run, capsys, save_nifti):
    hu = np.full((12, 12, 100), 40, np.int16)
    hu[0] = -1000
    save_nifti(cts / "wb.nii.gz", hu, np.diag([8.0, 8, 10, 1]))
    assert run("--spacing", "native")[0] == 1
    assert "1000 mm long" in capsys.readouterr().err


def test_phantoms_are_marked_for_high_noise(cts, run, body, save_nifti):
    save_nifti(cts / "a.nii.gz", body, AFFINE)
    options = ("--spacing", "native", "--region", "abdomen")
    assert "min_timestep" not in items(run(*options)[1])[0]
    assert items(run(*options, "--anatomy_only")[1])[0]["min_timestep"] == 600


@pytest.mark.parametrize("region", ["chest", "abdomen"])
def test_region_and_anatomy_without_labels(tmp_path, cts, run, region, save_nifti):
    phantom = make_phantom(region, (48, 48, 32), (7, 7, 9))
    save_nifti(cts / "scan.nii.gz", phantom.hu, phantom.affine)
    code, datalist = run("--spacing", "native")
    (item,) = items(datalist)
    assert code == 0 and item["region"] == region and "lesion" not in item
    assert np.asarray(load(tmp_path, item["anatomy"]).dataobj).max() > BODY


def test_labels_stay_and_the_rest_of_the_body_is_named(tmp_path, cts, run, body, save_nifti):
    labels = np.zeros(body.shape, np.uint8)
    labels[10:14, 8:12] = label_id("liver")
    save_nifti(cts / "a.nii.gz", body, AFFINE)
    save_nifti(cts / "a_seg.nii.gz", labels, AFFINE)
    _, datalist = run("--spacing", "native", "--label_suffix", "_seg", "--region", "abdomen")
    (item,) = items(datalist)
    anatomy = np.asarray(load(tmp_path, item["anatomy"]).dataobj)
    assert set(np.unique(anatomy)) == {0, label_id("liver"), BODY}


def test_label_maps_of_several_kinds_by_a_file_of_names(tmp_path, cts, run, body, save_nifti):
    names = {"_organs": {"1": "liver", "300": "bone"}, "_ts": "totalsegmentator"}
    (tmp_path / "names.json").write_text(json.dumps(names))
    values = np.zeros(body.shape, np.int16)
    values[10:14, 8:12], values[14:16, 8:12], values[8:10, 8:12] = 1, 300, 7
    for name in ("a", "b", "c"):
        save_nifti(cts / f"{name}.nii.gz", body, AFFINE)
    save_nifti(cts / "a_organs.nii.gz", values, AFFINE)
    save_nifti(cts / "b_ts.nii.gz", np.where(values == 1, label_id("pancreas"), 0).astype(np.uint8), AFFINE)
    options = ("--spacing", "native", "--region", "abdomen", "--label_map", tmp_path / "names.json")
    code, datalist = run(*options)
    found = {item["image"][6]: load(tmp_path, item["anatomy"]) for item in items(datalist)}
    assert code == 0 and set(found) == set("abc")
    labels = {name: set(np.unique(np.asarray(image.dataobj))) for name, image in found.items()}
    # a value without a name is left to thresholds, as is a CT without a map; TotalSegmentator's is complete
    coarse = {0, BODY, label_id("fat")}
    assert labels == {
        "a": coarse | {label_id("liver"), label_id("bone")},
        "b": {0, BODY, label_id("pancreas")},
        "c": coarse,
    }
    voxels = np.argwhere(values == 300)
    assert set(at_world(found["a"], voxels, AFFINE)) == {label_id("bone")}
    # other names make the item again
    (tmp_path / "names.json").write_text(
        json.dumps({"_organs": {"1": "kidney_left"}, "_ts": "totalsegmentator"})
    )
    run(*options)
    again = np.asarray(load(tmp_path, "anatomy/a.nii.gz").dataobj)
    assert label_id("kidney_left") in again and label_id("liver") not in again


def test_masks_per_structure(tmp_path, cts, run, body, save_nifti):
    (cts / "s0001" / "segmentations").mkdir(parents=True)
    save_nifti(cts / "s0001" / "ct.nii.gz", body, AFFINE)
    for name, rows in {"liver": slice(8, 12), "spleen": slice(12, 16), "face": slice(0, 3)}.items():
        mask = np.zeros(body.shape, np.uint8)
        mask[rows, 8:12] = 1
        save_nifti(cts / "s0001" / "segmentations" / f"{name}.nii.gz", mask, AFFINE)
    code, datalist = run("--spacing", "native", "--dataset", "totalsegmentator")
    (item,) = items(datalist)
    assert code == 0 and item["patient"] == "totalsegmentator_0001"
    anatomy = np.asarray(load(tmp_path, item["anatomy"]).dataobj)
    assert set(np.unique(anatomy)) == {0, label_id("liver"), label_id("spleen"), BODY}


def test_broken_files_are_reported_and_the_others_prepared(cts, run, capsys, body, save_nifti):
    save_nifti(cts / "good.nii.gz", body, AFFINE)
    (cts / "cut.nii.gz").write_bytes((cts / "good.nii.gz").read_bytes()[:2000])
    (cts / "text.nrrd").write_text("no volume")
    save_nifti(cts / "mask.nii.gz", (body > 0).astype(np.uint8), AFFINE)
    save_nifti(cts / "shifted.nii.gz", body, AFFINE)
    save_nifti(
        cts / "shifted_tumour.nii.gz", (body > 0).astype(np.uint8), AFFINE + np.eye(4)[:, [3, 0, 1, 2]]
    )
    code, datalist = run("--lesion_suffix", "_tumour", "--region", "abdomen", "--spacing", "native")
    assert code == 1
    assert [item["image"] for item in items(datalist)] == ["image/good.nii.gz"]
    reported = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Skipped")]
    assert [line.split(":")[0] for line in reported] == [
        f"Skipped {name}" for name in ("cut", "mask", "shifted", "text")
    ]
    assert "shifted_tumour.nii.gz is on another grid" in reported[2]


def test_what_is_left_out_is_named(cts, run, body, save_nifti, save_dicom, caplog):
    save_nifti(cts / "a.nii.gz", body, AFFINE)
    save_nifti(cts / "a_denoised.nii.gz", body, AFFINE)
    record = {"input": "a.nii.gz", "software": {"meddiff_core": "0"}}
    (cts / "a_denoised.json").write_text(json.dumps(record))
    save_dicom(cts / "pet", body, AFFINE, Modality="PT")
    (cts / "lost").mkdir()
    (cts / "lost" / "IM0001.dcm").write_bytes(b"")
    code, datalist = run("--region", "abdomen", "--spacing", "native")
    assert code == 0
    assert [item["patient"] for item in items(datalist)] == ["a"]
    assert f"{cts / 'pet'} is left out: its DICOM images are no slices of a CT." in caplog.messages
    assert f"{cts / 'lost'} is left out: its .dcm files are empty or no DICOM." in caplog.messages
    assert f"{cts}: left out a_denoised.nii.gz (result of MedDiff-FM)." in caplog.messages


def test_slices_are_never_lost(cts, run, body, save_dicom, capsys):
    """Without the mark of DICOM a slice is read; emptied it is missed."""
    for name in ("a", "b"):
        save_dicom(cts / name, body, AFFINE)
        path = sorted((cts / name).iterdir())[-1]
        path.write_bytes(path.read_bytes()[132:] if name == "a" else b"")
    code, datalist = run("--region", "abdomen", "--spacing", "native")
    assert code == 1
    (item,) = items(datalist)
    assert nib.load(cts.parent / "prepared" / item["image"]).shape == body.shape
    assert (
        f"b has lost slices, for these files are empty or no DICOM: {path.name}; get"
        in capsys.readouterr().err
    )


def test_restart_makes_only_what_is_missing(tmp_path, cts, run, body, save_nifti):
    for name in "ab":
        save_nifti(cts / f"{name}.nii.gz", body, AFFINE)
    options = ("--spacing", "native", "--region", "abdomen")
    run(*options)
    files = {name: tmp_path / "prepared" / "image" / f"{name}.nii.gz" for name in "ab"}
    for file in files.values():
        os.utime(file, (1, 1))
    (tmp_path / "prepared" / "anatomy" / "b.nii.gz").unlink()
    code, datalist = run(*options)
    assert code == 0 and len(items(datalist)) == 2
    assert files["a"].stat().st_mtime == 1 and files["b"].stat().st_mtime > 1
    assert not list(tmp_path.glob("prepared/**/.*"))
    run("--spacing", "3", "--region", "abdomen")
    assert files["a"].stat().st_mtime > 1


def test_split_is_by_patient_and_by_seed(cts, run, body, save_nifti):
    for number in range(10):
        for visit in "xy":
            save_nifti(cts / f"p{number}_{visit}.nii.gz", body, AFFINE)
    options = ("--spacing", "native", "--region", "abdomen", "--patient_pattern", r"(p\d)")
    _, datalist = run(*options, "--val_fraction", "0.2", "--test_fraction", "0.2")
    patients = {name: {item["patient"] for item in datalist[name]} for name in prepare.SECTIONS}
    assert {name: len(found) for name, found in patients.items()} == {
        "training": 6,
        "validation": 2,
        "test": 2,
    }
    assert len(set.union(*patients.values())) == 10
    again = run(*options, "--val_fraction", "0.2", "--test_fraction", "0.2")[1]
    other = run(*options, "--val_fraction", "0.2", "--test_fraction", "0.2", "--seed", "1")[1]
    assert again == datalist != other


def test_val_dir_is_the_validation_set(tmp_path, cts, run, capsys, body, save_nifti):
    held_out = tmp_path / "val"
    held_out.mkdir()
    for path in (cts / "p1_a.nii.gz", cts / "p2_a.nii.gz", held_out / "p3_a.nii.gz"):
        save_nifti(path, body, AFFINE)
    options = ("--val_dir", held_out, "--spacing", "native", "--patient_pattern", r"(p\d)")
    options += ("--region", "p1*=chest,p2*=abdomen,p3*=unknown")
    code, datalist = run(*options)
    assert code == 0 and datalist["test"] == []
    assert [item["region"] for item in datalist["training"]] == ["chest", "abdomen"]
    assert [item["patient"] for item in datalist["validation"]] == ["p3"]
    save_nifti(held_out / "p1_b.nii.gz", body, AFFINE)
    assert run(*options)[0] == 1
    assert "Patient p1 is in --input_dir and in --val_dir" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "holds no CT"),
        (("--region", "leg"), "Unknown region 'leg'"),
        (("--dataset", "amos"), "did you mean amos22?"),
        (("--dataset", "bmad_liver"), "holds no volumes"),
        (("--input_dir", "nowhere"), "nowhere is no folder"),
        (("--output_dir", "cts/prepared"), "choose another --output_dir"),
        (("--val_dir", "cts/val"), "lie in one another"),
        (("--spacing", "fine"), "--spacing is 'fine': use the voxel size in mm, or native."),
        (("--patient_pattern", "p(1"), "is no regular expression"),
        (("--patient_pattern", "p1"), "has no group"),
        (("--val_fraction", "0.6", "--test_fraction", "0.4"), "leave nothing to train on"),
        (("--workers", "-1"), "--workers is -1: use a whole number of at least 0."),
        (("--val_fractoin", "0.2"), "Unknown option --val_fractoin: did you mean --val_fraction?"),
        (("--val_fraction", "half"), "--val_fraction is 'half'"),
        (("--label_map", "no.json"), "no.json with the names of label values cannot be read"),
        (("--label_map", "m.json", "--label_suffix", "_seg"), "leave --label_dir and --label_suffix out"),
    ],
)
def test_one_sentence_and_exit_code_1(tmp_path, monkeypatch, run, capsys, options, sentence):
    monkeypatch.chdir(tmp_path)
    code, datalist = run(*options)
    error = capsys.readouterr().err
    assert code == 1 and datalist is None
    assert sentence in error and error.count("\n") == 1


def test_totalsegmentator_is_used_where_it_is_installed(tmp_path, cts, run, monkeypatch, body, save_nifti):
    command = tmp_path / "bin" / "TotalSegmentator"
    command.parent.mkdir()
    command.write_text(
        f"#!{sys.executable}\n"
        "import sys, nibabel as nib, numpy as np\n"
        "image = nib.load(sys.argv[sys.argv.index('-i') + 1])\n"
        "labels = np.where(np.asarray(image.dataobj) > 0, 5, 0).astype(np.uint8)\n"
        "nib.save(nib.Nifti1Image(labels, image.affine), sys.argv[sys.argv.index('-o') + 1])\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    save_nifti(cts / "a.nii.gz", body, AFFINE)
    code, datalist = run("--spacing", "native", "--region", "abdomen")
    (item,) = items(datalist)
    assert code == 0
    assert (np.asarray(load(tmp_path, item["anatomy"]).dataobj) == label_id("liver")).sum() == (
        body > 0
    ).sum()


@pytest.mark.cli
def test_a_worker_process(cts, run, capsys, body, save_nifti):
    save_nifti(cts / "good.nii.gz", body, AFFINE)
    (cts / "broken.nii.gz").write_bytes(b"no volume")
    code, datalist = run("--workers", "1")
    output = capsys.readouterr()
    assert code == 1 and "Skipped broken: " in output.err
    assert "lists 1 for training" in output.out and len(datalist["training"]) == 1


def test_regions_are_shown_to_be_confirmed(cts, run, capsys, body, save_nifti):
    """Twice: the reasons of what was prepared before are shown again. They are not part of the data list."""
    for name in ("given", "seen"):
        save_nifti(cts / f"{name}.nii.gz", body, AFFINE)
    for _ in range(2):
        code, datalist = run("--spacing", "native", "--region", "given=chest,seen=auto")
        assert code == 0
        assert all(
            set(item) == {"image", "anatomy", "region", "spacing", "patient"} for item in items(datalist)
        )
        lines = capsys.readouterr().out.splitlines()
        first = next(row for row, line in enumerate(lines) if line.startswith("abdomen"))
        assert lines[first].startswith("abdomen  image/seen.nii.gz   NOT SURE: No lungs, skull")
        assert lines[first + 1] == "chest    image/given.nii.gz  given"
        assert lines[first + 2].startswith("Confirm these regions before training")


def test_labels_of_another_tool_get_a_line(cts, run, caplog, body, save_nifti):
    save_nifti(cts / "scan.nii.gz", body, AFFINE)
    labels = np.zeros(body.shape, np.uint8)
    labels[11:13, 9:11, 7:9] = label_id("liver")
    save_nifti(cts / "scan_seg.nii.gz", labels, AFFINE)
    assert run("--spacing", "native", "--label_suffix", "_seg")[0] == 0
    assert "The labels of scan: liver 0 ml (usual: 65 to 5400 ml)" in caplog.text
