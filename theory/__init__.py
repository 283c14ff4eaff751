"""Theory: what a workflow does to error, diversity and rare tokens, derived from one-step laws.

Names follow the public contract: families and workflows are records, questions are functions, theorems are values.
"""

from .absence import loss_probability_limit, min_real_present
from .algebra import covariance
from .answers import diversity, error, explain, gain, gain_limit, second_moment
from .applicability import Applicability, applicability
from .arguments import InputError
from .bandwidth import OptimalBandwidths, ReportBandwidth, optimal_bandwidths, report_bandwidth
from .beats_real import beats_real
from .bounds import l1_drift_upper_bound
from .certified import contraction_upper_bound
from .coalescent import power_sum
from .collapse import collapse_probability, collapse_time, collapse_time_limit, collapse_time_upper_bound
from .correction import Correction
from .coverage import effective_corpus, missing
from .curated import curated_share, runaway_share
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
from .fixed_budget import replaceable_share
from .gaussian import half_life, kullback_leibler, variance_moment, wasserstein
from .immigration import min_real
from .integrated_error import integrated_error
from .keep_all import keep_all, keep_all_gain, keep_all_gain_upper_bound
from .l1 import l1_drift, l1_error, l1_error_upper_bound
from .ledger import theorems
from .logarithm import log_mean, log_variance, log_variance_spread
from .model_size import BestModelSize, best_model_size
from .narrowed import SamplingBias, sampling_bias, sampling_error, spread_kept
from .no_free_lunch import RaoBlackwell, rao_blackwell
from .pilot import Limits, Pilot, at_limits, estimate_worth
from .plateau import Contamination, contamination
from .portfolio import Portfolio, portfolio_moments
from .provenance import Detector, EffectiveSize, Known, Scores, Unknown, effective_size, information
from .purchase import Purchase, optimal_purchase
from .recovery import recovery_error, recovery_time
from .regenerated import Regeneration, regeneration
from .safe import SyntheticLimit, max_synthetic
from .selection import Curation, Temperature, TopP, Verifier
from .self_distillation import Distillation, Ridge, best_distillation, best_penalty, self_distillation_error
from .smoothing_last import integrated_error_lower_bound
from .source import Source, worth_of_sources
from .stopping import StoppingRound, stopping_round
from .stream import contaminated_stream, stream_error
from .strong_collapse import StrongCollapse, strong_collapse_error
from .survival import loss_probability, survivors
from .teacher import Helpful, Teacher, helpful_synthetic, taught, teacher_error
from .temperature import TemperatureWindow, temperature_window
from .temporal import TemporalSize, diversity_half_life, effective_generation_size
from .theorem import Evidence, Theorem
from .verified import Verification, verification, verified_accuracy, verified_accuracy_limit
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
from .worth import Amount, harmless_share, optimal_share, pooled_error, real_equivalents
from .zipf import zipf_missing

__all__ = [
    "Accumulate",
    "AccumulateSubsample",
    "Amount",
    "Applicability",
    "BestModelSize",
    "Bigram",
    "Binomial",
    "Categorical",
    "Contamination",
    "Correction",
    "Curation",
    "Detector",
    "Distillation",
    "EffectiveSize",
    "Evidence",
    "Family",
    "FixedReal",
    "FreshReal",
    "Gamma",
    "Gaussian",
    "GaussianMixture",
    "Helpful",
    "InputError",
    "KernelDensity",
    "Known",
    "Limits",
    "LinearRegression",
    "LogisticRegression",
    "NegativeBinomial",
    "OptimalBandwidths",
    "OptimalWeight",
    "OptimalWeights",
    "Pilot",
    "Poisson",
    "Portfolio",
    "Purchase",
    "RandomPast",
    "RaoBlackwell",
    "Replace",
    "Regeneration",
    "ReportBandwidth",
    "Ridge",
    "SamplingBias",
    "Schedule",
    "Scores",
    "Selected",
    "SlidingWindow",
    "Source",
    "StoppingRound",
    "StrongCollapse",
    "SyntheticLimit",
    "Teacher",
    "Temperature",
    "TemperatureWindow",
    "TemporalSize",
    "Theorem",
    "TopP",
    "Unknown",
    "Verification",
    "Verifier",
    "Workflow",
    "Zipf",
    "applicability",
    "at_limits",
    "beats_real",
    "best_distillation",
    "best_model_size",
    "best_penalty",
    "collapse_probability",
    "collapse_time",
    "collapse_time_limit",
    "collapse_time_upper_bound",
    "contaminated_stream",
    "contamination",
    "contraction_upper_bound",
    "covariance",
    "curated_share",
    "diversity",
    "diversity_half_life",
    "effective_corpus",
    "effective_generation_size",
    "effective_size",
    "error",
    "estimate_worth",
    "explain",
    "extinction_time",
    "fresh_schedule",
    "gain",
    "gain_limit",
    "half_life",
    "harmless_share",
    "helpful_synthetic",
    "information",
    "integrated_error",
    "integrated_error_lower_bound",
    "keep_all",
    "keep_all_gain",
    "keep_all_gain_upper_bound",
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
    "optimal_bandwidths",
    "optimal_purchase",
    "optimal_share",
    "optimal_weight",
    "optimal_weights",
    "pooled_error",
    "portfolio_moments",
    "power_sum",
    "rao_blackwell",
    "real_equivalents",
    "recovery_error",
    "recovery_time",
    "regeneration",
    "replaceable_share",
    "report_bandwidth",
    "runaway_share",
    "sampling_bias",
    "sampling_error",
    "second_moment",
    "self_distillation_error",
    "spread_kept",
    "stopping_round",
    "stream_error",
    "strong_collapse_error",
    "survivors",
    "taught",
    "teacher_error",
    "temperature_window",
    "theorems",
    "variance_moment",
    "verification",
    "verified_accuracy",
    "verified_accuracy_limit",
    "wasserstein",
    "worth_of_sources",
    "zipf_missing",
]
