"""The benchmarks' own sums: what is read, reckoned and reported. Nothing here depends on a time."""

import argparse
import itertools
import math
import os
from dataclasses import replace

import numpy as np
import pytest

import cases
import contest
import densenet as dn
import designs
import options
import report
import threads
import timing
import worker
from densenet import kernels
from designs import Design
from machine import Machine, pinned, processors, thread_counts
from peers import CONTENDERS
from report import REFERENCE, Curve, LiveTable
from tasks import Task
from tests.support.assertions import assert_same_bits
from tests.support.contests import FIT, STEP, result
from timing import Budget, Timing
from workloads import ALONE, NETS, PRACTICE, Net, named, parse, powers

# ---- nets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "parameters", "mflop"),
    [
        ("A", 13_002, 0.05),
        ("B", 13_002, 1.7),
        ("C", 101_770, 52),
        ("D", 167_824, 47),
        ("E", 394_634, 202),
        ("F", 1_863_690, 2_448),
        ("G", 10_510_346, 51_665),
    ],
)
def test_the_work_of_the_nets(letter, parameters, mflop):
    net = NETS[letter]
    assert net.parameters == parameters
    assert net.flop / 1e6 == pytest.approx(mflop, abs=0.6 if mflop > 10 else 0.06)


def test_the_limit_is_products_and_24_bytes_a_parameter():
    net = Net("", (5, 4, 3), 7)  # 39 parameters
    assert net.flop == 2 * 7 * (2 * 5 * 4 + 3 * 4 * 3)
    assert net.limit(flops=2.0, bandwidth=3.0) == net.flop / 2 + 24 * 39 / 3


def test_nets_are_named_or_described():
    assert parse("b") is NETS["B"]
    net = parse("7-5-2:3")
    assert (net.widths, net.batch, net.target) == ((7, 5, 2), 3, 1.0)


@pytest.mark.parametrize("text", ["H", "", "7:3", "7-5", "7-5:", "7-x:3", "-7-5:3", "7-0-5:3"])
def test_other_nets_are_refused(text):
    with pytest.raises(ValueError, match=r"^net: .* got "):
        parse(text)


# ---- designs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", PRACTICE, ids=lambda net: net.design.text)
def test_a_design_is_read_as_it_is_written(net):
    assert designs.parse(net.design.text) == net.design
    assert parse(net.name) == net
    assert net.shape == f"784-512-512-10 {net.design.text}"
    assert Design().text == "sigmoid"


def test_the_layers_of_a_design():
    design = designs.parse("relu+dropout+residual+layer_norm+clip+sgd")
    linear, norm, activation, dropout, block, last = design.layers((5, 4, 4, 3))
    kinds = [dn.Linear, dn.LayerNorm, dn.ReLU, dn.Dropout]
    assert [type(layer) for layer in (linear, norm, activation, dropout)] == kinds
    assert [type(layer) for layer in block.layers] == kinds
    assert (last.inputs, last.outputs) == (4, 3)
    assert design.rule() == dn.SGD(lr=1e-3, clip_norm=1.0)


@pytest.mark.parametrize("text", ["", "relu6", "relu+", "relu+tanh", "relu+dropout+dropout"])
def test_other_designs_are_refused(text):
    with pytest.raises(ValueError, match=r"^design: expected words of .* got "):
        designs.parse(text)


def test_an_update_of_fewer_moments_moves_fewer_bytes():
    bytes_of = {
        word: Net("", (5, 4, 3), 7, design=designs.parse(word)).moved_bytes
        for word in ("adam", "adamw", "rmsprop", "sgd")
    }
    assert bytes_of == {"adam": 24 * 39, "adamw": 24 * 39, "rmsprop": 16 * 39, "sgd": 8 * 39}


def test_contenders_build_a_design_and_show_the_same_losses():
    net = Net(
        "", (7, 5, 5, 3), 4, design=designs.parse("gelu+batch_norm+residual+rmsprop+clip+own_loss")
    )
    names = [FIT, STEP, REFERENCE]
    one = contest.compete(net, 1, names, rounds=1, turn=1e-6, budget=Budget(0))
    assert list(one.timings) == names
    assert not one.notes


def test_a_contender_of_one_thread_is_left_out_where_all_have_one():
    net, budget = Net("", (7, 5, 3), 4), Budget(0)
    two = contest.compete(net, 2, [FIT, ALONE], rounds=1, turn=1e-6, budget=budget)
    assert list(two.timings) == [FIT, ALONE]
    one = contest.compete(net, 1, [FIT, ALONE], rounds=1, turn=1e-6, budget=budget)
    assert list(one.timings) == [FIT]


