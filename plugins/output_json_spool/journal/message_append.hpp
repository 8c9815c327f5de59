// SPDX-License-Identifier: Apache-2.0
// A copy of a message that is to be stored: a new one, or one that gets another place.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "journal/append.hpp"

namespace lsmtpd::journal {

struct NewCopy {
  std::string id;
  std::string meta;  // the envelope
  std::uint64_t content_size = 0;
  std::optional<Body> body;  // the content's file, where it has one
  std::int64_t time_ns = 0;  // unless an older copy of this id is there, whose time it gets
  bool dead = false;
  bool in_doubt = false;
  std::optional<Place> from;  // a copy that gets another place, if it still is at this one
  Key from_key;               // and had this key: another one where its state changes
};

class MessageAppend : public Append {
 public:
  std::uint64_t room() const override { return Group::room_for(message()); }
  bool needs_own_group(const Key& key) const override {
    return copy_.from && (key == key_ || key == copy_.from_key);
  }
  const Key* key() const override { return &key_; }
  bool has_body() const override { return copy_.body && !copy_.from; }

  using Sink = std::function<bool(std::string_view)>;
  // Gives all content; it may block on the disk. False: it cannot be read, or the sink stopped it.
  virtual bool content(const Sink& sink) = 0;
  std::uint64_t content_size() const { return copy_.content_size; }
  // Its content is in this file, which is durable but for its name.
  void set_body(const Body& body) { copy_.body = body; }

  void put(Group& group, State& state) override;
  void settle(State& state, std::uint32_t slot) override;
  void give_up(State& state, std::uint32_t slot) override;
  void answer(std::int64_t error) final { answered(unread_ && error == 0 ? kUnread : error); }

 protected:
  static constexpr std::int64_t kUnread = -5;  // EIO: the content could not be read

  // Before submit().
  void prepare(NewCopy copy, const Key& key);

  virtual void answered(std::int64_t error) = 0;

  const NewCopy& copy() const { return copy_; }
  // After an answer of 0: where it is; nothing: the copy that should get another place had gone.
  const std::optional<Place>& place() const { return place_; }

 private:
  Group::Message message() const;
  const Copy* older(const State& state) const;
  bool changes_state() const { return copy_.from && !(copy_.from_key == key_); }
  std::uint64_t body_number() const { return copy_.body ? copy_.body->number : 0; }

  NewCopy copy_;
  Key key_;
  std::optional<std::uint32_t> position_;  // in its segment, once it is in a group
  std::uint32_t bytes_ = 0;
  std::int64_t time_ns_ = 0;
  std::optional<Place> place_;
  bool unread_ = false;
};

}  // namespace lsmtpd::journal
