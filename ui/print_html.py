"""A report's page in the HTML that Qt's text documents know, with its drawings set apart.

Qt knows neither inline SVG nor flexible boxes nor folded parts. What a report uses of these becomes
tables and placeholders; folded parts are unfolded, since nobody can click on paper. Tables that are
wider than the page get smaller figures, and are split by columns where that is not enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape, unescape
from html.parser import HTMLParser

_VOID = {"meta", "br", "hr", "img", "link", "input"}
_SKIPPED = {"head", "script", "style"}
_LARGEST_PT, _SMALLEST_PT = 8.5, 6.5
_PADDING_PT = 9.0
"""Of a cell, both sides together."""
_WRAPPED_PT = 150.0
"""Least room for a column whose texts may wrap."""
_FONT = "DejaVu Sans"
_STRIP_TEXT = "text { font-size: 15px; } .tick { font-size: 14px; } .small { font-size: 13px; }"
"""Strips are as wide as a screen, and half as wide on paper."""
_CLASSES_OF_COLOUR = re.compile(r"\bc(\d)\b")

Measure = Callable[[str, float, bool], float]
"""Width in points of a text at a size in points, bold or not."""


@dataclass(frozen=True)
class Drawing:
    """An SVG drawing of the report as a file of its own; sizes in CSS pixels.

    `share`: of the page's width that it may take.
    """

    svg: bytes
    width: float
    height: float
    share: float = 1.0


@dataclass
class _Node:
    """An element of the page, or a text where `tag` is empty."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[_Node] = field(default_factory=list)
    text: str = ""

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())

    def all_text(self) -> str:
        return self.text + "".join(child.all_text() for child in self.children)

    def find(self, *tags: str) -> Iterator[_Node]:
        for child in self.children:
            if child.tag in tags:
                yield child
            yield from child.find(*tags)


class _Tree(HTMLParser):
    """The page as nodes. Reports close all that they open."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = _Node("body")
        self._open = [self.root]
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skipped += 1
        if self._skipped or tag in ("html", "body", "main"):
            return
        node = _Node(tag, {key: value or "" for key, value in attrs})
        self._open[-1].children.append(node)
        if tag not in _VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skipped -= 1
        if self._skipped or tag in _SKIPPED or tag in ("html", "body", "main") or tag in _VOID:
            return
        for depth in range(len(self._open) - 1, 0, -1):
            if self._open[depth].tag == tag:
                del self._open[depth:]
                return

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._open[-1].children.append(_Node("", text=data))


@dataclass(frozen=True)
class PrintPage:
    """A report for a text document: `drawings[k]` belongs where an image is called `drawing:k`."""

    title: str
    html: str
    drawings: tuple[Drawing, ...]


def print_page(page: str, width_pt: float, measure: Measure) -> PrintPage:
    """A report's page for paper whose text is `width_pt` wide."""
    style = _Style.of(page)
    svgs: list[str] = []

    def set_apart(found: re.Match[str]) -> str:
        svgs.append(found.group())
        return f'<img data-drawing="{len(svgs) - 1}">'

    tree = _Tree()
    tree.feed(re.sub(r"<svg\b.*?</svg>", set_apart, page, flags=re.DOTALL))
    title = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    writer = _Writer(style, svgs, width_pt, measure)
    body = writer.children(tree.root)
    return PrintPage(
        title=unescape(title.group(1)) if title else "",
        html=f"<html><body>{body}</body></html>",
        drawings=tuple(writer.drawings),
    )


# ---------------------------------------------------------------- style


@dataclass(frozen=True)
class _Style:
    """Of the page's style sheet, what drawings need, with the colours of a white page."""

    colours: dict[str, str]
    for_svg: str

    @classmethod
    def of(cls, page: str) -> _Style:
        found = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
        css = found.group(1) if found else ""
        root = re.search(r":root\s*\{(.*?)\}", css, re.DOTALL)
        colours = dict(re.findall(r"(--[\w-]+):\s*([^;]+);", root.group(1) if root else ""))
        rules = []
        for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", _without_media(css)):
            chosen = [
                part.strip().removeprefix("svg ")
                for part in selector.split(",")
                if re.match(r"\s*(svg\s|rect\.c\d|\.c\d)", part)
            ]
            if not chosen:
                continue
            body = re.sub(r"var\((--[\w-]+)\)", lambda name: colours.get(name.group(1), ""), body)
            body = re.sub(r"font:\s*(\d+px)[^;]*", rf'font-family: "{_FONT}"; font-size: \1', body)
            rules.append(f"{', '.join(chosen)} {{{body}}}")
        return cls(colours, "\n".join(rules))

    def colour(self, name: str, otherwise: str) -> str:
        return self.colours.get(f"--{name}", otherwise)

    def of_class(self, number: str) -> str:
        """The colour of the classes `c0` to `c7`."""
        found = re.search(rf"(?m)^\.c{number}[^{{]*\{{\s*fill:\s*([^;]+);", self.for_svg)
        return found.group(1).strip() if found else "#000000"


