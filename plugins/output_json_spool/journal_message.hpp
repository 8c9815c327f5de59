// SPDX-License-Identifier: Apache-2.0
// A message that the host gave to be stored, on its way into the journal. It belongs to a lane
// until its call is answered.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <functional>
#include <string>

#include "bookkeeping.hpp"
#include "capacity.hpp"
#include "journal/journal.hpp"
#include "tally.hpp"

namespace lsmtpd::json_spool {

// The journal of a spool, as the lanes use it.
struct JournalTarget {
  journal::Journal& journal;
  Files& files;
  Capacity& capacity;
  std::string where;  // for the log: its directory, or the one of the files
  bool to_files;
  // A copy was stored, in its place before the host hears of it. [journal's threads]
  std::function<void(const std::string& id, const journal::Key& key)> stored;
};

class JournalMessage : public journal::MessageAppend {
 public:
  JournalMessage(JournalTarget& target, Tally::Ticket ticket, sdk::Call call, sdk::Message message,
                 const std::string& id, const Purpose& purpose);

  bool content(const Sink& sink) override { return message_.each_piece(sink); }

  bool is(const Tally& lane, lsmtpd_call call) const {
    return call_.id() == call && ticket_.of(lane);
  }
  // Gives the message back to be answered otherwise, once the journal does not have it.
  sdk::Call take_call() { return std::move(call_); }

 protected:
  void answered(std::int64_t error) override;

 private:
  Tally::Ticket ticket_;  // destroyed last: the lane stays open until then
  sdk::Call call_;
  sdk::Message message_;  // pinned
  JournalTarget& target_;
};

// A removal that the host asked for.
class JournalForget : public journal::Append {
 public:
  JournalForget(JournalTarget& target, Tally::Ticket ticket, sdk::Call call)
      : ticket_(std::move(ticket)), call_(std::move(call)), target_(target) {}

  bool wants_flush() const override { return false; }
  void answer(std::int64_t error) override;

 private:
  Tally::Ticket ticket_;
  sdk::Call call_;
  JournalTarget& target_;
};

}  // namespace lsmtpd::json_spool
