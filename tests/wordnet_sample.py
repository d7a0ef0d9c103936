"""Small databases in WordNet's own format, and an encoder that needs no model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

NOTICE = """\
  1 This software and database is being provided to you, the LICENSEE, by  
  2   
  3 WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.  
"""  # noqa: W291 - as in the files

DATA = {
    "data.noun": """\
00001740 03 n 01 entity 0 002 ~ 00001930 n 0000 ~ 00002000 n 0000 | that which is perceived
00001930 05 n 02 farm_animal 0 pet b 002 @ 00001740 n 0000 ~ 00003000 n 0000 | kept "as a pet"
00002000 05 n 01 Animal 0 001 @ 00001740 n 0000 | a living thing
00003000 05 n 01 dog 1 003 @ 00001930 n 0000 @ 00002000 n 0000 ;c 00002000 n 0000 | barks
00004000 18 n 01 Laika 0 001 @i 00003000 n 0000 | the dog in space
""",
    "data.verb": """\
00000100 41 v 01 inhibit 0 002 @ 00000200 v 0000 ! 00000200 v 0101 02 + 08 00 + 11 01 | limit the range
00000200 41 v 01 restrain 0 001 @ 00000100 v 0000 01 + 08 00 | keep under control
""",
    "data.adj": """\
00000500 00 a 01 able(p) 0 002 & 00000600 a 0000 ! 00000500 a 0101 | having the skill
00000600 00 s 02 capable(a) 1 fit(ip) 0 001 & 00000500 a 0000 | (usually followed by `of') ready
""",
    "data.adv": """\
00000700 02 r 01 ably 0 001 \\ 00000500 a 0101 | in an able manner
""",
}
COUNTS = """\
able%3:00:00:: 1 1
capable%5:00:01:able(p):00 1 7
fit%5:00:00:able(p):00 2 4
dog%1:05:00:: 1 100
dog%1:05:01:: 2 42
laika%1:18:00:: 1 3
pet%1:05:11:: 1 2
"""


def write_wordnet(folder: Path, data: dict[str, str], counts: str) -> Path:
    folder.mkdir()
    for name, lines in data.items():
        (folder / name).write_text(NOTICE + lines)
    (folder / "cntlist.rev").write_text(counts)
    return folder


def write_large_wordnet(folder: Path) -> Path:
    """The root, 200 animals, each below one or two of those before, and 50 verbs."""
    rng = np.random.default_rng(0)
    nouns = ["00000001 03 n 01 entity 0 000 | all there is"]
    for i in range(2, 202):
        pointers = [
            f"@ {above:08d} n 0000" for above in sorted({*rng.integers(max(1, i // 3), i, 2).tolist()})
        ]
        pointers += ["~ 00000001 n 0000"] * (i % 3 == 0)
        word = hashlib.sha256(str(i).encode()).hexdigest()[: 3 + i % 7]
        lemmas = [f"{word}_{i} 0", f"{word} 1"][: 1 + i % 2]
        fields = [f"{i:08d} {4 + i % 5:02d} n {len(lemmas):02x}", *lemmas, f"{len(pointers):03d}", *pointers]
        nouns.append(f"{' '.join(fields)} | {word * (i % 9 + 1)}")
    verbs = [
        f"{i:08d} {29 + i % 3} v 01 do_{i} 0 001 $ {i:08d} v 0000 01 + 08 00 | to do {'so ' * (i % 6)}"
        for i in range(1, 51)
    ]
    data = dict.fromkeys(DATA, "") | {
        "data.noun": "\n".join(nouns) + "\n",
        "data.verb": "\n".join(verbs) + "\n",
    }
    return write_wordnet(folder, data, "entity%1:03:00:: 1 5\n")


class BagOfLetters:
    """Embeds a text by how often it has each letter, so that many texts are near and some are equal."""

    name = identity = "letters"

    def encode(self, texts):
        counts = np.array(
            [[text.lower().count(letter) for letter in "abcdefghij"] for text in texts], np.float64
        )
        counts += 0.1
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)
