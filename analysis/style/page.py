"""What all pages share: one look, one file that needs nothing else, text escaped by the template engine."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from analysis.style import fonts, look, words
from analysis.style.language import _, language, told_in
from sim.files.disk import together, write_text


class Read(Protocol):
    """A folder that has been read: where it is, and the configuration that it was made under."""

    @property
    def folder(self) -> Path: ...
    @property
    def config(self) -> Mapping[str, Any]: ...


Folder = TypeVar("Folder", bound=Read)


class Link(NamedTuple):
    """A file that the page carries within it: the name to save it under, and the address that holds its bytes."""

    file: str
    address: str

    @classmethod
    def of(cls, file: str, kind: str, content: bytes) -> Link:
        """From a file's name, media type and bytes."""
        return cls(file, f"data:{kind};base64,{base64.b64encode(content).decode()}")


class Picture(NamedTuple):
    """A figure in the page: inline SVG, a caption, which also serves those who do not see it, and the PNG to take."""

    svg: Markup
    caption: str
    png: Link


def render(template: str, context: Mapping[str, Any]) -> str:
    """The page that a template in analysis/templates makes of a context, in the language in use and with its font.

    Autoescape is switched on by hand: the usual choice by file name leaves .html.j2 unescaped. Templates say whole
    texts of ours, `_("... {place} ...")`, which may hold markup; what is put into their places is escaped.
    """
    environment = Environment(
        loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["typeset"] = lambda text: words.typeset(str(text))
    environment.globals |= {"_": lambda text: Markup(_(text)), "language": language}
    return fonts.with_font(environment.get_template(template).render(context))


def write_page(run: Folder, template: str, context: Callable[[Folder], Mapping[str, Any]], wanted: str | None) -> Path:
    """Write report.html into a folder, told in the language wanted, or in its run's own; the path.

    Raises LanguageError.
    """
    with told_in(wanted or str(run.config.get("language", "en"))), together(run.folder):
        return write(run.folder, template, context(run))


def write(folder: Path, template: str, context: Mapping[str, Any], name: str = "report.html") -> Path:
    """Write a page into a folder in the language in use; the path."""
    path = folder / name
    write_text(path, render(template, context))
    return path


def picture(figure: Figure, stem: Path, caption: str) -> Picture:
    """Save a figure as `stem`.png and `stem`.svg and return it for a page."""
    svg, png = look.save(figure, stem)
    return Picture(_inline(svg, f"{stem.name}-"), caption, Link.of(f"{stem.name}.png", "image/png", png))


def pictures(figures: Mapping[str, Figure], stem: str, captions: Mapping[str, str]) -> dict[str, Picture]:
    """Figures by name, each saved as `stem` with its name behind, with their captions in the language in use."""
    return {name: picture(figure, Path(f"{stem}{name}"), _(captions[name])) for name, figure in figures.items()}


def script(*names: str) -> Markup:
    """Scripts of analysis/templates, one after the other, as the content of an element of a page."""
    return Markup("".join(_source(name) for name in names))


def as_data(values: Any) -> Markup:
    """Values as JSON for a `script` element, whose content ends at the first `</`: no text can end it."""
    return Markup(json.dumps(values, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))


def _source(template: str) -> str:
    return files("analysis").joinpath("templates", template).read_text(encoding="utf-8")


def _inline(svg: str, prefix: str) -> Markup:
    """An SVG file as an element of a page: no prologue, no fixed size, ids of its own.

    matplotlib escapes the text it writes, so the result is safe to include as it is.
    """
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'(<svg [^>]*?)\s+height="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg [^>]*?)\s+width="[^"]*"', r"\1", body, count=1)
    safe = re.sub("[^A-Za-z0-9_-]", "_", prefix)
    for before in (' id="', 'href="#', "url(#"):
        body = body.replace(before, before + safe)
    return Markup(body.strip())
