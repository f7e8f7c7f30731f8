"""The phantom that the tool writes."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from make_phantom import write_phantom

from meddiff_core.commands import run_command
from meddiff_core.errors import InputError


def test_tool_writes_three_files(tmp_path, capsys):
    options = ["--region", "chest", "--output_dir", str(tmp_path), "--shape", "32,32,24"]
    run_command(write_phantom, [*options, "--spacing", "10,10,12", "--lesions", "2"])
    printed = capsys.readouterr().out
    for suffix, dtype in (("", np.int16), ("_anatomy", np.uint8), ("_lesion", np.uint8)):
        path = tmp_path / f"chest_phantom_0{suffix}.nii.gz"
        image = nib.load(path)
        assert str(path) in printed
        assert image.get_data_dtype() == dtype and image.shape == (32, 32, 24)
        assert image.header.get_zooms() == (10, 10, 12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--region", "leg"], "leg"),
        (["--region", "chest", "--shape", "32,32"], "--shape is .32, 32.: give three numbers above 0"),
        (["--region", "chest", "--spacing", "1,0,1"], "--spacing is"),
        (["--region", "chest", "--lesion", "2"], "did you mean --lesions"),
    ],
)
def test_a_mistake_writes_nothing(tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        run_command(write_phantom, [*options, "--output_dir", str(tmp_path)])
    assert not list(tmp_path.iterdir())
