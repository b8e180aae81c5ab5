"""Everything a router learnt, as plain arrays: what training makes and serving applies."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import ArtifactError

Floats = NDArray[np.float64]

# The gain is this share of its own head and the rest of P(strong) - P(cheap). By five-fold APGR the
# own head is better on word problems (.61 against .56), the difference elsewhere (by .002-.005).
GAIN_HEAD_SHARE: Final = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class RouterWeights:
    """Linear heads over terms and figures, one column a head.

    With D domains the columns are: D gate logits, D gains, D logits of "the cheap model is right",
    D logits of "the strong model is right", one logit of "this is research"; together H = 4D + 1.
    A text's term vector is tf-idf with tf = 1 + ln(count) and length 1; figures are as extracted,
    their scaling is already inside the weights.
    """

    domains: tuple[str, ...]
    terms: tuple[str, ...]  # T of them; a term's position is its row
    idf: Floats  # (T,)
    term_weights: Floats  # (T, H)
    figure_weights: Floats  # (F, H)
    figure_means: Floats  # (F,): what is usual, for reasons only
    intercepts: Floats  # (H,)
    quantiles: Floats  # (Q,): gains at evenly spaced quantiles of the reference mix, ascending

    @property
    def heads(self) -> int:
        return 4 * len(self.domains) + 1

    def check(self, *, figures: int) -> None:
        """Raises ArtifactError where shapes disagree or a value is not finite."""
        expected = {
            "idf": (len(self.terms),),
            "term_weights": (len(self.terms), self.heads),
            "figure_weights": (figures, self.heads),
            "figure_means": (figures,),
            "intercepts": (self.heads,),
        }
        for name, shape in expected.items():
            array: Floats = getattr(self, name)
            if array.shape != shape:
                raise ArtifactError(f"router weights: {name} has shape {array.shape}, not {shape}")
            if not np.isfinite(array).all():
                raise ArtifactError(f"router weights: {name} holds a value that is not finite")
        table = self.quantiles
        if not self.domains or table.ndim != 1 or len(table) < 2 or not np.isfinite(table).all():  # noqa: PLR2004 - a table has two ends
            raise ArtifactError("router weights: no domains or no table of quantiles")
        if (np.diff(table) < 0).any():
            raise ArtifactError("router weights: the table of quantiles is not ascending")
