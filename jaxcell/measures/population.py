"""Which kinds of cells a measurement is of, from their names, and its numbers by their names."""

import re
from collections.abc import Iterator, Mapping, Sequence
from keyword import iskeyword

from jaxcell.cells.kinds import LIGHTS, Kind, Pair, Population, kind_called
from jaxcell.measures.catalogue import SHAPES, columns_of_pair, quantities
from jaxcell.measures.light import light_quantities
from jaxcell.measures.well import FieldRecord, measure_well

# More could not be told apart in a picture.
MOST_KINDS = 6
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# What else the tables say of a well, a field or a cell, and a role of plates that is no kind.
OTHER_COLUMNS = (
    "plate", "well", "field", "fields", "seconds", "kind", "cell", "label", "condition",
    "compound", "concentration_um", "stimulus_ug_per_ml", "role", "source", "split", "view", "path",
    "labels", "brightfield",
)  # fmt: skip
# What may be said of a kind in words.
WORDS = ("singular", "plural", "adjective", "colour")


def make_population(
    names: Sequence[str],
    pairs: Sequence[str] = (),
    words: Mapping[str, Mapping[str, str]] | None = None,
) -> Population:
    """The kinds of cells of a measurement, and which pairs are asked of.

    Args:
      names: of the kinds, in the order of their views.
      pairs: `FIRST:SECOND`, names of kinds; none: every kind with every later one.
      words: name -> what it is called and drawn in, any of `WORDS`; '' and what is not given
        follow from the name and the place.

    Returns:
      The population. With several pairs every column of a pair begins with both names.

    Raises:
      ValueError: a name cannot be one, columns would share a name, a pair is none.
    """
    if wrong := next(_wrong_names(names), ""):
        raise ValueError(f"measurement.kinds: {wrong}")
    if wrong := next(_wrong_pairs(names, pairs), ""):
        raise ValueError(f"measurement.pairs: {wrong}")
    said = dict(words or {})
    if unknown := [name for name in said if name not in names]:
        raise ValueError(
            f"kinds.{unknown[0]} says what {unknown[0]} is called, and it is not measured: the "
            f"kinds are {', '.join(names)}"
        )
    kinds = tuple(_kind(name, view, said.get(name, {})) for view, name in enumerate(names))
    lights = _lights(kinds, {name: about.get("colour", "") for name, about in said.items()})
    kinds = tuple(kind._replace(light=light) for kind, light in zip(kinds, lights, strict=True))
    chosen = [pair.split(":") for pair in pairs] or [
        [one, other] for place, one in enumerate(names) for other in names[place + 1 :]
    ]
    of = {kind.key: kind for kind in kinds}
    several = len(chosen) > 1
    population = Population(
        kinds,
        tuple(
            Pair(of[one.strip()], of[other.strip()], f"{one.strip()}_{other.strip()}_" * several)
            for one, other in chosen
        ),
    )
    if twice := _shared_columns(population):
        raise ValueError(
            f"measurement.kinds: two columns of the tables would be called {twice}: give a kind of "
            "cells another name"
        )
    return population


def _wrong_names(names: Sequence[str]) -> Iterator[str]:
    """What is wrong with the names of kinds."""
    if not names:
        yield (
            "no kind of cells is left to measure: use one at least, with its view, such as "
            "--kinds t_cell=FITC"
        )
    if len(names) > MOST_KINDS:
        yield f"{len(names)} kinds of cells are too many to tell apart: use {MOST_KINDS} at most"
    for name in names:
        if not NAME.fullmatch(name) or iskeyword(name):
            yield (
                f"{name!r} cannot be the name of a kind of cells: use small letters, digits and "
                "single underscores, a letter first, and no word of Python, such as b_cell"
            )
        if name in OTHER_COLUMNS or kind_called(name).counts in OTHER_COLUMNS:
            yield (
                f"a kind of cells cannot be called {name}, since the tables have such a column: "
                "use another name"
            )
        if list(names).count(name) > 1:
            yield f"the kind of cells {name} is named twice: use each once"


