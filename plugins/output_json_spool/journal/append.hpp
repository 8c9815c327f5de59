// SPDX-License-Identifier: Apache-2.0
// One thing that waits for a group of the journal: a message to be stored, or to be told that
// removals are written. The writer owns it from submit() to its answer, which comes exactly once.
#pragma once

#include <cstdint>

#include "journal/group.hpp"
#include "journal/state.hpp"

namespace lsmtpd::journal {

class Append {
 public:
  Append() = default;
  Append(const Append&) = delete;
  Append& operator=(const Append&) = delete;
  virtual ~Append() = default;

  // Bytes that it adds to a group, at most.
  virtual std::uint64_t room() const { return 0; }
  // False: it is answered once its group is written, without a flush.
  virtual bool wants_flush() const { return true; }
  // True: it may not share a group with an earlier record of this key.
  virtual bool needs_own_group(const Key&) const { return false; }
  virtual const Key* key() const { return nullptr; }
  // Its content is a new file, whose name the group's flush must cover.
  virtual bool has_body() const { return false; }

  // All on the writer's thread. Adds its records to the group.
  virtual void put(Group&, State&) {}
  // The group is in its place; under the state's mutex.
  virtual void settle(State&, std::uint32_t /*slot*/) {}
  // The group failed, or it never came to one; under the state's mutex. `slot`: where parts of its
  // record may be found again.
  virtual void give_up(State&, std::uint32_t /*slot*/) {}
  // Last; 0, or why it is not stored. It may block on nothing.
  virtual void answer(std::int64_t error) = 0;
};

}  // namespace lsmtpd::journal
