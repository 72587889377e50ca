"""From the seconds that the compiled core measures to a profile in microseconds."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from densenet._engine.layout import Place
from densenet.layers import Activation
from densenet.profile import Profile, ProfiledPart

Lap: TypeAlias = tuple[float, float]  # seconds of a product, and of what follows on its tiles
Spent: TypeAlias = tuple[list[float], list[Lap]]  # one thread's: on _STEP, and on each unit's _WAYS

_WAYS = ("forward", "input gradient", "weight gradient")
_STEP = ("gather rows", "loss", "clip and update", "wait for threads")


def profile_of(
    places: Sequence[Place],
    units: Sequence[tuple[int, bool]],
    spent: Sequence[Spent],
    seconds: float,
    steps: int,
    rows: int,
    unfused: bool,
    numbers: Callable[[Place], str],
) -> Profile:
    """Make a profile of what the compiled core has measured in so many steps of so many rows.

    ``units`` has, for each unit of the core's plan, the number of its place and whether it is a
    product; ``spent`` what each thread spent on each step; ``seconds`` is the time of all steps.
    With ``unfused`` the update comes after the whole gradient; ``numbers`` names those that a layer
    multiplies.
    """
    count = len(spent)

    def mean(values: Sequence[float]) -> float:
        return 1e6 * sum(values) / count

    threads = count // steps
    parts = []
    for unit, (number, is_product) in enumerate(units):
        place = places[number]
        following = places[number + 1] if number + 1 < len(places) else None
        before = places[number - 1] if number else None
        for way, part in enumerate(_WAYS):
            laps = [each[1][len(_WAYS) * unit + way] for each in spent]
            product, rest = (mean(times) for times in zip(*laps, strict=True))
            if not product + rest:
                continue
            then = "elementwise"
            if is_product:
                if part == "forward":
                    done = ["bias"] * (place.bias is not None) + _name(following)
                elif part == "input gradient":
                    done = [f"derivative of {name}" for name in _name(before)]
                else:
                    done = ["store" if unfused else "update"]
                then = ", ".join(done) or "store"
            flop = 2 * rows * place.inputs * place.outputs / threads
            rate = flop / product * 1e-3 * threads if product else 0.0
            layer = type(place.layer).__name__
            of = numbers(place) if product else ""
            parts.append(ProfiledPart(place.name, layer, part, product, rate, then, rest, of))
    for index, part in enumerate(_STEP):
        rest = mean([each[0][index] for each in spent])
        if rest:
            parts.append(ProfiledPart("", "", part, 0.0, 0.0, "", rest))
    step = 1e6 * seconds / steps
    left = max(0.0, step - sum(part.micros for part in parts))
    parts.append(ProfiledPart("", "", "start and join threads", 0.0, 0.0, "", left))
    return Profile(parts, step, threads)


def _name(place: Place | None) -> list[str]:
    """Give the name of the layer in a list if it is an activation fused with a product."""
    fused = place is not None and isinstance(place.layer, Activation) and place.kind != "identity"
    return [type(place.layer).__name__] if place is not None and fused else []
