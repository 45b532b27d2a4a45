"""The decision on one slide, 16:9: a picture, and a presentation whose text can be edited.

The slide tells the sheet that the report begins with (analysis/report/sheet.py), in the same words and the same places.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.folders.run_folder import Run, RunError, needed
from analysis.report import figures
from analysis.report.office import EXTRA, undated
from analysis.report.sheet import sheet
from analysis.style import fonts, look, words
from analysis.style.language import _, language, told_in
from analysis.style.lines import folded

WIDTH, HEIGHT = 40 / 3, 7.5
"""Inches: a 16:9 slide."""


class Box(NamedTuple):
    """A place on the slide, inches from its upper left corner."""

    left: float
    top: float
    width: float
    height: float


QUESTION = Box(0.55, 0.3, 12.23, 0.6)
DECISION = Box(0.55, 1.0, 12.23, 0.8)
LEFT = Box(0.55, 1.95, 6.0, 4.95)
CHART = Box(6.85, 1.9, 5.93, 3.3)
NEXT = Box(6.85, 5.25, 5.93, 1.65)
SOURCE = Box(0.55, 7.0, 12.23, 0.35)

WASH = "#F4F6F8"


class Setting(NamedTuple):
    """How wide and high text comes out: columns of one point's type in an inch, a Japanese character being two of them,
    rather too few than too many; and the height of a line in sizes of type."""

    columns: float
    line: float


PICTURE, OFFICE = Setting(132, 1.35), Setting(132, 1.3)
GAP = 0.35
"""Between paragraphs, in lines."""

FACES = {"en": "Arial", "ja": "Yu Gothic"}
"""Of the presentation: fonts that office programs have."""


class Paragraph(NamedTuple):
    """A text of the slide, a heading or an item below one."""

    text: str
    heading: bool = False


class Slide(NamedTuple):
    """The texts of one intervention's slide, and the panels of its figure."""

    question: str
    decision: str
    left: list[Paragraph]
    next: list[Paragraph]
    source: str
    panels: list[figures.Panel]


def slides(folder: Path | str, wanted: str | None = None) -> dict[str, bytes]:
    """The slides of a run by file name: a PNG of each intervention, and one presentation of them all.

    Told in the language wanted, or in the run's own. Raises RunError where python-pptx is not installed and for a run
    that changes nothing, LanguageError.
    """
    run = Run(folder)
    with told_in(wanted or str(run.config.get("language", "en"))):
        library = needed("pptx", EXTRA)
        if not run.interventions:
            raise RunError("{folder}: nothing was changed, so there is no decision for a slide", folder=run.folder)
        found = {name: _slide(run, name) for name in run.interventions}
        names = {name: f"slide_{look.file_name(name)}.png" if len(found) > 1 else "slide.png" for name in found}
        pictures = {names[name]: png(one) for name, one in found.items()}
        return {**pictures, "slide.pptx": presentation(library, found.values())}


def _slide(run: Run, name: str) -> Slide:
    told = sheet(run, name)
    source = _("{company}; {customers} members simulated. {points}").format(
        company=run.setting("company.name", _("not named")), points=told.points,
        customers=f"{int(run.config.get('customers', 0)):,}",
    )  # fmt: skip
    left = _block(_("What it is worth"), told.money) + _block(_("What it hinges on"), told.hinges)
    after = _block(_("What to do next"), [f"{number}. {step.text}" for number, step in enumerate(told.steps, 1)])
    question = _("What would {scenarios} do?").format(scenarios=told.name)
    return Slide(question, words.typeset(told.decision), left, after, source, figures.value_panels(run, name))


def _block(heading: str, texts: list[str]) -> list[Paragraph]:
    return [Paragraph(heading, True), *(Paragraph(words.typeset(text)) for text in texts)] if texts else []


# -- how large the type may be ------------------------------------------------------------------------------------


def size_of(texts: list[Paragraph], box: Box, largest: float, setting: Setting) -> float:
    """The largest type, in points, in which the texts fit into a box; never below SMALLEST."""
    size = largest
    while size > SMALLEST and _height(texts, box, size, setting) > box.height:
        size -= 0.5
    return size


SMALLEST = 8


def _height(texts: list[Paragraph], box: Box, size: float, setting: Setting) -> float:
    """Inches from the top of the first line to the foot of the last."""
    lines = sum(len(_lines(one, box, size, setting)) for one in texts)
    return (lines + GAP * (len(texts) - 1)) * setting.line * size / 72


def _lines(one: Paragraph, box: Box, size: float, setting: Setting) -> list[str]:
    return folded(one.text, int(setting.columns * box.width / size)).splitlines()


# -- the picture --------------------------------------------------------------------------------------------------


def png(slide: Slide) -> bytes:
    """The slide as a picture of 1920 by 1080 pixels."""
    with look.style():
        figure = Figure(figsize=(WIDTH, HEIGHT))
        figure.set_layout_engine("none")
        figure.add_artist(_patch(DECISION, WASH))
        figure.add_artist(_patch(DECISION._replace(width=0.06), look.BLUE))
        _write(figure, [Paragraph(slide.question, True)], QUESTION, 24)
        _write(figure, [Paragraph(slide.decision, True)], _within(DECISION), 19, middle=True)
        _write(figure, slide.left, LEFT, 13)
        _write(figure, slide.next, NEXT, 13)
        _write(figure, [Paragraph(slide.source)], SOURCE, 10)
        if slide.panels:
            figure.figimage(_pixels(_chart(slide.panels)), *_corner(figure, CHART), origin="upper")
        return look.png_of(figure, DPI)


