"""`crossl-app --doctor` as a user and as a program meets it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.doctor import Answer, Question
from crossl_app import doctor_command
from crossl_app.cli import run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """The questions that the doctor asks, to be filled by the test."""
    questions: list[Question] = []
    monkeypatch.setattr(doctor_command, "all_questions", lambda: tuple(questions))
    return questions


def question(name: str, answer: Answer, essential: bool = True) -> Question:
    return Question("Group", name, lambda: answer, essential)


@pytest.mark.slow
def test_json_is_one_document_about_everything_and_nothing_is_left_behind(tmp_path: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TORCHINDUCTOR")}
    done = subprocess.run(
        [sys.executable, "-m", "crossl_app", "--doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        env=kept | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(tmp_path)),
    )
    assert done.returncode == 0, done.stdout
    assert list(tmp_path.iterdir()) == []
    assert not Path(os.environ["CROSSL_CACHE_DIR"]).exists()
    document = json.loads(done.stdout)
    assert set(document) == {
        *("schema_version", "program", "version", "frozen", "status", "checks"),
    }
    assert document["status"] == "ok"
    checks = {one["name"]: one for one in document["checks"]}
    assert len(checks) == len(document["checks"])
    wanted = {
        *("version", "processor", "memory", "torch", "NVIDIA GPU", "numpy", "temporary files"),
        *("EDF", "training", "Qt", "window system", "fonts", "pictures"),
    }
    assert wanted <= set(checks)
    for one in document["checks"]:
        assert set(one) == {
            *("group", "name", "status", "essential", "value", "advice", "figures"),
        }
        assert one["status"] in ("ok", "note", "failed")
    assert checks["memory"]["figures"]["total_bytes"] > 0
    assert checks["training"]["figures"]["last_loss"] < checks["training"]["figures"]["first_loss"]


def test_an_essential_failure_is_exit_1_and_named(asked: list[Question], capsys) -> None:
    asked += [
        question("good", Answer("works")),
        question("bad", Answer("is broken", "failed", "Mend it.")),
        question("spare", Answer("is missing", "failed"), essential=False),
    ]
    assert run(["--doctor"]) == 1
    said = capsys.readouterr().out
    assert "Does not work here: bad." in said
    assert "can do without: spare." in said
    assert "Mend it." in said
    assert run(["--doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == "failed"


def test_what_is_not_essential_may_fail(asked: list[Question], capsys) -> None:
    asked.append(question("spare", Answer("is missing", "failed"), essential=False))
    assert run(["--doctor"]) == 0
    assert "All that is essential works here." in capsys.readouterr().out


def test_answers_stand_below_each_other(
    asked: list[Question], capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    asked += [question("a", Answer("first")), question("much longer", Answer("second"))]
    run(["--doctor"])
    lines = capsys.readouterr().out.splitlines()
    first, second = (next(ln for ln in lines if word in ln) for word in ("first", "second"))
    assert first.index("first") == second.index("second")


@pytest.mark.parametrize("columns", ["1", "20", "200"])
def test_narrow_terminals_and_old_encodings_are_no_obstacle(
    asked: list[Question], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    asked.append(question("na\u00efve", Answer("µ × 字 [bold]\udcff", "note", "Änder\u2019 es.")))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "stdout", stream)
    assert run(["--doctor"]) == 0
    assert run(["--doctor", "--json"]) == 0
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")
    assert json.loads(text[text.index("\n{\n") :])["checks"][0]["value"].startswith("µ × 字 [bold]")
    assert stream.errors == "strict"


def test_a_program_without_output_does_not_fall_over(
    asked: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.append(question("bad", Answer("is broken", "failed")))
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert run(["--doctor"]) == 1
    assert run(["--doctor", "--json"]) == 1


def test_what_libraries_print_is_not_among_the_json(asked: list[Question], capsys) -> None:
    def chatty() -> Answer:
        print("a library says hello")
        return Answer("works")

    asked.append(Question("Group", "chatty", chatty))
    assert run(["--doctor", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["checks"][0]["value"] == "works"
    assert "hello" in said.err


def test_the_child_for_qt_is_no_part_of_the_help(capsys) -> None:
    with pytest.raises(SystemExit):
        run(["--help"])
    said = capsys.readouterr().out
    assert "--doctor" in said
    assert "--doctor-qt" not in said


def test_the_doctor_takes_no_files(capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        run(["--doctor", "night.edf"])
    assert caught.value.code == 2


@pytest.mark.parametrize("command", [["--version"], ["--doctor", "--help"], ["--selftest", "-h"]])
def test_help_and_version_come_without_torch_or_qt(command: list[str]) -> None:
    code = (
        "import sys\nfrom crossl_app.cli import run\n"
        f"try:\n    run({command!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'scipy', 'sklearn', 'duckdb', 'PySide6'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
