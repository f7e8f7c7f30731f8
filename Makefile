PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# MONAI warns at each start that configs are code; those here are the repository's own.
export PYTHONWARNINGS := ignore
DENOISE := $(BIN)/python -m monai.bundle run --config_file bundles/ct_denoising/configs/inference.json \
	--bundle_root bundles/ct_denoising --output_dir demo

.PHONY: install demo test test-slurm lint bench package monailabel test-monailabel clean

install: $(VENV)/installed

$(VENV)/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -r requirements.txt
	touch $@

ifdef IMAGE
demo: install
	$(DENOISE) --image "$(IMAGE)"
else
demo: install
	$(BIN)/python tools/make_phantom.py --region abdomen --shape 160,160,96 --lesions 2 \
		--output_dir demo --name phantom
	$(BIN)/python tools/simulate_low_dose.py --kind white --noise_level 27 \
		--image demo/phantom.nii.gz --output demo/phantom_low_dose.nii.gz
	$(DENOISE) --image demo/phantom_low_dose.nii.gz
	$(BIN)/python tools/measure.py --reference demo/phantom.nii.gz --region abdomen \
		--images demo/phantom_low_dose.nii.gz,demo/phantom_low_dose_denoised.nii.gz
	@echo "See demo/phantom_low_dose_denoised.png; the phantom and its noise are computed, not measured."
endif

# Two processes with a thread each, for two cores; the first ends a little later than the second.
test: export OMP_NUM_THREADS := 1
test: install
	@$(BIN)/python -m pytest tests/bundles & bundles=$$!; \
	$(BIN)/python -m pytest --ignore tests/bundles; rest=$$?; \
	wait $$bundles && exit $$rest

# The Slurm job of docs/many_scans.md on a Slurm of this machine: as root, with Debian's slurm-wlm and munge.
test-slurm: install
	$(BIN)/python -m pytest tests/cluster -m slurm -rs

lint: install
	$(BIN)/python -m pip install --quiet -e ".[lint]"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/format_configs.py --check

# On phantoms, or on IMAGES=a.nii.gz,b.nii.gz REGIONS=chest,abdomen; minutes to hours.
# BM3D and BM4D carry a non-commercial licence and serve this comparison only.
bench: install
	$(BIN)/python -m pip install --quiet -e ".[bench]"
	$(BIN)/python tools/benchmark.py denoising --output_dir eval \
		$(if $(IMAGES),--images "$(IMAGES)") $(if $(REGIONS),--regions "$(REGIONS)")

# A stand-alone zip of each bundle in dist/, once all of them keep the rules of the model zoo.
package: install
	$(BIN)/python tools/verify_bundles.py
	$(BIN)/python tools/package_bundle.py --output_dir dist

# MONAI Label 0.8.5 with all bundles, for this machine only: make monailabel STUDIES=folder [PORT=8000]
ML_VENV := .venv-monailabel
monailabel: $(if $(STUDIES),$(ML_VENV)/installed)
	$(if $(STUDIES),,$(error Name the folder with your scans: make monailabel STUDIES=folder))
	$(ML_VENV)/bin/python tools/serve_monailabel.py --studies "$(STUDIES)" $(if $(PORT),--port $(PORT))

test-monailabel: $(ML_VENV)/installed
	$(ML_VENV)/bin/python -m pytest tests/monailabel

$(ML_VENV)/installed: requirements-monailabel.txt pyproject.toml
	$(PYTHON) -m venv $(ML_VENV)
	$(ML_VENV)/bin/python -m pip install -r requirements-monailabel.txt
	$(ML_VENV)/bin/python -m pip install --no-deps monailabel==0.8.5
	touch $@

clean:
	rm -rf $(VENV) $(ML_VENV) demo build dist *.egg-info
