PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DENOISE := $(BIN)/python -m monai.bundle run --config_file bundles/ct_denoising/configs/inference.json \
	--bundle_root bundles/ct_denoising --output_dir demo

.PHONY: install demo test lint bench clean

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
	$(BIN)/python tools/make_phantom.py --region abdomen --lesions 2 --output_dir demo
	$(BIN)/python tools/simulate_low_dose.py --image demo/phantom_abdomen.nii.gz \
		--output demo/phantom_abdomen_low_dose.nii.gz --kind white --noise_level 27
	$(DENOISE) --image demo/phantom_abdomen_low_dose.nii.gz --region abdomen
	$(BIN)/python tools/measure.py --reference demo/phantom_abdomen.nii.gz --region abdomen \
		--images demo/phantom_abdomen_low_dose.nii.gz,demo/phantom_abdomen_low_dose_denoised.nii.gz
endif

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/python -m pip install --quiet -e ".[lint]"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Minutes to hours; BM3D and BM4D carry a non-commercial licence and serve this comparison only.
bench: install
	$(BIN)/python -m pip install --quiet -e ".[bench]"
	$(BIN)/python -m pytest -m bench
	$(BIN)/python tools/benchmark.py denoising --output_dir eval

clean:
	rm -rf $(VENV) demo build *.egg-info
