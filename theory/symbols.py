"""Every letter of the mathematics, declared once with its assumptions and its meaning."""

from __future__ import annotations

from sympy import Function, Symbol

MEANING: dict[str, str] = {}


def _letter(name: str, meaning: str, **assumptions: bool) -> Symbol:
    MEANING[name] = meaning
    return Symbol(name, **assumptions)


m = _letter("m", "generation: 1 is the first model, fitted on real data alone", integer=True, positive=True)
j = _letter("j", "an earlier generation, the index of a product or sum", integer=True, positive=True)
N = _letter("N", "real: number of real samples", positive=True)
n = _letter("n", "synthetic: number of synthetic samples drawn in each generation", positive=True)
M = _letter("M", "train: number of samples that each model is fitted on", positive=True)
K = _letter("K", "models: how many of the last models a window draws from", integer=True, positive=True)
w = _letter("w", "weight of the real part in the fit", positive=True)
eps = _letter(
    "epsilon", "tolerance: the limit of the error may exceed the real-only error by this share", positive=True
)
rho = _letter("rho", "share of the diversity of the truth that is kept", positive=True)
V = _letter("V", "v(theta) at the truth: variance of one sample, summed over coordinates", positive=True)
v2 = _letter("v_2", "coefficient of mean^2 in the variance function v", real=True)
G0 = _letter("G_0", "diversity of the truth, 1 - sum p_i^2", positive=True)
T = _letter("T", "error: E||theta_m - theta||^2 of the mean parameter", nonnegative=True)
p = _letter("p", "probability of one token", positive=True)
s = _letter("s", "number of tokens with probability above 0", positive=True)
D = _letter("D", "drift: E||theta_m - theta_1||^2, the error made after the first model", nonnegative=True)
P = _letter("P", "squared error of the mean of all points in the pool", nonnegative=True)
Q = _letter("Q", "mean over the pool of the squared distance of a point from theta", nonnegative=True)
L = _letter("L", "drift sum: sum over generations of log(1 + v2 a_i)/v2, which is sum a_i at v2 = 0", nonnegative=True)
R = _letter("R", "second moment of a smoothed model about the truth, summed over coordinates", nonnegative=True)
H = _letter("H", "spread that one smoothing adds: bandwidth^2, summed over coordinates", positive=True)
d = _letter("d", "dimension: number of covariates of a regression", positive=True)
f = _letter("f", "N - d - 1: real samples beyond the dimension and one; one fit errs V/f", positive=True)
nu = _letter("nu", "sqrt(-v2/n)", positive=True)
a = _letter("a", "share by which one step moves the model towards new data", positive=True)
b = _letter("b", "factor of an affine recursion x' = b x + c", real=True)
c = _letter("c", "constant of an affine recursion x' = b x + c", real=True)
x1 = _letter("x_1", "first value of a recursion", real=True)
k = _letter("k", "shape of a Gamma law, or a summation index", positive=True)
y = _letter("y", "a number above -1", real=True)
q = _letter("q", "share n/S of one batch of new data in a pool of S points", positive=True)
alpha = _letter("alpha", "share of synthetic data in what a model is trained on", positive=True)
g = _letter("g", "chance that a generated label is right", positive=True)
phi = _letter("phi", "chance that a verifier keeps a right sample", positive=True)
psi = _letter("psi", "chance that a verifier keeps a wrong sample", nonnegative=True)
mu = _letter("mu", "separation: distance of each class from the middle, in standard deviations", positive=True)
S = _letter("S", "mean of the signs of kept labels, right 1 and wrong -1", real=True)
r = _letter("r", "mean sign of a kept label, right 1 and wrong -1", real=True)
kappa = _letter("kappa", "share of the generated labels that a verifier keeps", positive=True)
t = _letter("t", "an angle's tangent in an integral, or a round of retraining", positive=True)
tau = _letter("tau", "temperature of the sampler", positive=True)
z = _letter("z", "logarithm of how much likelier one token is than each of the others", positive=True)
lam = _letter("lamda", "factor by which sampling changes the variance of a model", positive=True)
A = _letter("A", "e^r: how much likelier a favoured sample is chosen than another", positive=True)
B = _letter("B", "squared distance of what a verifier takes for true from the truth", positive=True)
V0 = _letter("V_0", "error before the first round of retraining on verified data", positive=True)
omega = _letter("omega", "error that the sampling noise of one round adds", nonnegative=True)
u1 = _letter("u_1", "squared error of the mean of a Gaussian model, in units of the variance", nonnegative=True)
u2 = _letter("u_2", "trace of Delta, the covariance of a model over the true variance, less the identity", real=True)
u3 = _letter("u_3", "e' Delta e, with e the error of the mean", real=True)
u4 = _letter("u_4", "trace of Delta^2", nonnegative=True)
x = Function("x")
u = Function("u")
