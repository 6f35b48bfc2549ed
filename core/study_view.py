"""How the channels of one recording are grouped and drawn: by the study's settings, as far as this
recording allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from core.config import ModalityConfig
from core.errors import DataError
from core.modalities import ModalityScheme, choose_scheme
from core.montage import Montage, complete, montage_for
from core.recording import Recording


def modality_scheme_of(modalities: Any, recording: Recording) -> ModalityScheme | None:
    """The modalities, as a run file has them, settled for one recording.

    Listed modalities that this recording lacks stay in the scheme, as absent ones. None where no
    modality fits at all: the channels are then shown by themselves.
    """
    if isinstance(modalities, str):
        try:
            return choose_scheme(modalities, [recording])
        except DataError:
            return None
    wanted: Sequence[ModalityConfig] = TypeAdapter(list[ModalityConfig]).validate_python(
        list(modalities)
    )
    settled: list[ModalityConfig] = []
    for modality in wanted:
        try:
            settled += choose_scheme([modality], [recording]).modalities
        except DataError:
            # A rate is due, and nothing of it is read.
            settled.append(modality.model_copy(update={"rate_hz": modality.rate_hz or 1.0}))
    return ModalityScheme(tuple(settled)) if settled else None


def montage_of(
    document: dict[str, Any] | None, recording: Recording, scheme: ModalityScheme | None
) -> Montage:
    """The study's montage, with the channels that it does not know at the end; without one the
    usual montage for this recording."""
    if document is not None:
        return complete(Montage.from_document(document), recording)
    if why_empty(recording):  # no modality can be told by channels that are not there
        return montage_for(recording)
    return montage_for(recording, scheme)


def why_empty(recording: Recording) -> str:
    """Why nothing can be drawn of a recording, in words; empty where something can."""
    files = [source.file for source in recording.sources]
    if any(channel.samples for file in files for channel in file.channels):
        return ""
    names = ", ".join(path.name for path in recording.paths)
    annotations = sum(len(file.annotations) for file in files)
    if annotations:
        return (
            f"{names} holds no signals, only annotations ({annotations}). To see them as labels, "
            "open the recording that they belong to in a study, and import this file there."
        )
    if any(file.channels for file in files):
        return f"{names} names channels, but holds no samples of them: nothing was recorded."
    return f"{names} holds neither signals nor annotations."
