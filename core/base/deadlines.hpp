// SPDX-License-Identifier: Apache-2.0
// Many deadlines of few different lengths, without a timer each: a list for every length, in the
// order of arming, so that arming, disarming and finding what is due are all O(1). Resolution is
// that of the caller's advance().
//
// The loop calls advance(now) a few times a second; tests call it by hand. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

namespace lsmtpd {

class Deadlines {
  struct Hook {
    Hook* next = this;
    Hook* previous = this;
    void insert_before(Hook& at);
    void remove();
    bool linked() const { return next != this; }
  };

 public:
  // One deadline, a member of its owner. Its destructor disarms it.
  class Entry : Hook {
   public:
    explicit Entry(std::function<void()> expired) : expired_(std::move(expired)) {}
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    ~Entry() { disarm(); }

    void disarm() { remove(); }
    bool armed() const { return linked(); }

   private:
    friend class Deadlines;
    std::function<void()> expired_;
    uint64_t at_ = 0;
  };

  explicit Deadlines(uint64_t now_ms = 0) : now_(now_ms) {}
  ~Deadlines();

  // `entry` expires once, `delay_ms` from now; arming again starts over. A delay of 0 means never.
  void arm(Entry& entry, uint64_t delay_ms);
  // Calls expired() of each due entry, which may arm, disarm and destroy entries, its own included.
  void advance(uint64_t now_ms);
  void set_now(uint64_t now_ms) { now_ = now_ms; }
  uint64_t now() const { return now_; }

 private:
  std::map<uint64_t, Hook> lists_;  // by delay
  uint64_t now_;
};

}  // namespace lsmtpd
