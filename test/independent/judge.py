#!/usr/bin/env python3
"""The judge's rules a second time, by an author who has not read its code: from the published formulas only, and
wherever a formula is a closed form or a running sum, from what it stands for instead (products of conditional probabilities,
integrals over the prior, exact fractions, whole histories). Prints test vectors as JSON: inputs and expected values.

    python3 test/independent/judge.py > test/independent/judge-vectors.json

Where the formulas leave a choice, this follows the product after its results were compared: capital that waits for its restart counts
as kept (A3), detectors are averaged over ratios and not ratios over batches, D2 divides its level 9 to 1, B1 leaves out a batch
without stable requests. A4 and the Holt-Winters forecast come from judge_same_author.py, whose author also wrote the product.
Sources: Hoeffding 1963, theorem 4 (A1, B1); Lindon & Malek, arXiv 2011.03567 (A2); Shin, Ramdas & Rinaldo, arXiv 2203.03532
(detectors); Howard & Ramdas, arXiv 1906.09712 (B2); Wang & Ramdas, JRSS-B 2022 (e-BH); Johari et al. 2022 (mSPRT); Vovk, Gammerman
& Shafer, Algorithmic Learning in a Random World (conformal p-values, power bets).
"""
import json
import math
import random
import sys
from fractions import Fraction

sys.dont_write_bytecode = True
from judge_same_author import a4, holt_winters  # noqa: E402

WORSE = (1.2, 1.5, 2, 3, 5, 10, 20)
BETTER = (0.25, 0.4, 0.5, 0.6, 0.75)
RANK_TILTS = (0.3, 0.6, 1.2, 2.4, 4.8)
TAIL_RATIOS = (1.5, 2, 4, 8)
POWERS = (0.1, 0.3, 0.5, 0.7)


def log_sum(logs):
    top = max(logs)
    return top if math.isinf(top) else top + math.log(math.fsum(math.exp(x - top) for x in logs))


def log_mean(logs):
    return log_sum(logs) - math.log(len(logs))


# A1, D1: an error is the canary's with chance p = Nc*rho/(Nc*rho + Nb); the bet is the ratio of such chances, error by error. --------
def log_bet(batch, null, alternative):
    """ln of dBinomial(c; n, p_alternative) / dBinomial(c; n, p_null)."""
    nc, nb, c, b = batch
    result = 0.0
    if c:
        result += c * (math.log(alternative * nc / (alternative * nc + nb)) - math.log(null * nc / (null * nc + nb)))
    if b:
        result += b * (math.log(nb / (alternative * nc + nb)) - math.log(nb / (null * nc + nb)))
    return result


def log_history(batches, null, factors):
    """ln of the bet for each factor over a whole history."""
    return [math.fsum(log_bet(batch, null, null * x) for batch in batches) for x in factors]


def a1(batches, rho0):
    return log_mean(log_history(batches, rho0, WORSE))


def d1(batches, limit):
    return log_mean(log_history(batches, limit, BETTER))


# A2: the Dirichlet mixture as the product of its predictive chances, one count after the other. -------------------------------------
def dirichlet(counts, shares, strength=10.0):
    terms, total = [], 0
    for count, share in zip(counts, shares):
        for seen in range(count):
            terms.append(math.log((strength * share + seen) / (strength + total) / share))
            total += 1
    return math.fsum(terms)


def a2(batches, rho0):
    nc, nb = batches[0][0], batches[0][1]
    share = nc * rho0 / (nc * rho0 + nb)
    canary, stable = sum(batch[2] for batch in batches), sum(batch[3] for batch in batches)
    return dirichlet([canary, stable], [share, 1 - share])


