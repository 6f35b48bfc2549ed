"""Errors that a user can act on.

Every message is one sentence, or a few, that says what is wrong, where (file, key), and what to
try. Anything else that is raised is a bug and keeps its traceback.
"""


class CrosslError(Exception):
    """An expected failure, with a message written for the user."""


class ConfigError(CrosslError):
    """The command or the run file is wrong; found before any recording is read."""


class RecordingError(CrosslError):
    """One recording cannot be used; the others can go on."""


class DataError(CrosslError):
    """The recordings as a whole do not allow what was asked (no labels, one class, one subject)."""


class ModelError(CrosslError):
    """A saved model is missing, damaged, or does not fit the recordings."""


class OutputError(CrosslError):
    """The output folder cannot be written."""


class StudyError(CrosslError):
    """The study cannot be opened, or what was asked of it cannot be done."""


class NotSavedError(StudyError):
    """The study file could not be written; it is as it was before."""
