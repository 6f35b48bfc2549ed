# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
#
#   make demo PYTHON=python3.12        use another Python (3.11 or newer)
#   make demo PIP_ARGS="..."           more arguments for every `pip install`. Where pip would choose
#                                      a CUDA build of torch and a CPU build is meant, name the index
#                                      of CPU builds here, as pytorch.org's installation page shows.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL = $(BIN)/python -m pip install --no-input --disable-pip-version-check $(PIP_ARGS)
DEMO_OUTPUT ?= build/demo

.PHONY: help demo test quick lint bench bench-ui screenshots binary check-binary installer test-installer clean

help:
	@echo "make demo    set up .venv and run the sample study (about 5 minutes after installing)"
	@echo "make test    set up .venv, then ruff, mypy, import-linter and pytest"
	@echo "make lint    the same without pytest"
	@echo "make quick   the tests to run while working: pytest without the slow ones"
	@echo "make bench   print the table of speed and memory, write build/bench.json"
	@echo "make bench-ui  the same for the window, into build/bench-ui.json"
	@echo "make screenshots  draw every page of the window anew, for README and help"
	@echo "make binary  build dist/crossl-app, the program without Python (about 4 minutes)"
	@echo "make check-binary  --doctor and --selftest of that binary"
	@echo "make installer  binary, packed as .deb and .tar.xz on Linux"
	@echo "make test-installer  the .deb on a bare Debian root; needs root"
	@echo "make clean   remove .venv and everything that was built"

# The install is editable: changed sources need no new install, a changed pyproject.toml does.
# Each stamp is written last, so that an interrupted install is begun again.
$(VENV)/.created: .ci/create_venv.sh
	@bash .ci/create_venv.sh "$(PYTHON)" "$(VENV)"
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed pyproject.toml
	$(PIP_INSTALL) -e ".[test]"
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/crossl-app --batch resources/sample_study/run.json --output "$(DEMO_OUTPUT)" --force

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(VENV)/.installed-test
	@bash .ci/qt_libraries.sh "$(BIN)/python"
	$(MAKE) --no-print-directory lint
	QT_QPA_PLATFORM=offscreen $(BIN)/python -P -m pytest -n 2 --dist loadfile

quick: $(VENV)/.installed-test
	QT_QPA_PLATFORM=offscreen $(BIN)/python -P -m pytest -q -n 2 -m "not slow and not acceptance"

bench: $(VENV)/.installed-test
	$(BIN)/python -P tests/benchmarks/bench.py

bench-ui: $(VENV)/.installed-test
	@bash .ci/qt_libraries.sh "$(BIN)/python"
	$(BIN)/python -P tests/benchmarks/bench_ui.py

screenshots: $(VENV)/.installed-test
	@bash .ci/qt_libraries.sh "$(BIN)/python"
	QT_QPA_PLATFORM=offscreen $(BIN)/python -P tests/screenshots.py

$(VENV)/.installed-build: $(VENV)/.installed pyproject.toml
	$(PIP_INSTALL) -e ".[build]"
	@touch $@

binary: $(VENV)/.installed-build
	@bash .ci/qt_libraries.sh "$(BIN)/python"
	QT_QPA_PLATFORM=offscreen $(BIN)/pyinstaller --noconfirm --log-level WARN --workpath build/pyinstaller build_installer.spec

# Built anew only where there is none: after a change of the sources, `make binary`.
dist/crossl-app:
	$(MAKE) --no-print-directory binary

check-binary: dist/crossl-app
	dist/crossl-app/crossl-app --doctor
	dist/crossl-app/crossl-app --selftest

installer: binary
	bash .ci/debian_tools.sh dpkg-deb=dpkg objdump=binutils strip=binutils xz=xz-utils
	QT_QPA_PLATFORM=offscreen $(BIN)/python -P installer/linux_packages.py dist/crossl-app dist

# The report of the source install is made anew: the binary's has to equal it.
test-installer: demo
	bash .ci/debian_tools.sh debootstrap=debootstrap unshare=util-linux Xvfb=xvfb xdotool=xdotool import=imagemagick
	bash installer/test_bare_system.sh dist/crossl-app_*.deb "$(DEMO_OUTPUT)/report.json" build/bare-system

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find crossl_app core ui resources tests -name __pycache__ -type d -prune -exec rm -rf {} +