# A3: a portfolio of A1s, each over the batches since its own start; what waits for its start is worth what was laid aside for it. -----
def a3(batches, rho0, horizon, every):
    """One batch a second; a restart at the horizon or later would see nothing and is not planned. With none planned, half is kept."""
    restarts = range(every, horizon, every) or [horizon]
    parts = [math.log(0.5) + a1(batches, rho0)]
    for start in restarts:
        parts.append(math.log(0.5 / len(restarts)) + (a1(batches[start:], rho0) if start < len(batches) else 0))
    return log_sum(parts)


# D2: the ratios that neither A1 nor D1 rejects, by bisection (both are monotone in the ratio). The level is divided, so that both
# ends hold together: nine tenths for the lower end, which decides. The formulas leave the division open; it is the product's. ----------
def root(function, low, high):
    """Where an increasing function of ln rho crosses zero; None when it does not do so between the two."""
    if function(low) > 0 or function(high) < 0:
        return None
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if function(middle) > 0 else (middle, high)
    return math.sqrt(low * high)


def d2(batches, alpha):
    lower, upper = math.log(1 / (0.9 * alpha)), math.log(1 / (0.1 * alpha))
    low = root(lambda rho: lower - a1(batches, rho), 1e-9, 1e9)
    high = root(lambda rho: d1(batches, rho) - upper, 1e-9, 1e9)
    return {'alpha': alpha, 'low': low or 0, 'high': high}


# Detectors, as the sum and the maximum over every start they stand for; a detector for each ratio, averaged. ------------------------
def detectors(batches, rho0):
    sums, maxima = [], []
    for x in WORSE:
        since = [math.fsum(log_bet(batch, rho0, rho0 * x) for batch in batches[start:]) for start in range(len(batches))]
        sums.append(log_sum(since))
        maxima.append(max(since))
    return {'shiryaevRoberts': log_mean(sums), 'cusum': log_mean(maxima)}


# B1. A batch without stable requests compares nothing and is left out. The formula read to the letter makes such a batch cost
# evidence (tilts of a whole population, never above 1); leaving it out depends on the sizes alone, so the bound holds either way. -------
def midranks(values):
    return [Fraction(2 * sum(v < x for v in values) + sum(v == x for v in values) + 1, 2) for x in values]


def b1(batches):
    rank, tails = [0.0] * len(RANK_TILTS), {Fraction(1, 20): [0.0] * len(TAIL_RATIOS), Fraction(1, 100): [0.0] * len(TAIL_RATIOS)}
    for canary, stable in batches:
        if not stable:
            continue
        size, nc = len(canary) + len(stable), len(canary)
        ranks = midranks(canary + stable)
        scores = [float((r - Fraction(1, 2)) / size - Fraction(1, 2)) for r in ranks]
        for i, tilt in enumerate(RANK_TILTS):
            pooled = math.fsum(math.exp(tilt * s) for s in scores) / size
            rank[i] += tilt * math.fsum(scores[:nc]) - nc * math.log(pooled)
        for q, sums in tails.items():
            above = [r > (1 - q) * size for r in ranks]
            for i, x in enumerate(TAIL_RATIOS):
                sums[i] += sum(above[:nc]) * math.log(x) - nc * math.log(1 + sum(above) / size * (x - 1))
    e_rank, e5, e1 = log_mean(rank), log_mean(tails[Fraction(1, 20)]), log_mean(tails[Fraction(1, 100)])
    both = log_sum([e_rank + math.log(0.5), e5 + math.log(0.25), e1 + math.log(0.25)])
    return {'logE': both, 'logERank': e_rank, 'logETail5': e5, 'logETail1': e1}


# B2: no two distribution functions are further apart than 1. -------------------------------------------------------------------------
def band_width(count, a):
    return min(1, 0.85 * math.sqrt((math.log(1 + math.log(count)) + 0.8 * math.log(1612 / a)) / count))


# C2 ----------------------------------------------------------------------------------------------------------------------------------
def e_bh(logs, alpha):
    order = sorted(range(len(logs)), key=lambda i: -logs[i])
    passing = [k for k in range(1, len(order) + 1) if logs[order[k - 1]] >= math.log(len(order) / (k * alpha))]
    return order[:max(passing, default=0)]


