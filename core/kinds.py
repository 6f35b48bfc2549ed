"""What a sensor measures, told by its name."""

from __future__ import annotations

import re

from core.config import Kind

# Tried in this order; the words of a name are its runs of letters, so that 'phone_acc',
# 'Acc-x' and 'accelerometer' all hold a word that starts with 'acc'.
_KIND_WORDS: tuple[tuple[Kind, str], ...] = (
    ("ecg", r"ecg|ekg|electrocardio\w*|cardio\w*"),
    ("eog", r"eog|electrooculo\w*|[lr]oc|eye\w*"),
    ("emg", r"emg|electromyo\w*|chin|submental|legs?|tibialis|masseter|muscle\w*"),
    ("eeg", r"eeg|electroenceph\w*|frontal|central|parietal|occipital|posterior|temporal"),
    ("bvp", r"bvp|ppg|pleth\w*|pulse|photopleth\w*"),
    ("eda", r"eda|gsr|scl|scr|electrodermal\w*|skin ?conduct\w*|galvanic"),
    ("gyro", r"gyr\w*|angularvelocity"),
    ("acc", r"acc\w*|imu|motion|acti\w*"),
    ("temp", r"temp|temperature|tsk|skt|thermo\w*"),
    (
        "resp",
        r"resp\w*|breath\w*|thor\w*|abd\w*|airflow|flow|effort|chest|nasal|rip",
    ),
)


def guess_kind(name: str) -> Kind:
    """What a modality measures, from the words of its name; `other` when no word tells.

    Examples: `phone_acc` → acc, `frontal_eeg` → eeg, `chin` → emg, `BVP` → bvp, `GSR` → eda,
    `thorax` → resp. More specific words win over places: `chest_acc` is acc, `chest` is resp.
    """
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    text = " ".join(re.findall(r"[a-z]+", spaced.lower()))
    for kind, pattern in _KIND_WORDS:
        if re.search(rf"\b(?:{pattern})\b", text):
            return kind
    return "other"
