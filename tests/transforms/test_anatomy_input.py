"""Anatomy maps as input, from the item to the names of the results."""

from functools import partial

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, Invertd, Orientationd

from meddiff_core.conditions.detect import detect_region_of_labels
from meddiff_core.conditions.vocabulary import BODY, NUM_LABELS, label_id
from meddiff_core.errors import InputError
from meddiff_core.evaluation.scan_dataset import ScanDataset
from meddiff_core.evaluation.scan_evaluator import ScanEvaluator
from meddiff_core.reports.change_picture import before_after_picture
from meddiff_core.reports.picture import SavePictured
from meddiff_core.transforms.anatomy_input import LoadAnatomyd, anatomy_items
from meddiff_core.transforms.results import Results
from meddiff_core.transforms.save import SaveCTd

SHAPE = (20, 24, 16)


@pytest.fixture
def labels():
    """uint8 `(20, 24, 16)`: a body with a liver in most slices and a heart above."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:-3, 3:-3] = BODY
    labels[5:9, 5:9, :10] = label_id("liver")
    labels[5:9, 5:9, 10:] = label_id("heart")
    return labels


def load(path, **options):
    return LoadAnatomyd(**options)({"image": str(path)})["image"]


class TestLoad:
    @pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "mha"])
    def test_labels_and_geometry(self, suffix, tmp_path, labels, affine, save_nifti, save_itk):
        path = (save_nifti if suffix == "nii.gz" else save_itk)(tmp_path / f"map.{suffix}", labels, affine)
        loaded = load(path, region="chest")
        assert loaded.dtype == torch.float32
        assert np.array_equal(loaded.numpy()[0], labels)
        assert np.allclose(loaded.affine, affine, atol=1e-4)
        assert loaded.meta["filename_or_obj"] == str(path)
        assert loaded.meta["region"] == "chest"
        assert (loaded.meta["sample"], loaded.meta["number"]) == (0, "")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda m: m * 0, "is empty"),
            (lambda m: m.astype(np.float32) + 0.5, "value 0.5"),
            (lambda m: np.where(m == BODY, NUM_LABELS, m), f"value {NUM_LABELS}:"),
            (lambda m: m.astype(np.int16) - 1000, "value -1000"),  # a CT
            (lambda m: np.stack([m, m], -1), "20 x 24 x 16 x 2"),
            (lambda m: m[:, :, 0], "single slice"),
        ],
    )
    def test_no_map_is_refused_in_one_sentence(self, change, words, tmp_path, labels, save_nifti):
        path = save_nifti(tmp_path / "map.nii.gz", change(labels))
        with pytest.raises(InputError, match=words) as caught:
            load(path)
        assert str(path) in str(caught.value)

    def test_region_is_derived_or_the_items_own(self, tmp_path, labels, affine, save_nifti, caplog):
        path = save_nifti(tmp_path / "map.nii.gz", labels, np.diag([5.0, 5.0, 5.0, 1.0]))
        with caplog.at_level("INFO", logger="meddiff"):
            assert load(path).meta["region"] == "abdomen"
        assert "Region: abdomen. Most slices" in caplog.text
        assert LoadAnatomyd()({"image": path, "region": "chest"})["image"].meta["region"] == "chest"
        with pytest.raises(InputError, match="Unknown region 'leg'"):
            LoadAnatomyd(region="leg")

    def test_a_map_without_tissue_is_completed_or_told(self, tmp_path, labels, save_nifti, caplog):
        with caplog.at_level("INFO", logger="meddiff"):
            load(save_nifti(tmp_path / "full.nii.gz", labels))
            assert "outline" not in caplog.text and "skin" not in caplog.text
            organs = np.where(labels == BODY, 0, labels).astype(np.uint8)
            load(save_nifti(tmp_path / "organs.nii.gz", organs))
            assert "organs.nii.gz has neither bones nor a body outline" in caplog.text
            organs[12:14, 10:14] = label_id("vertebrae_L1")
            completed = load(save_nifti(tmp_path / "total.nii.gz", organs)).numpy()[0]
        assert "total.nii.gz names organs alone: skin, fat and muscle are put around them" in caplog.text
        assert np.array_equal(completed[organs > 0], organs[organs > 0])
        assert {BODY, label_id("fat")} <= set(np.unique(completed))

    def test_a_folder_of_masks_with_its_body(self, tmp_path, labels, save_nifti, caplog):
        folder = tmp_path / "segmentations"
        folder.mkdir()
        for name, mask in (
            ("liver", labels == label_id("liver")),
            ("vertebrae_L1", np.pad(np.ones((2, 4, 16), bool), ((12, 6), (10, 10), (0, 0)))),
            ("body_trunc", labels > 0),
        ):
            save_nifti(folder / f"{name}.nii.gz", mask.astype(np.uint8))
        with caplog.at_level("INFO", logger="meddiff"):
            loaded = load(folder).numpy()[0]
        assert "put in its body outline" in caplog.text
        assert np.array_equal(loaded > 0, labels > 0)


class TestItems:
    def test_every_map_as_often_as_asked(self, tmp_path, labels, save_nifti):
        paths = [str(save_nifti(tmp_path / f"{name}.nii.gz", labels)) for name in "ab"]
        assert anatomy_items(paths[0]) == [{"image": paths[0], "sample": 0, "number": ""}]
        items = anatomy_items(tmp_path, samples=2)
        assert [(item["image"], item["sample"], item["number"]) for item in items] == [
            (path, sample, str(sample + 1)) for path in paths for sample in (0, 1)
        ]

    @pytest.mark.parametrize("region", ["auto", "unknown", "abdomen", "chest", "head_neck"])
    def test_without_a_map_a_phantoms(self, region):
        (item,) = anatomy_items(None, region=region)
        loaded = LoadAnatomyd(region=region)(item)["image"]
        shown = "abdomen" if region in ("auto", "unknown") else region
        assert loaded.meta["filename_or_obj"] == f"phantom_{shown}"
        assert detect_region_of_labels(loaded.numpy()[0], loaded.affine.numpy())[0] == shown
        assert loaded.meta["region"] == ("abdomen" if region == "auto" else region)

    @pytest.mark.parametrize("samples", [0, 1.5, True, "two"])
    def test_samples(self, samples):
        with pytest.raises(InputError, match="samples is"):
            anatomy_items(samples=samples)


class TestRegionOfLabels:
    AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])

    @staticmethod
    def coarse(**inside):
        """A body of coarse classes, 40 x 40 x 10 voxels; classes as radius=name, from the outside in."""
        x, y = np.ogrid[:40, :40]
        r = np.hypot(x - 20, y - 20)[:, :, None].repeat(10, axis=2)
        labels = np.where(r < 18, BODY, 0)
        for name, radius in inside.items():
            labels[r < radius] = label_id(name)
        return labels.astype(np.float32)

    @pytest.mark.parametrize(
        ("inside", "region"),
        [({}, "abdomen"), ({"lung": 9}, "chest"), ({"bone": 16, "body": 14}, "head_neck")],
    )
    def test_coarse_classes(self, inside, region):
        labels = self.coarse(**inside)
        assert detect_region_of_labels(labels, self.AFFINE)[0] == region
        sagittal = np.array([[0, -4.0, 0, 0], [0, 0, 4.0, 0], [4.0, 0, 0, 0], [0, 0, 0, 1]])
        turned = np.ascontiguousarray(labels.transpose(2, 0, 1)[:, ::-1])
        assert detect_region_of_labels(turned, sagittal)[0] == region

    def test_nothing(self):
        assert detect_region_of_labels(np.zeros((40, 40, 10)), self.AFFINE)[0] == "unknown"


class TestFromItemToFile:
    @staticmethod
    def run(data, out):
        """A stand-in for synthesis: 10 HU per sample and label."""
        volumes = {"before": "image", "after": "pred"}
        before = Compose([LoadAnatomyd(), Orientationd("image", axcodes="RAS", labels=None)])
        evaluator = ScanEvaluator(
            device=torch.device("cpu"),
            val_data_loader=DataLoader(ScanDataset(data, before), batch_size=1),
            network=torch.nn.Identity(),
            inferer=lambda inputs, network: inputs * (1 + int(inputs.meta["sample"][0])),
            postprocessing=Compose(
                [
                    Invertd("pred", before, orig_keys="image"),
                    SaveCTd("pred", Results(out), "synthetic"),
                    SavePictured("pred", before_after_picture, volumes, Results(out), "synthetic"),
                ]
            ),
        )
        evaluator.run()

    def test_samples_have_names_and_the_maps_grid(self, tmp_path, labels, affine, save_nifti):
        path = save_nifti(tmp_path / "map.nii.gz", labels, affine)
        for samples, names in ((1, [""]), (2, ["_1", "_2"])):
            out = tmp_path / f"out{samples}"
            self.run(partial(anatomy_items, str(path), samples=samples), out)
            assert sorted(p.name for p in out.glob("*.png")) == [f"map_synthetic{n}.png" for n in names]
            for sample, name in enumerate(names):
                saved = nib.load(out / f"map_synthetic{name}.nii.gz")
                assert np.allclose(saved.affine, nib.load(path).affine, atol=1e-5)
                assert np.array_equal(np.asarray(saved.dataobj), labels.astype(int) * (1 + sample))

    @pytest.mark.parametrize(
        ("options", "words"),
        [({"anatomy": "absent.nii.gz"}, "absent.nii.gz does not exist"), ({"samples": 0}, "samples is 0")],
    )
    def test_mistakes_are_one_sentence(self, tmp_path, options, words):
        with pytest.raises(SystemExit, match=words) as caught:
            self.run(partial(anatomy_items, **options), tmp_path / "out")
        assert "\n" not in str(caught.value)
