"""What goes into the binary, how reports are compared, and that nothing reaches for a network."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def bundle(installer: Callable[[str], ModuleType]) -> ModuleType:
    return installer("bundle")


@pytest.mark.parametrize(
    "name",
    [
        "torch/bin/torch_shm_manager",
        "torch/lib/libtorch_cpu.so",
        "PySide6/Qt/plugins/platforms/libqxcb.so",
        "PySide6/Qt/plugins/platforms/libqoffscreen.so",
        "PySide6/plugins/imageformats/qsvg.dll",
        "PySide6/Qt/plugins/platformthemes/libqxdgdesktopportal.so",
        "libxcb-cursor.so.0",
    ],
)
def test_what_the_program_needs_stays(bundle: ModuleType, name: str) -> None:
    assert bundle.is_needed(name)


@pytest.mark.parametrize(
    "name",
    [
        "torch/bin/test_api",
        "torch/include/ATen/ATen.h",
        "torch/lib/libtorchbind_test.so",
        "PySide6/Qt/plugins/platformthemes/libqgtk3.so",
        "PySide6/Qt/plugins/tls/libqopensslbackend.so",
        "PySide6/plugins/networkinformation/qnetworklistmanager.dll",
        "libstdc++.so.6",
    ],
)
def test_what_nothing_needs_is_left_out(bundle: ModuleType, name: str) -> None:
    assert not bundle.is_needed(name)


def test_libraries_of_a_plugin_that_is_left_out_go_with_it(bundle: ModuleType) -> None:
    entries = [
        ("PySide6/Qt/plugins/platforms/libqxcb.so", "/qt/libqxcb.so", "BINARY"),
        ("_program.cpython-311.so", "/x/_program.so", "EXTENSION"),
        ("libxcb.so.1", "/usr/lib/libxcb.so.1", "BINARY"),
        ("libXau.so.6", "/usr/lib/libXau.so.6", "BINARY"),
        ("libgtk-3.so.0", "/usr/lib/libgtk-3.so.0", "BINARY"),
        ("libQt6Core.so.6", "PySide6/Qt/lib/libQt6Core.so.6", "SYMLINK"),
    ]
    links = {"/qt/libqxcb.so": ["libxcb.so.1"], "/usr/lib/libxcb.so.1": ["libXau.so.6"]}
    kept, left_out = bundle.reachable(entries, lambda path: links.get(path, []))
    assert left_out == ["libgtk-3.so.0"]
    assert [entry[0] for entry in kept] == [
        entry[0] for entry in entries if entry[0] != "libgtk-3.so.0"
    ]


def test_links_without_a_target_are_left_out(bundle: ModuleType) -> None:
    here = ("PySide6/Qt/lib/libQt6Core.so.6", "/qt/libQt6Core.so.6", "BINARY")
    good = ("libQt6Core.so.6", "PySide6/Qt/lib/libQt6Core.so.6", "SYMLINK")
    bad = ("libQt6Network.so.6", "PySide6/Qt/lib/libQt6Network.so.6", "SYMLINK")
    assert bundle.without_dangling_links([here, good, bad]) == [here, good]


def test_a_build_for_another_processor_than_torchs_is_refused(
    bundle: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    other = "cpu" if torch.version.cuda else "cuda"
    monkeypatch.setenv("CROSSL_TORCH", other)
    with pytest.raises(SystemExit, match="installed"):
        bundle.torch_variant()
    monkeypatch.setenv("CROSSL_TORCH", "tpu")
    with pytest.raises(SystemExit, match="cpu or cuda"):
        bundle.torch_variant()


def test_reports_agree_only_when_every_figure_does(repository: Path, tmp_path: Path) -> None:
    one = {"created": "a", "evaluation": {"macro_f1": 0.5, "list": [1, 2]}, "timing": {"x": 1}}
    program = repository / "installer" / "compare_reports.py"

    def compared(other: object) -> subprocess.CompletedProcess[str]:
        for name, report in (("one", one), ("other", other)):
            (tmp_path / name).write_text(json.dumps(report))
        return subprocess.run(
            [sys.executable, "-P", str(program), str(tmp_path / "one"), str(tmp_path / "other")],
            capture_output=True,
            text=True,
        )

    assert compared(one | {"created": "b", "timing": {}}).returncode == 0
    changed = compared(one | {"evaluation": {"macro_f1": 0.5000000001, "list": [1, 2]}})
    assert changed.returncode == 1
    assert "/evaluation/macro_f1" in changed.stdout
    assert compared(one | {"evaluation": {"macro_f1": 0.5, "list": [1]}}).returncode == 1
    assert compared({**one, "more": 1}).returncode == 1


@pytest.mark.slow
def test_the_sample_study_runs_where_there_is_no_network(repository: Path) -> None:
    """In a namespace without even a loopback address; an attempt to reach anything would fail."""
    unshare = shutil.which("unshare")
    apart = [str(unshare), "--net", "--map-root-user"]
    if unshare is None or subprocess.run([*apart, "true"], capture_output=True).returncode != 0:
        pytest.skip("no empty network namespace can be made here")
    probe = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    refused = subprocess.run([*apart, sys.executable, "-c", probe], capture_output=True, text=True)
    assert "unreachable" in refused.stderr
    done = subprocess.run(
        [*apart, sys.executable, "-P", "-m", "crossl_app", "--selftest"],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
