"""Compute the coefficients of ``src/core/vectors/normal.hpp``, and print them with their errors.

``pip install mpmath`` and run ``python docs/normal.py``; it takes half a minute.

With ``Φ(-a) = e^(-a²/2) R(a)``, the header's ``h(a)`` is ``1/R(a) - √(2π) a``, and its ``g(a)`` is
``(R(a) - a/√(2π)) / (r - a) - 1/√(2π)``, where ``r`` makes the bracket 0. Each is fitted by a
quotient of polynomials, in least squares whose weights are moved to where the error is large
(Sanathanan and Koerner 1963, Lawson 1961). The error is that of Φ, or of the slope, relative to it.
"""

from collections.abc import Callable

import mpmath as mp

Function = Callable[[mp.mpf], mp.mpf]

mp.mp.dps = 60
ROOT = mp.sqrt(2 * mp.pi)


def tail(a: mp.mpf) -> mp.mpf:
    """``R(a) = e^(a²/2) Φ(-a)``."""
    return mp.erfc(a / mp.sqrt(2)) / 2 * mp.exp(a * a / 2)


ZERO = mp.findroot(lambda a: tail(a) - a / ROOT, 0.75)


def slope(a: mp.mpf) -> mp.mpf:
    """Divide the slope of ``x Φ(x)`` at ``-a`` by ``e^(-a²/2) (r - a)``."""
    return (tail(a) - a / ROOT) / (ZERO - a)


def h(a: mp.mpf) -> mp.mpf:
    """Give what ``1 / R(a)`` has more than its asymptote."""
    return 1 / tail(a) - ROOT * a


def g(a: mp.mpf) -> mp.mpf:
    """Give what ``slope(a)`` has more than its limit."""
    return slope(a) - 1 / ROOT


def fitted(
    function: Function, weight: Function, largest: float, degree: int
) -> tuple[mp.mpf, list[mp.mpf], list[mp.mpf]]:
    """Fit a quotient whose lower polynomial has this degree, and the upper one a degree less.

    Returns the largest weighted error, and the coefficients above and below, that of a⁰ first.
    """
    unknowns = 2 * degree
    points = 6 * unknowns
    end = mp.mpf(largest) / (largest + 2)
    parts = [end * (1 - mp.cos(mp.pi * (2 * i + 1) / (2 * points))) / 2 for i in range(points)]
    places = [2 * part / (1 - part) for part in parts]  # closer together near 0
    values, weights = [function(a) for a in places], [weight(a) for a in places]
    moved, lower = [mp.mpf(1)] * points, [mp.mpf(1)] * points
    best: tuple[mp.mpf, list[mp.mpf], list[mp.mpf]] = (mp.inf, [], [])
    for turn in range(20):
        system, right = mp.matrix(points, unknowns), mp.matrix(points, 1)
        for i, (a, value) in enumerate(zip(places, values, strict=True)):
            scale = mp.sqrt(moved[i]) * weights[i] / lower[i]
            for k in range(degree):
                system[i, k] = scale * a**k
                system[i, degree + k] = -scale * value * a ** (k + 1)
            right[i] = scale * value
        sizes = [mp.norm(system[:, k]) for k in range(unknowns)]
        for i in range(points):
            for k in range(unknowns):
                system[i, k] /= sizes[k]
        found = mp.lu_solve(system.T * system, system.T * right)
        found = [found[k] / sizes[k] for k in range(unknowns)]
        above, below = found[:degree], [mp.mpf(1), *found[degree:]]
        lower = [mp.polyval(below[::-1], a) for a in places]
        errors = [
            abs(mp.polyval(above[::-1], a) / under - value) * weight
            for a, under, value, weight in zip(places, lower, values, weights, strict=True)
        ]
        best = min(best, (max(errors), above, below), key=lambda fit: fit[0])
        if turn >= 3:
            moved = [
                m * (mp.sqrt(e / max(errors)) + 0.05) for m, e in zip(moved, errors, strict=True)
            ]
            moved = [m * points / sum(moved) for m in moved]
    return best


def main() -> None:
    """Print what the header holds."""
    print("the zero:", mp.nstr(ZERO, 34))
    for name, function, weight, degrees in (
        ("h", h, tail, {"float": 5, "double": 10}),
        ("g", g, lambda a: 1 / slope(a), {"float": 4, "double": 10}),
    ):
        for element, degree in degrees.items():
            largest, digits = {"float": (14.5, 9), "double": (38.75, 17)}[element]
            error, above, below = fitted(function, weight, largest, degree)
            print(f"{name} in {element}, with an error of 2^{float(mp.log(error, 2)):.1f}:")
            for coefficients in (above, below):
                print("   ", ", ".join(mp.nstr(each, digits) for each in coefficients))


if __name__ == "__main__":
    main()
