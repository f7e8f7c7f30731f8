"""The lesions' mask, given or sampled, and the anatomy map without them."""

import logging

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, Orientationd
from scipy import ndimage

from meddiff_core.conditions.vocabulary import BODY, label_id
from meddiff_core.errors import InputError
from meddiff_core.evaluation.scan_dataset import FAILED, ScanDataset
from meddiff_core.transforms.anatomy_input import LoadAnatomyd
from meddiff_core.transforms.lesion_input import HealthyAnatomyd, LesionMaskd, lesion_items
from meddiff_core.transforms.load import LoadCTd, LoadLabelsd, LoadMasksd
from meddiff_core.transforms.windowing import ScaleHUd

LIVER, LUNG = label_id("liver"), label_id("lung")
SHAPE = (44, 40, 24)
AFFINE = np.diag([-4.0, -4.0, 4.0, 1.0])  # stored as LPS, 4 mm
SMALL = {"diameter": (10, 16)}


@pytest.fixture(autouse=True)
def _logged(caplog):
    caplog.set_level(logging.INFO, "meddiff")


@pytest.fixture
def anatomy():
    """A body with a liver and two lungs of coarse labels."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:40, 4:36] = BODY
    labels[6:22, 8:24, 2:11] = LIVER
    labels[6:20, 8:32, 12:22] = labels[24:38, 8:32, 12:22] = LUNG
    return labels


@pytest.fixture
def hu(anatomy):
    table = {0: -1000, BODY: 40, LIVER: 100, LUNG: -800}
    return np.vectorize(table.get)(anatomy).astype(np.int16)


@pytest.fixture
def lesion():
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:14, 12:16, 5:8] = 1
    return mask


@pytest.fixture
def files(tmp_path, save_nifti):
    """files(image=array, ...) -> item of paths."""

    def save(**arrays):
        return {key: save_nifti(tmp_path / f"{key}.nii.gz", array, AFFINE) for key, array in arrays.items()}

    return save


def lesion_mask(options, **others):
    """`LesionMaskd` of small lesions; `options` may be of their shape, too."""
    shape = {name: options.pop(name) for name in ("count", "at_surface") if name in options}
    return LesionMaskd(shape=SMALL | shape, **options, **others)


def loading(**options):
    keys = ["image", "anatomy", "lesion"]
    orient = Orientationd(keys, axcodes="RAS", labels=None, allow_missing_keys=True)
    return Compose([LoadCTd(), LoadLabelsd("anatomy"), LoadMasksd("lesion"), orient, lesion_mask(options)])


def generation(**options):
    """As a config without a CT: the map is the image."""
    orient = Orientationd(["image", "lesion"], axcodes="RAS", labels=None, allow_missing_keys=True)
    return Compose(
        [
            LoadAnatomyd(),
            LoadMasksd("lesion"),
            orient,
            lesion_mask(options, image_key=None, anatomy_key="image"),
        ]
    )


def refused(transform, item):
    with pytest.raises(RuntimeError) as caught:
        transform(item)
    assert isinstance(caught.value.__cause__, InputError)
    return str(caught.value.__cause__)


class TestSampled:
    def test_in_the_organ_of_the_map(self, files, hu, anatomy, caplog):
        transform = loading(organ="liver", count=2)
        d = transform(files(image=hu, anatomy=anatomy))
        mask = d["lesion"]
        assert mask.shape == (1, *SHAPE) and mask.dtype == torch.float32
        assert mask.meta["filename_or_obj"] == d["image"].meta["filename_or_obj"]
        assert ndimage.label(mask[0].numpy())[1] == 2
        assert "Lesion mask: 2 lesion(s)" in caplog.text and "sampled in liver" in caplog.text
        back = Invertd("lesion", transform, orig_keys="image", nearest_interp=True)(d)["lesion"]
        assert np.allclose(back.affine, AFFINE)
        inside = back[0].numpy() > 0
        assert inside.any() and (anatomy[inside] == LIVER).all()

    def test_without_a_map_by_coarse_classes(self, files, hu):
        item = files(image=hu)
        mask = loading(organ="lung")(item)["lesion"][0].numpy()[::-1, ::-1]
        assert (hu[mask > 0] == -800).all()
        sentence = refused(loading(organ="liver"), item)
        assert "image.nii.gz shows no liver" in sentence and "by anatomy" in sentence

    @pytest.mark.parametrize(("region", "label"), [("chest", LUNG), ("abdomen", BODY)])
    def test_default_organ_of_a_region(self, files, hu, anatomy, region, label):
        item = files(image=hu, anatomy=anatomy)
        for result in (loading()(item | {"region": region}), loading(region=region)(item)):
            labels = result["anatomy"][0].numpy()[result["lesion"][0].numpy() > 0]
            assert ((labels == LUNG) == (label == LUNG)).all()

    def test_region_is_detected_where_nobody_says_it(self, files, hu, caplog):
        item = loading()(files(image=hu))
        assert "Region: " in caplog.text
        caplog.clear()
        scaled = ScaleHUd("image")(item)["image"]
        assert scaled.meta["region"] == item["region"]
        assert "Region: " not in caplog.text  # found once, not sought again

    def test_seed_and_sample(self, files, anatomy):
        item = files(image=anatomy)
        masks = [
            generation(organ="liver", seed=seed)(item | {"sample": sample})["lesion"]
            for seed, sample in ((0, 0), (0, 1), (1, 0))
        ]
        assert not torch.equal(masks[0], masks[1])
        assert torch.equal(masks[1], masks[2])

    def test_mistakes(self, files, hu, anatomy):
        item = files(image=hu, anatomy=anatomy)
        assert "shows no spleen" in refused(loading(organ="spleen"), item)
        assert "number of lesions is 0" in refused(loading(count=0), item)
        with pytest.raises(InputError, match="did you mean liver"):
            LesionMaskd(organ="livr")
        with pytest.raises(InputError, match="Unknown region 'leg'"):
            LesionMaskd(region="leg")


class TestGiven:
    def test_stays_as_it_is(self, files, hu, lesion, caplog):
        mask = loading()(files(image=hu, lesion=lesion))["lesion"][0].numpy()[::-1, ::-1]
        assert np.array_equal(mask, lesion)
        assert "Lesion mask: 1 lesion(s), 3.1 ml, given." in caplog.text
        assert "outside" not in caplog.text

    @pytest.mark.parametrize("with_ct", [True, False])
    def test_checks(self, files, hu, anatomy, lesion, with_ct, caplog):
        image, transform = (hu, loading()) if with_ct else (anatomy, generation())
        empty = refused(transform, files(image=image, lesion=lesion * 0))
        assert "lesion.nii.gz is empty" in empty
        outside = refused(transform, files(image=image, lesion=np.roll(lesion, -12, axis=0)))
        assert "lesion.nii.gz lies outside of the body" in outside
        caplog.clear()
        transform(files(image=image, lesion=np.roll(lesion, -8, axis=0)))
        assert "50 % of the lesion mask" in caplog.text and "lies outside of the body" in caplog.text


class TestItems:
    def test_masks_beside_maps(self, tmp_path, anatomy, lesion, save_nifti):
        for folder, array in (("maps", anatomy), ("masks", lesion)):
            (tmp_path / folder).mkdir()
            for name in "ab":
                save_nifti(tmp_path / folder / f"{name}.nii.gz", array, AFFINE)
        items = lesion_items(tmp_path / "maps", tmp_path / "masks", samples=2)
        assert [item["lesion"] for item in items] == [
            str(tmp_path / "masks" / f"{name}.nii.gz") for name in "aabb"
        ]
        assert [item["number"] for item in items] == ["1", "2", "1", "2"]
        result = generation()(items[1])
        assert np.array_equal(result["lesion"][0].numpy()[::-1, ::-1], lesion)
        assert lesion_items(tmp_path / "maps")[0].keys() == {"image", "sample", "number"}

    def test_phantom(self, tmp_path):
        (item,) = lesion_items(region="chest")
        result = generation()(item)
        labels = result["image"][result["lesion"] > 0]
        assert len(labels) and (labels != BODY).all()
        with pytest.raises(InputError, match="no anatomy map for the lesion mask"):
            lesion_items(lesion=tmp_path)

    def test_a_mistake_is_one_item(self, files, anatomy, lesion):
        item = files(image=anatomy, lesion=lesion * 0)
        data = ScanDataset([item], generation())
        assert "is empty" in data[0][FAILED]


class TestHealthyAnatomy:
    def test_plain_tensors_of_training(self, anatomy, lesion):
        labels = torch.from_numpy(anatomy.astype(np.int16))[None]
        labels[0, 9:15, 11:17, 4:9] = BODY
        d = {"anatomy": labels, "lesion": torch.from_numpy(lesion)[None]}
        result = HealthyAnatomyd()(d)["anatomy"]
        assert type(result) is torch.Tensor and result.dtype == torch.int16
        assert (result[0, 9:15, 11:17, 4:9] == LIVER).all()
        assert (labels[0, 9:15, 11:17, 4:9] == BODY).all()  # a cached map stays
        coarse = HealthyAnatomyd(spacing=(5, 5, 5))(d)["anatomy"]
        assert (coarse[0, 9:15, 11:17, 4:9] == BODY).any()

    def test_metatensors_keep_their_grid(self, files, anatomy, lesion):
        anatomy[lesion > 0] = BODY
        item = generation()(files(image=anatomy, lesion=lesion))
        result = HealthyAnatomyd("image")(item)["image"]
        assert isinstance(result, MetaTensor) and result.meta["region"] == item["image"].meta["region"]
        assert torch.equal(result.affine, item["image"].affine)
        assert (result[item["lesion"] > 0] == LIVER).all()

    def test_without_map_or_mask_nothing_happens(self, lesion):
        mask = torch.from_numpy(lesion)[None]
        assert HealthyAnatomyd()({"lesion": mask}).keys() == {"lesion"}
        assert HealthyAnatomyd()({"anatomy": mask})["anatomy"] is mask