def _without_media(css: str) -> str:
    """The style sheet without what is for the dark or for browsers' printing alone."""
    kept, depth, skipping = [], 0, False
    for part in re.split(r"([{}])", css):
        if depth == 0 and "@media" in part:
            kept.append(part[: part.index("@media")])
            skipping = True
        elif not skipping:
            kept.append(part)
        depth += (part == "{") - (part == "}")
        if skipping and part == "}" and depth == 0:
            skipping = False
    return "".join(kept)


# ---------------------------------------------------------------- writing


class _Writer:
    """Writes nodes as Qt's HTML, and collects the drawings on the way."""

    def __init__(self, style: _Style, svgs: list[str], width_pt: float, measure: Measure) -> None:
        self._style = style
        self._svgs = svgs
        self._width_pt = width_pt
        self._measure = measure
        self._share = 1.0
        self._cell_pt: float | None = None
        self.drawings: list[Drawing] = []

    def children(self, node: _Node) -> str:
        return "".join(map(self.element, node.children))

    def element(self, node: _Node) -> str:
        """One element with all that is in it."""
        classes = node.classes
        if not node.tag:
            return escape(node.text, quote=False)
        if node.tag == "img":
            return self._drawing(int(node.attributes["data-drawing"]))
        if node.tag == "table":
            return self._table(node)
        if "cards" in classes:
            return self._cards(node)
        if "grid" in classes:
            return self._grid(node)
        if "legend" in classes:
            return self._legend(node)
        if node.tag == "div" and "box" in classes:
            colour = self._style.colour("bad" if "error" in classes else "warn", "#9a5b00")
            return self._boxed(self.children(node), colour)
        if node.tag == "p" and "notice" in classes:
            return self._boxed(self.children(node), self._style.colour("line", "#d9dce1"))
        if node.tag in ("h1", "h2", "h3"):
            return f"<{node.tag}>{self.children(node)}</{node.tag}>"
        if node.tag == "summary":
            return f'<p class="head">{self.children(node)}</p>'
        if node.tag in ("p", "figcaption", "footer"):
            soft = classes & {"soft", "empty"} or node.tag != "p"
            kind = "soft" if soft else "plain"
            # The page's foot says it on every page.
            return "" if node.tag == "footer" else f'<p class="{kind}">{self.children(node)}</p>'
        if node.tag == "pre":
            lines = escape(node.all_text(), quote=False)
            return f'<pre class="settings">{lines}</pre>'
        if node.tag == "span":
            return self._span(node)
        if node.tag == "small":
            size = 0.8 * (self._cell_pt or _LARGEST_PT)
            return f'<br><span style="font-size:{size:g}pt">{self.children(node)}</span>'
        if node.tag == "b":
            return self._styled(self.children(node), "font-weight:700")
        if node.tag in ("code", "ul", "ol", "li"):
            return f"<{node.tag}>{self.children(node)}</{node.tag}>"
        if node.tag == "br":
            return "<br>"
        return self.children(node)

    def _span(self, node: _Node) -> str:
        classes = node.classes
        colour = ""
        if classes & {"success", "ok"}:
            colour = self._style.colour("good", "#00734f")
        elif classes & {"partial", "excluded"}:
            colour = self._style.colour("warn", "#9a5b00")
        elif classes & {"failed", "error"}:
            colour = self._style.colour("bad", "#b33c00")
        elif "soft" in classes:
            colour = self._style.colour("soft", "#5b6470")
        inner = self.children(node)
        if "badge" in classes:
            return f'<span class="badge" style="color:{colour}">[{inner}]</span>'
        return self._styled(inner, f"color:{colour}") if colour else inner

    def _styled(self, inner: str, style: str) -> str:
        # In a cell Qt forgets the size of the letters at every element within.
        size = "" if self._cell_pt is None else f"; font-size:{self._cell_pt:g}pt"
        return f'<span style="{style}{size}">{inner}</span>'

    # -- drawings

    def _drawing(self, number: int) -> str:
        svg = self._svgs[number]
        box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
        if box is None:
            return ""
        svg = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        head, rest = svg.split(">", 1)
        larger = _STRIP_TEXT if 'class="chart strip"' in head else ""
        whole = f"{head}><style>{self._style.for_svg}{larger}</style>{rest}"
        self.drawings.append(
            Drawing(whole.encode("utf-8"), float(box[1]), float(box[2]), self._share)
        )
        return f'<p class="drawing"><img src="drawing:{len(self.drawings) - 1}"></p>'

    def _legend(self, node: _Node) -> str:
        entries = []
        for item in node.find("li"):
            swatch = next(item.find("img"), None)
            svg = self._svgs[int(swatch.attributes["data-drawing"])] if swatch else ""
            number = _CLASSES_OF_COLOUR.search(svg)
            colour = self._style.of_class(number[1] if number else "7")
            name = escape(item.all_text(), quote=False).replace(" ", "&nbsp;")
            entries.append(f'<span style="color:{colour}">■</span>&nbsp;{name}')
        return f'<p class="plain">{" &nbsp; ".join(entries)}</p>'

    # -- boxes

    def _boxed(self, inner: str, colour: str) -> str:
        return (
            '<table width="100%" cellspacing="0" cellpadding="5" class="box"><tr>'
            f'<td width="0.7%" bgcolor="{colour}" style="padding:0px"></td>'
            f'<td bgcolor="{self._style.colour("panel", "#f5f6f8")}">{inner}</td></tr></table>'
        )

    def _cards(self, node: _Node) -> str:
        cards = [child for child in node.children if "card" in child.classes]
        rows = []
        panel = self._style.colour("panel", "#f5f6f8")
        beside = 3 if len(cards) % 4 == 1 and len(cards) > 4 else 4  # none stands alone
        for first in range(0, len(cards), beside):
            cells = []
            for card in cards[first : first + beside]:
                value, *words = (x for x in card.children if x.tag in ("b", "span"))
                said = "<br>".join(escape(x.all_text(), quote=False) for x in words)
                cells.append(
                    f'<td width="{100 // beside}%" bgcolor="{panel}">'
                    f'<span class="figure">{escape(value.all_text(), quote=False)}</span><br>'
                    f'<span class="soft">{said}</span></td>'
                )
            cells += [f'<td width="{100 // beside}%"></td>'] * (beside - len(cells))
            rows.append(f"<tr>{''.join(cells)}</tr>")
        return (
            '<table width="100%" cellspacing="4" cellpadding="5" style="margin-top:6px; '
            'margin-bottom:6px">'
            f"{''.join(rows)}</table>"
        )

    def _grid(self, node: _Node) -> str:
        figures = [child for child in node.children if child.tag]
        before, self._share = self._share, 0.48
        cells = [f'<td width="50%">{self.element(figure)}</td>' for figure in figures]
        self._share = before
        cells += ["<td></td>"] * (len(cells) % 2)
        rows = (f"<tr>{a}{b}</tr>" for a, b in zip(cells[::2], cells[1::2], strict=True))
        return f'<table width="100%" cellspacing="0" cellpadding="2">{"".join(rows)}</table>'

    # -- tables

    def _table(self, node: _Node) -> str:
        table = _read_table(node)
        if not table.rows:
            return ""
        size, groups = self._fitted(table)
        parts = []
        for number, columns in enumerate(groups):
            if number:
                parts.append("<h4>continued</h4>")  # a heading, to stay with what follows
            parts.append(self._part(table, columns, size))
        return "".join(parts)

    def _fitted(self, table: _Table) -> tuple[float, list[list[int]]]:
        """Size of the text in points, and the columns of each part that the table is split into."""
        size = _LARGEST_PT
        while True:
            widths = self._widths(table, size)
            if sum(widths) <= self._width_pt:
                return size, [list(range(len(widths)))]
            if size <= _SMALLEST_PT:
                break
            size = max(size - 0.5, _SMALLEST_PT)
        # Names stand before each part; where they alone fill the page, the others follow anyway.
        named = table.names
        room = self._width_pt - sum(widths[:named])
        groups: list[list[int]] = []
        taken = room + 1
        for column in range(named, len(widths)):
            if taken + widths[column] > room or not groups:
                groups.append(list(range(named)))
                taken = 0.0
            groups[-1].append(column)
            taken += widths[column]
        return size, groups

    def _widths(self, table: _Table, size: float) -> list[float]:
        widths = [0.0] * table.columns
        for row in (*table.head, *table.rows):
            for column, cell in enumerate(row):
                if "wrap" in cell.classes:
                    wide = _WRAPPED_PT
                else:
                    wide = max(
                        self._measure(line, size, cell.is_head or row.strong)
                        for line in _lines(cell.node)
                    )
                widths[column] = max(widths[column], wide + _PADDING_PT)
        return widths

    def _part(self, table: _Table, columns: Sequence[int], size: float) -> str:
        line = self._style.colour("line", "#d9dce1")
        panel = self._style.colour("panel", "#f5f6f8")

        def row_of(row: _Row) -> str:
            cells = []
            for column in columns:
                cell = row[column] if column < len(row) else _Cell(_Node("td"))
                cells.append(self._cell(cell, row, size, line, panel))
            return f"<tr>{''.join(cells)}</tr>"

        head = "".join(map(row_of, table.head))
        body = "".join(map(row_of, table.rows))
        wraps = any("wrap" in cell.classes for row in table.rows for cell in row)
        wide = ' width="100%"' if wraps else ""
        return (
            f'<table{wide} cellspacing="0" cellpadding="0" style="border-collapse:collapse; '
            'margin-top:4px; margin-bottom:6px">'
            f"<thead>{head}</thead><tbody>{body}</tbody></table>"
        )

    def _cell(self, cell: _Cell, row: _Row, size: float, line: str, panel: str) -> str:
        tag = "th" if cell.is_head else "td"
        align = "left" if cell.is_text else "center" if cell.shade else "right"
        self._cell_pt = size
        inner = self.children(cell.node)
        fill = cell.shade or (panel if row.marked else "")
        if cell.shade and "strong" in cell.classes:
            inner = self._styled(inner, "color:#ffffff")
        if cell.is_head:
            colour = self._style.colour("soft", "#5b6470")
            inner = self._styled(inner, f"color:{colour}; font-weight:600")
        elif row.strong:
            inner = self._styled(inner, "font-weight:700")
        self._cell_pt = None
        wrap = "normal" if "wrap" in cell.classes else "nowrap"
        # Lines stand above their rows, so that room below the last row of a page shows none.
        edge = "0px" if row.is_first else f"1px solid {line}"
        background = f' bgcolor="{fill}"' if fill else ""
        return (
            f'<{tag} align="{align}" valign="top"{background} style="white-space:{wrap}; '
            f"font-size:{size:g}pt; padding:2px 6px 2px 6px; border-top:{edge}; "
            f'font-weight:{"600" if cell.is_head else "400"}">{inner}</{tag}>'
        )


