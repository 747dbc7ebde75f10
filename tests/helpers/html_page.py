"""Reads a page of a report as a browser would, for the tests of pages."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Collects text, rows of tables and images, and fails on tags that do not close."""

    def __init__(self, html):
        super().__init__()
        self.open, self.images, self.text, self.rows = [], [], "", []
        self.feed(html)
        assert not self.open, self.open
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        assert tag not in ("script", "link")
        assert all(
            attributes.get(key, "#").startswith(("#", "data:image/")) for key in ("href", "src")
        )
        self.images += [attributes] if tag == "img" else []
        self.rows += [[]] if tag == "tr" else []
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += "" if "style" in self.open else data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
