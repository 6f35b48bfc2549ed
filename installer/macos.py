"""What macOS is told about the bundle; `build_installer.spec` puts it into Info.plist.

Written on Linux: nothing here has been run on a Mac.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.version import __version__

IDENTIFIER = "org.crossl-app.crossl-app"
"""Stays the same for good: macOS keeps settings and permissions under it."""
VERSION = __version__

_EDF, _BDF = "org.edfplus.edf", "com.biosemi.bdf"


def _recording(name: str, identifier: str) -> dict[str, object]:
    return {
        "CFBundleTypeName": name,
        "CFBundleTypeRole": "Editor",
        "CFBundleTypeIconFile": "crossl-app-recording.icns",
        # Offered under "Open With"; whoever opens these files now keeps doing so.
        "LSHandlerRank": "Alternate",
        "LSItemContentTypes": [identifier],
    }


def _imported(name: str, identifier: str, ending: str) -> dict[str, object]:
    return {
        "UTTypeIdentifier": identifier,
        "UTTypeDescription": name,
        "UTTypeConformsTo": ["public.data"],
        "UTTypeTagSpecification": {"public.filename-extension": [ending]},
    }


_KINDS = (
    ("EDF recording", _EDF, "edf"),
    ("BDF recording", _BDF, "bdf"),
)

INFO: dict[str, object] = {
    "CFBundleDisplayName": "crossl-app",
    "CFBundleShortVersionString": VERSION,
    "CFBundleVersion": VERSION,
    "NSHighResolutionCapable": True,
    # Dark windows where the system is dark.
    "NSRequiresAquaSystemAppearance": False,
    "LSMinimumSystemVersion": "14.0",
    "LSApplicationCategoryType": "public.app-category.medical",
    "NSHumanReadableCopyright": "The crossl-app developers. For research, not for diagnosis.",
    # The formats are others': imported, not exported.
    "UTImportedTypeDeclarations": [_imported(*kind) for kind in _KINDS],
    "CFBundleDocumentTypes": [
        *(_recording(name, identifier) for name, identifier, _ in _KINDS),
        {
            # A study is a folder, dropped onto the icon in the Dock.
            "CFBundleTypeName": "Folder with a study",
            "CFBundleTypeRole": "Editor",
            "LSHandlerRank": "None",
            "LSItemContentTypes": ["public.folder"],
        },
    ],
}
