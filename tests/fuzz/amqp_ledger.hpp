// SPDX-License-Identifier: Apache-2.0
// The record of one AMQP connection: which deliveries the plugin sent whole, and which of them the
// broker accepted and settled. Kept apart from Proton and from the plugin, from the bytes alone;
// where the broker's own bytes cannot be told (lost()), it may have said anything.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "amqp_wire.hpp"

namespace lsmtpd::fuzz {

class AmqpLedger {
 public:
  // A link of the plugin that the broker has not answered.
  struct Attach {
    uint16_t channel;
    uint64_t handle;
    std::string name;
  };

  void plugin_said(std::string_view bytes) {
    plugin_.append(bytes);
    while (const auto frame = plugin_.next()) from_plugin(*frame);
  }
  void broker_said(std::string_view bytes) {
    broker_.append(bytes);
    while (const auto frame = broker_.next()) from_broker(*frame);
  }

  bool lost() const { return broker_.lost(); }
  // How many deliveries that carried this id were sent whole, accepted and settled.
  size_t accepted(const std::string& id) const {
    size_t count = 0;
    for (const auto& [key, delivery] : deliveries_) count += holds(delivery, id);
    for (const Delivery& delivery : ended_) count += holds(delivery, id);
    return count;
  }
  std::vector<Attach> take_unanswered() { return std::exchange(unanswered_, {}); }
  uint64_t next_id() const { return next_id_; }

 private:
  struct Delivery {
    std::string content = {};  // its beginning, in which the message's id stands
    bool whole = false;
    bool accepted = false;
    bool settled = false;
  };
  using Key = std::pair<uint16_t, uint32_t>;  // the plugin's channel, the delivery id
  static constexpr size_t kKept = 4096;

  bool holds(const Delivery& delivery, const std::string& id) const {
    return delivery.whole && delivery.accepted && (delivery.settled || second_) &&
           delivery.content.find(id) != std::string::npos;
  }

  void from_plugin(const wire::Frame& frame) {
    const wire::Value& said = frame.performative;
    if (frame.type != 0 || !said.descriptor) return;
    if (*said.descriptor == wire::kBegin) end_channel(frame.channel);
    if (*said.descriptor == wire::kAttach)
      unanswered_.push_back(
          {frame.channel, said.item(1).number(), std::string(said.item(0).bytes)});
    if (*said.descriptor == wire::kTransfer) transfer(frame);
  }

  void transfer(const wire::Frame& frame) {
    const wire::Value& said = frame.performative;
    const Key link{frame.channel, static_cast<uint32_t>(said.item(0).number())};
    if (!said.item(1).is_null()) current_[link] = static_cast<uint32_t>(said.item(1).number());
    next_id_ = current_[link] + uint64_t{1};
    const Key key{frame.channel, current_[link]};
    if (said.item(9).truth()) {  // aborted
      deliveries_.erase(key);
      return;
    }
    Delivery& delivery = deliveries_[key];
    if (delivery.content.size() < kKept) delivery.content += frame.payload;
    delivery.whole = !said.item(5).truth();  // more
  }

  void end_channel(uint16_t channel) {
    for (auto it = deliveries_.begin(); it != deliveries_.end();) {
      if (it->first.first != channel) {
        ++it;
        continue;
      }
      ended_.push_back(std::move(it->second));
      it = deliveries_.erase(it);
    }
  }

  void from_broker(const wire::Frame& frame) {
    const wire::Value& said = frame.performative;
    if (frame.type != 0 || !said.descriptor) return;
    if (*said.descriptor == wire::kBegin && !said.item(0).is_null())
      channels_[frame.channel] = static_cast<uint16_t>(said.item(0).number());
    if (*said.descriptor == wire::kAttach && said.item(4).number() == 1) second_ = true;
    if (*said.descriptor == wire::kDisposition && said.item(0).truth()) disposition(frame);
  }

  void disposition(const wire::Frame& frame) {
    const wire::Value& said = frame.performative;
    const auto first = static_cast<uint32_t>(said.item(1).number());
    const auto last = said.item(2).is_null() ? first : static_cast<uint32_t>(said.item(2).number());
    const auto channel = channels_.find(frame.channel);
    const wire::Value& state = said.item(4);
    for (auto& [key, delivery] : deliveries_) {
      if (channel != channels_.end() && channel->second != key.first) continue;
      // Serial numbers; Proton takes a range that ends before it begins for its end.
      const bool in_range = key.second - first <= last - first || key.second == last;
      if (!in_range || delivery.settled) continue;
      if (state.descriptor) delivery.accepted = *state.descriptor == wire::kAccepted;
      delivery.settled = said.item(3).truth();
    }
  }

  wire::Frames plugin_;
  wire::Frames broker_;
  std::vector<Attach> unanswered_;
  std::map<uint16_t, uint16_t> channels_;  // the broker's to the plugin's
  std::map<Key, uint32_t> current_;        // link to delivery id
  std::map<Key, Delivery> deliveries_;
  std::vector<Delivery> ended_;
  uint64_t next_id_ = 0;
  bool second_ = false;  // a link settles second
};

}  // namespace lsmtpd::fuzz
