// Releases Python's global lock for the length of a computation.
#pragma once

#include <pybind11/pybind11.h>

#include <condition_variable>
#include <mutex>

namespace densenet {

// While it lives, other Python threads may run.
//
// A daemon thread may still compute when the program ends. Up to Python 3.13, a thread that then
// asks for the lock is ended by unwinding its stack; with C++ frames on it, the whole process would
// be aborted. From 3.14 on such a thread waits until the process is gone. This class does so in
// every version.
class Unlocked {
 public:
  Unlocked() : thread_(PyEval_SaveThread()) {}
  ~Unlocked() { lock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

  // Runs body(), which may use Python, with the lock.
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
