"""The usual HU of tissues and lesions, measured on the scans of a data list."""

from meddiff_core.commands import run_command
from meddiff_core.evaluation.measure_organ_hu import measure_organ_hu

if __name__ == "__main__":
    run_command(measure_organ_hu)
