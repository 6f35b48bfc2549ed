"""What the program's exit status means; the same numbers stand in the README and in --help."""

OK = 0
WRONG_COMMAND = 2
SOME_FAILED = 3
FAILED = 4
INTERRUPTED = 130
