"""The compliance suite: what any algorithm plugin, bundled or a user's own, must get right.

from fannsbench import registry
from fannsbench.testing import check
assert not [finding for finding in check(registry.find("my-index")) if finding.outcome == "FAILED"]
"""

from fannsbench.testing.process import check
from fannsbench.testing.suite import FAILED, NOT_APPLICABLE, OK, Finding

__all__ = ["FAILED", "NOT_APPLICABLE", "OK", "Finding", "check"]
