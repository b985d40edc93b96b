"""Read a page as a browser does: what is on it, by tag and by id."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Element:
    """A tag with its attributes and all text inside it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    parents: tuple[str, ...] = ()


@dataclass
class Page(HTMLParser):
    """A parsed page; `problems` holds tags that are closed out of order."""

    source: str
    elements: list[Element] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[Element] = []
        self.feed(self.source)
        self.close()
        self.problems += [f"<{element.tag}> stays open" for element in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), parents=tuple(parent.tag for parent in self.open))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs), parents=tuple(parent.tag for parent in self.open)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1].tag != tag:
            self.problems.append(f"</{tag}> closes {self.open[-1].tag if self.open else 'nothing'}")
            return
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def find(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements of a tag that have these attributes (`class_` holds one of the classes)."""
        found = [element for element in self.elements if element.tag == tag]
        for key, value in attributes.items():
            name = key.rstrip("_")
            found = [
                e
                for e in found
                if value in ((e.attributes.get(name) or "").split() if name == "class" else [e.attributes.get(name)])
            ]
        return found

    def read(self, tag: str, **attributes: str) -> str:
        """Return the text of the first of them, its spaces made one."""
        return " ".join(self.find(tag, **attributes)[0].text.split())

    @property
    def section_ids(self) -> list[str]:
        return [str(element.attributes.get("id")) for element in self.find("section")]
