"""Every letter of the mathematics, declared once with its assumptions and its meaning."""

from __future__ import annotations

from sympy import Function, Symbol

MEANING: dict[str, str] = {}


def _letter(name: str, meaning: str, **assumptions: bool) -> Symbol:
    if name in MEANING:
        raise ValueError(f"{name} is declared twice: {MEANING[name]}; {meaning}")
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
G3 = _letter("G_3", "chance that three samples of the truth are not all one token, 1 - sum p_i^3", positive=True)
T = _letter("T", "error: E||theta_m - theta||^2 of the mean parameter", nonnegative=True)
p = _letter("p", "probability of one token", positive=True)
s = _letter("s", "number of tokens with probability above 0", positive=True)
T0 = _letter("T_0", "error of the model that a recovery starts from", nonnegative=True)
v0 = _letter(
    "v_0", "variance of one sample of the model that a recovery starts from, summed over coordinates", nonnegative=True
)
D = _letter("D", "drift: E||theta_m - theta_1||^2, the error made after the first model", nonnegative=True)
P = _letter("P", "squared error of the mean of all points in the pool", nonnegative=True)
Q = _letter("Q", "mean over the pool of the squared distance of a point from theta", nonnegative=True)
L = _letter("L", "drift sum: sum over generations of log(1 + v2 a_i)/v2, which is sum a_i at v2 = 0", nonnegative=True)
R = _letter("R", "second moment of a smoothed model about the truth, summed over coordinates", nonnegative=True)
H = _letter("H", "spread that one smoothing adds: bandwidth^2, summed over coordinates", positive=True)
e = _letter("e", "share of a wave that a kernel leaves: its characteristic function at one frequency", positive=True)
ec = _letter("e_c", "share of a wave that a kernel takes, 1 - e", nonnegative=True)
zp = _letter("z_phi", "squared modulus of the characteristic function of the truth at one frequency", nonnegative=True)
Z = _letter("Z", "variance of a wave at a sample of the truth, 1 - z_phi", nonnegative=True)
Bp = _letter("B_psi", "share of the truth's wave that the data has lost: 1 - E psi/phi", nonnegative=True)
Sp = _letter("S_psi", "variance of the characteristic function of the data", nonnegative=True)
X = _letter("X", "share of the truth's wave that is left in the data, 1 - B_psi", positive=True)
Cp = _letter(
    "C_psi", "covariance of the characteristic function of the data with that of the first, real set", nonnegative=True
)
d = _letter("d", "dimension: number of covariates of a regression", positive=True)
f = _letter("f", "N - d - 1: real samples beyond the dimension and one; one fit errs V/f", positive=True)
aspect = _letter("gamma", "dimensions over samples, d/n", positive=True)
eta = _letter("eta", "ln of the expected standard deviation of a Gaussian model over that of the truth", real=True)
U = _letter("U", "expected variance of a Gaussian model, summed over coordinates", nonnegative=True)
ell = _letter("ell", "E ln(det Sigma_m / det Sigma)/d, the mean log variance of a direction", real=True)
signal = _letter("Theta", "signal: squared length of the coefficients of a regression, ||theta||^2", nonnegative=True)
kf = _letter("k_f", "features: number of covariates that a model sees", nonnegative=True)
signal_in = _letter(
    "Theta_in", "squared length of the coefficients of the covariates that a model sees", nonnegative=True
)
signal_out = _letter("Theta_out", "the same of the covariates that it does not see", nonnegative=True)
shift_in = _letter(
    "Delta_in", "squared shift of a source's coefficients of the covariates that a model sees", nonnegative=True
)
shift_out = _letter("Delta_out", "the same of the covariates that it does not see", nonnegative=True)
nu = _letter("nu", "sqrt(-v2/n)", positive=True)
a = _letter("a", "share by which one step moves the model towards new data", positive=True)
b = _letter("b", "factor of an affine recursion x' = b x + c", real=True)
c = _letter("c", "constant of an affine recursion x' = b x + c", real=True)
x1 = _letter("x_1", "first value of a recursion", real=True)
k = _letter("k", "samples of one step, shape of a Gamma law, or a summation index", positive=True)
y = _letter("y", "a number above -1", real=True)
q = _letter("q", "share n/S of one batch of new data in a pool of S points", positive=True)
theta = _letter("theta", "twice the number of fresh real samples of a generation, 2N", positive=True)
C = _letter("C", "count: how often a token is seen in the real set", positive=True)
z = _letter("z", "chance that is asked for", positive=True)
beta = _letter("beta", "exponent of Zipf's law, above 1", positive=True)
beta_1 = _letter("beta_1", "exponent of a narrowed tail, at least that of the truth", positive=True)
alpha = _letter(
    "alpha", "share of synthetic data: n/(N+n), their weight in the fit, or of the samples of a batch", positive=True
)
B = _letter("B", "worth of a synthetic source: V over its squared bias, in real samples", positive=True)
Bc = _letter("B_c", "worth of what synthetic sources have in common: V over their squared common bias", positive=True)
Bi = _letter(
    "B_i", "worth of what is a source's own: V over the squared bias that it shares with no other", positive=True
)
tau = _letter("tau", "noise of a source: variance of one synthetic sample over that of a real one", positive=True)
delta = _letter("delta", "bias of a source: distance of the mean of its samples from the truth", positive=True)
G = _letter("G", "sources: number of synthetic sources that are pooled evenly", positive=True)
Nt = _letter("N_T", "number of real samples that a teacher was fitted on", positive=True)
o = _letter("o", "overlap: how many of the student's real samples its teacher was fitted on", nonnegative=True)
lam = _letter("lamda", "penalty of ridge regression, beside the Gram matrix X'X/N", positive=True)
g = _letter("g", "an eigenvalue of the Gram matrix X'X/N", positive=True)
xi = _letter("xi", "share of a model's own labels among those that it is trained on again", real=True)
kappa = _letter("kappa", "best penalty: sigma^2 d/(N ||theta||^2), noise over signal", positive=True)
h = _letter("h", "noise of a model's own labels, over N times the signal of one coordinate", nonnegative=True)
yr = _letter("y_r", "loss of a run on real samples alone", real=True)
ys = _letter("y_s", "loss of a run on synthetic samples alone", real=True)
ym = _letter("y_m", "loss of a run on a mixture: the samples of both", real=True)
pr = _letter("p_r", "chance that a generated label is right", positive=True)
phi = _letter("phi", "chance that a verifier keeps a right sample", positive=True)
psi = _letter("psi", "chance that a verifier keeps a wrong sample", nonnegative=True)
mu = _letter("mu", "separation: distance of each class from the middle, in standard deviations", positive=True)
S = _letter("S", "mean of the signs of kept labels, right 1 and wrong -1", real=True)
r = _letter("r", "mean sign of a kept label, right 1 and wrong -1", real=True)
chi = _letter("chi", "share of the generated labels that a verifier keeps", positive=True)
t = _letter("t", "an angle's tangent in an integral, or a round of retraining", positive=True)
vartheta = _letter("vartheta", "temperature of the sampler", positive=True)
zeta = _letter("zeta", "logarithm of how much likelier one token is than each of the others", positive=True)
Lam = _letter("Lambda", "factor by which sampling changes the variance of a model", positive=True)
A = _letter("A", "e^r: how much likelier a favoured sample is chosen than another", positive=True)
Bv = _letter("B_v", "squared distance of what a verifier takes for true from the truth", positive=True)
V0 = _letter("V_0", "error before the first round of retraining on verified data", positive=True)
omega = _letter("omega", "error that the sampling noise of one round adds", nonnegative=True)
u1 = _letter("u_1", "squared error of the mean of a Gaussian model, in units of the variance", nonnegative=True)
u2 = _letter("u_2", "trace of Delta, the covariance of a model over the true variance, less the identity", real=True)
u3 = _letter("u_3", "e' Delta e, with e the error of the mean", real=True)
u4 = _letter("u_4", "trace of Delta^2", nonnegative=True)
moved = _letter(
    "q_theta", "drift of the truth: the variance that it gains from one generation to the next", nonnegative=True
)
q1 = _letter("q_1", "chance of an output of a detector at a real item", nonnegative=True)
q0 = _letter("q_0", "chance of the same output at a synthetic item", nonnegative=True)
iota = _letter("iota", "information: how many real samples one item of a batch is worth", positive=True)
varkappa = _letter("varkappa", "by how much the noise of an item grows with the error of the model before", real=True)
cr = _letter("c_r", "price of a real sample", positive=True)
cs = _letter("c_s", "price of a synthetic sample", positive=True)
mh = _letter(
    "mu_H", "information of a model over the curvature of the data's log likelihood, in one direction", positive=True
)
eh = _letter("epsilon_H", "excess: by which share that information may differ from the curvature", nonnegative=True)
gc = _letter(
    "gamma_c", "corrector: weight of the best model, over that of the newest, in what is drawn", nonnegative=True
)
a2 = _letter(
    "a_2", "chance that two samples of a model have ancestors of their own m generations before", nonnegative=True
)
a3 = _letter(
    "a_3", "chance that three samples of a model have ancestors of their own m generations before", nonnegative=True
)
a4 = _letter(
    "a_4", "chance that four samples of a model have ancestors of their own m generations before", nonnegative=True
)
p2 = _letter("p_2", "sum of the squares of token frequencies", positive=True)
p3 = _letter("p_3", "sum of the cubes of token frequencies", positive=True)
p4 = _letter("p_4", "sum of the fourth powers of token frequencies", positive=True)
drift = _letter(
    "F",
    "drift: squared distance that frequencies are expected to move, over the diversity at the start",
    nonnegative=True,
)
s0 = _letter("s_0", "one over the tokens of the first snapshot; 0 where its probabilities are known", nonnegative=True)
sm = _letter("s_m", "one over the tokens of the last snapshot; 0 where its probabilities are known", nonnegative=True)
x = Function("x")
u = Function("u")

