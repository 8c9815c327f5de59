// SPDX-License-Identifier: Apache-2.0
// Answers that are carried out when the message is there: header fields to prepend, and whether it
// is discarded. By session, from MAIL until the end of the transaction. [loop]
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace lsmtpd::policy {

struct Transaction {
  std::vector<std::string> fields;     // whole, in the order in which they came, each once
  std::optional<std::string> discard;  // the reason
  size_t bytes = 0;                    // of the fields
};

class Transactions {
 public:
  static constexpr size_t kMostFields = 32;
  static constexpr size_t kMostBytes = 16 * 1024;

  // False: the transaction has no room for it.
  bool prepend(uint64_t session, const std::string& field);
  void discard(uint64_t session, const std::string& reason);
  // Null: there is nothing to do. Lives until the next change.
  const Transaction* find(uint64_t session) const;
  void end(uint64_t session) { sessions_.erase(session); }
  size_t size() const { return sessions_.size(); }

 private:
  std::unordered_map<uint64_t, Transaction> sessions_;
};

}  // namespace lsmtpd::policy
