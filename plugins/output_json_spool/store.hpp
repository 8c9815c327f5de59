// SPDX-License-Identifier: Apache-2.0
// The stored copies that `lsmtpd spool` reads and changes, in any kind of storage. A running
// daemon works on the same copies, so each may vanish at any moment. [main]
#pragma once

#include <cstdint>
#include <functional>
#include <mail_json/mail_reader.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lsmtpd::json_spool {

enum class State { waiting, dead, quarantine };
inline constexpr State kStates[] = {State::waiting, State::dead, State::quarantine};

const char* name_of(State state);

struct States {
  bool waiting = false;
  bool dead = false;
  bool quarantine = false;

  bool has(State state) const {
    return state == State::waiting ? waiting : state == State::dead ? dead : quarantine;
  }
  bool any() const { return waiting || dead || quarantine; }
};

// The place of one copy.
struct CopyKey {
  State state = State::waiting;
  std::string id;
};

// One copy as the tool shows it.
struct Entry {
  std::string id;
  State state = State::waiting;
  std::uint64_t size = 0;      // as it is stored
  std::int64_t stored_ns = 0;  // since when it is in its place in the order
  std::int64_t first_ns = 0;   // when it was first stored, or, where that is not known, received
  std::string problem;         // why it cannot be read; then the following are empty
  mail_json::StoredMail mail;
  std::string reason;  // of the last attempt that is known, or why it is a dead letter
  std::uint32_t attempts = 0;
  std::string message_id;  // the field of the message's header; empty: none
  std::string subject;
};

class Store {
 public:
  enum class Order { none, oldest_first };
  enum class Detail { envelope, header };             // header: message_id and subject too
  using Visit = std::function<bool(const CopyKey&)>;  // false: stop

  virtual ~Store() = default;

  // Visits the copies in these states, in bounded memory. Those that come or go meanwhile may be
  // left out. The error says what cannot be read.
  virtual mail_json::Result<void> each(States states, Order order, const Visit& visit) = 0;
  virtual std::uint64_t count(State state) = 0;
  virtual bool has(const CopyKey& key) = 0;

  // Nothing: it has vanished.
  virtual std::optional<Entry> read(const CopyKey& key, Detail detail) = 0;
  // The content, in pieces; the error says what is wrong with the copy.
  virtual mail_json::Result<void> content(const CopyKey& key,
                                          const mail_json::Reader::Sink& sink) = 0;

  // Both: 0, or an errno as a negative number; -ENOENT: it has vanished.
  virtual int remove(const CopyKey& key) = 0;
  // Puts a dead letter or one in quarantine back among those that wait. -EEXIST: one of its name
  // waits.
  virtual int retry(const CopyKey& key) = 0;
};

}  // namespace lsmtpd::json_spool
