"""Errors that end the program with one sentence and an exit code."""


class SimulatorError(Exception):
    """Says in one sentence what is wrong and what mends it."""

    exit_code = 70


class ScenarioError(SimulatorError):
    """A scenario or option that cannot be run."""

    exit_code = 78


class PortError(SimulatorError):
    """A port that cannot be listened on."""

    exit_code = 69


class StateError(SimulatorError):
    """A state file that cannot be read or written."""

    exit_code = 74
