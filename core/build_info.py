"""Which build of the program this is: installed binary or source, for which processors."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from core.version import __version__

TorchVariant = Literal["cpu", "cuda"]
BUILD_FILE = "build.json"
"""Written into the binary's `resources` by `build_installer.spec`; a source install has none."""


@dataclass(frozen=True)
class BuildInfo:
    """
    Attributes
    ----------
    version: of the program.
    frozen: whether this is the installed binary.
    torch_variant: the build of torch that a binary carries; None for a source install, where it is
        whatever torch was installed.
    """

    version: str
    frozen: bool
    torch_variant: TorchVariant | None

    def title(self) -> str:
        """Such as `crossl-app 1.0 (binary, CPU build)`."""
        if self.torch_variant is None:
            return f"crossl-app {self.version} (from source)"
        return f"crossl-app {self.version} (binary, {self.torch_variant.upper()} build)"

    def gpu_hint(self) -> str:
        """How to use an NVIDIA GPU where this build cannot; empty where it can, and on macOS,
        whose GPU needs no other build."""
        if sys.platform == "darwin" or self.torch_variant == "cuda":
            return ""
        if self.torch_variant == "cpu":
            return (
                "This is the CPU build. For an NVIDIA GPU install the CUDA build, crossl-app-cuda, "
                "which takes several GB; it is made by CROSSL_TORCH=cuda make installer."
            )
        return (
            "For an NVIDIA GPU, torch itself has to be a CUDA build: install the same version of "
            "it with the command that pytorch.org gives for your driver."
        )


def build_info() -> BuildInfo:
    """What is running."""
    note = files("resources") / BUILD_FILE
    variant = json.loads(note.read_text("utf-8"))["torch"] if note.is_file() else None
    return BuildInfo(__version__, bool(getattr(sys, "frozen", False)), variant)
