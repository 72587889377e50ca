// Lets one call train a network, or any number of calls read it.
//
// While no call trains, readers read the parameters in place, and a call that wants to train waits
// until they have finished. While a call trains, a reader waits for the end of a step, copies what
// it needs and computes with the copy: so it sees the parameters of one step, and training waits
// only for the copy. A second call that wants to train is refused.
//
// Where no call has to wait, this costs two atomic operations a call.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "core/threads/parallel.hpp"

namespace densenet {

class Access {
 public:
  // ---- for a call that trains ------------------------------------------------------------------

  // While it lives, its call may train. False: another call is training.
  class Training {
   public:
    explicit Training(Access& access) : access_(access.begin_training() ? &access : nullptr) {}
    ~Training() {
      if (access_ != nullptr) access_->leave_to_readers(Nobody);
    }
    Training(const Training&) = delete;
    Training& operator=(const Training&) = delete;
    explicit operator bool() const { return access_ != nullptr; }

   private:
    Access* access_;
  };

  // Between two steps: lets all readers, this thread included, read in place until go_on().
  void rest() { leave_to_readers(Resting); }
  void go_on() {
    trainer_.store(Stepping);
    wait_for_readers();
  }

  // True if a reader waits for the end of a step.
  bool wanted() const { return waiting_.load(std::memory_order_relaxed) > 0; }

  // Between two steps: lets all readers that wait now make their copies, and waits for them.
  void let_copy() {
    std::unique_lock<std::mutex> lock(mutex_);
    const unsigned long long until = served_ + static_cast<unsigned long long>(waiting_.load());
    open_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return served_ >= until; });
    open_ = false;
  }

  // ---- for a call that reads -------------------------------------------------------------------

  // While it lives, the caller may read: in place, or else what copy(), which this has called, has
  // copied at the end of a step.
  class Reading {
   public:
    template <class Copy>
    Reading(Access& access, const Copy& copy) : access_(access), in_place_(access.read(copy)) {}
    ~Reading() {
      if (in_place_) access_.end_reading();
    }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    bool in_place() const { return in_place_; }

   private:
    Access& access_;
    bool in_place_;
  };

 private:
  enum Trainer { Nobody, Stepping, Resting };

  bool begin_training() {
    forget_calls_before_a_fork();
    int nobody = Nobody;
    if (!trainer_.compare_exchange_strong(nobody, Stepping)) return false;
    wait_for_readers();
    return true;
  }

  // True: the caller may read in place until end_reading(). False: copy() has been called.
  template <class Copy>
  bool read(const Copy& copy) {
    forget_calls_before_a_fork();
    for (;;) {
      readers_.fetch_add(1);
      if (trainer_.load() != Stepping) return true;
      end_reading();
      std::unique_lock<std::mutex> lock(mutex_);
      waiting_.fetch_add(1);
      changed_.wait(lock, [&] { return open_ || trainer_.load() != Stepping; });
      waiting_.fetch_sub(1);
      ++served_;
      changed_.notify_all();
      if (!open_) continue;
      copy();  // training waits while this thread has the lock
      return false;
    }
  }

  void end_reading() {
    if (readers_.fetch_sub(1) == 1 && trainer_.load() == Stepping) notify();
  }

  void wait_for_readers() {
    if (readers_.load() == 0) return;
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return readers_.load() == 0; });
  }

  void leave_to_readers(Trainer trainer) {
    trainer_.store(trainer);
    if (waiting_.load() > 0) notify();
  }

  void notify() {
    const std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_all();
  }

  // A forked child has none of the calls that its parent had open, and nobody would end them.
  void forget_calls_before_a_fork() {
    if (after_fork_.load(std::memory_order_relaxed) == forked().load()) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (after_fork_.exchange(true)) return;
    trainer_ = Nobody;
    readers_ = waiting_ = 0;
    open_ = false;
  }

  std::atomic<int> trainer_{Nobody}, readers_{0}, waiting_{0};
  std::atomic<bool> after_fork_{forked().load()};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;              // guarded by the mutex, as is the next
  unsigned long long served_ = 0;  // readers that had to wait
};

}  // namespace densenet
