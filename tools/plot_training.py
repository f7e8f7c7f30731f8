"""Draw the curves of a training from its TensorBoard logs."""

from meddiff_core.commands import run_command
from meddiff_core.reports.training_curves import plot_training

if __name__ == "__main__":
    run_command(plot_training)
