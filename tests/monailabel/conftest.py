"""A running MONAI Label server with all bundles, where its environment is installed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import pytest

from meddiff_core.phantoms import make_phantom

ROOT = Path(__file__).parents[2]
_START_SECONDS = 180


class Server:
    """What a client asks of MONAI Label."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self.log = log

    def call(self, method: str, path: str, **arguments):
        """The response to a request; its status is checked by the test."""
        import requests  # comes with MONAI Label

        return requests.request(method, self.url + path, timeout=300, **arguments)

    def infer(self, model: str, image: str = "", output: str = "image", upload=None, label=None, **options):
        """Run a model on an image of the studies or on an uploaded file."""
        files = {
            name: (path.name, path.read_bytes())
            for name, path in (("file", upload), ("label", label))
            if path
        }
        query = {"image": image} | ({"output": output} if output else {})
        return self.call(
            "POST", f"/infer/{model}", params=query, data={"params": json.dumps(options)}, files=files or None
        )

    def images(self) -> dict:
        """The images of the studies by name."""
        return self.call("GET", "/datastore/?output=all").json()["objects"]


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory) -> dict[str, Path]:
    """Files of a chest phantom of 64 x 64 x 48 voxels: `chest`, its `anatomy`, the mask of its `lesion`."""
    folder = tmp_path_factory.mktemp("phantoms")
    phantom = make_phantom("chest", shape=(64, 64, 48), spacing=(5.0, 5.0, 6.0), seed=1, lesions=1)
    volumes = {"chest": phantom.hu, "anatomy": phantom.anatomy, "lesion": phantom.lesion}
    for name, volume in volumes.items():
        nib.save(nib.Nifti1Image(volume, phantom.affine), folder / f"{name}.nii.gz")
    return {name: folder / f"{name}.nii.gz" for name in volumes}


@pytest.fixture(scope="session")
def server(tmp_path_factory, phantoms):
    """A server on a free port of this machine, with the chest phantom in its studies; stopped at the end."""
    pytest.importorskip("monailabel.main", reason="runs in the environment of `make test-monailabel`")
    folder = tmp_path_factory.mktemp("server")
    studies = folder / "studies"
    studies.mkdir()
    (studies / "chest.nii.gz").write_bytes(phantoms["chest"].read_bytes())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"studies": studies, "app_dir": folder / "app", "port": port}
    command = [sys.executable, str(ROOT / "tools" / "serve_monailabel.py")]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    log = folder / "server.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(folder)},
        )
    try:
        running = Server(f"http://127.0.0.1:{port}", log)
        _wait(running, process)
        yield running
    finally:
        process.terminate()
        process.wait(30)


def _wait(server: Server, process: subprocess.Popen) -> None:
    import requests

    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if server.call("GET", "/info/").ok:
                return
        except requests.ConnectionError:
            time.sleep(0.5)
    pytest.fail(f"The server did not start:\n{server.log.read_text()[-3000:]}")
