"""The file with the licences of bundled parts: complete, or a refusal that names what lacks."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from pathlib import Path

import pytest

from core import licences as at_run_time


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "_internal").mkdir()
    return tmp_path


def test_every_part_that_the_program_needs_has_a_text_and_a_licence(installer) -> None:
    parts = {part.name.lower(): part for part in installer("licences").collect(None)}
    for name in ("numpy", "torch", "pyside6_essentials", "shiboken6", "duckdb", "python"):
        assert parts[name].licence
        assert all(text.strip() for _, text in parts[name].texts)
    assert "pytest" not in parts
    assert parts["numpy"].version == version("numpy")


def test_the_file_has_every_text_once_and_says_how_qt_is_replaced(installer, tmp_path) -> None:
    licences = installer("licences")
    parts = licences.collect(None)
    out = tmp_path / "new" / "THIRD_PARTY.txt"
    licences.write(parts, out)
    text = out.read_text(encoding="utf-8")
    assert "can be replaced by any other build" in " ".join(text.split())
    assert text.count("                       Version 3, 29 June 2007") >= 1
    for title in ("GNU LESSER GENERAL PUBLIC LICENSE", "GNU GENERAL PUBLIC LICENSE"):
        assert title in text
    lesser = installer("licence_part").stored("LGPL-3.0")[1].strip("\n")
    assert text.count(lesser) == 1
    for part in parts:
        assert f"{part.name} {part.version}: {part.licence}" in text


@pytest.mark.parametrize(
    ("expression", "refused"),
    [
        ("MIT", False),
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0-only", True),
        ("LGPL-3.0-only", False),
        ("LGPL-3.0-only OR GPL-2.0-only OR GPL-3.0-only", False),
        ("MIT AND GPL-2.0-only", True),
        ("(MIT OR GPL-2.0-only) AND BSD-3-Clause", False),
        ("MIT AND (GPL-2.0-only OR AGPL-3.0-only)", True),
        ("GPL-3.0-or-later WITH GCC-exception-3.1 AND MIT", False),
        ("GPL-2.0-only OR GPL-3.0-only", True),
    ],
)
def test_a_part_under_the_gpl_alone_is_refused(installer, expression, refused) -> None:
    assert installer("licence_part").without_permission(expression) is refused


def test_a_part_without_a_text_or_a_licence_is_named(installer) -> None:
    part = installer("licence_part").Part
    parts = [
        part("mute", "1.0", "MIT", "", (("LICENSE", " \n"),)),
        part("vague", "2.0", "", "", (("LICENSE", "Do as you like."),)),
        part("strict", "3.0", "GPL-3.0-only", "", (("COPYING", "…"),)),
        part("fine", "4.0", "MIT", "", (("LICENSE", "…"),)),
    ]
    found = installer("licences").faults(parts)
    assert [line.split(" ")[0] for line in found] == ["mute", "vague", "strict"]


def test_a_library_that_nobody_has_looked_at_is_named(installer, bundle: Path) -> None:
    (bundle / "_internal" / "libnobodyknows.so.3").write_bytes(b"\x7fELF")
    parts, unknown = installer("bundle_libraries").library_parts(bundle, [])
    assert parts == []
    assert len(unknown) == 1
    assert "libnobodyknows.so.3" in unknown[0]


def test_readline_in_a_bundle_is_refused(installer, bundle: Path) -> None:
    (bundle / "_internal" / "libreadline.so.8").write_bytes(b"\x7fELF")
    parts, unknown = installer("bundle_libraries").library_parts(bundle, [])
    assert unknown == []
    assert any("does not go with" in line for line in installer("licences").faults(parts))


def test_libraries_of_wheels_of_python_and_links_are_not_the_systems(installer, bundle) -> None:
    inside = bundle / "_internal"
    (inside / "python3.11" / "lib-dynload").mkdir(parents=True)
    (inside / "python3.11" / "lib-dynload" / "_json.cpython-311-x86_64-linux-gnu.so").touch()
    (inside / "libpython3.11.so.1.0").touch()
    libraries = installer("bundle_libraries")
    owned = next(
        file
        for file in importlib.metadata.distribution("numpy").files or ()
        if str(file).endswith((".so", ".pyd"))
    )
    (inside / str(owned)).parent.mkdir(parents=True)
    (inside / str(owned)).touch()
    (inside / "libz.so.1").touch()
    (inside / "libz.so").symlink_to("libz.so.1")
    found = libraries.foreign_libraries(bundle, ["numpy"])
    assert [path.name for path in found] == ["libz.so.1"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("libz.so.1", "zlib"),
        ("libzstd.so.1", "Zstandard"),
        ("libxcb-cursor.so.0", "xcb-util-cursor"),
        ("libxcb.so.1", "libxcb"),
        ("libxcb-xkb.so.1", "libxcb"),
        ("libssl.3.dylib", "OpenSSL"),
        ("libglib-2.0.so.0", "GLib"),
    ],
)
def test_libraries_are_known_by_the_beginning_of_their_names(installer, file, name) -> None:
    assert installer("bundle_libraries")._look_up(file)[0] == name


def test_a_name_that_only_begins_alike_is_not_taken_for_another(installer) -> None:
    assert installer("bundle_libraries")._look_up("libzebra.so.1") is None


def test_a_source_install_lists_what_is_installed_and_no_tools() -> None:
    names = {part.name.lower() for part in at_run_time.installed_parts()}
    assert {"numpy", "torch", "rich", "markdown-it-py"} <= names
    assert names.isdisjoint({"crossl-app", "pytest", "ruff", "umap-learn"})
    assert f"numpy {version('numpy')}" in at_run_time.third_party_text()


def test_a_binary_shows_the_file_of_its_build(tmp_path, monkeypatch) -> None:
    (tmp_path / "licences").mkdir()
    (tmp_path / "licences" / at_run_time.THIRD_PARTY).write_text("All of them.", encoding="utf-8")
    monkeypatch.setattr(at_run_time, "files", lambda package: tmp_path)
    assert at_run_time.third_party_text() == "All of them."


def test_versions_are_told_without_metadata_of_all_parts(monkeypatch) -> None:
    monkeypatch.setattr(at_run_time, "SHOWN", ("numpy", "no-such-distribution"))
    assert [name for name, _ in at_run_time.versions()] == ["Python", "numpy"]


def test_the_repository_holds_no_generated_licence_file(repository: Path) -> None:
    assert not (repository / "resources" / "licences" / at_run_time.THIRD_PARTY).exists()
