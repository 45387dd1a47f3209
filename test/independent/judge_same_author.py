"""Two rules a second time, by the author of src/validation/judge: A4 (Fischer & Ramdas, arXiv 2410.16076) and the Holt-Winters
forecast. Agreement here shows less than in judge.py, whose author has not read the product: one author may err twice alike.
"""
import math


def lse(values):
    top = max(values)
    return top + math.log(math.fsum(math.exp(v - top) for v in values))


def l_of(batches, rho0, x):
    """L_x of A1 and, with y for x and rNI for rho0, of D1."""
    total = []
    for nc, nb, c, b in batches:
        if nc + nb == 0:
            continue
        w = nc / (nc + nb)
        total.append(c * math.log(x) + (c + b) * math.log((w * rho0 + 1 - w) / (w * rho0 * x + 1 - w)))
    return math.fsum(total)


def plan(horizon, every, share):
    """Starts and their capital: the first at 0, the planned ones share the rest."""
    planned = max(math.ceil(horizon / every) - 1, 1)
    return [(0, 1 - share)] + [(j * every, share / planned) for j in range(1, planned + 1)]


def restarted(batches, rho0, starts, alternatives, priors):
    """sum_j om_j E_j, E_j the mixture over the batches from s_j on; 1 for a start that lies ahead. One batch a second."""
    terms = []
    for s, om in starts:
        later = batches[s:]
        terms.append(math.log(om) + lse([math.log(p) + l_of(later, rho0, x) for x, p in zip(alternatives, priors)]))
    return lse(terms)


A4_G = [1.2, 1.5, 2, 3, 4, 5, 10, 20]
A4_P = [0.02, 0.05, 0.24, 0.18, 0.15, 0.1, 0.1, 0.16]


def boost(probabilities, outcomes, now):
    """sup{b: sum p min(b m, 1) <= now}, by bisection on ln b; at least 1."""
    def mean(b):
        return math.fsum(p * min(b * m, 1.0) for p, m in zip(probabilities, outcomes))

    low, high = 0.0, 700.0
    if mean(1.0) > now:
        return 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if mean(math.exp(middle)) <= now:
            low = middle
        else:
            high = middle
    return math.exp(low)


def a4(batches, rho0, alpha, horizon, every):
    """ln E after each batch; stays at the bar once it is reached."""
    starts = plan(horizon, every, 0.2)
    bar = math.log(1 / alpha)
    log_boost = 0.0
    path = []
    for t, (nc, nb, c, b) in enumerate(batches):
        if path and path[-1] >= bar:
            path.append(bar)
            continue
        n = c + b
        if n == 0 or nc == 0 or nb == 0:
            path.append(log_boost + restarted(batches[: t + 1], rho0, starts, A4_G, A4_P))
            continue
        past = batches[:t]
        now = math.exp(log_boost + restarted(past, rho0, starts, A4_G, A4_P) - bar) if past else math.exp(-bar)
        outcomes = [
            math.exp(log_boost + restarted(past + [(nc, nb, k, n - k)], rho0, starts, A4_G, A4_P) - bar) for k in range(n + 1)
        ]
        if n <= 64 and outcomes[-1] > 1:
            w = nc / (nc + nb)
            th = w * rho0 / (w * rho0 + 1 - w)
            laws = [[math.comb(n, k) * th**k * (1 - th) ** (n - k) for k in range(n + 1)]]
            if rho0 == 1:
                laws.append([math.comb(nc, k) * math.comb(nb, n - k) / math.comb(nc + nb, n) for k in range(n + 1)])
            log_boost += math.log(min(boost(law, outcomes, now) for law in laws))
        value = log_boost + restarted(batches[: t + 1], rho0, starts, A4_G, A4_P)
        path.append(bar if value >= bar else value)
    return path


def holt_winters(values, m):
    """Level, trend and seasons from the first cycle, then the additive recursions; the forecast before each later point."""
    level = sum(values[:m]) / m
    trend = 0.0
    season = [v - level for v in values[:m]]
    foreseen = []
    for t in range(m, len(values)):
        i = t % m
        foreseen.append(level + trend + season[i])
        old = level
        level = 0.1 * (values[t] - season[i]) + 0.9 * (level + trend)
        trend = 0.01 * (level - old) + 0.99 * trend
        season[i] = 0.1 * (values[t] - level) + 0.9 * season[i]
    return foreseen
