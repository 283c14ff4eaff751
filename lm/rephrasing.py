"""Rephrasing: real documents that a model rewrites in part, rather than text that it makes up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelcollapse.theory import arguments as arg
from modelcollapse.theory.workflow import FixedReal, Schedule, Workflow

from .generation import MODEL


@dataclass(frozen=True)
class Rephrased:
    """`FixedReal` whose synthetic windows are the real ones, rewritten by the model of the generation before.

    ``masked``: share of a window that is masked, in spans of ``span`` tokens, which the model fills from left to right with all
    that it has read before. Theory knows no such workflow: its prediction is that of FixedReal, whose samples are free.
    """

    real: int
    synthetic: int
    masked: float = 0.5
    span: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "real", arg.size("Rephrased", "real", self.real))
        object.__setattr__(self, "synthetic", arg.size("Rephrased", "synthetic", self.synthetic))
        object.__setattr__(self, "span", arg.size("Rephrased", "span", self.span, of="tokens"))
        if arg.probability("Rephrased", "masked", self.masked, "share of a window that is rewritten") == 0:
            raise arg.refuse("Rephrased", "masked", self.masked, "above 0, or nothing is rewritten")

    @property
    def workflow(self) -> FixedReal:
        """The workflow that is predicted in its place."""
        return FixedReal(self.real, self.synthetic)

    def schedule(self, generations: int) -> Schedule:
        """The batches, as those of FixedReal."""
        return self.workflow.schedule(generations)

    def blanked(self, documents: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
        """``synthetic`` windows (n, L), one document after the other, with what is to be rewritten left blank.

        >>> Rephrased(1, 2, masked=0.5, span=2).blanked(np.array([[5, 6, 7, 8]]), (0,)).tolist()
        [[5, 6, 0, 0], [5, 6, 0, 0]]
        """
        rng = np.random.default_rng(seed)
        rows = np.array(documents[np.arange(self.synthetic) % len(documents)])
        spans = -(-rows.shape[1] // self.span)
        hidden = max(1, round(self.masked * spans))
        chosen = np.argsort(rng.random((self.synthetic, spans)), axis=1)[:, :hidden]
        for row, places in zip(rows, chosen, strict=True):
            for place in places:
                row[place * self.span : (place + 1) * self.span] = MODEL
        return rows


Arm = Workflow | Rephrased


def predicted_as(arm: Arm) -> Workflow:
    """The workflow whose theory speaks about an arm."""
    return arm.workflow if isinstance(arm, Rephrased) else arm
