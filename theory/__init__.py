"""Theory: what a workflow does to error, diversity and rare tokens, derived from one-step laws.

Names follow the public contract: families and workflows are records, questions are functions, theorems are values.
"""

from .algebra import covariance
from .answers import diversity, error, explain, gain, gain_limit, second_moment
from .arguments import InputError
from .beats_real import beats_real
from .bounds import l1_drift_upper_bound
from .collapse import collapse_probability, collapse_time, collapse_time_limit, collapse_time_upper_bound
from .contamination import contaminated_stream, stream_error
from .family import (
    Bigram,
    Binomial,
    Categorical,
    Family,
    Gamma,
    Gaussian,
    GaussianMixture,
    KernelDensity,
    LinearRegression,
    LogisticRegression,
    NegativeBinomial,
    Poisson,
    Zipf,
)
from .immigration import min_real
from .ledger import theorems
from .logarithm import log_mean, log_variance, log_variance_spread
from .provenance import Detector, EffectiveSize, Known, Scores, Unknown, effective_size, information
from .safe import SyntheticLimit, max_synthetic
from .selection import Curation, Temperature, TopP, Verifier
from .survival import survivors
from .theorem import Evidence, Theorem
from .weight import OptimalWeight, OptimalWeights, fresh_schedule, optimal_weight, optimal_weights
from .workflow import (
    Accumulate,
    AccumulateSubsample,
    FixedReal,
    FreshReal,
    RandomPast,
    Replace,
    Schedule,
    Selected,
    SlidingWindow,
    Workflow,
)

__all__ = [
    "Accumulate",
    "AccumulateSubsample",
    "Bigram",
    "Binomial",
    "Categorical",
    "Curation",
    "Detector",
    "EffectiveSize",
    "Evidence",
    "Family",
    "FixedReal",
    "FreshReal",
    "Gamma",
    "Gaussian",
    "GaussianMixture",
    "InputError",
    "KernelDensity",
    "Known",
    "LinearRegression",
    "LogisticRegression",
    "NegativeBinomial",
    "OptimalWeight",
    "OptimalWeights",
    "Poisson",
    "RandomPast",
    "Replace",
    "Schedule",
    "Scores",
    "Selected",
    "SlidingWindow",
    "SyntheticLimit",
    "Temperature",
    "Theorem",
    "TopP",
    "Unknown",
    "Verifier",
    "Workflow",
    "Zipf",
    "beats_real",
    "collapse_probability",
    "collapse_time",
    "collapse_time_limit",
    "collapse_time_upper_bound",
    "contaminated_stream",
    "covariance",
    "diversity",
    "effective_size",
    "error",
    "explain",
    "fresh_schedule",
    "gain",
    "gain_limit",
    "information",
    "l1_drift_upper_bound",
    "log_mean",
    "log_variance",
    "log_variance_spread",
    "max_synthetic",
    "min_real",
    "optimal_weight",
    "optimal_weights",
    "second_moment",
    "stream_error",
    "survivors",
    "theorems",
]
