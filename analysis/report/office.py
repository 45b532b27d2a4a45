"""What the slide and the workbook share: the extra that they need, and archives that do not tell their date."""

from __future__ import annotations

import io
import re
import zipfile

EXTRA = "office"
"""The extra with python-pptx and openpyxl."""

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The date of every part: the earliest that an archive can state."""

STAMPS = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")
"""When a document was made and changed, in its properties."""


def undated(document: bytes) -> bytes:
    """An office document without the moment it was made at, so that the same run gives the same bytes."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(document)) as before, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as after:
        for part in before.infolist():
            content = STAMPS.sub(rb"\g<1>1980-01-01T00:00:00Z", before.read(part))
            after.writestr(zipfile.ZipInfo(part.filename, LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return written.getvalue()
