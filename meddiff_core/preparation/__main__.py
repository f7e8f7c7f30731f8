"""`python -m meddiff_core.preparation`, see `options.py`."""

from meddiff_core.commands import run_command
from meddiff_core.preparation.prepare import command

if __name__ == "__main__":
    run_command(command)