DPI = 144


def _within(box: Box) -> Box:
    """The box less a margin for text."""
    return Box(box.left + 0.2, box.top + 0.1, box.width - 0.3, box.height - 0.15)


def _patch(box: Box, colour: str) -> Rectangle:
    lower = 1 - (box.top + box.height) / HEIGHT
    return Rectangle((box.left / WIDTH, lower), box.width / WIDTH, box.height / HEIGHT, color=colour, linewidth=0)


def _write(figure: Figure, texts: list[Paragraph], box: Box, largest: float, middle: bool = False) -> None:
    """Write texts into a box from its top, or in its middle, as large as they fit."""
    size, top = size_of(texts, box, largest, PICTURE), box.top
    top += (box.height - _height(texts, box, size, PICTURE)) / 2 if middle else 0
    for one in texts:
        for line in _lines(one, box, size, PICTURE):
            figure.text(
                box.left / WIDTH, 1 - top / HEIGHT, line, size=size, va="top",
                weight="bold" if one.heading else "normal",
            )  # fmt: skip
            top += PICTURE.line * size / 72
        top += GAP * PICTURE.line * size / 72


def _chart(panels: list[figures.Panel]) -> bytes:
    """The figure of the sheet, of the size of its box."""
    with look.style():
        figure = Figure(figsize=(CHART.width, CHART.height))
        figures.draw_value(figure, panels)
        fonts.space_lines(figure)
        return look.png_of(figure, DPI)


def _pixels(picture: bytes) -> Any:
    from matplotlib.image import imread

    return imread(io.BytesIO(picture))


def _corner(figure: Figure, box: Box) -> tuple[int, int]:
    """The lower left corner of a box in pixels of the picture."""
    figure.dpi = DPI
    return round(box.left * DPI), round((HEIGHT - box.top - box.height) * DPI)


# -- the presentation ---------------------------------------------------------------------------------------------


def presentation(library: Any, found: Iterable[Slide]) -> bytes:
    """A presentation of slides with text that can be edited, and their figures as pictures."""
    from pptx.util import Inches

    shown = library.Presentation()
    shown.slide_width, shown.slide_height = Inches(WIDTH), Inches(HEIGHT)
    for slide in found:
        _add(shown, slide)
    written = io.BytesIO()
    shown.save(written)
    return undated(written.getvalue())


TITLE_ONLY = 5
"""Number of the layout with a title and nothing else: programs list slides by their titles."""


def _add(shown: Any, slide: Slide) -> None:
    page = shown.slides.add_slide(shown.slide_layouts[TITLE_ONLY])
    title = page.shapes.title
    title.left, title.top, title.width, title.height = _places(QUESTION)
    _fill(title, [Paragraph(slide.question, True)], QUESTION, 24)
    band = page.shapes.add_textbox(*_places(DECISION))
    band.fill.solid()
    band.fill.fore_color.rgb = _colour(WASH)
    _fill(band, [Paragraph(slide.decision, True)], DECISION, 19)
    for texts, box, largest in (
        (slide.left, LEFT, 13),
        (slide.next, NEXT, 13),
        ([Paragraph(slide.source)], SOURCE, 10),
    ):
        if texts:
            _fill(page.shapes.add_textbox(*_places(box)), texts, box, largest)
    if slide.panels:
        picture = page.shapes.add_picture(io.BytesIO(_chart(slide.panels)), *_places(CHART))
        picture._element.nvPicPr.cNvPr.set("descr", ", ".join(panel.title for panel in slide.panels))


def _colour(hexadecimal: str) -> Any:
    return needed("pptx.dml.color", EXTRA).RGBColor(*bytes.fromhex(hexadecimal.removeprefix("#")))


def _places(box: Box) -> list[Any]:
    from pptx.util import Inches

    return [Inches(part) for part in box]


def _fill(shape: Any, texts: list[Paragraph], box: Box, largest: float) -> None:
    """Put texts into a shape as paragraphs."""
    from pptx.enum.text import MSO_ANCHOR, MSO_AUTO_SIZE, PP_ALIGN
    from pptx.util import Inches, Pt

    frame, size = shape.text_frame, size_of(texts, box, largest, OFFICE)
    frame.word_wrap, frame.auto_size, frame.vertical_anchor = True, MSO_AUTO_SIZE.NONE, MSO_ANCHOR.TOP
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = Inches(0)
    if box is DECISION:
        frame.vertical_anchor, frame.margin_left = MSO_ANCHOR.MIDDLE, Inches(0.2)
    for place, one in enumerate(texts):
        paragraph = frame.paragraphs[0] if place == 0 else frame.add_paragraph()
        paragraph.alignment, paragraph.space_after = PP_ALIGN.LEFT, Pt(GAP * size)
        _typed(paragraph.add_run(), one, Pt(size))


def _typed(run: Any, one: Paragraph, size: Any) -> None:
    """Set a run's text and type, also that of Japanese characters."""
    from pptx.oxml.ns import qn

    run.text, run.font.size, run.font.bold, run.font.name = one.text, size, one.heading, FACES[language()]
    run.font.color.rgb = _colour(look.INK)
    properties = run._r.get_or_add_rPr()
    properties.set("lang", {"en": "en-GB", "ja": "ja-JP"}[language()])
    east = properties.makeelement(qn("a:ea"), {"typeface": FACES[language()]})
    properties.find(qn("a:latin")).addnext(east)
