"""Data lists: paths, extra keys, and sentences for broken ones."""

from __future__ import annotations

import json

import pytest

from meddiff_core.errors import InputError
from meddiff_core.transforms.datalist import load_datalist


@pytest.fixture
def write(tmp_path):
    def write(content) -> str:
        path = tmp_path / "datalist.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    return write


def test_files_are_found_beside_the_list_and_the_rest_is_kept(write, tmp_path):
    files = {key: f"{key}s/a.nii.gz" for key in ("image", "anatomy", "lesion", "organ")}
    item = files | {"region": "chest", "patient": "7"}
    path = write({"name": "Müller", "training": [item], "validation": [{"image": "/data/b.nii.gz"}]})
    assert load_datalist(path, "training") == [
        {key: str(tmp_path / name) for key, name in files.items()} | {"region": "chest", "patient": "7"}
    ]
    assert load_datalist(path, "validation") == [{"image": "/data/b.nii.gz"}]


def test_items_without_what_is_needed_are_left_out(write, tmp_path):
    path = write({"training": [{"image": "a.nii.gz"}, {"image": "b.nii.gz", "lesion": "l.nii.gz"}]})
    (item,) = load_datalist(path, "training", needs="lesion")
    assert item["image"] == str(tmp_path / "b.nii.gz")
    with pytest.raises(InputError, match=r"'training' of the data list .* has no volume with organ"):
        load_datalist(path, "training", needs="organ")


def test_what_is_left_out_is_counted_and_an_absent_file_is_none(write, tmp_path, caplog):
    item = {"image": "a.nii.gz", "anatomy": None, "lesion": "", "spacing": 0}
    path = write({"training": [item, {"image": "b.nii.gz", "lesion": "l.nii.gz"}]})
    with caplog.at_level("INFO", logger="meddiff"):
        load_datalist(path, "training", needs="lesion")
    assert "items without lesion are left out: 1." in caplog.text
    assert load_datalist(path, "training")[0] == {"image": str(tmp_path / "a.nii.gz"), "spacing": 0}


def test_lists_of_other_software_are_told_what_label_is(write):
    item = {"image": "a.nii.gz", "lesion": "l.nii.gz"}
    path = write({"training": [item, {"image": "b.nii.gz", "label": "l.nii.gz"}]})
    with pytest.raises(InputError, match="has no lesion: add it; what it calls label is"):
        load_datalist(path, "training", needs="lesion")


@pytest.mark.parametrize(
    "content",
    [
        "{broken",
        "[]",
        {"validation": []},
        {"training": []},
        {"training": ["a.nii.gz"]},
        {"training": {"image": "a.nii.gz"}},
        {"training": None},
    ],
)
def test_broken_lists_are_named_with_their_section(write, content):
    path = write(content)
    with pytest.raises(InputError, match="training") as caught:
        load_datalist(path, "training")
    assert path in str(caught.value)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.json does not exist"):
        load_datalist(tmp_path / "nowhere.json", "training")


def test_several_lists_are_joined(tmp_path):
    paths = []
    for name, sections in (("a", {"training": ["1", "2"], "validation": ["3"]}), ("b", {"training": ["4"]})):
        (tmp_path / name).mkdir()
        content = {key: [{"image": f"{n}.nii.gz"} for n in numbers] for key, numbers in sections.items()}
        paths.append(tmp_path / name / "datalist.json")
        paths[-1].write_text(json.dumps({"validation": []} | content))
    found = [item["image"] for item in load_datalist(paths, "training")]
    assert found == [str(tmp_path / file) for file in ("a/1.nii.gz", "a/2.nii.gz", "b/4.nii.gz")]
    assert len(load_datalist(paths, "validation")) == 1
    with pytest.raises(InputError, match="has no volume with lesion"):
        load_datalist(paths, "training", needs="lesion")
