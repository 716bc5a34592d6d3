# Each target sets up what it needs in .venv, once: minutes the first time, seconds afterwards.
PYTHON ?= python3
LAB_ARGS ?=
NOTEBOOKS ?=
COURSE ?= course
SEEDS ?= 0 1 2
CLASSROOM_ARGS ?=
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

# A thread that waits for the others must sleep, not spin: with other work on the same cores,
# spinning makes small networks ten times slower.
OMP_WAIT_POLICY ?= passive
export OMP_WAIT_POLICY

# A file of tests, or a notebook, is one piece of work: its cells need their order. The notebooks,
# the longest pieces, come first.
TWO_AT_ONCE := -n 2 --dist loadfile

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The versions that were tested. Empty: the newest that pyproject.toml allows.
CONSTRAINTS ?= -c constraints.txt

# An environment whose Python is gone, as after an upgrade of the system, is made anew: so make must
# not see what was installed in it.
GONE := $(shell test -x $(BIN)/python || rm -f $(addprefix $(VENV)/.,torch lab site test))

.PHONY: help lab test deep bench speed quality flow independent robustness classroom notebooks site slides student publish course address lint

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1: /p' Makefile

# Trusted, the notebooks show their moving figures at once, before anything is run.
lab: $(VENV)/.lab ## open the first notebook in JupyterLab (LAB_ARGS="--no-browser ...")
	$(BIN)/jupyter trust --log-level=ERROR notebooks/*.ipynb >/dev/null
	JUPYTER_CONFIG_PATH="$(CURDIR)/tools/lab$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
		$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) \
		--LabApp.default_url=/lab/tree/notebooks/01_toy_data.ipynb $(LAB_ARGS)

test: lint ## lint, unit tests, and every notebook run from a clean kernel
	$(BIN)/python -m pytest -rs $(TWO_AT_ONCE) --nbval-lax --nbval-current-env \
		--nbval-cell-timeout=300 notebooks tests

deep: $(VENV)/.test ## what `make test` leaves out: slow tests, and five times the examples of each property
	$(BIN)/python -m pytest -rs $(TWO_AT_ONCE) -m "slow or hypothesis" --hypothesis-profile=deep tests

bench: speed quality ## measure speed and quality, on a quiet machine: timings say little on a busy one

speed: $(VENV)/.test ## seconds of training, of sampling and of the scrubber, as ratios in one run
	$(BIN)/python -m pytest -rs -s bench/speed.py bench/scrubber.py

quality: $(VENV)/.test ## how near to the truth, after how many seconds, beside the usual recipe
	$(BIN)/python -m pytest -rs -s bench/quality.py bench/digits.py bench/flow.py

independent: $(VENV)/.test ## what the notebooks print, computed a second time without the library
	$(BIN)/python bench/independent.py

flow: $(VENV)/.test ## how many calls the walk back takes, by exact and by trained velocities
	$(BIN)/python -m pytest -rs -s bench/flow.py

robustness: $(VENV)/.test ## do the notebooks' claims hold with other seeds? (SEEDS="0 1 2")
	$(BIN)/python bench/robustness.py --seeds $(SEEDS)

classroom: $(VENV)/.test ## a class on one JupyterHub: see bench/classroom.py for what it needs
	$(BIN)/python bench/classroom.py $(CLASSROOM_ARGS)

notebooks: $(VENV)/.test ## execute and clean the notebooks in place (NOTEBOOKS="01_toy_data ...")
	$(BIN)/python tools/notebooks.py $(NOTEBOOKS)

site: $(VENV)/.site ## the series as web pages in _site/, to read without Jupyter
	$(BIN)/python tools/site.py

slides: $(VENV)/.site ## slides in slides/, to show without Jupyter (NOTEBOOKS="01_toy_data ...")
	$(BIN)/python -m tools.slides $(NOTEBOOKS)

student: $(VENV)/.site ## the notebooks without solutions, in student/ (NOTEBOOKS="01_toy_data ...")
	$(BIN)/python -m tools.student $(NOTEBOOKS)

# The branch is this commit with the copies in place of the notebooks. Nothing here changes.
publish: export GIT_INDEX_FILE := .git/index-of-student-copies
publish: student ## put the copies on the branch `student` of origin, for Binder and Colab
	git read-tree HEAD
	git rm -r -q --cached notebooks
	git add --force student
	git push --force origin "$$(git commit-tree -p HEAD -m 'Student copies' "$$(git write-tree)"):refs/heads/student"

course: $(VENV)/.site ## an nbgrader course in course/ (COURSE=folder NOTEBOOKS="01_toy_data ...")
	$(BIN)/python -m tools.student --nbgrader $(COURSE) $(NOTEBOOKS)

address: $(BIN)/python ## set the repository's address everywhere (REPOSITORY=owner/name)
	$(BIN)/python tools/address.py $(REPOSITORY)

lint: $(VENV)/.test ## style only
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# A failed attempt leaves no half-made environment behind.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
		echo "Python 3.11 to 3.14 is needed, and $(PYTHON) is not that. Name one: make PYTHON=python3.12 ..."; \
		exit 1; }
	$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

# On Linux, PyPI's torch brings gigabytes of CUDA. Without an NVIDIA driver, ask the CPU index for
# torch alone first, and not for long: as an index for everything it would be asked, and waited for,
# once for each of a hundred packages. If it does not answer, torch comes with the rest.
CPU_ONLY = $(shell test "$$(uname -s)" = Linux -a ! -e /proc/driver/nvidia \
	&& ! command -v nvidia-smi >/dev/null && echo yes)
CPU_TORCH = $(PIP) install --no-deps --retries 1 --timeout 10 --index-url $(TORCH_CPU_INDEX) \
	$(CONSTRAINTS) torch || echo "No CPU build of torch to be had: the larger one follows."

$(VENV)/.torch: pyproject.toml constraints.txt | $(BIN)/python
	$(if $(CPU_ONLY),$(CPU_TORCH))
	touch $@

$(VENV)/.lab: $(VENV)/.torch
	$(PIP) install $(CONSTRAINTS) -e '.[lab]'
	touch $@

$(VENV)/.site: $(VENV)/.torch
	$(PIP) install $(CONSTRAINTS) -e '.[site]'
	touch $@

$(VENV)/.test: $(VENV)/.torch
	$(PIP) install $(CONSTRAINTS) -e '.[lab,site,test]'
	touch $@ $(VENV)/.lab $(VENV)/.site
