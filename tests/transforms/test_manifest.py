"""Lists of scans in a file."""

from __future__ import annotations

import json

import pytest

from meddiff_core.errors import InputError
from meddiff_core.transforms.scans import list_scans, result_name


def test_both_kinds_say_the_same(tmp_path):
    (tmp_path / "a.csv").write_text(
        "image,anatomy,output\nx/1.nii.gz,m.nii.gz,one\n/y/1.nii.gz,,\n", "utf-8-sig"
    )
    lines = [
        {"image": "x/1.nii.gz", "anatomy": "m.nii.gz", "output": "one"},
        {"image": "/y/1.nii.gz", "lesion": None},
    ]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    expected = [
        {"image": f"{tmp_path}/x/1.nii.gz", "anatomy": f"{tmp_path}/m.nii.gz", "output": "one"},
        {"image": "/y/1.nii.gz"},
    ]
    assert list_scans(tmp_path / "a.csv") == list_scans([str(tmp_path / "b.jsonl")]) == expected


def test_a_result_is_named_after_the_output():
    assert result_name({"filename_or_obj": "/y/1.nii.gz", "output": "one"}, "denoised") == "one_denoised"


WRONG = [
    ("image\n", "lists no scan"),
    ("image,age\na.nii,3\n", "scan 1, has a value for age: use the columns image, "),
    ("image,lesion\n,a.nii\n", "scan 1, has no image"),
    ("image,output\na.nii,x/y\n", "its output is x/y: give a name without folders"),
    ("image\na/1.nii\nb/1.nii\n", "a/1.nii and .*b/1.nii would write results of the same name"),
    ("image,output\na/1.nii,x\nb/2.nii,x\n", "would write results of the same name"),
]


@pytest.mark.parametrize(("content", "sentence"), WRONG)
def test_a_list_that_is_none(content, sentence, tmp_path):
    (tmp_path / "list.csv").write_text(content)
    with pytest.raises(InputError, match=sentence):
        list_scans(tmp_path / "list.csv")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("[1]", "is no JSON object"),
        ("{", "cannot be read as a list of scans"),
        ('{"image": 3}', "its image is 3: give a text"),
    ],
)
def test_json_lines_that_are_none(line, sentence, tmp_path):
    (tmp_path / "list.jsonl").write_text(line)
    with pytest.raises(InputError, match=sentence):
        list_scans(tmp_path / "list.jsonl")


def test_maps_are_named_once_and_the_file_has_to_be_there(tmp_path):
    (tmp_path / "list.csv").write_text("image\na.nii\n")
    with pytest.raises(InputError, match="name their maps in its column lesion"):
        list_scans(tmp_path / "list.csv", lesion=tmp_path)
    with pytest.raises(InputError, match="cannot be read as a list of scans"):
        list_scans(tmp_path / "absent.jsonl")
