// Every number of the core that was found by measuring, in one table.
//
// Each entry says what the number trades. The commands that show the effect of another value stand
// under the heading, or at the entry where it has one of its own; nets have the letters of `make
// bench-nets`, where ARGS may be letters, or widths and batch. Numbers that depend on the
// instruction set are written as by_registers(16 registers: SSE and AVX2; 32: AVX-512 and NEON);
// all others have the same value everywhere.
//
// Numbers marked BITS decide in which order sums are added up: another value changes the last bits
// of results. All others are free to change for speed. docs/tuning.md tells what was measured, when
// and on which processor, and lists the numbers of which nobody wrote that down.
#pragma once

#include <chrono>

#include "core/vectors/index.hpp"
#include "core/vectors/registers.hpp"

namespace densenet {

template <class Number>
constexpr Number by_registers(Number with_16, Number with_32) {
  return kManyRegisters ? with_32 : with_16;
}

// ---- threads: is a call worth more than one? -------------------------------------------------
// make bench-threads ARGS='--calls all'

// Work that pays for waking and joining one more thread, and for one meeting within a step: a core
// does as much in a few microseconds, or a few tenths of one. Less wakes threads for less.
inline constexpr double kFlopPerThread = 5e5, kFlopPerMeeting = 2e5;
// What a thread does in a second, to guess how long a call takes on one; and the operations that
// an elementwise function counts as, for one that calls exp().
inline constexpr double kFlopPerSecond = 1e11, kFlopPerElement = 20;
// Times that a member of a team looks whether the others have arrived before it gives up its
// processor. More waits better on an idle machine, less on a busy one (A beside busy processes).
inline constexpr int kBarrierSpins = 1000;
// A member of a team sleeps while it waits, for so long after other programs have had its processor
// for kLostSeconds. Where nobody else wants it, sleep costs a step of some milliseconds up to 8 %.
inline constexpr double kLostSeconds = 2e-4;
inline constexpr auto kSharedProcessor = std::chrono::milliseconds(20);
// OpenMP's threads spin for at least this long after work; after that they may have to be woken.
inline constexpr auto kThreadsStayAwake = std::chrono::milliseconds(2);
// Seconds of calls in a row on one thread after which sleeping threads are woken: what waking took.
inline constexpr double kWakingSeconds = 1e-4;
// Several threads and one are compared over this many seconds: longer than a system lets a thread
// run at a time. A shorter comparison may fall between two interruptions.
inline constexpr double kWindowSeconds = 1e-2;
// A rematch is cut into pieces of kLookSeconds. The threads have lost it as soon as it has taken
// kMostLostSeconds longer than one thread would have. Less of both costs less on a busy machine,
// and lets single interruptions decide.
inline constexpr double kLookSeconds = 1e-3, kMostLostSeconds = 2e-3;
// Late threads are left out for kFirstWait (below), then for twice as long each time up to this;
// and for as long as they have cost, then for twice that each time up to so many times. More
// protects a busy machine, less forgives sooner.
inline constexpr auto kLongestPatience = std::chrono::seconds(1);
inline constexpr double kMostRematchTimes = 20;
// Threads for which the caller waits this share of the time are under suspicion of being late.
inline constexpr double kMuchWaiting = 0.25;

// ---- threads: how training steps are shared --------------------------------------------------
// make bench-threads ARGS='--calls train_step'; make bench-nets ARGS='A B C D'

// Each way is timed so often, for so many seconds. Longer trials tell better and cost more.
inline constexpr int kTrials = 3;
inline constexpr double kTrialSeconds = 1e-4;
// A way with fewer threads, or tried later, has to take less than this share of the time.
inline constexpr double kClearlyFaster = 0.95;
// From one round of trials to the next: first, and at most, where nothing changes.
inline constexpr auto kFirstWait = std::chrono::milliseconds(20);
inline constexpr auto kLongestWait = std::chrono::milliseconds(250);
// After a pause of this length cores may have moved: the wait begins again from the first.
inline constexpr auto kLongPause = std::chrono::milliseconds(20);

// ---- products: the register tile -------------------------------------------------------------
// make bench-nets ARGS='C E F G'; make bench (linear_forward, linear_backward)

// Rows of a tile and vector registers of a row. 14 x 2 sums, 2 registers of B and 1 of A fill 31
// of 32 registers; 6 x 2 fill 15 of 16.
inline constexpr Index kTileRows = by_registers<Index>(6, 14), kTileVectors = 2;
// Terms of a sum that are added up before the next chunk begins (BITS). Longer keeps the sums in
// registers, shorter keeps a strip of B in a smaller cache. Rejected with AVX2: 256, 384, 512.
inline constexpr Index kChunk = 1024;
// Chunks begin at multiples of this (BITS).
inline constexpr Index kDepthGrain = 8;
// A forward sum of `inputs` terms is cut into chunks that threads can share (BITS) where inputs >=
// kLongDepth * outputs: kDepthShares of them, or fewer so that each has kLeastShareDepth terms, or
// more so that none has more than kChunk; up to kMostShares, whose sums wait in memory. Net E.
// Rejected: two chunks and not four for C and D.
inline constexpr Index kLongDepth = 2, kDepthShares = 8, kLeastShareDepth = 128, kMostShares = 32;
// Tiles of a bundle, which are finished together where `finish` takes long beside the sums: one
// update's roots and quotients overlap the next one's. Rejected: 1 and 2 (E 2 % slower, B 8 %).
inline constexpr Index kBundleTiles = 4;
// With 16 registers tiles are always finished in bundles; with 32 only where the depth is kShallow
// steps at most, or chunks are kShort steps and lines kLongLine strips at most (1 to 3 % of
// products with 128 columns; lines of 1024 lose 5 %). Weight gradients of shallow depth and longer
// lines take a bundle's tiles beside each other, the others below each other.
inline constexpr Index kShallow = 64, kShort = 256;
inline constexpr Index kLongLine = by_registers<Index>(32, 8);
// Registers of columns that are summed together over all rows. make bench (linear_backward: dbias)
inline constexpr Index kSumVectors = 4;

// ---- products: blocks, which stay in the second-level cache ----------------------------------
// make bench-nets ARGS='F G'; make bench-curves ARGS=width

// Rows of A in a block. More reads each strip of B less often, and takes more of the cache.
inline constexpr Index kBlockRows = 168;
// With 16 registers a block has fewer rows where it would take more than this many bytes: such a
// processor's second-level cache may have 512 KB.
inline constexpr Index kBlockBytes = Index{336} << 10;
// Blocks for which a strip of B is copied once, where their sums have to wait for more chunks.
inline constexpr Index kGroupBlocks = 4;
// Columns of C that are taken together; with a transposed A that is one chunk deep, and deeper than
// kShort, they are kWideBlockCols. More copies A less often, and takes more of the caches.
inline constexpr Index kBlockCols = 512, kWideBlockCols = 1024;

// ---- products: what is copied ----------------------------------------------------------------
// make bench-nets ARGS='C E F G'; make bench-curves ARGS='batch width'

// Rows of A whose stride is a multiple of this many bytes evict each other from the first-level
// cache: they are copied if more than one strip reads them.
inline constexpr Index kAliasedBytes = 2048;
// Lines of a transposed A of which all tiles of a block are copied before the next lines.
inline constexpr Index kCopiedLines = 8;
// A transposed A is copied where more strips than this read it. Rejected: 4 strips (E 3 % slower).
inline constexpr Index kStripsInPlace = 7;
// B is copied where more tiles read it than kFarTilesInPlace, if its lines are at least kFarBytes
// apart, or kNearTilesInPlace.
inline constexpr Index kFarBytes = 2048, kFarTilesInPlace = 3, kNearTilesInPlace = 15;

// ---- products: what is fetched ahead ---------------------------------------------------------
// make bench-nets ARGS='C E F'. All are steps along the depth, unless they say otherwise.

// Before a line of B, or of a transposed A, is read. Too early evicts it again, too late waits.
inline constexpr Index kStripAhead = 8, kTransposedAhead = 4;
// Squares of a transposed B before they are copied (linear_backward and G: 1 %).
inline constexpr Index kSquaresAhead = 6;
// Rows that `finish` or the next tile will read: so many steps from one fetch to the next, so many
// rows at a time at least. Rejected with 32 registers: every 8, 16 or 32 steps.
inline constexpr Index kFetchSteps = by_registers<Index>(16, 4);
inline constexpr Index kFetchRows = by_registers<Index>(4, 1);
// Steps that a row needs to come. With 32 registers 0 to 64 are as good; with 16 F loses 3 % at 0.
inline constexpr Index kFetchLead = 64;

// ---- products: in bf16, with matrix registers ------------------------------------------------
// make bench-nets ARGS='784-128-10:128:medium 784-1024-1024-10:256:high'

// Cells (32 steps) of a chunk of the depth with one piece: a strip of B of a chunk stays in the
// first-level cache. More writes sums less often, and takes more of it.
inline constexpr Index kBf16Chunk = 8;
// Blocks (32 rows) of a group, and cells of the depth that they are computed for before the next
// ones: cells of A that stay in the second-level cache. More rows read B less often, more depth
// writes sums less often.
inline constexpr Index kBf16Rows = 4, kBf16Deep = 48;
// Strips (32 columns) of a bundle. More make longer lines for finish(), less keep its sums in a
// nearer cache.
inline constexpr Index kBf16Strips = 32;
// Cells of a weight that are written into the caches, at most: more would be evicted before the
// next product reads them, and would have been read before they are written.
inline constexpr Index kBf16NearBytes = Index{1} << 22;

// ---- products: batches of few rows -----------------------------------------------------------
// make bench-nets ARGS='3072-512-10:1 3072-512-10:4 3072-512-10:8 128-128-128-10:8'

// A weight gradient of a batch of up to so many rows is taken line by line and not by tiles; of
// more rows only where lines are whole and d fits into this part of the first-level cache.
inline constexpr Index kFewRows = 4, kFewNearRows = 16, kNearBytes = Index{1} << 14;
// Registers of a line that are taken together, at least and at a time.
inline constexpr Index kLineVectors = 4;
// A weight gradient goes in blocks, of a tile's size or of kBlockColumnRows rows and one register,
// for lines of up to kBlockLine bytes if the batch has up to kFewRows rows, and of kFarBytes if it
// has up to kBlockDepth, or kBlockColumnDepth where lines have one register. Lines whose last
// register is not whole have kRaggedCols columns at least.
inline constexpr Index kBlockColumnRows = by_registers<Index>(12, 14);
inline constexpr Index kBlockLine = 1024, kBlockDepth = 64, kBlockColumnDepth = 192;
inline constexpr Index kRaggedCols = by_registers<Index>(0, 256);

// ---- products: of weights that a predictor holds as bf16 -------------------------------------
// make bench-predict ARGS='--rows 1,8 784-1024-1024-10:1:medium'

// Rows of a tile, as of kTileRows. Up to 6 or 2 of them take two strips together. Rejected: copying
// strips as floats for more rows than a tile has (with AVX2, 8 to 24 rows of 256 x 256 took up to
// 1.5 times as long).
inline constexpr Index kRoundedRows = by_registers<Index>(6, 14);
// Numbers from one that is read to one that is fetched: two cells of a strip.
inline constexpr Index kRoundedAhead = 2048;

// ---- products: several networks, one in each lane --------------------------------------------
// python bench/many.py

// Rows and columns of a tile of registers: with one register for an element of A, and a line of B,
// 4 x 3 sums fill 16 of 16 registers, and 5 x 5 fill 31 of 32.
inline constexpr Index kLaneTileRows = by_registers<Index>(4, 5);
inline constexpr Index kLaneTileCols = by_registers<Index>(3, 5);
// Registers that a group of networks works on, at most: they stay in the second-level cache.
inline constexpr Index kMostTogether = Index{1} << 14;

// ---- layers and updates ----------------------------------------------------------------------
// make bench ARGS=--quick (softmax_forward, mean_squared_error_backward, adam_step); net B

// Softmax takes a row in each lane up to so many classes: more no longer stay in registers.
inline constexpr Index kFewClasses = 32;
// Elements of a row that a loss or a normalisation converts to double at a time, on the stack.
inline constexpr Index kLossRun = 32;
// Registers of dropout's counters that are computed side by side, as every round of Philox waits
// for its products. More need more registers. make bench-nets ARGS='64-100-100-10:200:relu+dropout'
inline constexpr Index kCounters = 2;
// Elements of an array of unusual strides that an update copies to the stack at a time.
inline constexpr Index kStridedRun = 256;

// ---- the network -----------------------------------------------------------------------------

// Rows that a forward pass takes through all layers together, so that they stay in the cache. More
// suits narrow layers, less suits wide ones. make bench-threads ARGS='--calls predict_proba'
inline constexpr Index kForwardRows = 128;
// Elements whose squares are one part of a gradient's norm (BITS). No command shows it alone.
inline constexpr Index kNormPart = 4096;
// Rows and columns that are gathered together from an array whose columns lie one after another.
// More rows read longer parts of a column, more columns write longer parts of a row; too many of
// both fill the first-level cache. No command shows it: the bench has rows one after another.
inline constexpr Index kGatherRows = 128, kGatherCols = 8;
// Operations that take as long as the update of a parameter. make bench-threads
inline constexpr double kUpdateFlop = 34;
// A step of more operations than this takes all threads without being timed. make bench-nets F
inline constexpr double kLongStep = 2e8;
// How often a long call lets Python run: a promise to users, which costs nothing measurable.
inline constexpr auto kPollInterval = std::chrono::milliseconds(20);

// What threads share of a layer (sharing.hpp). make bench-nets ARGS='C D E 256-256-256-10:128'
//
// Most threads that share the depth of a product: each has a matrix of sums.
inline constexpr Index kMostDepthThreads = 16;
// Weights of a layer that is shared by columns, at least: a smaller one costs less by rows than one
// more meeting does. Its depth and columns are kColumnRows times the batch at least.
inline constexpr Index kLeastColumnWeights = Index{1} << 16, kColumnRows = 2;
// The largest share of columns may take 9/8 as long as the largest share of rows would.
inline constexpr Index kUnevenNumerator = 9, kUnevenDenominator = 8;
// Elements of a thread's sums, and of the x that every thread reads, at most: they stay in a cache.
inline constexpr Index kMostSharedSums = Index{1} << 17, kMostSharedX = Index{1} << 17;
// The first layer is shared by depth where its inputs are this many times the batch.
inline constexpr Index kDepthRows = 3;

}  // namespace densenet
