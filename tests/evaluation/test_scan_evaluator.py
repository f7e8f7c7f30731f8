import json
import sys
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from ignite.metrics import Average
from monai.bundle import ConfigWorkflow
from monai.data import DataLoader
from monai.handlers import MeanSquaredError
from monai.transforms import Compose

from meddiff_core.errors import InputError, show_sentences, user_sentence
from meddiff_core.evaluation.batch import Batch
from meddiff_core.evaluation.scan_dataset import ScanDataset
from meddiff_core.evaluation.scan_evaluator import ScanEvaluator
from meddiff_core.inferers.windows import Runtime
from meddiff_core.transforms.load import LoadCTd
from meddiff_core.transforms.results import Results
from meddiff_core.transforms.save import SaveCTd


@pytest.fixture
def folder(tmp_path, hu, save_nifti):
    """Scans a, b, c; b is damaged."""
    scans = tmp_path / "scans"
    scans.mkdir()
    for name in "abc":
        save_nifti(scans / f"{name}.nii.gz", hu)
    (scans / "b.nii.gz").write_bytes((scans / "b.nii.gz").read_bytes()[:500])
    return scans


def evaluator(image, out, inferer=None, part=None, **options):
    loader = DataLoader(
        ScanDataset(image, LoadCTd(), batch=Batch(Results(out), [], part=part)), batch_size=1, num_workers=0
    )
    return ScanEvaluator(
        device=torch.device("cpu"),
        val_data_loader=loader,
        network=torch.nn.Identity(),
        inferer=inferer or (lambda inputs, network: network(inputs)),
        postprocessing=Compose([SaveCTd("pred", Results(out))]),
        **options,
    )


def failing_on(condition, error):
    def inferer(inputs, network):
        if condition(Path(inputs.meta["filename_or_obj"][0]).name):
            raise error
        return network(inputs)

    return inferer


def written(out):
    return sorted(path.name for path in out.iterdir()) if out.exists() else []


@pytest.mark.parametrize(("part", "scans"), [("1/2", ["a", "c"]), ("3/3", ["c"]), ("4/4", [])])
def test_a_part_writes_its_own_scans_alone(folder, hu, save_nifti, tmp_path, part, scans):
    save_nifti(folder / "b.nii.gz", hu)
    evaluator(folder, tmp_path / "out", part=part).run()
    assert [name[0] for name in written(tmp_path / "out") if name.endswith(".nii.gz")] == scans


def test_a_part_of_what_cannot_be_read_says_so(tmp_path):
    with pytest.raises(SystemExit, match="does not exist"):
        evaluator(tmp_path / "absent", tmp_path / "out", part="2/2").run()


def test_all_good(folder, tmp_path, hu):
    (folder / "b.nii.gz").unlink()
    evaluator(folder, tmp_path / "out").run()
    assert written(tmp_path / "out") == ["a_denoised.nii.gz", "c_denoised.nii.gz"]
    assert np.array_equal(nib.load(tmp_path / "out" / "a_denoised.nii.gz").dataobj, hu)


def test_one_bad_scan_does_not_stop_the_rest(folder, tmp_path):
    with pytest.raises(SystemExit) as caught:
        evaluator(folder, tmp_path / "out").run()
    first, second = str(caught.value).splitlines()
    assert first == "1 of 3 scans failed:"
    assert second.startswith(f"  {folder / 'b.nii.gz'} cannot be read")
    assert written(tmp_path / "out") == ["a_denoised.nii.gz", "c_denoised.nii.gz"]


class HelpingInferer:
    """One whose predictions are not for use: a dry run, or a process that only helps."""

    gives_result = False

    def __call__(self, inputs, network):
        return network(inputs)


def test_a_prediction_that_is_not_for_use_is_dropped(folder, tmp_path):
    with pytest.raises(SystemExit, match=r"1 of 3 scans failed"):  # what is wrong with a scan is still said
        evaluator(folder, tmp_path / "out", HelpingInferer(), key_val_metric={"mean": Average()}).run()
    assert written(tmp_path / "out") == []


def test_metrics_of_no_scan_are_none(folder, tmp_path):
    inferer = failing_on(lambda name: True, InputError("no"))
    metric = {"error": MeanSquaredError(output_transform=lambda output: 1 / 0)}
    made = evaluator(folder / "a.nii.gz", tmp_path / "out", inferer, key_val_metric=metric)
    with pytest.raises(SystemExit, match=r"^no$"):
        made.run()
    assert not made.state.metrics


def test_dicom_series(tmp_path, hu, save_dicom):
    evaluator(save_dicom(tmp_path / "Jane", hu, np.eye(4), BodyPartExamined="CHEST"), tmp_path / "out").run()
    assert written(tmp_path / "out") == ["Jane_denoised.nii.gz"]


@pytest.mark.parametrize("missing", [True, False])
def test_a_single_scan_is_told_in_its_sentence(missing, folder, tmp_path):
    image = folder / "absent.nii.gz" if missing else folder / "b.nii.gz"
    with pytest.raises(SystemExit, match=rf"^{image} (does not exist|cannot be read)[^\n]*$"):
        evaluator(image, tmp_path / "out").run()


