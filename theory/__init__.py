"""Theory: what a workflow does to error, diversity and rare tokens, derived from one-step laws.

Names follow the public contract: families and workflows are records, questions are functions, theorems are values.
"""

from .algebra import covariance
from .answers import diversity, error, explain, gain, gain_limit, second_moment
from .arguments import InputError
from .bandwidth import OptimalBandwidths, ReportBandwidth, optimal_bandwidths, report_bandwidth
from .bounds import l1_drift_upper_bound
from .collapse import collapse_probability, collapse_time, collapse_time_limit, collapse_time_upper_bound
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
from .integrated_error import integrated_error
from .ledger import theorems
from .logarithm import log_mean, log_variance, log_variance_spread
from .safe import SyntheticLimit, max_synthetic
from .selection import Curation, Temperature, TopP, Verifier
from .smoothing_last import integrated_error_lower_bound
from .survival import survivors
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
    "OptimalBandwidths",
    "OptimalWeight",
    "Poisson",
    "RandomPast",
    "Replace",
    "ReportBandwidth",
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
    "error",
    "explain",
    "gain",
    "gain_limit",
    "integrated_error",
    "integrated_error_lower_bound",
    "l1_drift_upper_bound",
    "log_mean",
    "log_variance",
    "log_variance_spread",
    "max_synthetic",
    "min_real",
    "optimal_bandwidths",
    "optimal_weight",
    "report_bandwidth",
    "second_moment",
    "survivors",
    "theorems",
]
