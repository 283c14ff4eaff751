"""Theory."""
from .answers import error, diversity, gain, gain_limit, explain
from .family import Binomial, Categorical, Gamma, Gaussian, NegativeBinomial, Poisson
from .workflow import Accumulate, AccumulateSubsample, FixedReal, FreshReal, Replace, Schedule
