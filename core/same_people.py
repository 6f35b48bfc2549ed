"""People whom a run took for several, and who are one person by now.

Whose a recording is can be corrected in a study after a run. A person whom the run tested may then
be one whom it had learned from, and the test was none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.plain_json import as_list, as_map


@dataclass(frozen=True)
class PeopleNow:
    """What the people of a run are called now.

    Attributes
    ----------
    subjects: by recording, whose they are now.
    names: by a person's name in the run, the present names of their recordings.
    """

    subjects: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, report: Mapping[str, Any], subjects: Mapping[str, str]) -> PeopleNow:
        """`report`: the run's document, which says whose its recordings were. A recording that is
        not among `subjects` is no longer known, and keeps nobody's name."""
        names: dict[str, frozenset[str]] = {}
        for entry in map(as_map, as_list(report.get("recordings"))):
            now, then = subjects.get(str(entry.get("id"))), str(entry.get("subject"))
            if now:
                names[then] = names.get(then, frozenset()) | {now}
        return cls(dict(subjects), names)

    def of_recording(self, recording: str, then: str) -> frozenset[str]:
        """Present names of the person of a recording, who was `then` when it was predicted."""
        now = self.subjects.get(recording)
        return self.names.get(then, frozenset()) | ({now} if now else frozenset())

    def all_names(self, people: Iterable[str]) -> frozenset[str]:
        """All present names of these people of the run."""
        return frozenset().union(*(self.names.get(name, frozenset()) for name in people))

    def among(self, people: Iterable[str], others: Iterable[str]) -> set[str]:
        """Those of `people` who are one of `others`, by their names in the run or their present
        ones."""
        known = set(others)
        known_now = self.all_names(known)
        return {
            name
            for name in people
            if name in known or not known_now.isdisjoint(self.names.get(name, frozenset()))
        }
