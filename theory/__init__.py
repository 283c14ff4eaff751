"""Theory: what a workflow does to error, diversity and rare tokens, derived from one-step laws.

Names follow the public contract: families and workflows are records, questions are functions, theorems are values.
"""

from .absence import loss_probability_limit, min_real_present
from .algebra import covariance
from .answers import diversity, error, explain, gain, gain_limit, second_moment
from .arguments import InputError
from .bounds import l1_drift_upper_bound
from .collapse import collapse_probability, collapse_time, collapse_time_limit, collapse_time_upper_bound
from .coverage import effective_corpus, missing
from .extinction import extinction_time
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
from .gaussian import half_life, kullback_leibler, variance_moment, wasserstein
from .immigration import min_real
from .l1 import l1_drift, l1_error, l1_error_upper_bound
from .ledger import theorems
from .logarithm import log_mean, log_variance, log_variance_spread
from .safe import SyntheticLimit, max_synthetic
from .selection import Curation, Temperature, TopP, Verifier
from .survival import loss_probability, survivors
from .theorem import Evidence, Theorem
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
from .zipf import zipf_missing

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
    "Schedule",
    "Selected",
    "SlidingWindow",
    "SyntheticLimit",
    "Temperature",
    "Theorem",
    "TopP",
    "Verifier",
    "Workflow",
    "Zipf",
    "collapse_probability",
    "collapse_time",
    "collapse_time_limit",
    "collapse_time_upper_bound",
    "covariance",
    "diversity",
    "effective_corpus",
    "error",
    "explain",
    "extinction_time",
    "gain",
    "gain_limit",
    "half_life",
    "kullback_leibler",
    "l1_drift",
    "l1_drift_upper_bound",
    "l1_error",
    "l1_error_upper_bound",
    "log_mean",
    "log_variance",
    "log_variance_spread",
    "loss_probability",
    "loss_probability_limit",
    "max_synthetic",
    "min_real",
    "min_real_present",
    "missing",
    "optimal_weight",
    "second_moment",
    "survivors",
    "theorems",
    "variance_moment",
    "wasserstein",
    "zipf_missing",
]
