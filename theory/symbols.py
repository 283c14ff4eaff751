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
alpha = _letter("alpha", "share of synthetic data: n/(N+n), or of the samples of a batch", positive=True)
moved = _letter(
    "q_theta", "drift of the truth: the variance that it gains from one generation to the next", nonnegative=True
)
q1 = _letter("q_1", "chance of an output of a detector at a real item", nonnegative=True)
q0 = _letter("q_0", "chance of the same output at a synthetic item", nonnegative=True)
iota = _letter("iota", "information: how many real samples one item of a batch is worth", positive=True)
varkappa = _letter("varkappa", "by how much the noise of an item grows with the error of the model before", real=True)
x = Function("x")
u = Function("u")
