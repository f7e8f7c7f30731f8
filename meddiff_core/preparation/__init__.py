"""What tools/prepare_data.py stands on: find the volumes, bring them to one form, split them by patient."""
