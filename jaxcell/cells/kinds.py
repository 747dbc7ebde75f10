"""The kinds of cells, what each is called and drawn in: the only list of them.

T cells and dendritic cells are what the package was made for, and what its networks know. A
measurement may be of other kinds: `Population` says of which.
"""

from typing import NamedTuple

# Colours of light in pictures -> red, green and blue, which add up where cells lie on each other.
LIGHTS = {
    "green": (0, 1, 0),
    "magenta": (1, 0, 1),
    "cyan": (0, 1, 1),
    "yellow": (1, 1, 0),
    "red": (1, 0, 0),
    "blue": (0, 0, 1),
    "white": (1, 1, 1),
}


class Kind(NamedTuple):
    """A kind of cell.

    Attributes:
      key: its name in tables and configs.
      singular, plural, adjective: its name in sentences.
      view: its place along an axis of views, masks or labels.
      colour: that it is drawn in, `#rrggbb`.
      light: colour of its view in pictures, of `LIGHTS`.
      abbreviation: of the singular, for the heads of tables; '' where there is none.
    """

    key: str
    singular: str
    plural: str
    adjective: str
    view: int
    colour: str
    light: str = ""
    abbreviation: str = ""

    @property
    def counts(self) -> str:
        """The column of how many there are."""
        return _plural(self.key)

    @property
    def short(self) -> str:
        """Its singular where there is little room."""
        return self.abbreviation or self.singular

    @property
    def shorts(self) -> str:
        """Its plural where there is little room."""
        return f"{self.abbreviation}s" if self.abbreviation else self.plural

    @property
    def one(self) -> str:
        """Its singular with the article: `a T cell`, `an NK cell`."""
        word = self.singular.split()[0]
        # Abbreviations are spelt: an NK cell, a T cell, but a NETosing cell.
        spelt = word[:2].upper() == word[:2] or len(word) == 1
        vowel = word[0] in "AEFHILMNORSX" if spelt else word[0].lower() in "aeiou"
        return f"{'an' if vowel else 'a'} {self.singular}"


class Pair(NamedTuple):
    """Two kinds of which it is asked how they interact: cells of the first with the second's.

    Attributes:
      first, second: the kinds.
      prefix: before the name of every column that is of this pair; '' where there is no other.
    """

    first: Kind
    second: Kind
    prefix: str = ""

    @property
    def plural(self) -> str:
        """Both in words."""
        return f"{self.first.plural} and {self.second.plural}"

    @property
    def views(self) -> tuple[int, int]:
        """Their places along an axis of views."""
        return self.first.view, self.second.view


class Population(NamedTuple):
    """Which cells a measurement is of.

    Attributes:
      kinds: of cells, in the order of the views.
      pairs: whose interaction is asked.
    """

    kinds: tuple[Kind, ...]
    pairs: tuple[Pair, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the kinds."""
        return tuple(kind.key for kind in self.kinds)

    @property
    def lone_pair(self) -> Pair | None:
        """The pair, where there is one alone."""
        return self.pairs[0] if len(self.pairs) == 1 else None

    def kind(self, key: str) -> Kind:
        """A kind by its name."""
        return self.kinds[self.keys.index(key)]


# In the order of the views.
KINDS = {
    "t_cell": Kind("t_cell", "T cell", "T cells", "T-cell", 0, "#00c853", "green"),
    "dendritic_cell": Kind(
        "dendritic_cell", "dendritic cell", "dendritic cells", "dendritic-cell", 1, "#e040fb",
        "magenta", "DC",
    ),
}  # fmt: skip
VIEWS = tuple(KINDS)
# What is measured where nobody says otherwise.
USUAL = Population(tuple(KINDS.values()), (Pair(*KINDS.values()),))
_NUCLEUS = Kind("nucleus", "nucleus", "nuclei", "nuclear", 0, "#40c4ff")  # of a public data set
# Plurals that `_plural` would miss.
_PLURALS = {"nucleus": "nuclei"}


def kind_called(key: str) -> Kind:
    """A kind by its key; of one that is on no list the key says what it is called.

    A word of one or two letters, or with a digit, is an abbreviation: `b_cell` is a B cell.
    """
    short = [word.upper() if len(word) < 3 or not word.isalpha() else word
             for word in key.split("_") if word]  # fmt: skip
    words = " ".join(short)
    own = Kind(key, words, _plural(words), "-".join(short), 0, "")
    return (KINDS | {"nucleus": _NUCLEUS}).get(key) or own


def _plural(words: str) -> str:
    """The plural of a name, in words or as a key."""
    if words in _PLURALS:
        return _PLURALS[words]
    if words.endswith("y") and words[-2:-1] not in ("a", "e", "o", "u"):
        return f"{words[:-1]}ies"
    return f"{words}es" if words.endswith(("s", "x", "ch", "sh")) else f"{words}s"
