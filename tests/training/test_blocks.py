"""Rows in blocks: how a file larger than memory is shuffled, and read ahead."""

import _thread
import mmap
import threading
import tracemalloc

import numpy as np
import pytest

import densenet
from densenet import Adam, Linear, Network, SoftmaxCrossEntropy
from densenet._engine.contract import Examples
from densenet.training import orders, reading
from tests.support.assertions import assert_same_bits
from tests.support.examples import separable
from tests.support.files import through_file
from tests.support.threads import NUMBERS
from tests.support.training import Kill, KilledError, assert_same, make

ROWS, WIDTH = 103, 5
ROW = 8 * WIDTH  # bytes


@pytest.fixture
def small(monkeypatch):
    """Blocks of 4 rows, groups of 2 batches of 8."""
    monkeypatch.setattr(orders, "_BLOCK", 4 * ROW)
    monkeypatch.setattr(orders, "_GROUP", 16 * ROW)


@pytest.fixture
def data(rng):
    return separable(rng, ROWS, WIDTH)


@pytest.fixture
def mapped(tmp_path, data):
    """The same rows in a file."""
    np.save(tmp_path / "x.npy", data[0])
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def trained(x, y, engine="compiled", **options):
    network = make(engine, dtype="float64")
    network.fit(x, y, **{"epochs": 2, "batch_size": 8, "seed": 3} | options)
    return network


# ---- the order -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 3, 4, 12, 13, 103])
def test_an_order_has_each_row_once_and_mixes_groups_of_blocks(rng, rows):
    order = orders.by_blocks(rng, rows, 4, 12)
    np.testing.assert_array_equal(np.sort(order), np.arange(rows))
    for begin in range(0, rows, 12):
        blocks = set((order[begin : begin + 12] // 4).tolist())
        assert len(blocks) <= 4  # behind a short block, groups begin within blocks


def test_blocks_and_the_rows_within_a_group_are_drawn_anew(rng):
    first, second = (orders.by_blocks(rng, 4000, 4, 400) for _ in range(2))
    places = [np.sort(order[:400] // 4) for order in (first, second)]
    assert (places[0] != places[1]).any()  # other blocks
    assert (np.diff(first) == 1).mean() < 0.05  # rows of a block are not left side by side
    spread = first[:400].std() / 4000
    assert 0.2 < spread < 0.4  # a group comes from all over the file


def test_a_block_is_256_kib_and_a_group_32_mib():
    x = np.broadcast_to(np.zeros(784, np.float32), (200_000, 784))
    assert orders.rows_of_a_block(x) == 2**18 // (4 * 784)
    rows = orders.rows_of_a_group(x, 128)
    assert rows % 128 == 0
    assert rows * 4 * 784 == pytest.approx(2**25, rel=0.02)
    wide = np.broadcast_to(np.zeros(2**27, np.int8), (3, 2**27))
    assert orders.rows_of_a_block(wide) == 1
    assert orders.rows_of_a_group(wide, 2) == 2


# ---- when ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        np.asarray,
        lambda x: np.asarray(x)[:],
        lambda x: x.reshape(-1).reshape(x.shape),
        lambda x: x[::-1][::-1],
    ],
    ids=["file", "array", "view of an array", "other shape", "turned"],
)
def test_a_mapped_file_is_shuffled_by_blocks(engine, data, mapped, view):
    x, y = data
    weights = np.arange(1.0, ROWS + 1)
    expected = trained(x, y, engine, sample_weight=weights)
    given = {"shuffle": True, "sample_weight": weights}
    assert_same_bits(trained(mapped, y, engine, **given).flat, expected.flat)
    weighted = trained(x, y, engine, shuffle="blocks", sample_weight=weights)
    assert_same_bits(trained(view(mapped), y, engine, sample_weight=weights).flat, weighted.flat)
    expected = trained(x, y, engine, shuffle="blocks")
    assert_same_bits(trained(view(mapped), y, engine).flat, expected.flat)
    mixed = trained(x, y, engine)
    assert (mixed.flat != expected.flat).any()
    assert_same_bits(trained(mapped, y, engine, shuffle=True).flat, mixed.flat)
    assert_same_bits(trained(mapped.copy(), y, engine).flat, mixed.flat)  # in memory
    straight = trained(x, y, engine, shuffle=False)
    assert_same_bits(trained(mapped, y, engine, shuffle=False).flat, straight.flat)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "view",
    [
        lambda file: file[::3],
        lambda file: file[::-1],
        lambda file: np.asfortranarray(file).T[:WIDTH].T,
        lambda file: file.T[:ROWS, :WIDTH] if len(file) == WIDTH else file[:, ::-1],
        lambda file: file[7:],
    ],
    ids=["some rows", "turned", "in memory", "turned columns", "rest"],
)
def test_views_of_all_kinds_give_the_order_of_an_array(data, mapped, view):
    x, y = view(mapped), data[1][: len(view(mapped))]
    expected = trained(np.ascontiguousarray(x), y, shuffle="blocks")
    assert_same_bits(trained(x, y, shuffle="blocks").flat, expected.flat)


@pytest.mark.usefixtures("small", "keep_threads")
def test_results_do_not_depend_on_threads(mapped, data):
    results = []
    for number in NUMBERS:
        densenet.set_num_threads(number)
        results.append(trained(mapped, data[1]).flat)
    for result in results[1:]:
        assert_same_bits(result, results[0])


# ---- resuming ------------------------------------------------------------------------------------


def left(network, x, y, leave, **options):
    with pytest.raises(KilledError):
        network.fit(x, y, **options, callbacks=[leave])


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "point", [{"step": 1}, {"step": 5}, {"step": 13}, {"step": 20}, {"epoch": 1}]
)
def test_training_by_blocks_resumes(engine, data, mapped, tmp_path, point):
    y, options = data[1], {"epochs": 3, "batch_size": 8, "optimizer": Adam(lr=0.05)}
    whole = make(engine)
    expected = whole.fit(mapped, y, **options)
    network = make(engine)
    left(network, mapped, y, Kill(**point), **options)
    again = through_file(network, tmp_path / "model", backend=engine)
    assert_same(network, network.fit(mapped, y, resume=True, **options), whole, expected)
    # Rows that are now in memory go on as they began.
    assert_same(again, again.fit(data[0], y, resume=True, **options), whole, expected)


