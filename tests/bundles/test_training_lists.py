"""A data list that cannot be trained on is refused by a sentence that names the item."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import numpy as np
import pytest
from hard_input import plain_affine, save, small_anatomy, small_hu, small_lesion

from meddiff_core.errors import InputError, user_sentence

FOUNDATION, LESION, THIN = "ct_foundation", "ct_lesion_generation", "ct_super_resolution"
ALL = (FOUNDATION, LESION, THIN)
FILES = {"image": small_hu, "anatomy": small_anatomy, "lesion": small_lesion}


@pytest.fixture
def dataset(bundle, tmp_path) -> Callable:
    """dataset(bundle, section, change) -> the section's data set, of one good item and a changed one."""

    def load(name: str, section: str, change: Callable):
        items = []
        for number in (1, 2):
            item = {"region": "abdomen"}
            for key, array in FILES.items():
                item[key] = save(tmp_path / f"{key}_{number}.nii.gz", array()).name
            items.append(item)
        change(items[1], tmp_path)
        lists = {"training": items, "validation": items}
        (tmp_path / "datalist.json").write_text(json.dumps(lists))
        workflow = bundle(name, "train.json", workflow_type="train", dataset_dir=str(tmp_path))
        return workflow.parser.get_parsed_content(f"{section}#dataset")

    return load


def volume(key, change, affine=None):
    """The file of a key holds other numbers, or the same on another grid."""
    return lambda item, folder: save(folder / item[key], change(FILES[key]()), affine)


def entry(key, value):
    """The item says something else of a key; nothing where it is None."""

    def change(item, folder):
        item.pop(key, None) if value is None else item.update({key: value})

    return change


def renamed(item, folder):
    """As in the data lists of other software."""
    item["label"] = item.pop("anatomy")


def nan(hu):
    hu = hu.astype(np.float32)
    hu[5, 5, 5] = np.nan
    return hu


SHIFTED = plain_affine()
SHIFTED[0, 3] += 30

BAD = {
    "anatomy of another shape": (ALL, volume("anatomy", lambda a: a[:-1]), "anatomy map .*anatomy_2"),
    "anatomy elsewhere": (ALL, volume("anatomy", np.copy, SHIFTED), "anatomy map .*anatomy_2.* mm. off"),
    "lesion elsewhere": ((LESION,), volume("lesion", np.copy, SHIFTED), "lesion map .*lesion_2.* mm. off"),
    "normalised": (ALL, volume("image", lambda a: (a + 1024) / 4096.0), "image_2.nii.gz is not .*HU"),
    "stored pixels": (ALL, volume("image", lambda a: np.maximum(a + 1024, 0)), "image_2.nii.gz is not in HU"),
    "not a number": (ALL, volume("image", nan), "image_2.nii.gz holds NaN"),
    "4-D": (ALL, volume("image", lambda a: np.stack([a, a], -1)), "image_2.nii.gz is not one volume"),
    "too high a label": (ALL, volume("anatomy", lambda a: a + 100), "anatomy_2.nii.gz holds the value"),
    "a label below 0": (
        ALL,
        volume("anatomy", lambda a: a.astype(np.int16) - 1),
        "anatomy_2.nii.gz holds the value -1",
    ),
    "an organ and its lesion": (
        (LESION,),
        volume("lesion", lambda a: a + (a > 0) * (np.indices(a.shape)[2] > 6).astype(np.uint8)),
        "lesion.*lesion_2.nii.gz holds several values",
    ),
    "no lesion": ((LESION,), volume("lesion", np.zeros_like), "lesion mask .*lesion_2.nii.gz is empty"),
    "no file": (ALL, entry("anatomy", "absent.nii.gz"), "absent.nii.gz does not exist"),
    "no region": (ALL, entry("region", None), "Item 2 of section .*image_2.nii.gz, has no region: add it."),
    "no anatomy": (ALL, entry("anatomy", None), "Item 2 of .*image_2.nii.gz, has no anatomy: add it."),
    "no image": (ALL, entry("image", None), "Item 2 of section .* has no image: add it."),
    "key label": (
        ALL,
        renamed,
        "Item 2 of .* no anatomy: add it; what it calls label is an anatomy or a lesion",
    ),
    "unknown region": (
        ALL,
        entry("region", "leg"),
        "Item 2 of .*image_2.* has the region 'leg': use unknown, ",
    ),
    "a path that is none": (ALL, entry("image", 5), "Item 2 of section .*: its image is 5: give the path"),
    "a thick scan of pixels": (
        (THIN,),
        lambda item, folder: (
            save(folder / "thick.nii.gz", np.maximum(small_hu() + 1024, 0)),
            item.update(thick="thick.nii.gz"),
        ),
        "thick.nii.gz is not in HU",
    ),
}


def cases():
    """Every fault in the training of every bundle that can have it, and in turn in the validation of one."""
    for number, (names, change, sentence) in enumerate(BAD.values()):
        for name in names:
            yield name, "train", change, sentence
        yield names[number % len(names)], "validate", change, sentence


@pytest.mark.parametrize(("name", "section", "change", "sentence"), cases())
def test_a_bad_item_is_named(dataset, name, section, change, sentence):
    with pytest.raises((RuntimeError, InputError)) as caught:
        dataset(name, section, change)
    found = user_sentence(caught.value)
    assert found is not None
    assert re.search(sentence, found)
    assert "\n" not in found


@pytest.mark.parametrize("name", ALL)
def test_good_items_are_taken_as_they_are(dataset, name):
    items = dataset(name, "train", lambda item, folder: None)
    cached = items._cache[1]
    assert np.array_equal(np.asarray(cached["image"])[0], small_hu())
    assert len(items) == 2
