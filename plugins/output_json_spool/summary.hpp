// SPDX-License-Identifier: Apache-2.0
// Counts stored messages by output, reason, age and domain, in bounded memory. [main]
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "store.hpp"

namespace lsmtpd::json_spool {

class Summary {
 public:
  // Different words of a table: what comes beyond is counted together, as "(others)".
  static constexpr std::size_t kMostWords = 4096;
  static constexpr std::size_t kLongestWord = 160;  // bytes; longer ones are cut
  static constexpr std::size_t kShown = 20;         // rows of a table in text

  explicit Summary(std::int64_t now_ns) : now_ns_(now_ns) {}

  void add(const Entry& entry);
  // So many are in a state that was not looked at.
  void set_count(State state, std::uint64_t messages);

  std::string text() const;  // safe for a terminal
  std::string json() const;  // and a line end

 private:
  struct Tally {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::int64_t oldest_ns = 0;  // 0: none
    bool read = false;

    void add(const Entry& entry);
  };
  struct Row {
    std::string word;
    Tally tally;
  };
  class Table {
   public:
    void add(std::string_view word, const Entry& entry);
    // The largest first.
    std::vector<Row> rows() const;

   private:
    std::map<std::string, Tally, std::less<>> words_;
    Tally others_;
  };

  void add_domains(const Entry& entry);
  std::string table_text(const char* title, const std::vector<Row>& rows) const;
  std::vector<Row> age_rows() const;

  const std::int64_t now_ns_;
  Tally states_[3];
  Table outputs_, reasons_, domains_;
  Tally ages_[5];
};

}  // namespace lsmtpd::json_spool
