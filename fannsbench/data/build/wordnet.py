"""WordNet 3.0, read from its own database files (formats: wndb(5WN), cntlist(5WN), lexnames(5WN))."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fannsbench.errors import DatasetError

DEBIAN_FOLDER = Path("/usr/share/wordnet")
PARTS_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adjective", "r": "adverb"}
"""By the letter of the data file; adjective satellites are adjectives."""
_FILE_NAMES = {"n": "data.noun", "v": "data.verb", "a": "data.adj", "r": "data.adv"}
_SYNSET_TYPES = "nvars"  # the position, from one, is the type's number in sense keys and synset ids

# The database carries file numbers only; their names are part of the format (lexnames(5WN)).
LEXNAMES = [
    "adj.all",
    "adj.pert",
    "adv.all",
    "noun.Tops",
    "noun.act",
    "noun.animal",
    "noun.artifact",
    "noun.attribute",
    "noun.body",
    "noun.cognition",
    "noun.communication",
    "noun.event",
    "noun.feeling",
    "noun.food",
    "noun.group",
    "noun.location",
    "noun.motive",
    "noun.object",
    "noun.person",
    "noun.phenomenon",
    "noun.plant",
    "noun.possession",
    "noun.process",
    "noun.quantity",
    "noun.relation",
    "noun.shape",
    "noun.state",
    "noun.substance",
    "noun.time",
    "verb.body",
    "verb.change",
    "verb.cognition",
    "verb.communication",
    "verb.competition",
    "verb.consumption",
    "verb.contact",
    "verb.creation",
    "verb.emotion",
    "verb.motion",
    "verb.perception",
    "verb.possession",
    "verb.social",
    "verb.stative",
    "verb.weather",
    "adj.ppl",
]

# Pointer symbols and their names: wninput(5WN).
RELATIONS = {
    "!": "antonym", "@": "hypernym", "@i": "instance_hypernym", "~": "hyponym", "~i": "instance_hyponym",
    "#m": "member_holonym", "#s": "substance_holonym", "#p": "part_holonym", "%m": "member_meronym",
    "%s": "substance_meronym", "%p": "part_meronym", "=": "attribute", "+": "derivationally_related",
    ";c": "domain_topic", "-c": "member_of_topic", ";r": "domain_region", "-r": "member_of_region",
    ";u": "domain_usage", "-u": "member_of_usage", "*": "entailment", ">": "cause", "^": "also_see",
    "$": "verb_group", "&": "similar_to", "<": "participle", "\\": "pertainym",
}  # fmt: skip
_ADJECTIVE_MARKER = re.compile(r"\((?:a|p|ip)\)$")


@dataclass(frozen=True, slots=True)
class Synset:
    """One set of synonyms; `id` is its number in WordNet's Prolog files: the digit of its part of speech,
    then eight digits of its byte offset in the data file."""

    pos: str
    offset: int
    lexname: str
    lemmas: tuple[str, ...]
    senses: tuple[str, ...]
    """Sense keys (senseidx(5WN)) up to the head word, one for each lemma."""
    is_satellite: bool
    head_word: str
    """What ends the sense keys of this adjective's satellites."""
    pointers: tuple[tuple[str, int], ...]
    """(relation, id of the synset pointed at)"""
    gloss: str

    @property
    def id(self) -> int:
        return synset_id(self.pos, self.offset)

    @property
    def label(self) -> str:
        """A readable name that no other synset has, e.g. "animal.n.15388"."""
        return f"{self.lemmas[0].replace(' ', '_')}.{self.pos}.{self.offset}"

    @property
    def text(self) -> str:
        return f"{', '.join(self.lemmas)}: {self.gloss}"

    @property
    def has_example(self) -> bool:
        return '"' in self.gloss


def synset_id(pos: str, offset: int) -> int:
    """`pos`: the letter of a part of speech, or s for a satellite, which is numbered as an adjective."""
    return ("nvar".index(pos.replace("s", "a")) + 1) * 100_000_000 + offset


def read_synsets(folder: Path) -> list[Synset]:
    """All synsets of the data files in `folder`: nouns, verbs, adjectives, adverbs, each in file order.

    Raises DatasetError where a file is missing or is not in WordNet's format."""
    return [synset for pos in PARTS_OF_SPEECH for synset in _read_data_file(folder, pos)]


def read_sense_counts(folder: Path) -> dict[str, int]:
    """By sense key: how often the sense was tagged in the texts that WordNet was tested on (cntlist.rev).
    Some keys are of older versions of WordNet and belong to no synset."""
    path = folder / "cntlist.rev"
    counts = {}
    for number, line in enumerate(_lines(path), start=1):
        try:
            sense_key, _, count = line.split()
            counts[sense_key] = int(count)
        except ValueError:
            raise DatasetError(f"{path}, line {number}: not a sense key, its number and its count") from None
    return counts


def read_license(folder: Path) -> str:
    """The notice that heads every data file."""
    heading = itertools.takewhile(lambda line: line.startswith("  "), _lines(folder / _FILE_NAMES["n"]))
    return "\n".join(line.strip().partition(" ")[2].strip() for line in heading)


def _read_data_file(folder: Path, pos: str) -> Iterator[Synset]:
    path = folder / _FILE_NAMES[pos]
    for number, line in enumerate(_lines(path), start=1):
        if line.startswith("  "):  # the licence
            continue
        try:
            yield _parse_synset(line, pos)
        except (ValueError, IndexError, KeyError):
            raise DatasetError(f"{path}, line {number}: not a synset in WordNet's data format") from None


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except FileNotFoundError:
        raise DatasetError(
            f"WordNet's {path.name} is not in {path.parent}: install it (on Debian and Ubuntu: "
            "apt-get install wordnet-base) or give its folder with --source"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {path}: {error}") from None


def _parse_synset(line: str, pos: str) -> Synset:
    fields, _, gloss = line.partition(" | ")
    offset, lexfile, synset_type, count, *rest = fields.split(" ")
    num_lemmas = int(count, 16)
    lemmas = [_ADJECTIVE_MARKER.sub("", lemma) for lemma in rest[0 : 2 * num_lemmas : 2]]
    lex_ids = rest[1 : 2 * num_lemmas : 2]
    type_number = _SYNSET_TYPES.index(synset_type) + 1
    num_pointers, *pointer_fields = rest[2 * num_lemmas :]
    pointers = [pointer_fields[4 * i : 4 * i + 3] for i in range(int(num_pointers))]
    return Synset(
        pos=pos,
        offset=int(offset),
        lexname=LEXNAMES[int(lexfile)],
        lemmas=tuple(lemma.replace("_", " ") for lemma in lemmas),
        senses=tuple(
            f"{lemma.lower()}%{type_number}:{lexfile}:{int(lex_id, 16):02d}"
            for lemma, lex_id in zip(lemmas, lex_ids, strict=True)
        ),
        is_satellite=synset_type == "s",
        head_word=f"{rest[0].lower()}:{int(rest[1], 16):02d}",
        pointers=tuple(
            (RELATIONS[symbol], synset_id(target_pos, int(target))) for symbol, target, target_pos in pointers
        ),
        gloss=gloss.strip(),
    )
