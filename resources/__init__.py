"""Data files of crossl-app: presets, example run files, the sample study, icons.

Read them with ``importlib.resources.files("resources")``; nothing here is code of the program.
"""
