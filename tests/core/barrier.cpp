// How the members of a team wait for each other.
#include "core/threads/barrier.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "check.hpp"

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#endif

namespace {

using namespace densenet;

TEST(nobody_goes_on_before_all_have_come) {
  constexpr int kMembers = 8, kRounds = 500;  // more than processors, so that some sleep
  Barrier meeting;
  std::atomic<int> came{0};
  const auto member = [&](int rank) {
    Barrier::begin();
    for (int round = 1; round <= kRounds; ++round) {
      ++came;
      meeting.wait(rank, kMembers);
      CHECK(came >= round * kMembers);
      meeting.wait(rank, kMembers);
      CHECK(came <= round * kMembers + kMembers);
    }
    meeting.part(rank, kMembers);
    if (rank == 0) CHECK(came == kRounds * kMembers);
  };
  std::vector<std::thread> others;
  for (int rank = 1; rank < kMembers; ++rank) others.emplace_back(member, rank);
  member(0);
  for (std::thread& other : others) other.join();
}

#if defined(__linux__)
long sleeps() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

// Runs a function on one processor, which threads that it begins share.
template <class Body>
void on_one_processor(const Body& body) {
  cpu_set_t before;
  CHECK(sched_getaffinity(0, sizeof(before), &before) == 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
  CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
  body();
  CHECK(sched_setaffinity(0, sizeof(before), &before) == 0);
}

// Keeps the processor for so many seconds of this thread's own.
void work(double seconds) {
  const double start = turns().seconds;
  while (turns().seconds < start + seconds) {
  }
}

// Two members on one processor: the one that waits gives it to the one that works, which keeps it
// for a turn. It need not be given back before the work is done.
TEST(who_waits_sleeps_where_others_have_the_processor) {
  on_one_processor([] {
    Barrier meeting;
    std::thread other([&] {
      work(0.2);
      meeting.wait(1, 2);
    });
    Barrier::begin();
    const long slept = sleeps();
    meeting.wait(0, 2);
    CHECK(sleeps() > slept);
    other.join();
  });
}

TEST(who_has_ended_its_part_sleeps_there_until_member_0_comes) {
  on_one_processor([] {
    Barrier meeting;
    std::thread other([&] {
      Barrier::begin();
      work(0.1);
      const long slept = sleeps();
      meeting.part(1, 2);
      CHECK(sleeps() > slept);
    });
    work(0.3);
    meeting.part(0, 2);
    other.join();
  });
}
#endif

}  // namespace