def test_practice_is_many_nets():
    assert named(["C", "practice"]) == [NETS["C"], *PRACTICE]


def test_one_output_is_no_classifier():
    with pytest.raises(ValueError, match="the last width >= 2, got '7-5-1:3'"):
        parse("7-5-1:3")


def test_powers():
    assert powers(1, 8) == (1, 2, 4, 8)
    assert powers(5, 31) == (8, 16)
    assert [thread_counts(n) for n in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_a_task_is_read_as_it_was_written(tmp_path):
    task = Net("", (7, 5, 3), 4, design=designs.parse("mish+sgd")).task(threads=2)
    task.save(tmp_path / "task.npz")
    again = Task.load(tmp_path / "task.npz")
    assert (again.batch, again.threads, again.widths) == (4, 2, [7, 5, 3])
    assert (again.job, again.passes) == ("train", 1)
    assert again.design == task.design == designs.parse("mish+sgd")
    for name in ("x", "y"):
        assert_same_bits(getattr(again, name), getattr(task, name))
    for name in ("weights", "biases"):
        for a, b in zip(getattr(again, name), getattr(task, name), strict=True):
            assert_same_bits(a, b)
    assert sum(len(x) for x, _ in again.batches) == len(again.x)


# ---- time --------------------------------------------------------------------------------------


class Clock:
    """Stands for the module time: it goes on when asked to sleep, and not by itself."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def test_a_budget_is_shared(clock):
    budget = Budget(12)
    assert budget.share(4) == 3
    clock.sleep(2)  # one part took less
    assert budget.share(2) == 5
    clock.sleep(20)
    assert budget.left == budget.share(1) == 0
    assert Budget(math.inf).left == math.inf


def test_rounds_are_interleaved(clock):
    calls = []

    def function(name, seconds):
        def run():
            calls.append(name)
            clock.sleep(seconds)

        return run

    functions = {"a": function("a", 0.25), "b": function("b", 0.5)}
    samples = timing.interleaved(
        functions, seconds=5, pause=0.125, each_round=lambda: calls.append("|")
    )
    # 0.75 s to warm up, then 1 s a round, as long as the time is not over.
    assert "".join(calls) == "ab" + "|ab|ba|ab|ba|ab"
    assert samples == {"a": [0.25] * 5, "b": [0.5] * 5}
    assert len(timing.interleaved(functions, seconds=0)["a"]) == 3
    assert len(timing.interleaved(functions, seconds=100, most_rounds=4)["a"]) == 4


def test_short_functions_fill_a_sample(clock):
    samples = timing.interleaved({"a": lambda: clock.sleep(2.0**-14)}, seconds=0, pause=0.5)
    assert samples == {"a": [2.0**-14] * 3}


@pytest.mark.parametrize("n", [8, 9, 20, 51])
def test_the_interval_of_a_median_is_sure_enough_and_no_wider(n, rng):
    samples = rng.permutation(n).astype(float)
    low, high = timing.median_interval(samples, doubt=0.01)
    # Below the median lie at most k of n samples in this part of all cases:
    part = list(itertools.accumulate(math.comb(n, k) / 2**n for k in range(n)))
    assert high == n - 1 - low
    assert 2 * part[int(low)] <= 0.01 < 2 * part[int(low) + 1]


def test_few_samples_say_nothing_of_their_median():
    assert timing.median_interval([1.0] * 7) == (-math.inf, math.inf)
    assert timing.median_interval([]) == (-math.inf, math.inf)


def test_timings():
    timing_ = Timing.of([5e-6, 1e-6, 2e-6, 3e-6, 4e-6])
    assert timing_[:4] == pytest.approx((2e-6, 3e-6, 4e-6, 3e-6))
    assert timing_.processor is None
    assert str(timing_) == "3 ±33%"
    uneven = Timing.of([1e-6, 1e-6, 4e-6], processor=[2e-6, 2e-6, 8e-6])
    assert (uneven.mean, uneven.processor) == pytest.approx((2e-6, 4e-6))
    assert (uneven.text(), uneven.text("mean")) == ("1 ±75%", "2 ±75%")
    assert [timing.micros(s) for s in (1.234e-6, 99.94e-6, 99.96e-6, 0.5)] == [
        "1.23",
        "99.9",
        "100",
        "500,000",
    ]


# ---- machine -----------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="not applicable: no affinity")
def test_pinning_ends():
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyboardInterrupt), pinned(1):  # noqa: PT012
        assert processors() == 1
        raise KeyboardInterrupt
    assert os.sched_getaffinity(0) == before


# ---- reports -----------------------------------------------------------------------------------


def test_tables_are_aligned():
    text = report.table(("name", "µs"), [("a", "1,000"), ("longer", "2")])
    assert text.splitlines() == [
        "| name   |    µs |",
        "|--------|------:|",
        "| a      | 1,000 |",
        "| longer |     2 |",
    ]


def test_a_live_table_is_printed_row_by_row(capsys):
    live = LiveTable(("name", "µs"), ("longer", "1,000"))
    assert capsys.readouterr().out == ""
    live.add(("a", "1"))
    live.add(("b", "2"))
    assert capsys.readouterr().out.splitlines() == [
        "| name   |    µs |",
        "|--------|------:|",
        "| a      |     1 |",
        "| b      |     2 |",
    ]
    assert live.text() == report.table(("name", "µs"), [("a", "1"), ("b", "2")])


def test_peaks_tell_how_far_apart_the_cores_were():
    far = replace(result(fit=1.0), meetings=[5e-8, 3e-7, 7e-8])
    assert report.peaks([far]).splitlines()[-1].endswith(" 70 (50 to 300) |")
    assert report.peaks([result(fit=1.0)]).splitlines()[-1].endswith(" - |")


def test_only_several_threads_meet():
    machine = Machine(2)
    machine.measure_meeting()
    assert 0 < machine.meetings[0] < 1
    alone = Machine(1)
    alone.measure_meeting()
    assert alone.meetings == []


def test_a_result_is_compared_with_the_best_peer():
    one = result(fit=0.5, step=0.8, torch=2.0, reference=3.0)
    assert one.limit == pytest.approx(0.1)
    assert one.best_peer == "PyTorch, fused Adam"
    assert one.ratio(FIT) == 4
    assert one.ratio("JAX, jit a step") is None
    assert (one.percent_of_limit(FIT), one.percent_of_limit("scikit-learn")) == ("20 %", "-")


def test_the_reference_is_no_peer():
    alone = result(fit=0.5, alone=0.8, reference=3.0)
    assert alone.best_peer is None
    assert alone.ratio(FIT) is None
    assert alone.ratio(FIT, ALONE) == 1.6


def test_means_count_where_they_are_said_to():
    uneven = result(fit=0.5, torch=2.0)
    uneven.timings[FIT] = uneven.timings[FIT]._replace(mean=6.0)
    assert (uneven.ratio(FIT), uneven.text(FIT)) == (4, "500,000 ±10%")
    by_mean = replace(uneven, counts="mean")
    assert (by_mean.ratio(FIT), by_mean.text(FIT)) == (0.5, "6,000,000 ±10%")
    assert by_mean.percent_of_limit(FIT) == "2 %"


def test_what_is_slower_is_said_first():
    won, lost = result(fit=0.5, torch=2.0), result(fit=0.5, step=4.0, torch=2.0, alone=0.4)
    assert report.losers([won]) == ["Nothing is slower than the best peer."]
    assert report.losers([result(fit=0.5, reference=0.1)]) == ["No peer to compare with."]
    assert report.losers([won, lost]) == [
        "Slower than the best peer:\n\n- B, train_step: 0.50x of PyTorch, fused Adam",
        "Slower than one thread:\n\n- B, fit: 0.80x of one thread",
    ]


def test_a_peer_above_the_peak_is_named():
    fast = result(fit=0.5, step=0.05, torch=0.08, reference=0.05)
    (line,) = report.too_fast([fast])
    assert line == "FASTER THAN THE LIMIT: PyTorch, fused Adam, 784-16-16-10:32: 1.25x"
    rounded = replace(fast, net=replace(fast.net, design=Design(precision="medium")))
    assert report.too_fast([rounded]) == []


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        ({"torch": 1.0}, "not run"),
        ({"fit": 0.5}, "no peer"),
        ({"fit": 0.11}, "yes, at the limit"),
        ({"fit": 0.11, "torch": 0.105}, "at the limit, but slower than a peer"),
        ({"fit": 0.5, "torch": 2.01}, "yes"),  # the target of B is 4x
        ({"fit": 0.5, "torch": 1.99}, "no"),
        ({"fit": 0.5, "torch": 0.4}, "no, slower than a peer"),
    ],
)
def test_verdicts(seconds, verdict):
    assert result(**seconds).verdict == verdict


def test_who_is_missing_is_said_with_a_remedy():
    assert report.missing_peers([result(fit=1.0, torch=2.0)]) == []
    notes = {"scikit-learn": report.NOT_INSTALLED, "JAX, jit a step": "RuntimeError: no"}
    (line,) = report.missing_peers([result(fit=1.0, notes=notes)] * 2)
    assert line.startswith("Not installed: scikit-learn. ")
    assert "pip install --group peers" in line


def test_growth_is_a_power():
    curve = Curve("batch", "", (1, 2, 6, 8), NETS.get)
    for value in (2, 6, 8):
        curve.points[value] = result(fit=3 * value**1.5)
    curve.points[8].timings.clear()
    assert curve.growth(2, FIT) is None
    assert curve.growth(6, FIT) == pytest.approx(1.5)
    assert curve.growth(8, FIT) is None


@pytest.mark.parametrize(
    ("speedups", "text"),
    [
        ([1.9] * 9, "1.90x"),
        ([0.985] * 9, "0.98x"),  # no more than the margin
        ([0.9] * 9, "0.90x SLOWER"),
        ([0.9] * 7, "0.90x ?"),  # too few to be sure
        ([0.9] * 6 + [1.1] * 4, "0.90x ?"),  # noise
    ],
)
def test_a_cell_is_slower_only_beyond_the_noise(speedups, text):
    cell = threads.Cell(speedups, [])
    assert (str(cell), cell.slower) == (text, "SLOWER" in text)


# ---- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (options.positive, "12", 12),
        (options.positives, "1,20", [1, 20]),
        (options.seconds, "0.5", 0.5),
        (options.threads, "1", 1),
        (options.contenders, "fit, FUSED", [FIT, "PyTorch, fused Adam"]),
        (options.contenders, "", list(CONTENDERS["train"])),
        (options.count, "0", 0),
    ],
)
def test_options_are_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (options.positive, ["0", "-1", "1.5", "x", ""]),
        (options.positives, ["", "1,", "1,0"]),
        (options.seconds, ["0", "-1", "x", "nan", "inf"]),
        (options.threads, ["0", "100000"]),
        (options.contenders, ["caffe"]),
        (options.new_file, [".", "no/such/folder/x.md"]),
        (options.picture, ["no/such/folder/x.png"]),
        (options.count, ["-1", "two"]),
        (options.level, ["v9", ""]),
    ],
)
def test_options_are_refused(read, texts):
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError):
            read(text)


# ---- checks ------------------------------------------------------------------------------------


def test_every_kernel_has_a_case():
    assert cases.unknown_kernels() == []
    assert {case.kernel for case in cases.every_case(quick=True)} == set(kernels.__all__)


@pytest.mark.parametrize("name", ["sigmoid_forward", "adam_step", "linear_backward"])
@pytest.mark.parametrize("factor", [1 + 1e-4, np.nan])
def test_a_wrong_kernel_is_noticed(name, factor, monkeypatch):
    case = next(case for case in cases.every_case(quick=True) if case.kernel == name)
    right = getattr(kernels, name)
    assert case.disagreement() <= 1

    def wrong(*arguments, **settings):
        result = right(*arguments, **settings)
        last = (
            arguments[0] if result is None else result[-1] if name == "linear_backward" else result
        )
        last.flat[-1] *= 1 + 1e-4
        return result

    monkeypatch.setattr(kernels, name, wrong)
    assert case.disagreement() > 1


def test_other_losses_are_noticed():
    notes = {}
    losses = {
        REFERENCE: [2.0, 1.0],
        FIT: [2.0, 1.0005],
        STEP: [2.0, 1.01],
        "JAX": [2.0, np.nan],
    }
    assert contest._agreeing(NETS["B"], contest._errors(losses), notes) == {REFERENCE, FIT}
    errors = contest._errors({REFERENCE: [1.0], FIT: [1.0, 1.0]})
    assert contest._agreeing(NETS["B"], errors, {}) == {REFERENCE}
    assert notes == {STEP: "other losses (1.0e-02)", "JAX": "other losses (nan)"}
    (line, _) = report.disagreements([result(notes=notes)])
    assert line == f"DISAGREES: {STEP}, 784-16-16-10:32: other losses (1.0e-02)"


def test_contenders_compete_in_processes_of_their_own():
    names = [FIT, STEP, REFERENCE]
    net = Net("", (7, 5, 3), 4)
    one = contest.compete(net, 1, names, rounds=1, turn=1e-6, budget=Budget(0))
    assert list(one.timings) == names
    assert not one.notes
    assert all(0 < t.low <= t.median <= t.high for t in one.timings.values())
    assert one.limit > 0
    assert one.meetings == []


def test_threads_meet_before_every_turn():
    two = contest.compete(
        Net("", (7, 5, 3), 4), 2, [FIT, REFERENCE], rounds=1, turn=1e-6, budget=Budget(0)
    )
    assert len(two.meetings) == 2


def test_a_contender_that_fails_says_why(tmp_path):
    failing = worker.Worker(FIT, tmp_path / "missing.npz", 1)
    try:
        with pytest.raises(worker.WorkerError, match=r"FileNotFoundError: .*missing\.npz"):
            failing.version()
    finally:
        failing.close()
