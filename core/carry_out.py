"""Carrying out a run to its report, whatever happens on the way; batch mode and window alike."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from core.checkpoint import write_json
from core.errors import ConfigError, CrosslError
from core.evaluate import as_json
from core.pretrain import is_out_of_memory
from core.progress import Cancelled
from core.report import write_html
from core.run_folder import RunFolder
from core.run_log import log


class Outcome(Enum):
    """How a run ended. PARTIAL: some recordings failed, all others were finished."""

    SUCCESS = "success"
    PARTIAL = "partial"
    INTERRUPTED = "interrupted"
    ERROR = "error"


def carry_out(work: Callable[[], None], report: dict[str, Any], folder: RunFolder) -> Outcome:
    """Do the work, which fills `report`, and note in it how it ended.

    A ConfigError goes to the caller: the settings are wrong after all, and there is no report. So
    does what is a bug, after the report was written.
    """
    try:
        work()
    except (Cancelled, KeyboardInterrupt):
        report.update(status="partial", error="interrupted")
        return Outcome.INTERRUPTED
    except ConfigError:
        raise
    except CrosslError as error:
        report.update(status="error", error=str(error))
        return Outcome.ERROR
    except OSError as error:
        text = f"{error.filename or folder.path}: {error.strerror or error}"
        report.update(status="error", error=text)
        return Outcome.ERROR
    except BaseException as error:
        if is_out_of_memory(error):
            report.update(
                status="error",
                error="The memory of this machine is not enough. Look for a rate or a window "
                "length that is far too large, or close other programs.",
            )
            return Outcome.ERROR
        report.update(status="error", error=f"program error: {type(error).__name__}: {error}")
        log.exception("program error")
        write_report(report, folder)
        raise
    failed = any(entry["status"] == "failed" for entry in report["recordings"])
    report["status"] = "partial" if failed else "success"
    return Outcome.PARTIAL if failed else Outcome.SUCCESS


def write_report(report: dict[str, Any], folder: RunFolder) -> None:
    """Write `report.json` and `report.html`. Raises OutputError."""
    write_json(folder.report, as_json(report))
    tables = {
        entry["id"]: folder.predictions / f"{entry['id']}.csv" for entry in report["recordings"]
    }
    write_html(report, {key: path for key, path in tables.items() if path.exists()}, folder.html)
