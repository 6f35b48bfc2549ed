"""The output folder: never overwritten unasked, and what was kept is used only where it fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError, OutputError
from core.file_system import file_fingerprint
from core.run_folder import RunFolder, fingerprint


def test_a_new_or_empty_folder_is_taken(tmp_path: Path) -> None:
    RunFolder(tmp_path / "a" / "b").prepare(resume=False, force=False)
    assert (tmp_path / "a" / "b").is_dir()
    RunFolder(tmp_path / "a" / "b").prepare(resume=False, force=False)


def test_a_folder_with_anything_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"not empty.*--resume.*--force"):
        RunFolder(tmp_path).prepare(resume=False, force=False)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_force_removes_what_a_run_writes_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "report.json").write_text("{}")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    RunFolder(tmp_path).prepare(resume=False, force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_force_does_not_follow_links_out_of_the_folder(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.csv").write_text("mine")
    output = tmp_path / "out"
    output.mkdir()
    (output / "predictions").symlink_to(elsewhere)
    RunFolder(output).prepare(resume=False, force=True)
    assert (elsewhere / "a.csv").exists()
    assert not (output / "predictions").exists()


def test_resume_keeps_checkpoints_and_removes_what_would_look_finished(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "fold-0.safetensors").write_text("x")
    RunFolder(tmp_path).prepare(resume=True, force=False)
    assert not (tmp_path / "report.json").exists()
    assert (tmp_path / "checkpoints" / "fold-0.safetensors").exists()


def test_a_file_in_place_of_the_folder_is_a_wrong_command(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ConfigError, match="a file, not a folder"):
        RunFolder(tmp_path / "out").prepare(resume=False, force=True)


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        RunFolder(tmp_path / "file" / "out").prepare(resume=False, force=False)


def test_kept_work_is_used_again_only_with_the_same_fingerprint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    calls = []

    def compute() -> tuple[dict[str, np.ndarray], dict[str, int]]:
        calls.append(1)
        return {"a/b": np.arange(3, dtype=np.float32)}, {"n": len(calls)}

    first = folder.kept("fold-0", "f1", compute)
    again = folder.kept("fold-0", "f1", compute)
    assert len(calls) == 1
    assert again[1] == first[1] == {"n": 1}
    assert np.array_equal(again[0]["a/b"], first[0]["a/b"])
    folder.kept("fold-0", "f2", compute)
    assert len(calls) == 2


def test_kept_work_that_is_damaged_is_worked_out_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.kept("fold-0", "f", lambda: ({"a": np.zeros(2)}, {}))
    path = tmp_path / "checkpoints" / "fold-0.safetensors"
    path.write_bytes(path.read_bytes()[:10])
    arrays, _ = folder.kept("fold-0", "f", lambda: ({"a": np.ones(2)}, {}))
    assert arrays["a"].tolist() == [1, 1]


def test_fingerprints_tell_settings_and_files_apart(tmp_path: Path) -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"x" * (3 << 20))
    two.write_bytes(b"x" * (3 << 20))
    assert file_fingerprint(one) == file_fingerprint(two)
    for size in (b"y", b"x" * (1 << 21), b"x" * ((3 << 20) - 1) + b"y", b""):
        two.write_bytes(size)
        assert file_fingerprint(one) != file_fingerprint(two)