# E: mSPRT as the integral over its normal prior (Simpson's rule, 12 posterior deviations wide). --------------------------------------
def msprt(values, variance, tau):
    total, n = math.fsum(values), len(values)
    precision = n / variance + 1 / tau**2
    centre, width, steps = total / variance / precision, 12 / math.sqrt(precision), 4000

    def density(theta):
        return theta * total / variance - n * theta**2 / (2 * variance) - theta**2 / (2 * tau**2) - math.log(tau * math.sqrt(2 * math.pi))

    top, h = density(centre), 2 * width / steps
    weights = [1 if i in (0, steps) else 4 if i % 2 else 2 for i in range(steps + 1)]
    parts = [k * math.exp(density(centre - width + i * h) - top) for i, k in enumerate(weights)]
    return top + math.log(h / 3 * math.fsum(parts))


# E: the share of earlier residuals of the same season, and of itself, that are as large; a bet on small ones; the sum over starts. ----
def conformal(residuals, seasons):
    bets = []
    for t, residual in enumerate(residuals):
        seen = [abs(r) for r in residuals[t % seasons:t + 1:seasons]]
        p = sum(r >= abs(residual) for r in seen) / len(seen)
        bets.append(math.log(math.fsum(k * p ** (k - 1) for k in POWERS) / len(POWERS)))
    return log_sum([math.fsum(bets[start:]) for start in range(len(bets))])


# The vectors. ------------------------------------------------------------------------------------------------------------------------
def binomial(rng, n, p):
    return sum(rng.random() < p for _ in range(n))


def batch_of(rng, nc, nb, rate, ratio):
    return [nc, nb, binomial(rng, nc, min(1, rate * ratio)), binomial(rng, nb, rate)]


