"""How much synthetic data may a model be trained on before it collapses?

The answers are theorems: closed forms that SymPy derives from a one-step law (`modelcollapse.theory`),
simulated chains that show the form to be right (`modelcollapse.simulate`), and language models on real text
(`modelcollapse.lm`).  The evidence for each theorem is installed with it (`modelcollapse.proofs`).

Importing this package imports none of them, so that the command line starts at once.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
