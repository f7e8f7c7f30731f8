"""Stack 2-D slices into CT volumes, for data that is published as pictures, such as BMAD.

example:
  python tools/stack_slices.py --input_dir slices --output volume.nii.gz --region abdomen \
      --mask_dir masks --mask_output lesion.nii.gz
"""

from meddiff_core.commands import run_command
from meddiff_core.preparation.slices import stack_slices

if __name__ == "__main__":
    run_command(stack_slices)