@pytest.mark.parametrize("error", [InputError("Too small."), OSError(28, "No space left on device")])
def test_errors_in_the_inferer(error, folder, tmp_path):
    run = evaluator(folder, tmp_path / "out", failing_on(lambda name: name == "a.nii.gz", error))
    with pytest.raises(SystemExit, match=r"2 of 3 scans failed:\n  a\.nii\.gz: .*\n  .*b\.nii\.gz cannot"):
        run.run()
    assert written(tmp_path / "out") == ["c_denoised.nii.gz"]


def test_errors_in_the_postprocessing(folder, tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(SystemExit, match="3 of 3 scans failed"):
        evaluator(folder, tmp_path / "out").run()


def test_failed_scans_count_in_no_metric(folder, tmp_path):
    metric = Average(output_transform=lambda output: output[0]["pred"].mean().item())
    run = evaluator(folder, tmp_path / "out", key_val_metric={"mean": metric})
    with pytest.raises(SystemExit):
        run.run()
    expected = LoadCTd()({"image": folder / "a.nii.gz"})["image"].mean().item()
    assert run.state.metrics["mean"] == pytest.approx(expected)


def test_bugs_keep_their_traceback(folder, tmp_path):
    with pytest.raises(ZeroDivisionError):
        evaluator(folder, tmp_path / "out", failing_on(lambda _: True, ZeroDivisionError())).run()
    with pytest.raises(RuntimeError, match="applying transform"):
        loader = DataLoader(ScanDataset(folder, lambda item: item["absent"]), batch_size=1)
        next(iter(loader))


def test_runs_again(folder, tmp_path):
    run = evaluator(folder, tmp_path / "out")
    for _ in range(2):
        with pytest.raises(SystemExit, match="1 of 3"):
            run.run()


def test_mistake_outside_the_scans(folder, tmp_path):
    class Weights:
        def attach(self, engine):
            engine.add_event_handler("STARTED", self)

        def __call__(self, engine):
            raise InputError("models/model.pt is missing: train it.")

    with pytest.raises(SystemExit, match=r"^models/model\.pt is missing: train it\.$"):
        evaluator(folder, tmp_path / "out", val_handlers=[Weights()]).run()


def test_from_a_config(folder, tmp_path):
    target = {"_target_": "meddiff_core.evaluation.scan_dataset.ScanDataset", "data": "@image"}
    config = {
        "bundle_root": ".",
        "dataset_dir": "@bundle_root",
        "device": "cpu",
        "image": "?",
        "network_def": {"_target_": "torch.nn.Identity"},
        "inferer": {"_target_": "SimpleInferer"},
        "dataset": target | {"transform": {"_target_": "meddiff_core.transforms.load.LoadCTd"}},
        "postprocessing": {
            "_target_": "meddiff_core.transforms.save.SaveCTd",
            "keys": "pred",
            "results": {
                "_target_": "meddiff_core.transforms.results.Results",
                "output_dir": str(tmp_path / "out"),
            },
        },
        "evaluator": {
            "_target_": "meddiff_core.evaluation.scan_evaluator.ScanEvaluator",
            "device": "@device",
            "val_data_loader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1},
            "network": "@network_def",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "run": ["$@evaluator.run()"],
    }
    path = tmp_path / "inference.json"
    path.write_text(json.dumps(config))
    workflow = ConfigWorkflow(path, workflow_type="infer", logging_file=False, image=str(folder))
    workflow.initialize()
    with pytest.raises(SystemExit, match="1 of 3 scans failed"), warnings.catch_warnings():
        workflow.run()
    assert written(tmp_path / "out") == ["a_denoised.nii.gz", "c_denoised.nii.gz"]


def wrapped(error):
    try:
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("applying transform") from cause
    except RuntimeError as outer:
        return outer


def test_user_sentence():
    assert user_sentence(wrapped(InputError("Say this."))) == "Say this."
    assert user_sentence(wrapped(KeyError("x"))) is None


def test_show_sentences(monkeypatch, capsys):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    show_sentences()
    for error, shown in ((InputError("Say this."), "Say this.\n"), (KeyError("x"), "KeyError: 'x'\n")):
        sys.excepthook(RuntimeError, wrapped(error), None)
        assert shown in capsys.readouterr().err


def test_what_befalls_one_of_several_processes_ends_it(folder, tmp_path):
    """The others would wait for its share of the windows; what is wrong with a scan they see themselves."""
    inferer = failing_on(lambda name: name == "a.nii.gz", OSError(28, "No space left on device"))
    inferer.runtime = Runtime(split_windows=True)
    with pytest.raises(SystemExit) as stop:
        evaluator(folder, tmp_path / "out", inferer).run()
    assert "No space left" in str(stop.value) and "scans failed" not in str(stop.value)
    assert written(tmp_path / "out") == []
