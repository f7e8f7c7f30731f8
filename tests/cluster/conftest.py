"""A Slurm of one node on this machine, where Debian's slurm-wlm is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")
_START_SECONDS = 30
# More memory and processors than a small machine has: the job of the documents asks for them.
_CONFIG = """
ClusterName=test
SlurmctldHost={host}
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=65536
PartitionName=main Nodes=ALL Default=YES State=UP
"""


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """The environment in which Slurm's commands talk to a cluster of one node."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [name for name in _PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        pytest.skip(f"There is no {', '.join(missing)}: apt-get install slurm-wlm munge.")
    if os.geteuid():
        pytest.skip("The daemons of Slurm need root.")
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    config = folder / "slurm.conf"
    config.write_text(_CONFIG.format(host=socket.gethostname(), folder=folder, ports=_free_ports()))
    environment = os.environ | {"PATH": path, "SLURM_CONF": str(config)}
    files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid"}
    files |= {"log-file": "munge.log", "seed-file": "munge.seed"}
    options = [f"--{name}={folder / file}" for name, file in files.items()]
    daemons = []
    try:
        for words in (["munged", "--foreground", "--force", *options], ["slurmctld", "-D"], ["slurmd", "-D"]):
            daemons.append(subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL))
            time.sleep(1)
        _wait_for_node(environment, folder)
        yield environment
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(timeout=20)


def _free_ports() -> list[int]:
    sockets = [socket.socket() for _ in range(2)]
    for opened in sockets:
        opened.bind(("", 0))
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def _wait_for_node(environment: dict[str, str], folder: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    state = ""
    while "idle" not in state:
        if time.monotonic() > end:
            logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
            raise AssertionError(f"The node is not idle after {_START_SECONDS} s: {state}\n{logs}")
        time.sleep(0.5)
        asked = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True)
        state = asked.stdout