def _wrong_pairs(names: Sequence[str], pairs: Sequence[str]) -> Iterator[str]:
    """What is wrong with pairs of kinds."""
    seen = set()
    for pair in pairs:
        both = [name.strip() for name in pair.split(":")]
        if len(both) != 2 or not all(both):
            yield f"{pair!r} is no pair: use the names of two kinds, FIRST:SECOND"
        elif unknown := [name for name in both if name not in names]:
            yield (
                f"the pair {pair} names {unknown[0]}, which is not measured: use two of "
                f"{', '.join(names)}"
            )
        elif both[0] == both[1]:
            yield f"the pair {pair} is one kind twice: use two kinds"
        elif frozenset(both) in seen:
            yield f"the pair {pair} is there twice: use it once, in one order"
        seen.add(frozenset(both))


def _kind(name: str, view: int, words: Mapping[str, str]) -> Kind:
    """A kind of cells with its words; those that are not said follow from its name."""
    if unknown := [word for word in words if word not in WORDS]:
        raise ValueError(f"there is no kinds.{name}.{unknown[0]}: there are {', '.join(WORDS)}")
    said = {word: text for word, text in words.items() if text and word != "colour"}
    kind = kind_called(name)
    if said:  # an abbreviation is that of the usual words
        kind = kind._replace(abbreviation="")
    if "singular" in said:
        kind = kind._replace(plural=f"{said['singular']}s")
        kind = kind._replace(adjective=said["singular"].replace(" ", "-"))
    return kind._replace(**said, view=view)


def _lights(kinds: Sequence[Kind], said: Mapping[str, str]) -> list[str]:
    """The colour of each kind: as it is said, else its usual one, else the next that is free."""
    chosen = {name: colour for name, colour in said.items() if colour}
    for name, colour in chosen.items():
        if colour not in LIGHTS:
            raise ValueError(f"kinds.{name}.colour is {colour!r}: use one of {', '.join(LIGHTS)}")
    if len(set(chosen.values())) < len(chosen):
        raise ValueError(
            f"two kinds of cells are drawn in one colour ({', '.join(chosen.values())}): give each "
            f"its own of {', '.join(LIGHTS)}, kinds.NAME.colour"
        )
    for usual in (True, False):
        for kind in (kind for kind in kinds if kind.key not in chosen):
            free = [colour for colour in LIGHTS if colour not in chosen.values()]
            if not usual or kind.light in free:
                chosen[kind.key] = kind.light if usual else free[0]
    return [chosen[kind.key] for kind in kinds]


def _shared_columns(population: Population) -> str:
    """A name that two columns of a table would share; '' where each has its own."""
    columns = [kind.counts for kind in population.kinds]
    columns += [f"{kind.key}_{shape}" for kind in population.kinds for shape in SHAPES]
    for pair in population.pairs:
        columns += columns_of_pair(pair).values()
        columns += (f"{pair.prefix}{name}" for name in ("answer", "chance_q"))
    columns += light_quantities(population.kinds)
    columns += OTHER_COLUMNS
    return next((name for name in columns if columns.count(name) > 1), "")


def measure_population(
    fields: Sequence[Mapping[Pair, FieldRecord]],
    counts: Sequence[Sequence[int]],
    population: Population,
) -> dict[str, float | int | str]:
    """Measures a well with any kinds of cells.

    Args:
      fields: of each field what `record_field` gathers of every pair, the first kind's view first.
      counts: of each field the number of cells of each kind.
      population: the kinds, and pairs asked of.

    Returns:
      Column -> number, in the order of `quantities`, then `answer` of every pair.
    """
    numbers = [sum(some) for some in zip(*counts, strict=True)]
    found: dict[str, float | int | str] = {
        kind.counts: number for kind, number in zip(population.kinds, numbers, strict=True)
    }
    answers = {}
    for pair in population.pairs:
        measured = measure_well([field[pair] for field in fields])
        answers[f"{pair.prefix}answer"] = measured["answer"]
        found |= {column: measured[name] for name, column in columns_of_pair(pair).items()}
    return {name: found[name] for name in quantities(population=population)} | answers
