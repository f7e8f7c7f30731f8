"""How many scans of a run's journal are done, and which failed."""

from meddiff_core.commands import run_command
from meddiff_core.evaluation.journal import summarize

if __name__ == "__main__":
    run_command(summarize)
