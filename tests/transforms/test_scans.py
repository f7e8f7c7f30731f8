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
