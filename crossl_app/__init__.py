"""The program: command line, batch mode, and the start of the window."""
