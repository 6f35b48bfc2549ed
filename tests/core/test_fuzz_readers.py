"""A short run of the fuzz of the readers; `tests/benchmarks/fuzz_readers.py` has the long one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path("tests") / "benchmarks" / "fuzz_readers.py"


@pytest.fixture(scope="module")
def fuzz(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_readers", repository / SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.platform == "win32", reason="select waits for no pipe on Windows")
def test_damaged_files_are_read_or_refused_in_a_sentence(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(repository / SCRIPT), "--cases", "1500", "--seed", "2026",
               "--output", str(tmp_path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "0 offences" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_undamaged_files_are_read_without_a_finding(fuzz: ModuleType, tmp_path: Path) -> None:
    from core.read_edf import open_edf

    for number, blob in enumerate(fuzz.edf_corpus()):
        path = tmp_path / f"{number}.edf"
        path.write_bytes(blob)
        fuzz.read_everything(path)
        severities = {finding.severity for finding in open_edf(path).findings}
        assert severities <= {"note", "repaired"}


def test_a_case_follows_from_seed_and_number(fuzz: ModuleType) -> None:
    assert fuzz.make_case(3, 7) == fuzz.make_case(3, 7)
    assert len({fuzz.make_case(3, number) for number in range(60)}) > 50


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limit is set on Linux only")
def test_a_crash_a_hang_and_too_much_memory_are_noticed(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard itself: without it the fuzz would prove nothing."""
    program = f"""
import sys, time
sys.path.insert(0, {str(Path(fuzz.__file__).parent)!r})
import fuzz_readers

def misbehave(path):
    if not path.name.startswith("first"):
        ACTION

fuzz_readers.read_everything = misbehave
fuzz_readers.serve("edf")
"""
    monkeypatch.setattr(fuzz, "LONGEST_S", 1.0)
    for action, outcome in (
        ("bytearray(300 << 20)", "MemoryError"),
        ("import ctypes; ctypes.string_at(0)", "crash"),
        ("time.sleep(60)", "hang"),
    ):
        child = fuzz.Child([sys.executable, "-c", program.replace("ACTION", action)])
        try:
            assert outcome in child.run(0, 0)
        finally:
            child.close()
