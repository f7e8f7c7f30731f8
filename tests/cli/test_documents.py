"""Every command in the Markdown files runs, on tiny phantoms, and every option in them exists."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from doc_commands import DOCUMENTS, ROOT, all_commands, blocks, options_in_text
from doc_sandbox import SHAPE, SPACING, fill, make_files, results_of, smaller, start
from monai.bundle import ConfigParser
from zoo_rules.markdown import Command

from meddiff_core.conditions.regions import REGIONS
from meddiff_core.metrics import lesion_segmenter
from meddiff_core.transforms import anatomy_input

COMMANDS = all_commands()
NOT_RUN = {
    "seq ": "processes beside each other: tests/bundles/test_many_scans.py runs parts",
    "make ": "installs an environment or starts a server; that the target exists is tested below",
    "torchrun ": "several processes: test_readme.py runs it, on two",
    "curl ": "asks a running MONAI Label server: tests/monailabel",
    "python -m venv ": "makes an environment",
    "pip ": "installs",
    ".venv-monailabel/bin/pip ": "installs",
    "python tools/serve_monailabel.py ": "a server that does not end: tests/tools/test_serve_monailabel.py",
    "old=": "sh runs it in test_own_weights_go_into_a_package",
    "new=": "the same",
    "cp ": "the same",
    "sed ": "the same",
    "cd ": "sh runs it in test_a_package_is_checked_and_unpacked",
    "sha256sum ": "the same",
    "unzip ": "the same",
    "python tools/benchmark.py inference ": "minutes: tests/tools/test_inference_benchmark.py",
    "python tools/ablation.py ": "five trainings, in processes of their own: tests/tools/test_ablation.py",
}
"""How commands begin that no test runs here, and why."""

JOBS = {"slurm", "yaml"}
"""Languages of the blocks that are jobs of a cluster."""

NOT_OURS = {"help", "no-deps"}
"""Options of other programs."""


def is_run(command: Command) -> bool:
    return not any(str(command).startswith(beginning) for beginning in NOT_RUN)


def label(command: Command) -> str:
    parts = [re.sub(r".*?(\w+)/configs/", r"\1/", word) for word in command.words[1:]]
    return " ".join(part for part in parts if part not in ("-m", "monai.bundle", "run"))[:90]


@pytest.fixture(autouse=True)
def small_default_phantom(monkeypatch):
    """Of the bundles that make one where no anatomy map is given; and coarse voxels for the segmenter."""
    monkeypatch.setattr(lesion_segmenter, "GRID_MM", SPACING[0])
    monkeypatch.setattr(anatomy_input, "_PHANTOM_SHAPES", dict.fromkeys(REGIONS, SHAPE))
    monkeypatch.setattr(anatomy_input, "_PHANTOM_SPACING", SPACING)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The files that the commands read."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("bundles", "tools"):
        (folder / name).symlink_to(ROOT / name)
    make_files(folder)
    for name in ("bundles", "tools"):
        (folder / name).unlink()
    return folder


@pytest.mark.parametrize("command", [c for c in COMMANDS if is_run(c)], ids=label)
def test_a_command_runs(command, files, tmp_path):
    results = results_of(command)
    fill(tmp_path, files, without=results)
    start(smaller(command), tmp_path)
    for result in results:
        path = tmp_path / result
        assert path.is_file() or any(path.iterdir())


def test_the_python_of_the_documents_runs(files, tmp_path):
    fill(tmp_path, files)
    code = [
        content for document in DOCUMENTS for language, content in blocks(document) if language == "python"
    ]
    assert code
    for content in code:
        start(["python", "-c", content], tmp_path)


def test_own_weights_go_into_a_package(files, tmp_path):
    """The last commands on fine-tuning, in a copy of the repository."""
    (block,) = [code for _, code in blocks("docs/fine_tuning.md") if code.startswith("old=")]
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("bundles", "tools", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skipped)
    for name in ("README.md", "LICENSE", "meddiff_core"):
        (tmp_path / name).symlink_to(ROOT / name)
    own = tmp_path / "runs" / "my_foundation" / "models" / "model.pt"
    own.parent.mkdir(parents=True)
    state = torch.load(ROOT / "bundles" / "ct_foundation" / "models" / "model.pt", weights_only=True)
    torch.save({name: value + 1 for name, value in state.items()}, own)
    block = block.replace("python ", f"{sys.executable} ")
    subprocess.run(["sh", "-e", "-c", block], cwd=tmp_path, check=True)
    (archive,) = (tmp_path / "dist").glob("*.zip")
    with zipfile.ZipFile(archive) as packed:
        assert packed.read("ct_denoising/models/model.pt") == own.read_bytes()


def test_a_package_is_checked_and_unpacked(files, tmp_path):
    (block,) = [code for _, code in blocks("docs/packages.md") if "sha256sum" in code]
    (tmp_path / "dist").symlink_to(files / "dist")
    subprocess.run(["sh", "-e", "-c", block], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "unpacked" / "ct_denoising" / "models" / "model.pt").is_file()
    (tmp_path / "unpacked" / "ct_denoising" / "LICENSE").write_text("other")
    check = block.splitlines()[-1]
    assert subprocess.run(["sh", "-c", check], cwd=tmp_path, capture_output=True).returncode != 0


def test_the_jobs_of_clusters_are_whole():
    jobs = {language: content for language, content in blocks("docs/many_scans.md") if language in JOBS}
    assert jobs.keys() == JOBS
    subprocess.run(["bash", "-n", "-c", jobs["slurm"]], check=True)
    known = ConfigParser.load_config_file(ROOT / "bundles/ct_denoising/configs/inference.json").keys()
    for content in jobs.values():
        options = set(re.findall(r"--(\w+)", re.sub("#SBATCH.*", "", content)))
        assert {"image", "output_dir", "part", "existing"} <= options <= known | {"config_file"}


def test_no_exception_is_left_over():
    for beginning in NOT_RUN:
        assert any(str(command).startswith(beginning) for command in COMMANDS), beginning


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.words[0] == "make"], ids=str)
def test_a_target_of_make_exists(command):
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{command.words[1]}:", makefile, re.MULTILINE)
    for variable in [word.split("=")[0] for word in command.words[2:]]:
        assert f"$({variable})" in makefile or f"ifdef {variable}" in makefile


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.bundle_run], ids=label)
def test_the_options_of_a_command_are_ids_of_its_config(command):
    parser = ConfigParser()
    names = [re.sub(r"^unpacked/", "bundles/", name) for name in command.configs]
    parser.read_config([str(ROOT / name) for name in names])
    for name in command.options.keys() - {"config_file"}:
        assert name in parser, f"--{name} is no id of {names}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_options_in_a_text_exist(document):
    bundle = Path(document).parts[1] if document.startswith("bundles/") else "*"
    configs = [ConfigParser.load_config_file(path) for path in ROOT.glob(f"bundles/{bundle}/configs/*.json")]
    known = set().union(*configs, tool_options(), NOT_OURS, {"bundle_root"})
    assert not options_in_text(document) - known


def tool_options() -> set[str]:
    """Options of the tools: parameters of the functions, and fields of the classes, that `fire` calls."""
    packages = ("tools", "meddiff_core/preparation", "meddiff_core/evaluation", "meddiff_core/reports")
    trees = [ast.parse(path.read_text()) for package in packages for path in (ROOT / package).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    fields = {
        node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and hasattr(node.target, "id")
    }
    return fields | {node.arg for node in nodes if isinstance(node, ast.arg)}
