"""Pictures of what a data set is like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fannsbench.plot import house_style

if TYPE_CHECKING:
    from fannsbench.data.stats import Statistics


def draw(found: Statistics, folder: Path) -> list[Path]:
    """Draw a data set's figures into .png files in `folder`, each of which appears whole; what there is
    nothing to draw of has none. Raises UserError where they cannot be written."""
    from fannsbench.plot import frame
    from fannsbench.plot.dataset import attributes, neighbourhood, vectors, workloads

    written: list[Path] = []
    with house_style():
        pictures = {
            "vectors": vectors.distributions(found),
            "correlation": vectors.correlation(found),
            "neighbourhood": neighbourhood.picture(found),
            "workloads": workloads.picture(found),
        }
        pages = attributes.pictures(found)
        for number, page in enumerate(pages, 1):
            pictures[f"attributes-{number}" if len(pages) > 1 else "attributes"] = page
        for name, picture in pictures.items():
            if picture is not None:
                written.append(folder / f"{name}.png")
                frame.write(picture, written[-1])
    return written
