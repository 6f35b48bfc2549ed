"""The repository's layout, the built wheel, and the sample study as it is shipped."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import os
import pickle
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from core.version import __version__

PACKAGES = {"crossl_app", "core", "ui", "resources"}
TOP_LEVEL = PACKAGES | {"tests", "pyproject.toml", "build_installer.spec"}
USUAL_FILES = {
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "ARCHITECTURE.md",
    "Makefile",
    "docs",
    "installer",
}


def repository_files(repository: Path) -> list[str]:
    """What git holds or would take, as posix paths; skips outside a checkout."""
    if not (repository / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        check=True,
        text=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (repository / name).is_file()]


def project_table(repository: Path) -> dict:
    with (repository / "pyproject.toml").open("rb") as stream:
        return tomllib.load(stream)


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that the checkout stays clean, without any download."""
    source = tmp_path_factory.mktemp("source")
    for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        path = repository / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / name)
    target = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])",
            str(target),
        ],
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs folder of a new virtual environment with the wheel installed in it.

    The dependencies are this environment's, by a `.pth` line: nothing is downloaded, and an
    editable install of the checkout does not show through, because the `.pth` files of a folder
    named that way are not read.
    """
    if importlib.util.find_spec("pip") is None:
        pytest.skip("pip is not installed in this environment")
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    python = Path(paths["scripts"]) / ("python.exe" if os.name == "nt" else "python")
    site_packages = Path(paths["purelib"])
    own = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "dependencies.pth").write_text("\n".join(sorted(own)) + "\n")
    pip = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    result = subprocess.run(
        [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return Path(paths["scripts"])


@pytest.fixture
def folder_with_other_core(tmp_path: Path) -> Path:
    """A folder whose own `core` and `ui` fail when somebody imports them."""
    for name in ("core", "ui", "resources"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the wrong package')\n")
    return tmp_path


def run_program(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


def test_top_level_holds_exactly_the_agreed_names(repository: Path) -> None:
    tops = {name.split("/", 1)[0] for name in repository_files(repository)}
    visible = {name for name in tops if not name.startswith(".")}
    assert visible - USUAL_FILES == TOP_LEVEL


def test_no_package_below_tests(repository: Path) -> None:
    names = repository_files(repository)
    assert [n for n in names if n.startswith("tests/") and n.endswith("__init__.py")] == []


def test_packages_are_listed_explicitly_and_tests_are_not_among_them(repository: Path) -> None:
    assert set(project_table(repository)["tool"]["setuptools"]["packages"]) == PACKAGES


def test_every_package_folder_is_listed(repository: Path) -> None:
    """A new subpackage that is not in `packages` would be missing from the wheel."""
    holding = {
        name.rsplit("/", 1)[0].replace("/", ".")
        for name in repository_files(repository)
        if name.split("/")[0] in PACKAGES and name.endswith("/__init__.py")
    }
    assert holding == PACKAGES


def test_torch_is_pinned_in_one_place(repository: Path) -> None:
    project = project_table(repository)["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    pins = [line for line in [*project["dependencies"], *extras] if line.startswith("torch")]
    assert pins == ["torch==2.13.*"]


def test_wheel_holds_the_four_packages_with_all_resources(repository: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    tops = {name.split("/", 1)[0] for name in inside}
    assert {name for name in tops if not name.endswith(".dist-info")} == PACKAGES
    shipped = {name for name in repository_files(repository) if name.split("/", 1)[0] in PACKAGES}
    assert shipped - inside == set()


def test_installed_command_starts_beside_a_foreign_core_folder(
    installed: Path, folder_with_other_core: Path
) -> None:
    shown = run_program([str(installed / "crossl-app"), "--version"], folder_with_other_core)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip() == f"crossl-app {__version__}"
    helped = run_program([str(installed / "crossl-app"), "--help"], folder_with_other_core)
    assert helped.returncode == 0, helped.stderr
    assert "--batch" in helped.stdout


def test_module_start_with_safe_path_works_beside_a_foreign_core_folder(
    installed: Path, folder_with_other_core: Path
) -> None:
    """`python -m crossl_app` puts the current folder first; `-P` keeps it out."""
    shown = run_program(
        [str(installed / "python"), "-P", "-m", "crossl_app", "--version"], folder_with_other_core
    )
    assert shown.returncode == 0, shown.stderr


def test_installed_program_runs_its_own_files_not_those_of_the_checkout(
    repository: Path, installed: Path, tmp_path: Path
) -> None:
    shown = run_program(
        [str(installed / "python"), "-P", "-c", "import core, resources; print(core.__file__)"],
        tmp_path,
    )
    assert shown.returncode == 0, shown.stderr
    assert not Path(shown.stdout.strip()).is_relative_to(repository)


def test_run_file_is_the_only_json_of_the_sample_study(repository: Path) -> None:
    names = [
        name
        for name in repository_files(repository)
        if name.startswith("resources/sample_study/") and name.lower().endswith(".json")
    ]
    assert names == ["resources/sample_study/run.json"]


def test_sample_study_is_about_four_megabytes_with_source_and_licence(repository: Path) -> None:
    folder = repository / "resources" / "sample_study"
    names = {path.name for path in folder.iterdir()}
    assert {"SOURCE.md", "LICENSE"} <= names
    sizes = [path.stat().st_size for path in folder.glob("*.csv.gz")]
    assert len(sizes) == 10
    assert 3e6 < sum(sizes) < 4.5e6


def test_sample_study_has_ten_people_with_14_series_of_7_exercises_at_50_hz(
    repository: Path,
) -> None:
    for path in sorted((repository / "resources" / "sample_study").glob("subject_*.csv.gz")):
        with gzip.open(path, "rt", newline="") as stream:
            rows = list(csv.reader(stream))
        assert rows[0] == [
            "time_s",
            "acc_x",
            "acc_y",
            "acc_z",
            "gyro_x",
            "gyro_y",
            "gyro_z",
            "label",
        ]
        series: list[list[int]] = [[]]  # times in hundredths of a second
        labels: list[str] = [rows[1][-1]]
        for row in rows[1:]:
            time = round(float(row[0]) * 100)
            if series[-1] and time - series[-1][-1] != 2:
                assert time - series[-1][-1] == 502
                series.append([])
                labels.append(row[-1])
            assert row[-1] == labels[-1]
            series[-1].append(time)
        assert len(series) == 14
        assert sorted(labels) == sorted(["ABD", "ER", "FEL", "IR", "PEN", "ROW", "TRAP"] * 2)
        assert all(1890 <= times[-1] - times[0] <= 5240 for times in series)


@pytest.fixture(scope="module")
def converter(repository: Path) -> ModuleType:
    """The conversion script, which is in no package."""
    spec = importlib.util.spec_from_file_location(
        "convert_seglearn", repository / "resources/sample_study/convert_seglearn.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class CallsAFunction:
    def __reduce__(self) -> tuple:
        return (os.getcwd, ())


def object_npy(content: object) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array(content, dtype=object), allow_pickle=True)
    return stream.getvalue()


def test_converter_refuses_a_pickle_that_calls_a_function(converter: ModuleType) -> None:
    with pytest.raises(pickle.UnpicklingError, match="has no place"):
        converter.read_object_npy(object_npy(CallsAFunction()))


def test_converter_reads_a_dict_of_arrays_without_loss(converter: ModuleType) -> None:
    read = converter.read_object_npy(object_npy({"X": [np.eye(3)], "y": np.arange(3)}))
    np.testing.assert_array_equal(read["X"][0], np.eye(3))
    np.testing.assert_array_equal(read["y"], np.arange(3))


def test_converter_leaves_a_gap_between_series_and_writes_the_same_bytes_again(
    converter: ModuleType, tmp_path: Path
) -> None:
    series = [np.full((2, 6), -0.0001), np.full((1, 6), 1.23456)]
    content = converter.person_csv(series, ["ABD", "ROW"], ["ax", "ay", "az", "wx", "wy", "wz"])
    assert content.decode().splitlines() == [
        "time_s,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z,label",
        "0.00," + "0.000," * 6 + "ABD",
        "0.02," + "0.000," * 6 + "ABD",
        "5.04," + "1.235," * 6 + "ROW",
    ]
    for name in ("first.gz", "second.gz"):
        converter.write_gzip(tmp_path / name, content)
    assert (tmp_path / "first.gz").read_bytes() == (tmp_path / "second.gz").read_bytes()
    assert gzip.decompress((tmp_path / "first.gz").read_bytes()) == content
