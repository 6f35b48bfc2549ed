"""The doctor finds what does not work, says it in words, and never falls over itself."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfoNotFoundError

import numpy as np
import pytest

from core import doctor_files, doctor_learning, doctor_machine
from core.build_info import BuildInfo
from core.doctor import (
    Answer,
    Check,
    Question,
    as_document,
    check,
    check_all,
    core_questions,
    in_words,
)
from core.errors import RecordingError


def ask(name: str) -> Check:
    """The answer to the one question of that name."""
    (question,) = (question for question in core_questions() if question.name == name)
    return check(question)


def raising(error: BaseException) -> Question:
    def fall_over() -> Answer:
        raise error

    return Question("Group", "name", fall_over)


# ---------------------------------------------------------------- asking


def test_everything_works_where_the_tests_run() -> None:
    checks = list(check_all(core_questions()))
    assert [one for one in checks if one.status == "failed"] == []
    names = [one.name for one in checks]
    assert len(set(names)) == len(names)
    assert all(one.value for one in checks)
    assert as_document(checks)["status"] == "ok"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RecordingError("a.edf: it is empty."), "a.edf: it is empty."),
        (ImportError("libz.so: cannot open"), "it cannot be loaded: libz.so: cannot open"),
        (PermissionError(13, "Permission denied", "/etc/x"), "/etc/x: Permission denied"),
        (RuntimeError("one\n  two"), "RuntimeError: one two"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_error_in_a_question_is_its_answer(error: Exception, said: str) -> None:
    found = check(raising(error))
    assert (found.status, found.value, found.is_fault) == ("failed", said, True)
    assert in_words(error) == said


def test_being_interrupted_is_no_answer() -> None:
    with pytest.raises(KeyboardInterrupt):
        check(raising(KeyboardInterrupt()))


def test_only_what_is_essential_and_failed_is_a_fault() -> None:
    def document(status: str, essential: bool) -> str:
        question = Question("Group", "name", lambda: Answer("x", status), essential)  # type: ignore[arg-type]
        return as_document([check(question)])["status"]

    assert document("failed", True) == "failed"
    assert document("failed", False) == "ok"
    assert document("note", True) == "ok"


# ---------------------------------------------------------------- machine


def test_memory_cannot_be_told_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    found = ask("memory")
    assert found.status == "failed"
    assert not found.is_fault


def test_little_memory_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    told = SimpleNamespace(total=4 << 30, available=1 << 30)
    monkeypatch.setitem(sys.modules, "psutil", SimpleNamespace(virtual_memory=lambda: told))
    found = ask("memory")
    assert found.status == "note"
    assert found.value == "4.3 GB, of which 1.1 GB are free"
    assert found.figures == {"total_bytes": 4 << 30, "available_bytes": 1 << 30}


def test_a_library_that_does_not_load_is_a_fault_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyedflib", None)
    found = ask("pyedflib")
    assert found.is_fault
    assert "cannot be loaded" in found.value


def test_missing_time_zones_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(doctor_machine, "ZoneInfo", refuse)
    found = ask("time zones")
    assert found.status == "failed"
    assert "tzdata" in found.advice


# ---------------------------------------------------------------- folders


def test_a_folder_that_was_not_there_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSL_CACHE_DIR", str(tmp_path / "one" / "two"))
    found = ask("cache")
    assert found.status == "ok"
    assert found.figures["free_bytes"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays_with_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept.txt").write_text("x")
    monkeypatch.setenv("CROSSL_CACHE_DIR", str(tmp_path))
    assert ask("cache").status == "ok"
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_folder_that_cannot_be_written_fails_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    monkeypatch.setenv("CROSSL_CACHE_DIR", str(file / "cache"))
    found = ask("cache")
    assert found.status == "failed"
    assert not found.is_fault  # the program unpacks into a temporary folder then
    assert str(file) in found.value


def test_little_room_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    free = SimpleNamespace(free=1 << 20)
    monkeypatch.setattr(doctor_files.shutil, "disk_usage", lambda folder: free)
    found = ask("temporary files")
    assert found.status == "note"
    assert "1.0 MB free" in found.value


# ---------------------------------------------------------------- files


def test_a_missing_resource_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (*doctor_files.NEEDED_RESOURCES, "icons/lost.svg")
    monkeypatch.setattr(doctor_files, "NEEDED_RESOURCES", names)
    found = ask("program's own")
    assert found.is_fault
    assert found.value == "missing: icons/lost.svg"


def test_samples_that_come_back_otherwise_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.read_edf import EdfFile

    read = EdfFile.read
    monkeypatch.setattr(
        EdfFile, "read", lambda self, k, start, stop: np.roll(read(self, k, start, stop), 1)
    )
    found = ask("EDF")
    assert found.is_fault
    assert "errors up to" in found.value


def test_a_table_that_comes_back_otherwise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.read_csv import CsvFile

    read = CsvFile.read
    monkeypatch.setattr(CsvFile, "read", lambda self, *where: 1.01 * read(self, *where))
    assert ask("CSV").is_fault


def test_weights_that_come_back_otherwise_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from core import checkpoint

    load = checkpoint.load_tensors

    def changed(path: Path) -> tuple:
        tensors, state = load(path)
        tensors["weight"][0] = 7
        return tensors, state

    monkeypatch.setattr(checkpoint, "load_tensors", changed)
    assert ask("weights").is_fault


def test_a_transaction_that_is_not_taken_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.study_file import StudyFile

    def keep(self: StudyFile) -> None:
        self.connection.execute("COMMIT")

    monkeypatch.setattr(StudyFile, "_roll_back", keep)
    found = ask("study file")
    assert found.is_fault
    assert "rolled back" in found.value


def test_nothing_is_left_in_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_files.tempfile, "tempdir", str(tmp_path))
    for name in ("temporary files", "EDF", "CSV", "weights", "study file"):
        assert ask(name).status == "ok"
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize(
    ("losses", "said"),
    [((3.0, float("nan")), "no finite number"), ((3.0, 3.5), "did not fall (3 to 3.5)")],
)
def test_training_that_does_not_learn_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, losses: tuple[float, ...], said: str
) -> None:
    from core import pretrain

    result = SimpleNamespace(epochs=[SimpleNamespace(loss=loss) for loss in losses])
    monkeypatch.setattr(pretrain, "pretrain", lambda *given, **named: result)
    found = ask("training")
    assert found.is_fault
    assert said in found.value


def test_a_cpu_build_says_how_to_come_by_the_cuda_build(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(doctor_learning, "build_info", lambda: BuildInfo("1.0", True, "cpu"))
    found = ask("NVIDIA GPU")
    assert (found.status, found.essential) == ("note", False)
    assert "no CUDA" in found.value
    assert "crossl-app-cuda" in found.advice


def test_an_old_driver_is_told_in_torchs_words(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def available() -> bool:
        warnings.warn("CUDA initialization: The NVIDIA driver is too old. Get it.", stacklevel=1)
        return False

    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", available)
    found = ask("NVIDIA GPU")
    assert found.status == "note"
    assert found.value == "not used: CUDA initialization: The NVIDIA driver is too old"
    assert "nvidia-smi" in found.advice


def test_a_gpu_that_cannot_train_fails_without_being_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    def fail(device: str) -> Answer:
        assert device == "cuda"
        raise RuntimeError("no kernel image is available for this device")

    about = SimpleNamespace(name="Old GPU", total_memory=2 * 10**9)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: about)
    monkeypatch.setattr(doctor_learning, "learn_a_little", fail)
    found = ask("NVIDIA GPU")
    assert found.status == "failed"
    assert not found.is_fault
    assert found.value.startswith("Old GPU with 2.0 GB; training on it fails")
    assert "no kernel image" in found.value
    assert "cpu" in found.advice


def test_a_missing_library_of_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch", None)
        found = ask("torch")
    assert found.is_fault
    assert "cannot be loaded" in found.value
