"""Names, folders, disks and interrupts: a result appears whole, in its place, or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from hard_input import (
    NAMES,
    OF_MAPS,
    OF_SCANS,
    RESULTS,
    in_ras,
    plain_affine,
    refusal,
    run,
    save,
    small_anatomy,
    small_hu,
    spread,
    workflow,
)

LATIN_1 = os.fsdecode(b"caf\xe9.nii.gz")
"""A name from an old file system: its bytes are no UTF-8."""


def source(name, path):
    """A small scan or map for a bundle."""
    return save(path, small_anatomy() if name in OF_MAPS else small_hu())


@pytest.mark.parametrize("name", NAMES)
def test_any_characters_in_a_path(name, tmp_path):
    path = source(name, tmp_path / "Müller & Söhne (2)" / "CT größe 1 日本.nii.gz")
    run(name, path, tmp_path / "die Ergebnisse %s")
    assert all(
        file.name.startswith("CT größe 1 日本_") for file in (tmp_path / "die Ergebnisse %s").iterdir()
    )


def test_a_number_sign_in_a_path(tmp_path):
    path = save(tmp_path / "scan #1.nii.gz", small_hu())
    assert "turn # into ::, so rename" in refusal("ct_denoising", path, tmp_path / "out")


@pytest.mark.parametrize(
    "file", ["a.b.c.nii.gz", "SCAN.NII.GZ", "scan.NII", "-rf.nii", ".hidden.nii.gz", LATIN_1]
)
def test_any_name(file, tmp_path):
    path = save(tmp_path / "scan.nii.gz", small_hu())
    if not file.lower().endswith(".gz"):
        path = save(tmp_path / "scan.nii", small_hu())
    path = path.rename(tmp_path / file)
    run("ct_denoising", path, tmp_path / "out")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_in_the_folder_s_place(name, tmp_path):
    (tmp_path / "out").write_text("mine")
    sentence = refusal(name, source(name, tmp_path / "scan.nii.gz"), tmp_path / "out")
    assert "Cannot write" in sentence
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no read-only folder that binds root, too")
def test_a_folder_that_is_not_writable(tmp_path):
    with pytest.raises(SystemExit, match="Cannot write /proc/self/out"):
        run("ct_denoising", save(tmp_path / "scan.nii.gz", small_hu()), Path("/proc/self/out"))


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk(name, tmp_path, monkeypatch):
    def full(image, path):
        Path(path).write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = source(name, tmp_path / "scan.nii.gz")
    monkeypatch.setattr(nib, "save", full)
    assert "No space left on device" in refusal(name, path, tmp_path / "out")


def test_two_runs_at_a_time_into_one_folder(tmp_path, monkeypatch):
    path, write = save(tmp_path / "scan.nii.gz", small_hu()), nib.save

    def slow(image, draft):
        """While one run writes, another of the same scan begins and ends."""
        Path(draft).write_bytes(b"half of it")
        monkeypatch.setattr(nib, "save", write)
        with monkeypatch.context() as other:
            other.setattr(os, "getpid", lambda: 1)
            workflow("ct_denoising", path, tmp_path / "out").run()
        assert Path(draft).read_bytes() == b"half of it"
        write(image, draft)

    monkeypatch.setattr(nib, "save", slow)
    (result,) = run("ct_denoising", path, tmp_path / "out")
    assert np.asarray(result.dataobj).shape == small_hu().shape
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["scan_denoised.json", "scan_denoised.nii.gz"]


@pytest.mark.parametrize("name", ["ct_denoising", "ct_lesion_generation"])
def test_the_input_is_never_replaced(name, tmp_path):
    postfix = RESULTS[name][0]
    path = source(name, tmp_path / "scan.nii.gz")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"scan_{postfix}.nii.gz").symlink_to(path)
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="is the input itself"):
        run(name, path, tmp_path / "out")
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", OF_SCANS)
def test_a_bad_file_does_not_stop_a_batch(name, tmp_path):
    folder = tmp_path / "in"
    for stem in ("a", "c"):
        save(folder / f"{stem}.nii.gz", small_hu())
    (folder / "b.nii.gz").write_bytes((folder / "a.nii.gz").read_bytes()[:300])
    save(folder / "d.nii.gz", small_hu() + 2000)
    (folder / "e.nii.gz").symlink_to(folder / "e.nii.gz")
    with pytest.raises(SystemExit) as caught:
        workflow(name, folder, tmp_path / "out").run()
    lines = str(caught.value).splitlines()
    assert lines[0] == "3 of 5 scans failed:"
    assert [file for file in "bde" if sum(f"{file}.nii.gz" in line for line in lines) == 1] == [*"bde"]
    for postfix in RESULTS[name]:
        found = sorted(path.name for path in (tmp_path / "out").glob(f"*_{postfix}.nii.gz"))
        assert found == [f"{stem}_{postfix}.nii.gz" for stem in ("a", "c")]


@pytest.mark.parametrize(("suffix", "name"), spread((".nrrd", ".mha"), NAMES, (".nrrd",)))
def test_formats_with_directions(name, suffix, save_itk, tmp_path):
    array = small_anatomy() if name in OF_MAPS else small_hu()
    flipped = nib.Nifti1Image(array, plain_affine()).as_reoriented(np.array([[0, -1], [1, 1], [2, -1]]))
    path = save_itk(tmp_path / f"scan{suffix}", np.asarray(flipped.dataobj), flipped.affine)
    expected = run(name, save(tmp_path / "scan.nii.gz", array), tmp_path / "plain")
    for ours, theirs in zip(run(name, path, tmp_path / "out"), expected, strict=True):
        assert nib.aff2axcodes(ours.affine) == ("L", "A", "I")
        np.testing.assert_allclose(nib.as_closest_canonical(ours).affine, theirs.affine, atol=1e-3)
        assert np.abs(in_ras(ours).astype(float) - in_ras(theirs)).mean() < 0.05


FORMS = {
    "sform alone": (2, 0, None),
    "qform alone": (0, 1, None),
    "neither": (0, 0, None),
    "both differ": (1, 1, None),
    "voxel size that differs": (1, 0, (1.0, 1.0, 1.0)),
}


@pytest.mark.parametrize(("case", "name"), spread(FORMS, NAMES, ("both differ",)))
def test_the_affine_is_the_one_that_others_read(name, case, tmp_path):
    sform, qform, zooms = FORMS[case]
    image = nib.Nifti1Image(small_anatomy() if name in OF_MAPS else small_hu(), plain_affine())
    moved = plain_affine()
    moved[:3, 3] += 40
    image.set_sform(plain_affine(), sform)
    image.set_qform(moved, qform)
    if zooms:
        image.header["pixdim"][1:4] = zooms
    image.to_filename(tmp_path / "scan.nii.gz")
    read = nib.load(tmp_path / "scan.nii.gz")
    for result in run(name, tmp_path / "scan.nii.gz", tmp_path / "out"):
        factor = [1, 1, 2] if name == "ct_super_resolution" else [1, 1, 1]
        np.testing.assert_allclose(
            nib.affines.voxel_sizes(result.affine) * factor, nib.affines.voxel_sizes(read.affine), rtol=1e-4
        )
        corner = nib.affines.apply_affine(read.affine, [-0.5] * 3)
        np.testing.assert_allclose(nib.affines.apply_affine(result.affine, [-0.5] * 3), corner, atol=1e-3)


@pytest.mark.parametrize("content", [b"", b"not weights", None])
def test_damaged_weights(content, tmp_path):
    path = tmp_path / "foundation" / "models" / "model.pt"
    path.parent.mkdir(parents=True)
    weights = Path(__file__).parents[2] / "bundles" / "ct_foundation" / "models" / "model.pt"
    path.write_bytes(weights.read_bytes()[:100_000] if content is None else content)
    scan = save(tmp_path / "scan.nii.gz", small_hu())
    sentence = refusal("ct_denoising", scan, tmp_path / "out", foundation_root=str(path.parents[1]))
    assert "are damaged" in sentence


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_too_little_memory(error, tmp_path):
    def network(*_, **__):
        raise error

    loaded = workflow("ct_denoising", save(tmp_path / "scan.nii.gz", small_hu()), tmp_path / "out")
    loaded.parser.get_parsed_content("evaluator").network = network
    with pytest.raises(SystemExit, match="Out of memory: use a smaller window_size"):
        loaded.run()


def start(*arguments, **options):
    """A run in a process of its own that Ctrl-C reaches, also where the tests run in the background."""
    command = [sys.executable, str(Path(__file__).with_name("stopped_run.py")), *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=hear, **options)


def hear():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.cli
def test_what_is_stopped_half_way_leaves_no_result(tmp_path):
    path = save(tmp_path / "scan.nii.gz", small_hu())
    signals = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGINT: None}
    runs = {number: start(path, tmp_path / "out") for number in signals}
    for process in runs.values():
        while (line := process.stdout.readline()) and line != "half\n":
            pass
    drafts = {
        number: tmp_path / "out" / f".{process.pid}.scan_denoised.nii.gz" for number, process in runs.items()
    }
    assert all(draft.is_file() for draft in drafts.values())
    for number, process in runs.items():
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
        lines = errors.count("Interrupted: results that are written so far are whole.\n")
        assert lines == (0 if number == signal.SIGKILL else 1)
        assert process.returncode == signals[number] if signals[number] else process.returncode != 0
    assert not list((tmp_path / "out").glob("scan*"))
    # SIGKILL leaves no time to clear away; its draft is hidden and no scan for a later run.
    assert [draft.name for draft in (tmp_path / "out").iterdir()] == [drafts[signal.SIGKILL].name]
