"""Theory: what a workflow does to error, diversity and rare tokens, derived from one-step laws.

Names follow the public contract: families and workflows are records, questions are functions, theorems are values.
"""

from .algebra import covariance
from .answers import diversity, error, explain, gain, gain_limit, second_moment
from .arguments import InputError
from .bounds import l1_drift_upper_bound
from .collapse import collapse_probability, collapse_time, collapse_time_limit, collapse_time_upper_bound
from .curated import curated_share, runaway_share
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
from .narrowed import SamplingBias, sampling_bias, sampling_error, spread_kept
from .safe import SyntheticLimit, max_synthetic
from .selection import Curation, Temperature, TopP, Verifier
from .stopping import StoppingRound, stopping_round
from .survival import survivors
from .temperature import TemperatureWindow, temperature_window
from .theorem import Evidence, Theorem
from .verified import Verification, verification, verified_accuracy, verified_accuracy_limit
from .weight import OptimalWeight, optimal_weight
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
    "Evidence",
    "Family",
    "FixedReal",
    "FreshReal",
    "Gamma",
    "Gaussian",
    "GaussianMixture",
    "InputError",
    "KernelDensity",
    "LinearRegression",
    "LogisticRegression",
    "NegativeBinomial",
    "OptimalWeight",
    "Poisson",
    "RandomPast",
    "Replace",
    "SamplingBias",
    "Schedule",
    "Selected",
    "SlidingWindow",
    "StoppingRound",
    "SyntheticLimit",
    "Temperature",
    "TemperatureWindow",
    "Theorem",
    "TopP",
    "Verification",
    "Verifier",
    "Workflow",
    "Zipf",
    "collapse_probability",
    "collapse_time",
    "collapse_time_limit",
    "collapse_time_upper_bound",
    "covariance",
    "curated_share",
    "diversity",
    "error",
    "explain",
    "gain",
    "gain_limit",
    "l1_drift_upper_bound",
    "log_mean",
    "log_variance",
    "log_variance_spread",
    "max_synthetic",
    "min_real",
    "optimal_weight",
    "runaway_share",
    "sampling_bias",
    "sampling_error",
    "second_moment",
    "spread_kept",
    "stopping_round",
    "survivors",
    "temperature_window",
    "theorems",
    "verification",
    "verified_accuracy",
    "verified_accuracy_limit",
]
