"""Folders of the user's account that the program keeps settings and logs in."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def settings_folder() -> Path:
    """Where the window keeps the user's settings."""
    return platformdirs.user_config_path("crossl-app", appauthor=False)


def log_folder() -> Path:
    """Where reports of crashes go, one file for each program that runs."""
    return platformdirs.user_log_path("crossl-app", appauthor=False)
