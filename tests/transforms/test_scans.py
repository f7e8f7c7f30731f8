import json

import numpy as np
import pytest

from meddiff_core.errors import InputError
from meddiff_core.transforms.scans import list_scans, scan_stem


@pytest.fixture
def folder(tmp_path, hu, save_dicom):
    for name in ("b.nii.gz", "a.nii", "c.NRRD", "d.mha", "notes.txt", "._b.nii.gz", ".12.b_denoised.nii.gz"):
        (tmp_path / name).write_bytes(b"")
    save_dicom(tmp_path / "patient 1", hu[..., :8], np.eye(4))
    (tmp_path / "empty").mkdir()
    return tmp_path


def names(scans):
    return [scan_stem(scan["image"]) for scan in scans]


def test_file_folder_series_and_list(folder):
    assert list_scans(folder / "b.nii.gz") == [{"image": str(folder / "b.nii.gz")}]
    assert list_scans(str(folder / "patient 1")) == [{"image": str(folder / "patient 1")}]
    assert names(list_scans(folder)) == ["a", "b", "c", "d", "patient 1"]
    assert names(list_scans([folder / "d.mha", folder / "patient 1"])) == ["d", "patient 1"]


def test_stem(tmp_path):
    assert scan_stem("x/My.Scan v1.2.nii.gz") == "My.Scan v1.2"
    assert scan_stem("größe.NRRD") == "größe"
    (tmp_path / "series.1").mkdir()
    assert scan_stem(tmp_path / "series.1") == "series.1"
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "5f3a")
    assert scan_stem(tmp_path / "link.nii.gz") == "link"


def test_missing_and_empty(folder):
    for wrong, words in (
        (folder / "absent.nii.gz", "does not exist"),
        ([folder / "a.nii", folder / "absent.nii.gz"], "absent.nii.gz does not exist"),
        (folder / "empty", "holds no CT"),
        ([], "is empty"),
    ):
        with pytest.raises(InputError, match=words):
            list_scans(wrong)


def record(path, made_from):
    """What stands beside a result of this program."""
    path.write_text(json.dumps({"input": made_from, "software": {"meddiff_core": "0"}}))


@pytest.fixture
def after_a_run(folder, hu, save_dicom):
    """A folder into which results of its own scans were written, as NIfTI and as DICOM."""
    (folder / "a_denoised.nii.gz").write_bytes(b"")
    save_dicom(folder / "patient 1_denoised", hu, np.eye(4), ManufacturerModelName="meddiff_core")
    for stem, made_from in (("a", "a.nii"), ("patient 1", "patient 1")):
        record(folder / f"{stem}_denoised.json", made_from)
        (folder / f"{stem}_denoised.png").write_bytes(b"")
    return folder


def test_results_of_an_earlier_run_are_no_input(after_a_run, caplog):
    assert names(list_scans(after_a_run)) == ["a", "b", "c", "d", "patient 1"]
    (line,) = caplog.messages
    assert line == (
        f"{after_a_run}: scans taken: 5, left out: 4, namely a_denoised.nii.gz, patient 1_denoised "
        "(result of MedDiff-FM), empty, notes.txt (no volume)."
    )


def test_a_derived_series_needs_no_record(after_a_run):
    (after_a_run / "patient 1_denoised.json").unlink()
    assert "patient 1_denoised" not in names(list_scans(after_a_run))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"input": "a.nii", "software": {"other": 1}}'])
def test_another_program_s_json_is_no_record(content, after_a_run):
    (after_a_run / "a_denoised.json").write_text(content)
    assert "a_denoised" in names(list_scans(after_a_run))


def test_a_result_that_is_named_is_taken(after_a_run):
    assert names(list_scans(after_a_run / "a_denoised.nii.gz")) == ["a_denoised"]
    assert names(list_scans([after_a_run / "patient 1_denoised"])) == ["patient 1_denoised"]


def test_a_folder_of_results_alone(tmp_path):
    """As after denoising, for super-resolution; but not what a second run made of them."""
    for name, made_from in (("a_denoised", "a.nii.gz"), ("a_denoised_superres", "a_denoised.nii.gz")):
        (tmp_path / f"{name}.nii.gz").write_bytes(b"")
        record(tmp_path / f"{name}.json", made_from)
    assert names(list_scans(tmp_path)) == ["a_denoised"]


def test_one_stray_slice_hides_no_volumes(folder, hu, save_dicom, caplog):
    save_dicom(folder, hu[..., :1], np.eye(4))
    assert names(list_scans(folder)) == ["a", "b", "c", "d", "patient 1"]
    assert "left out: 3, namely " in caplog.text
    assert "_000.dcm" in caplog.text


def test_a_series_with_volumes_beside_is_one_scan(folder, hu, save_dicom):
    save_dicom(folder, hu, np.eye(4))
    assert list_scans(folder) == [{"image": str(folder)}]


def test_what_is_no_scan_is_named(tmp_path):
    (tmp_path / "slice.dcm").write_bytes(b"")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match=r"holds no CT, but slice.dcm, sub \(no volume\): put"):
        list_scans(tmp_path)


def test_symlink_loop(tmp_path):
    (tmp_path / "loop.nii.gz").symlink_to(tmp_path / "loop.nii.gz")
    with pytest.raises(InputError, match="does not exist"):
        list_scans(tmp_path / "loop.nii.gz")


def test_results_of_the_same_name(folder):
    (folder / "a.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match="same name"):
        list_scans(folder)


class TestCompanions:
    @pytest.fixture
    def maps(self, folder):
        maps = folder / "maps"
        maps.mkdir()
        for name in ("a.nii.gz", "b.nii.gz", "patient 1.nii.gz"):
            (maps / name).write_bytes(b"")
        return maps

    def test_file_for_one_folder_for_many(self, folder, maps):
        one = list_scans(folder / "b.nii.gz", anatomy=maps / "a.nii.gz", lesion=maps)
        assert one == [
            {
                "image": str(folder / "b.nii.gz"),
                "anatomy": str(maps / "a.nii.gz"),
                "lesion": str(maps / "b.nii.gz"),
            }
        ]
        many = list_scans([folder / "a.nii", folder / "patient 1"], anatomy=maps)
        assert [scan_stem(scan["anatomy"]) for scan in many] == ["a", "patient 1"]

    def test_mismatches(self, folder, maps):
        with pytest.raises(InputError, match="one anatomy map for 5 scans"):
            list_scans(folder, anatomy=maps / "a.nii.gz")
        with pytest.raises(InputError, match="no lesion map named d"):
            list_scans(folder / "d.mha", lesion=maps)
        with pytest.raises(InputError, match=r"anatomy map .* does not exist"):
            list_scans(folder / "d.mha", anatomy=folder / "absent")
