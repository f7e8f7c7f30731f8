"""What configs/metadata.json has to say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from monai.bundle import verify_metadata

# MONAI's schema of the name that metadata.json gives in its `schema`; verify_metadata would download it.
SCHEMA = Path(__file__).with_name("meta_schema_20240725.json")
# Those of a requirements file that run bundles; the others build, test or come with the interpreter.
OWN_KEYS = {"torch": "pytorch_version", "monai": "monai_version", "numpy": "numpy_version"}
NOT_AT_RUN_TIME = {"pytest", "jsonschema"}


def check_metadata(bundle: Path, requirements: Path) -> Iterator[str]:
    """The zoo's schema, version and changelog, required packages, channels and intended use."""
    path = bundle / "configs" / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    if Path(metadata.get("schema", "")).name != SCHEMA.name:
        yield f"configs/metadata.json names another schema than {SCHEMA.name}: use that one."
    try:
        verify_metadata(meta_file=str(path), filepath=str(SCHEMA))
    except ValueError as error:
        reason = str(error).strip().splitlines()[0]
        yield f"configs/metadata.json does not fit {SCHEMA.name} ({reason}): correct it."
        return
    yield from _version(metadata)
    yield from _packages(metadata, requirements)
    yield from _channels(metadata["network_data_format"])
    if not metadata.get("name"):
        yield "configs/metadata.json has no 'name': the zoo's browser shows it."
    if "Research use only" not in metadata.get("intended_use", ""):
        yield "configs/metadata.json does not say 'Research use only' in 'intended_use': add it."


def _version(metadata: dict) -> Iterator[str]:
    version, changelog = metadata["version"], metadata.get("changelog", {})
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        yield f"configs/metadata.json has the version {version!r}: give three numbers, such as 0.1.0."
    elif version not in changelog:
        yield f"configs/metadata.json has no line for version {version} in 'changelog': say what changed."
    elif any(_numbers(other) > _numbers(version) for other in changelog):
        yield f"configs/metadata.json has a later version in 'changelog' than {version}: raise 'version'."


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _packages(metadata: dict, requirements: Path) -> Iterator[str]:
    """What requirements.txt installs to run a bundle, a user of the zoo has to install, too."""
    for line in requirements.read_text(encoding="utf-8").splitlines():
        match = re.match(r"([A-Za-z][\w.-]*)(?:==(.+))?", line)
        if not match or match[1] in NOT_AT_RUN_TIME:
            continue
        name, pinned = match[1], match[2]
        given = metadata.get(OWN_KEYS.get(name), metadata["required_packages_version"].get(name))
        if given is None:
            yield f"configs/metadata.json lacks {name} in 'required_packages_version': add its version."
        elif pinned and given != pinned:
            yield f"configs/metadata.json names {name} {given}, but requirements.txt {pinned}: use one."


def _channels(formats: dict) -> Iterator[str]:
    for side in ("inputs", "outputs", "post_processed_outputs"):
        for name, entry in formats.get(side, {}).items():
            if sorted(entry.get("channel_def", {})) != [str(i) for i in range(entry["num_channels"])]:
                yield f"configs/metadata.json does not name each channel of {side} {name}: see 'channel_def'."
