"""The attributes of WordNet's synsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fannsbench.attributes import Attributes, Category, Column, LabelSet, Number
from fannsbench.data.build.wordnet import PARTS_OF_SPEECH, Synset

_HYPERNYM_RELATIONS = ("hypernym", "instance_hypernym")


def attributes_of(
    items: Sequence[Synset],
    synsets: Sequence[Synset],
    sense_counts: Mapping[str, int],
    rng: np.random.Generator,
) -> Attributes:
    """The attributes of `items`, which are some or all of `synsets`.

    percentile, decile and half are synthetic: they split the items, in an order drawn from `rng`, into 100,
    10 and 2 parts of the same size but for one item, so that a filter on them has a fixed selectivity and
    no relation to meaning."""
    by_id = {synset.id: synset for synset in synsets}
    hypernyms = [[ancestor.label for ancestor in _ancestors(item, by_id)] for item in items]
    rank = rng.permutation(len(items))
    columns: dict[str, Column] = {
        "pos": Category.from_values([PARTS_OF_SPEECH[item.pos] for item in items]),
        "lexname": Category.from_values([item.lexname for item in items]),
        "has_example": Category.from_values(["true" if item.has_example else "false" for item in items]),
        "lemmas": LabelSet.from_values([item.lemmas for item in items]),
        "number_of_lemmas": Number.from_values([len(item.lemmas) for item in items]),
        "hypernyms": LabelSet.from_values(hypernyms),
        "number_of_hypernyms": Number.from_values([len(labels) for labels in hypernyms]),
        "relations": LabelSet.from_values([[relation for relation, _ in item.pointers] for item in items]),
        "gloss_length": Number.from_values([len(item.gloss) for item in items]),
        "offset": Number.from_values([item.id for item in items]),
        "frequency": Number.from_values([_frequency(item, by_id, sense_counts) for item in items]),
        "percentile": _parts(rank, "p", 100),
        "decile": _parts(rank, "d", 10),
        "half": _parts(rank, "h", 2),
    }
    return Attributes(columns, len(items))


def _ancestors(synset: Synset, by_id: Mapping[int, Synset]) -> list[Synset]:
    """All that lie above, without the synset itself: two verbs of WordNet 3.0 are above each other."""
    found: dict[int, Synset] = {}
    waiting = [synset]
    while waiting:
        for relation, target in waiting.pop().pointers:
            if relation in _HYPERNYM_RELATIONS and target not in found and target != synset.id:
                found[target] = by_id[target]
                waiting.append(by_id[target])
    return list(found.values())


def _frequency(synset: Synset, by_id: Mapping[int, Synset], sense_counts: Mapping[str, int]) -> int:
    head = ":"
    if synset.is_satellite:
        head = next(
            by_id[target].head_word for relation, target in synset.pointers if relation == "similar_to"
        )
    return sum(sense_counts.get(f"{sense}:{head}", 0) for sense in synset.senses)


def _parts(rank: np.ndarray, letter: str, count: int) -> Category:
    width = len(str(count - 1))
    used, codes = np.unique(rank * count // len(rank), return_inverse=True)
    return Category(codes.astype(np.int32), [f"{letter}{code:0{width}d}" for code in used])
