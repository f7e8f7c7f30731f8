"""PSNR and SSIM of CTs against a reference scan."""

from meddiff_core.commands import run_command
from meddiff_core.evaluation.measure import measure

if __name__ == "__main__":
    run_command(measure)
