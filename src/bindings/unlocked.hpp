// Python's global lock, given up for the length of a long computation.
#pragma once

#include <pybind11/pybind11.h>

#include <condition_variable>
#include <mutex>

namespace densenet {

// While it lives, other Python threads run.
//
// A daemon thread may still compute when the program ends. Until Python 3.13, one that then asks
// for the lock is ended by unwinding its frames; they are C++ here, and the whole process would be
// aborted. Since 3.14 such a thread waits for ever instead, until the process is gone: so it does
// here in every version.
class Unlocked {
 public:
  Unlocked() : thread_(PyEval_SaveThread()) {}
  ~Unlocked() { lock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

  // Runs Python in between.
  template <class Body>
  void locked(const Body& body) {
    lock();
    body();
    thread_ = PyEval_SaveThread();
  }

 private:
  void lock() noexcept {
    try {
      PyEval_RestoreThread(thread_);
    } catch (...) {
      std::mutex mutex;
      std::unique_lock<std::mutex> held(mutex);
      std::condition_variable().wait(held, [] { return false; });
    }
  }

  PyThreadState* thread_;
};

}  // namespace densenet
