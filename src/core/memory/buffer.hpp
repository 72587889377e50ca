// Scratch memory that is kept from call to call, and grows when a call needs more.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "core/vectors/index.hpp"

namespace densenet {

// An array of undefined contents, aligned to a cache line.
template <class T>
class Buffer {
 public:
  // Makes room for `size` elements. What was in the buffer is lost if it has to grow.
  T* at_least(Index size) {
    if (size > size_) {
      data_.reset();  // first, so that the old and the new memory are never held together
      size_ = 0;
      data_.reset(static_cast<T*>(
          ::operator new(static_cast<std::size_t>(size) * sizeof(T), std::align_val_t{64})));
      size_ = size;
    }
    return data_.get();
  }
  T* get() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* data) const { ::operator delete(data, std::align_val_t{64}); }
  };
  std::unique_ptr<T, Free> data_;
  Index size_ = 0;
};

// Lends objects to calls and makes one where all are lent: several Python threads may use a network
// at once, and each needs scratch memory of its own.
template <class Object>
class Pool {
 public:
  class Loan {  // gives the object back at the end of its life
   public:
    explicit Loan(Pool& pool) : pool_(pool), object_(pool.take()) {}
    ~Loan() { pool_.give_back(std::move(object_)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    Object& operator*() const { return *object_; }
    Object* operator->() const { return object_.get(); }

   private:
    Pool& pool_;
    std::unique_ptr<Object> object_;
  };

 private:
  std::unique_ptr<Object> take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) return std::make_unique<Object>();
    std::unique_ptr<Object> object = std::move(free_.back());
    free_.pop_back();
    return object;
  }

  void give_back(std::unique_ptr<Object> object) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(std::move(object));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Object>> free_;
};

}  // namespace densenet
