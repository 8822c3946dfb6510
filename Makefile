# ThetaGangExpanded. `make` lists the targets; continuous integration runs the same ones.
PYTHON ?= python3.11
VENV   := .venv
PIP    := $(VENV)/bin/python -m pip --disable-pip-version-check
PACKAGES := libs/common services/broker-gateway services/strategy services/risk services/alerts \
            tools/simulator tools/thetactl tools/embedded
setup:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q --no-index --no-deps --no-build-isolation $(PACKAGES:%=-e %)
