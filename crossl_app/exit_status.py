"""What the program's exit status means; the same numbers stand in the README and in --help."""

OK = 0
CHECK_FAILED = 1
"""--doctor or --selftest found a fault."""
WRONG_COMMAND = 2
SOME_FAILED = 3
FAILED = 4
INTERRUPTED = 130
"""Batch mode and the other commands, whichever signal it was. The window ends with 0 when it is
closed or the session ends, with 128 and the signal's number when one closed it: 143 for SIGTERM."""
