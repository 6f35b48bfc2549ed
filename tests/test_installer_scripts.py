"""Scripts for systems that these tests do not run on: what can be told of them without."""

from __future__ import annotations

import plistlib
import re
from pathlib import Path

import pytest

from core.version import __version__


@pytest.fixture
def setup_script(repository: Path) -> str:
    path = repository / "installer" / "windows" / "crossl-app.iss"
    return path.read_text(encoding="utf-8")


def test_the_bundle_of_macos_says_the_version_and_takes_recordings(installer) -> None:
    macos = installer("macos")
    info = plistlib.loads(plistlib.dumps(macos.INFO))
    assert info["CFBundleShortVersionString"] == __version__ == macos.VERSION
    assert info["NSHighResolutionCapable"] is True
    declared = {
        kind["UTTypeIdentifier"]: kind["UTTypeTagSpecification"]["public.filename-extension"]
        for kind in info["UTImportedTypeDeclarations"]
    }
    assert sorted(ending for endings in declared.values() for ending in endings) == ["bdf", "edf"]
    taken = [
        kind for entry in info["CFBundleDocumentTypes"] for kind in entry["LSItemContentTypes"]
    ]
    assert set(taken) == {*declared, "public.folder"}


def test_the_programs_of_windows_say_version_and_name(installer) -> None:
    version_info = installer("version_info")
    written = version_info.text("crossl-app-console", "1.2.3rc1")
    assert "filevers=(1, 2, 3, 0)" in written
    assert "'OriginalFilename', 'crossl-app-console.exe'" in written
    assert "'ProductVersion', '1.2.3rc1'" in written
    assert __version__ in version_info.text()


def test_a_version_that_windows_cannot_count_is_refused(installer) -> None:
    with pytest.raises(ValueError, match="begin with a number"):
        installer("version_info").four_numbers("new")
    with pytest.raises(ValueError, match="65535"):
        installer("version_info").four_numbers("2026.70000")


def test_the_setup_of_windows_takes_its_version_from_outside(setup_script: str) -> None:
    assert "#error" in setup_script
    assert "AppVersion={#AppVersion}" in setup_script
    assert __version__ not in setup_script


def test_the_setup_of_windows_needs_no_administrator_and_deletes_no_data(setup_script) -> None:
    assert "PrivilegesRequired=lowest" in setup_script
    assert "[UninstallDelete]" not in setup_script
    deleted = re.findall(r'^Type: .*Name: "([^"]+)"', setup_script, re.MULTILINE)
    assert deleted == [r"{app}\_internal"]


def test_the_setup_of_windows_leaves_default_programs_alone(setup_script) -> None:
    for ending in ("edf", "bdf"):
        lines = [line for line in setup_script.splitlines() if rf"\.{ending}" in line]
        assert lines
        assert all(rf"\.{ending}\OpenWithProgids" in line for line in lines)


def test_files_that_the_setup_of_windows_names_are_there(setup_script, repository: Path) -> None:
    named = re.findall(r"\{#Root\}\\([^\s\"*]+)", setup_script)
    made = {"dist", "dist\\crossl-app\\", "build\\windows-icons"}
    for name in set(named) - made:
        assert (repository / name.replace("\\", "/")).exists(), name


def test_the_workflow_builds_on_three_systems_and_asks_each_program(repository: Path) -> None:
    path = repository / ".github" / "workflows" / "installers.yml"
    text = path.read_text(encoding="utf-8")
    for system in ("ubuntu-22.04", "windows-latest", "macos-14"):
        assert f"system: {system}" in text
    for question in ("--doctor", "--selftest"):
        assert f'"${{{{ matrix.program }}}}" {question}' in text
    for script in re.findall(r"installer[/\\][\w/\\.-]+\.(?:py|iss)", text):
        assert (repository / script.replace("\\", "/")).is_file(), script
    for used in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"actions/[\w-]+@v\d+", used)
