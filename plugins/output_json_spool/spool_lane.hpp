// SPDX-License-Identifier: Apache-2.0
// One worker's part of the spool: passes messages to the journal and calls of replay to the keeper,
// both of which answer from their own threads. [loop]
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <string>
#include <string_view>

#include "bookkeeping.hpp"
#include "capacity.hpp"
#include "filer.hpp"
#include "journal_message.hpp"
#include "keeper.hpp"
#include "remover.hpp"
#include "replay_copies.hpp"
#include "tally.hpp"

namespace lsmtpd::json_spool {

// The objects that the instance shares with its lanes; they outlive the lanes.
struct Shared {
  Capacity& capacity;
  Keeper& keeper;
  Remover& remover;
  ReplayCopies& copies;  // keeper's thread only, but for forget_file()
  JournalTarget& journal;
  Filer* filer;  // null: messages stay in the journal
};

class Lane : public sdk::Lane, public sdk::Output, public sdk::Admission, public sdk::Replay {
 public:
  Lane(sdk::LaneHost host, Shared shared);

  void close(sdk::Closed closed) override;

  void deliver(sdk::Call call, sdk::Message message, sdk::Delivery delivery) override;
  void cancel(lsmtpd_call call) override;
  sdk::Capacity admission() override;

  void list(sdk::Call call, bool restart, std::uint32_t max) override;
  void load(sdk::Call call, std::string_view copy_id) override;
  void forget(sdk::Call call, std::string_view copy_id) override;
  void dead_letter(sdk::Call call, std::string_view copy_id, std::string_view reason) override;
  void count(sdk::Call call, std::string_view target, std::uint64_t max) override;

 private:
  template <class Work>
  void on_keeper(sdk::Call call, Work work);
  void store(sdk::Call call, sdk::Message message, const std::string& id, Purpose purpose);

  Shared shared_;
  std::string reason_;
  std::optional<sdk::Closed> closed_;
  Tally tally_;
};

}  // namespace lsmtpd::json_spool
