"""The organ's mask and the anatomy map that a lesion leaves no trace in."""

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import Compose, Orientationd

from meddiff_core.conditions.vocabulary import BODY, label_id
from meddiff_core.errors import InputError
from meddiff_core.evaluation.scan_dataset import FAILED, ScanDataset
from meddiff_core.transforms.load import LoadCTd, LoadLabelsd, LoadMasksd
from meddiff_core.transforms.organ import OrganMaskd, select_organ

LIVER, SPLEEN, LUNG, FAT, BONE = (label_id(name) for name in ("liver", "spleen", "lung", "fat", "bone"))
SHAPE = (40, 36, 20)
MM = (5.0, 5.0, 5.0)


def box(start, stop):
    return tuple(slice(a, b) for a, b in zip(start, stop, strict=True))


LESION = box((9, 11, 8), (13, 15, 11))


@pytest.fixture
def anatomy():
    """A body with a liver that holds a lesion without a name, a spleen, fat and a ring of bone."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:36, 4:32] = BODY
    labels[5:18, 7:20, 4:16] = LIVER
    labels[LESION] = BODY
    labels[24:30, 8:14, 4:16] = SPLEEN
    labels[6:34, 28:31] = FAT
    labels[20:28, 18:26] = BONE
    labels[22:26, 20:24] = BODY
    return labels


@pytest.fixture
def hu(anatomy):
    """int16, dense enough to be seen by thresholds; the lesion is darker than the liver."""
    table = {0: -1000, BODY: 40, LIVER: 100, SPLEEN: 110, FAT: -100, BONE: 700}
    hu = np.vectorize(table.get)(anatomy).astype(np.int16)
    hu[LESION] = 60
    return hu


@pytest.fixture
def item(tmp_path, hu, anatomy, save_nifti):
    """item(names=None, **maps) -> the item after loading, orientation and `OrganMaskd`; RAS, 5 mm."""

    def make(names=None, hu=hu, affine=None, **maps):
        affine = np.diag([*MM, 1.0]) if affine is None else affine
        files = {"image": save_nifti(tmp_path / "ct.nii.gz", hu, affine)}
        files |= {key: save_nifti(tmp_path / f"{key}.nii.gz", array, affine) for key, array in maps.items()}
        keys = ["image", "anatomy", "organ"]
        orient = Orientationd(keys, axcodes="RAS", labels=None, allow_missing_keys=True)
        return Compose(
            [LoadCTd(), LoadLabelsd("anatomy"), LoadMasksd("organ"), orient, OrganMaskd(names=names)]
        )(files)

    return make


def arrays(item):
    return item["organ"].numpy()[0] > 0, item["anatomy"].numpy()[0]


def test_lesion_belongs_to_the_organ(item, anatomy):
    organ, labels = arrays(item("liver", anatomy=anatomy))
    expected = anatomy == LIVER
    expected[LESION] = True
    assert np.array_equal(organ, expected)
    assert (labels[LESION] == LIVER).all()
    assert np.array_equal(labels[~expected], anatomy[~expected])


def test_several_names_keep_their_labels(item, anatomy):
    for names in ("liver, spleen", ["liver", "spleen"], ("liver", "spleen")):
        organ, labels = arrays(item(names, anatomy=anatomy))
        assert np.array_equal(organ & (labels == SPLEEN), anatomy == SPLEEN)
        assert (labels[LESION] == LIVER).all()
        assert organ.sum() == (organ & np.isin(labels, [LIVER, SPLEEN])).sum()


def test_soft_tissue_is_the_default(item, anatomy):
    organ, labels = arrays(item(anatomy=anatomy))
    assert np.array_equal(organ, np.isin(anatomy, [BODY, FAT, LIVER, SPLEEN]))
    assert (labels[anatomy == FAT] == BODY).all()
    assert (labels[anatomy == LIVER] == LIVER).all()


def test_bone_does_not_enclose_lesions(item, anatomy):
    organ, labels = arrays(item("bone", anatomy=anatomy))
    assert np.array_equal(organ, anatomy == BONE)
    assert np.array_equal(labels, anatomy)


def test_coarse_name_stands_for_its_labels(anatomy):
    lobes = [label_id("lung_upper_lobe_left"), label_id("lung_lower_lobe_left")]
    labels = np.where(anatomy == LIVER, lobes[0], anatomy).astype(np.uint8)
    labels[5:18, 7:20, 4:8] = lobes[1]
    organ = select_organ(labels, ["lung"], MM)
    assert organ[LESION].all()
    assert set(np.unique(labels[LESION])) <= set(lobes)


def test_other_organs_and_the_diaphragm_are_no_lesions():
    labels = np.full(SHAPE, BODY, np.uint8)
    labels[4:36, 4:32, 6:] = LUNG
    labels[14:26, 12:24, 6:12] = BODY  # a dome that stands on the body below
    labels[30:32, 8:10, 6:9] = BODY  # a lesion, smaller, that touches it
    labels[6:10, 6:10, 10:12] = label_id("heart")
    before = labels.copy()
    organ = select_organ(labels, ["lung"], MM)
    assert organ[30:32, 8:10, 6:9].all()
    organ[30:32, 8:10, 6:9] = False
    assert np.array_equal(organ, before == LUNG)


def test_without_a_map_coarse_classes(item, hu):
    hu = np.where(hu == 100, -800, hu).astype(np.int16)  # a lung with a lesion in it
    organ, labels = arrays(item("lung", hu=hu))
    assert organ[LESION].all()
    assert (labels[LESION] == LUNG).all()
    with pytest.raises(RuntimeError) as caught:
        item("liver", hu=hu)
    sentence = str(caught.value.__cause__)
    assert isinstance(caught.value.__cause__, InputError)
    assert "has no anatomy map to show liver" in sentence and "lung, airway_gas, fat, bone" in sentence


def test_a_mask_is_the_organ(item, anatomy):
    mask = np.zeros(SHAPE, np.uint8)
    mask[LESION] = 1
    organ, labels = arrays(item(organ=mask, anatomy=anatomy))
    assert np.array_equal(organ, mask > 0)
    assert np.array_equal(labels, anatomy)
    organ, labels = arrays(item("liver", organ=mask))  # no map: made from the scan
    assert np.array_equal(organ, mask > 0)
    assert np.array_equal(labels == LIVER, mask > 0)
    assert (labels[24:30, 8:14, 6:14] == BODY).all()


def test_a_mask_without_its_lesion_is_closed_by_its_name(item, hu, anatomy, caplog):
    mask = np.uint8(anatomy == LIVER)
    organ, labels = arrays(item("liver", organ=mask))
    assert organ[LESION].all() and (labels[LESION] == LIVER).all()
    with caplog.at_level("WARNING", logger="meddiff"):
        organ, _ = arrays(item(organ=mask))
    assert np.array_equal(organ, mask > 0)
    assert "holes of tissue, 6.0 ml" in caplog.text and "organ_value" in caplog.text


def test_outline_is_added_to_organs_alone(item, anatomy):
    organs = np.where(anatomy == LIVER, LIVER, 0).astype(np.uint8)
    _, labels = arrays(item("liver", anatomy=organs))
    assert (labels[25:29, 9:13, 6:14] == BODY).all()
    assert (labels[:3] == 0).all()


def test_geometry_of_the_image(item, hu, anatomy, affine):
    result = item("liver", affine=affine, anatomy=anatomy)
    for key in ("organ", "anatomy"):
        assert result[key].shape == result["image"].shape
        assert np.allclose(result[key].affine, result["image"].affine)
    assert nib.aff2axcodes(result["organ"].affine.numpy()) == ("R", "A", "S")
    inside = (np.asarray(result["image"][0]) == 100) & ~(result["organ"].numpy()[0] > 0)
    assert not inside.any()


def test_mistakes(item, anatomy):
    for names, words in (("livr", "did you mean liver"), ("background", "is no organ")):
        with pytest.raises(InputError, match=words):
            OrganMaskd(names=names)
    for options, words in (
        ({"names": "brain"}, "no voxel of brain: .* anatomy map has .spleen, liver, body, fat, bone"),
        ({"organ": np.zeros(SHAPE, np.uint8)}, "no voxel of the given mask"),
    ):
        with pytest.raises(RuntimeError) as caught:
            item(anatomy=anatomy, **options)
        with pytest.raises(InputError, match=words):
            raise caught.value.__cause__


def test_mask_beside_the_images(tmp_path, hu, anatomy, save_nifti):
    scans, masks = tmp_path / "scans", tmp_path / "masks"
    for folder, array in ((scans, hu), (masks, (anatomy == LIVER).astype(np.uint8))):
        folder.mkdir()
        for name in "ab":
            save_nifti(folder / f"{name}.nii.gz", array)
    chain = Compose([LoadCTd(), LoadLabelsd("anatomy"), LoadMasksd("organ"), OrganMaskd()])
    first, second = ScanDataset(scans, chain, organ=masks)
    assert first["organ"].sum() == second["organ"].sum() == (anatomy == LIVER).sum()
    (masks / "b.nii.gz").unlink()
    assert "no organ map named b" in ScanDataset(scans, chain, organ=masks)[0][FAILED]