STATED: dict[str, str] = {  # in the sentences of the theorems, in the order in which a reader meets them
    "theta": "the truth: the mean parameter of the family",
    **{name: MEANING[name] for name in ("V", "v_2", "T")},
    "G": "diversity: expected v(theta_m) of a model, V + v2 T",
    "a": "share by which one step moves the model towards new data",
    "k": "number of samples of one step",
    **{name: MEANING[name] for name in ("m", "N", "n", "M")},
    "G_0": MEANING["G_0"],
}

_DEGREES = {"k": "degrees of freedom of a chi-square", "y": "order of a moment"}
_BARTLETT = {"j": "row of Bartlett's decomposition, 1 to d", "y": "order of a moment"}
_SMOOTHED = {
    "a": "share of the last model's samples in the data",
    "c": "constant of an affine recursion; then what the error takes in for each unit of second moment",
}
THERE: dict[str, dict[str, str]] = {  # meanings that letters have in the derivation of one theorem and nowhere else
    "drift-identity": {"k": "number of samples of one step"},
    "workflow-algebra": {
        "P": "h'Ch: squared error of the mean that points are drawn around",
        "Q": "u.diag C: mean error of the models that points come from",
        "c": "factor of the noise: 1/n for a batch, 0 for a full fit",
    },
    "sliding-window": {
        "P": "squared error of the mean of the K models",
        "Q": "mean error of the K models",
        "j": "age of a model in the window, from 0 on",
    },
    "random-past/product": {"P": "squared error of the mean of all models so far"},
    "random-past/recursion": {
        "P": "squared error of the mean of all models so far",
        "Q": "mean squared distance from theta of what they draw",
    },
    "beats-real": {
        "a": "variance of the first error, C_11",
        "b": "covariance of the first error and the later one, C_1m",
        "k": "variance of the noise since the first model",
        "y": "correlation of the sum and the difference of both errors",
        "P": "determinant of C over a^2",
        "Q": "C_mm - C_11 over a",
    },
    "total-collapse/time-limit": {"C1": "a constant of integration", "C2": "another one"},
    "zipf-missing": {"k": "rank behind which the tail is cut off"},
    "absence": {"a": "share of one token in a model"},
    "recovery": {"m": "generations since the model that it starts from"},
    "temporal-size": {"m": "generations between the snapshots", "n": "independent samples of a generation"},
    "strong-collapse": {
        "k": "degrees of freedom of a chi-square; in the sentences the covariates that a model sees, k_f in the formulas",
        "y": "order of a moment",
        "phi": "covariates that a model sees over its labels, k/M",
    },
    "pilot-runs": {
        "x_1": "estimate of V",
        "y": "estimate of the squared bias",
        "a": "variance of x_1",
        "b": "covariance of x_1 and y",
        "c": "variance of y",
    },
    "no-free-lunch": {
        "a": "the truth",
        "x_1": "mean of T over S, given D",
        "Q": "mean of T^2 over S, given D",
    },
    "contaminated-stream": {"a": "1 - 2 alpha", "nu": "sqrt(alpha (alpha - 1 - v2)/n)"},
    "effective-size": {"w": "chance that an item of one output is real, a"},
    "verification/threshold": {
        "a": "r^2 chi: merit of a generated label",
        "d": "dimension of the points",
        "M": "budget: number of generated labels",
    },
    "verification/accuracy": {
        "S": "mean of the signs of kept labels, or mean of one of two normal numbers",
        "d": "dimension of the points",
        "n": "number of verified labels",
        "r": "mean sign of a kept label, or mean of the other normal number",
        "t": "argument of a characteristic function",
        "y": "dimensions over labels, d/n",
    },
    "verification/regeneration": {
        "M": "number of generated labels",
        "N": "number of real labels",
        "d": "dimension of the points",
        "n": "number of labels of the mean sign r",
    },
    "stopping-round": {
        "a": "share by which one round moves the model to what the verifier takes for true",
        "c": "what the verifier takes for true",
        "t": "rounds of retraining",
        "x_1": "mean of the model before a round",
        "y": "share of its way to the verifier that a model has left, (1-a)^t",
    },
    "temperature-window": {
        "rho": "share of its probability that a rare token keeps",
        "y": "share of one token; in the last steps the sum that norms the tempered shares",
    },
    "sampling-bias": {"d": "dimension of the Gaussian"},
    "curated-share": {
        "K": "choices: how many samples one is kept of",
        "p": "share of the favoured trait in the real data",
        "t": "rounds of curation",
        "y": "share of the favoured trait before curation",
    },
    "log-moments/variance": _BARTLETT,
    "log-moments/spread": {"j": _BARTLETT["j"]},
    "log-moments/half-life": {"d": "dimension of the Gaussian", "j": _BARTLETT["j"]},
    "log-moments/gamma": {"k": "shape of the Gamma law", "y": "order of a moment"},
    "gaussian-moments/variance": _BARTLETT,
    "gaussian-moments/kullback-leibler": {"d": "dimension of the Gaussian", **_DEGREES},
    "regression/replace": _DEGREES,
    "regression/growing": {"L": "sum of 1/(n_i - d - 1) over the generations", **_DEGREES},
    "regression/fresh-real": _DEGREES,
    "regression/accumulate": _DEGREES,
    "regression-one-design": _DEGREES,
    "regression-least-norm": _DEGREES,
    "kernel-density/replace": {"Q": "spread of the model, R - T", **_SMOOTHED},
    "kernel-density/fixed-real": _SMOOTHED,
    "kernel-density/fresh-real": _SMOOTHED,
    "kernel-density/algebra": {"P": "h'Ch: squared error of the mean that points are drawn around"},
    "kernel-density/second-moment": {"k": "power with which bandwidths^2 fall"},
    "integrated-error/recursion": {"a": "e^2", "q": "1 - 1/n"},
    "integrated-error/lower-bound": {
        "D": "S_psi/(1 - B_psi)^2 above that without smoothing",
        "T": "S_psi/(1 - B_psi)^2 without smoothing",
        "a": "share of synthetic data, 1 - w",
        "y": "e (1 - B_psi)",
    },
}


def meaning(theorem: str) -> dict[str, str]:
    """What every letter means on the page of a theorem."""
    return MEANING | THERE.get(theorem, {})
