"""Does this installation work on this machine? Questions, and answers in words.

Every question is asked by itself, and an error in it is its answer: the doctor never fails. The
window's part, which needs Qt, is `ui.qt_check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from core.build_info import build_info
from core.errors import CrosslError

Status = Literal["ok", "note", "failed"]
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Answer:
    """What was found.

    Attributes
    ----------
    value: what was found, or what is wrong.
    status: `note` is worth reading, and no fault; `failed` does not work.
    advice: what to do about it; empty where there is nothing to do.
    figures: numbers and names for programs that read the JSON.
    """

    value: str
    status: Status = "ok"
    advice: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """One thing to look at. `essential`: without it, the program cannot do its work."""

    group: str
    name: str
    ask: Callable[[], Answer]
    essential: bool = True


@dataclass(frozen=True)
class Check:
    """A question with its answer."""

    group: str
    name: str
    status: Status
    essential: bool
    value: str
    advice: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_fault(self) -> bool:
        return self.essential and self.status == "failed"


def check(question: Question) -> Check:
    """Ask one question; whatever goes wrong in asking becomes the answer."""
    try:
        answer = question.ask()
    except Exception as error:
        answer = Answer(in_words(error), "failed")
    return Check(
        question.group,
        question.name,
        answer.status,
        question.essential,
        answer.value,
        answer.advice,
        answer.figures,
    )


def check_all(questions: Iterable[Question]) -> Iterator[Check]:
    """Answers one by one, as they are found."""
    return map(check, questions)


def in_words(error: BaseException) -> str:
    """What an error says, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, CrosslError):
        return text
    if isinstance(error, ImportError):
        return f"it cannot be loaded: {text or type(error).__name__}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def core_questions() -> tuple[Question, ...]:
    """Everything but the window, in the order in which it is asked: what is cheap comes first."""
    from core import doctor_files, doctor_learning, doctor_machine

    return (
        *doctor_machine.questions(),
        *doctor_files.questions(),
        *doctor_learning.questions(),
    )


def as_document(checks: Sequence[Check]) -> dict[str, Any]:
    """All answers as plain values, for JSON."""
    build = build_info()
    return {
        "schema_version": SCHEMA_VERSION,
        "program": build.title(),
        "version": build.version,
        "frozen": build.frozen,
        "status": "failed" if any(one.is_fault for one in checks) else "ok",
        "checks": [asdict(one) for one in checks],
    }