def test_training_that_began_with_all_rows_mixed_goes_on_so(data, mapped, tmp_path):
    y, options = data[1], {"epochs": 3, "batch_size": 8, "optimizer": Adam(lr=0.05)}
    for shuffle in (True, False):
        whole = make()
        expected = whole.fit(mapped, y, shuffle=shuffle, **options)
        network = make()
        left(network, mapped, y, Kill(step=5), shuffle=shuffle, **options)
        again = through_file(network, tmp_path / "model")
        assert_same(again, again.fit(mapped, y, resume=True, **options), whole, expected)
        with pytest.raises(
            ValueError, match=f"^shuffle: expected {shuffle} to resume, got 'blocks'$"
        ):
            network.fit(mapped, y, resume=True, shuffle="blocks", **options)


# ---- reading ---------------------------------------------------------------------------------


class Watched(mmap.mmap):
    """A mapped file that notes which bytes it is asked to read."""

    def madvise(self, option, start, length):
        assert start % mmap.PAGESIZE == 0
        if option == mmap.MADV_WILLNEED:
            self.asked.append((start, start + length))
        elif self.knows_no_other:
            raise OSError


@pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="not applicable: no madvise")
@pytest.mark.parametrize("knows_no_other", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_groups_hold_the_rows_of_their_steps(monkeypatch, tmp_path, rng, weighted, knows_no_other):
    monkeypatch.setattr(orders, "_GROUP", 100 * 4096)
    rows, width, before, batch_size = 1000, 1024, 24, 8
    path = tmp_path / "rows"
    path.write_bytes(bytes(before) + rng.integers(0, 9, (rows, width), "i4").tobytes())
    with open(path, "rb") as stream:
        file = Watched(stream.fileno(), 0, access=mmap.ACCESS_READ)
    file.asked, file.knows_no_other = [], knows_no_other
    x = np.frombuffer(file, np.int32, offset=before).reshape(rows, width)
    y, weights = np.arange(rows), rng.random(rows) if weighted else None
    reader = reading.Reader(file, Examples(x, y, weights), batch_size)
    for _ in range(2):  # epochs
        epoch = orders.by_blocks(rng, rows, 10, orders.rows_of_a_group(x, batch_size))
        file.asked.clear()
        step = 0
        while step < 125:
            for inner in (step, step + 1):
                group = reader.group(epoch, inner)
                assert group.first == step
            assert step + 12 == group.last or group.last == 125
            some = epoch[step * batch_size : group.last * batch_size]
            np.testing.assert_array_equal(group.examples.x, x[some])
            np.testing.assert_array_equal(group.examples.targets, some)
            if weighted:
                given = group.examples.sample_weight
                np.testing.assert_array_equal(given, weights[some])
            step = group.last
        pages = np.zeros(rows + 2, int)
        for begin, end in file.asked:
            pages[begin // 4096 : -(-end // 4096)] += 1
        assert pages[: rows + 1].min() >= 1
        assert pages.mean() < 1.3  # where pieces meet, a page is asked for twice
    middle = reader.group(epoch, 50)  # as a resumed epoch begins
    assert middle.first <= 50 < middle.last
    np.testing.assert_array_equal(
        middle.examples.x[:8], x[epoch[middle.first * 8 : middle.first * 8 + 8]]
    )
    reader.end()


def test_no_thread_is_left(data, mapped):
    before = _thread._count()
    for leave in (Kill(step=1), Kill(epoch=1)):
        with pytest.raises(KilledError):
            make().fit(mapped, data[1], callbacks=[leave])
    assert _thread._count() == before


def test_what_cannot_be_read_raises_where_it_is_needed(monkeypatch, small, data, mapped):
    """A thread that fails leaves the reading, and its error, to the call that trains."""
    read, failing = reading.Reader._read, set()

    def fail(self, epoch, number):
        if threading.current_thread() is not threading.main_thread():
            failing.add(number)
            raise MemoryError
        return read(self, epoch, number)

    expected = trained(mapped, data[1])
    monkeypatch.setattr(reading.Reader, "_read", fail)
    assert_same_bits(trained(mapped, data[1]).flat, expected.flat)
    assert failing


def test_rows_in_memory_are_not_read_again(monkeypatch, data, mapped):
    made = []
    monkeypatch.setattr(reading, "Reader", lambda *given: made.append(given))
    for shuffle, x in ((True, mapped), (False, mapped), ("blocks", data[0])):
        trained(x, data[1], shuffle=shuffle)
    assert not made


# ---- memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", ">f8", "i2", "u1", "?"])
def test_no_file_is_copied_whole(monkeypatch, tmp_path, rng, dtype):
    monkeypatch.setattr(orders, "_GROUP", 2**20)
    x = np.memmap(tmp_path / "x", dtype, "w+", shape=(20_000, 784))
    x[:] = rng.integers(0, 2, x.shape)
    y = np.zeros(len(x), np.int64)
    network = Network([Linear(784, 3)], SoftmaxCrossEntropy(), seed=0)
    network.fit(x, y, epochs=1)
    tracemalloc.start()
    network.fit(x, y, epochs=1, batch_size=100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Class indices and the order of the rows, for a moment several times; groups of rows.
    assert peak < 12 * y.nbytes + 3 * orders._GROUP < x.nbytes


@pytest.mark.parametrize("dtype", ["f2", "g"])
def test_types_that_would_be_copied_are_refused(engine, tmp_path, dtype):
    x = np.memmap(tmp_path / "x", dtype, "w+", shape=(10, 5))
    with pytest.raises(TypeError, match=r"^x: expected float32, float64, integers or bool, got"):
        make(engine).fit(x, np.zeros(10, int))
