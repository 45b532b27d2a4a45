"""A font with Japanese glyphs, for figures and for pages that must not depend on what a reader's machine has.

IPAexGothic comes with the package matplotlib-fontja (extra `ja`), which is never imported: importing it would change
matplotlib's settings for everybody. A page carries the few glyphs that it shows, and nothing more; the font's licence
(IPA Font License v1.0, articles 1.5 and 2.5) allows fonts embedded for the display of the document that holds them.
"""

from __future__ import annotations

import base64
import html
import io
import string
from functools import lru_cache
from importlib.metadata import distribution
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis.style import language

FAMILY = "IPAexGothic"
FILE = "matplotlib_fontja/fonts/ipaexg.ttf"


LATIN, ELSEWHERE = "DejaVu Sans", ("Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic")
"""matplotlib's own family, and families with Japanese glyphs that other machines have."""


def families(others: list[str]) -> list[str]:
    """Font families for a figure in the language in use, of those that this machine has: ours before `others`.

    matplotlib looks a missing one up anew for every text.
    """
    if language.language() != "en":
        _register()
        others = [FAMILY, *others]
    return [family for family in others if family not in _missing()]


def for_other_machines(svg: str) -> str:
    """A figure's SVG that names the families too which this machine has not: whoever opens it may have them."""
    missing = "".join(f"'{family}', " for family in _missing())
    return svg.replace(f"'{LATIN}', ", f"'{LATIN}', {missing}")


@lru_cache
def _missing() -> tuple[str, ...]:
    from matplotlib import font_manager

    here = set(font_manager.fontManager.get_font_names())
    return tuple(family for family in ELSEWHERE if family not in here)


def space_lines(figure: Figure) -> None:
    """Set lines of a figure's texts as far apart as the language in use needs."""
    if language.language() != "en":
        for text in figure.findobj(lambda artist: isinstance(artist, Text) and "\n" in artist.get_text()):
            text.set_linespacing(LINE_SPACING)  # type: ignore[attr-defined]


def with_font(page: str) -> str:
    """An HTML page with the glyphs it shows embedded, where its language needs them; the same bytes for the same
    page."""
    if language.language() == "en":
        return page
    font = base64.b64encode(subset(set(html.unescape(page)) | set(string.printable))).decode()
    source = f'url("data:font/woff;base64,{font}") format("woff")'
    style = f'<style>\n@font-face {{ font-family: "{FAMILY}"; src: {source}; }}\n{LOOK}</style>\n</head>'
    return page.replace("</head>", style, 1)


LOOK = f"""\
body {{ font-family: "{FAMILY}", sans-serif; line-break: strict; }}
p {{ text-wrap: pretty; }}
td, th, dt, dd, figcaption, h1, h2, h3 {{ word-break: auto-phrase; }}
"""
"""Lines break by the strict Japanese rules, and short ones between phrases where a browser can tell them."""

LINE_SPACING = 1.5
"""Of figures, in font sizes. Japanese glyphs fill their height: matplotlib's 1.2 lets lines touch."""


def subset(characters: set[str]) -> bytes:
    """The font with the glyphs of these characters only, as WOFF. Characters it does not have are left out."""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    font = TTFont(path(), recalcTimestamp=False)
    subsetter = Subsetter(Options(layout_features=[], hinting=False, notdef_outline=True, name_IDs=[0, 1, 2, 13, 14]))
    subsetter.populate(text="".join(sorted(characters)))
    subsetter.subset(font)
    font.flavor = "woff"
    written = io.BytesIO()
    font.save(written)
    return written.getvalue()


def path() -> Path:
    """The font's file."""
    return Path(str(distribution("matplotlib-fontja").locate_file(FILE)))


@lru_cache
def _register() -> None:
    from matplotlib import font_manager

    font_manager.fontManager.addfont(path())