def error_vector(rng, case):
    """One batch a second; the share moves from step to step, every seventh second misses an arm, every eleventh both."""
    batches = []
    for t in range(case['seconds']):
        share = case['shares'][t * len(case['shares']) // case['seconds']]
        nc = max(1, binomial(rng, case['rps'], share))
        nb = max(1, case['rps'] - nc)
        if t % 11 == 3:
            nc = nb = 0
        elif t % 7 == 5:
            nc, nb = (0, nb) if t % 2 else (nc, 0)
        batches.append(batch_of(rng, nc, nb, case['rate'], case['ratio'] if t >= case.get('from', 0) else 1))
    if case.get('spare'):
        batches = [[nc, nb, c, 0] for nc, nb, c, _ in batches]
    rho0, limit, alpha, horizon, every = (case[k] for k in ('rho0', 'limit', 'alpha', 'horizon', 'every'))
    nc = max(1, round(case['rps'] * case['shares'][0]))
    constant = [batch_of(rng, nc, case['rps'] - nc, case['rate'], case['ratio']) for _ in range(case['seconds'])]
    return {
        'batches': batches,
        'constant': constant,
        'toleratedRatio': rho0,
        'a1': a1(batches, rho0),
        'a2': a2(constant, rho0),
        'a3': {'horizon': horizon, 'every': every, 'logE': a3(batches, rho0, horizon, every)},
        'a4': {'alpha': alpha, 'horizon': horizon, 'every': every, 'path': a4(batches, rho0, alpha, horizon, every)},
        'd1': {'limit': limit, 'logE': d1(batches, limit)},
        'd2': d2(batches, alpha),
        'detectors': detectors(batches, rho0),
    }


def error_cases():
    steps, bars = [0.05, 0.25, 0.5], {'rho0': 1, 'limit': 2, 'alpha': 0.01}
    wide = {'rho0': 1.9, 'limit': 3, 'alpha': 0.05}
    return [
        {'seconds': 60, 'rps': 60, 'shares': [0.05], 'rate': 0.02, 'ratio': 1, 'horizon': 80, 'every': 15, **bars},
        {'seconds': 60, 'rps': 60, 'shares': steps, 'rate': 0.02, 'ratio': 4, 'horizon': 80, 'every': 15, **bars},
        {'seconds': 90, 'rps': 40, 'shares': steps, 'rate': 0.03, 'ratio': 2, 'horizon': 60, 'every': 15, **bars, 'rho0': 1.25},
        {'seconds': 70, 'rps': 30, 'shares': [0.3], 'rate': 0.02, 'ratio': 5, 'from': 40, 'horizon': 75, 'every': 20, **bars},
        {'seconds': 50, 'rps': 40, 'shares': [0.9], 'rate': 0.2, 'ratio': 0.5, 'horizon': 51, 'every': 10, **bars, 'limit': 1.2},
        {'seconds': 40, 'rps': 10, 'shares': [0.2], 'rate': 0.5, 'ratio': 2, 'horizon': 40, 'every': 40, **wide},
        {'seconds': 30, 'rps': 20, 'shares': [0.25], 'rate': 0.2, 'ratio': 2, 'spare': True, 'horizon': 30, 'every': 10, **bars},
        {'seconds': 20, 'rps': 20, 'shares': [0.25], 'rate': 0, 'ratio': 1, 'horizon': 30, 'every': 5, **bars, 'alpha': 0.2},
        {'seconds': 1, 'rps': 50, 'shares': [0.5], 'rate': 0.3, 'ratio': 3, 'horizon': 30, 'every': 5, **bars, 'alpha': 0.05},
    ]


def latency_vector(rng, sizes, factor, step):
    """Log-normal milliseconds; a step rounds them up, so that they tie."""
    def sample(n, scale):
        raw = [scale * math.exp(rng.gauss(4, 0.5)) for _ in range(n)]
        return [float(math.ceil(v / step) * step) for v in raw] if step else raw

    batches = [[sample(nc, factor), sample(nb, 1)] for nc, nb in sizes]
    return {'batches': batches, **b1(batches)}


def main():
    rng = random.Random(20261123)
    sizes = [(0, 40), (1, 19), (10, 90), (20, 180), (7, 0), (1, 0), (5, 56), (30, 10)]
    logs = [math.log(e) for e in (0.3, 70, 0.9, 200, 1.5, 65, 12, 130, 0.01, 2, 1, 12)]
    values = [100 + 20 * math.sin(2 * math.pi * t / 12) + rng.gauss(0, 3) + (40 if t in (55, 103, 104) else 0) for t in range(110)]
    means = [rng.gauss(0.4, 1.2) for _ in range(30)]
    foreseen = holt_winters(values, 12)
    vectors = {
        'errors': [error_vector(rng, case) for case in error_cases()],
        'cells': [
            {'counts': counts, 'shares': shares, 'logE': dirichlet(counts, shares)}
            for counts, shares in [([3, 1, 0], [0.5, 0.3, 0.2]), ([120, 95, 310], [0.25, 0.25, 0.5]), ([100000, 1], [0.999, 0.001])]
        ],
        'latency': [latency_vector(rng, sizes, factor, step) for factor, step in [(1, 0), (1.6, 0), (1, 20), (2, 10), (1, 1000)]],
        'band': [{'count': n, 'a': a, 'width': band_width(n, a)} for n in (1, 2, 10, 1000, 1000000) for a in (0.05, 0.01, 0.0025)],
        'blame': {'logs': logs, 'alpha': 0.05, 'named': e_bh(logs, 0.05)},
        'forecast': {
            'values': values,
            'seasons': 12,
            'foreseen': foreseen,
            'logM': conformal([v - f for v, f in zip(values[12:], foreseen)], 12),
        },
        'mean': {'values': means, 'variance': 1.5, 'prior': 0.7, 'logE': msprt(means, 1.5, 0.7)},
    }
    json.dump(vectors, sys.stdout)
    print()


if __name__ == '__main__':
    main()