@dataclass(frozen=True)
class _Cell:
    """`shade`: colour behind it, as in a confusion matrix."""

    node: _Node
    shade: str = ""

    @property
    def classes(self) -> set[str]:
        return self.node.classes

    @property
    def is_head(self) -> bool:
        return self.node.tag == "th"

    @property
    def is_text(self) -> bool:
        return bool(self.classes & {"t", "wrap"})


class _Row(tuple[_Cell, ...]):
    """The cells of a row; `strong` and `marked` as the report's style has it, `is_first` of all."""

    strong = False
    marked = False
    is_first = False


@dataclass(frozen=True)
class _Table:
    head: list[_Row]
    rows: list[_Row]

    @property
    def columns(self) -> int:
        return max(len(row) for row in (*self.head, *self.rows))

    @property
    def names(self) -> int:
        """How many columns at the left hold names; at least one, and not all."""
        first = self.rows[0]
        count = next((k for k, cell in enumerate(first) if not cell.is_text), len(first))
        return max(1, min(count, 2, self.columns - 1))


def _read_table(node: _Node) -> _Table:
    head: list[_Row] = []
    rows: list[_Row] = []
    for part in node.children:
        for row in (part,) if part.tag == "tr" else part.children:
            if row.tag != "tr":
                continue
            cells = _Row(_shaded(cell) for cell in row.children if cell.tag in ("td", "th"))
            cells.strong = "ours" in row.classes
            cells.marked = "mark" in row.classes
            cells.is_first = not head and not rows
            (head if part.tag == "thead" else rows).append(cells)
    return _Table(head, rows)


def _shaded(node: _Node) -> _Cell:
    found = re.search(
        r"background:\s*rgba\((\d+),\s*(\d+),\s*(\d+),\s*([\d.]+)\)",
        node.attributes.get("style", ""),
    )
    if found is None:
        return _Cell(node)
    # Qt prints no half-transparent backgrounds: mixed with the white of the paper.
    opacity = float(found[4])
    mixed = [round(255 + (int(found[k]) - 255) * opacity) for k in (1, 2, 3)]
    return _Cell(node, "#{:02x}{:02x}{:02x}".format(*mixed))


def _lines(node: _Node) -> list[str]:
    """The texts of a cell, line by line."""
    lines = [""]
    for child in node.children:
        if child.tag in ("br", "small"):
            lines.append("")
        lines[-1] += child.all_text()
    return lines
