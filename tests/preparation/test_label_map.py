"""The JSON file in which a user names the values of his label maps."""

from __future__ import annotations

import json

import pytest

from meddiff_core.errors import InputError
from meddiff_core.preparation.label_map import read_label_map


def test_names_by_suffix(tmp_path):
    names = {"_seg": {"1": "liver", "20": "bone"}, "_ts": "totalsegmentator", "": {"3": "body"}}
    (tmp_path / "names.json").write_text(json.dumps(names))
    assert read_label_map(tmp_path / "names.json") == names | {"_ts": None}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "names no label maps"),
        ("{}", "names no label maps"),
        ({"_seg": "amos"}, "does not name the values of '_seg'"),
        ({"_seg": {}}, "does not name the values of '_seg'"),
        ({"_seg": ["liver"]}, "does not name the values of '_seg'"),
        ({"_seg": {"one": "liver"}}, "names the value 'one' of '_seg': give a whole number above 0"),
        ({"_seg": {"0": "liver"}}, "names the value '0'"),
        ({"_seg": {"-1": "liver"}}, "names the value '-1'"),
        ({"_seg": {"4": "livr"}}, "value 4 of '_seg': Unknown anatomy label 'livr': did you mean liver"),
        ({"_seg": {"4": 5}}, "value 4 of '_seg': Unknown anatomy label '5'"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "names.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError) as error:
        read_label_map(path)
    assert sentence in str(error.value) and "names.json" in str(error.value)
    assert str(error.value).count("\n") == 0
