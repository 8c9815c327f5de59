// SPDX-License-Identifier: Apache-2.0
// Reads the settings of one TOML table and records what is wrong with them.
//
// Made for a table, asked once for each key that may stand in it, and finished: finish() reports
// the keys that nobody asked for, with the nearest right name. A setting that is absent or wrong
// leaves the default in place, so that reading goes on and finds every mistake. Borrows the table
// and the diagnostics.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/names.hpp"
#include "config/tree.hpp"

namespace lsmtpd::config {

using Diagnostics = std::vector<Diagnostic>;

void add_error(Diagnostics& diagnostics, Position position, std::string message,
               std::string hint = {});
void add_warning(Diagnostics& diagnostics, Position position, std::string message,
                 std::string hint = {});

// `did you mean "name"?`, or empty when no candidate is near.
std::string did_you_mean(std::string_view typed, std::span<const std::string_view> candidates);

template <class Number>
struct Range {
  Number least;
  Number most;
};

class Reader {
 public:
  // `path` begins messages about settings ("limits"), `section` is how a person writes the table
  // ("[limits]").
  Reader(const Table& table, std::string path, std::string section, Diagnostics& diagnostics);

  // Each returns the value's node when the setting was given and is right, else nullptr.
  const Node* text(std::string_view key, std::string& out);
  const Node* texts(std::string_view key, std::vector<std::string>& out,
                    std::vector<Position>* positions = nullptr);
  const Node* integer(std::string_view key, uint32_t& out, Range<uint32_t> range);
  const Node* size(std::string_view key, uint64_t& out, Range<uint64_t> range);
  const Node* duration(std::string_view key, uint64_t& out, Range<uint64_t> range);
  const Node* word(std::string_view key, std::string& out,
                   std::span<const std::string_view> allowed);
  template <class Value, size_t N>
  const Node* choice(std::string_view key, Value& out, const std::array<Name<Value>, N>& names);
  const Table* table(std::string_view key);
  const Node* take(std::string_view key);  // any type

  // The key must be there: says so with what to write, at `where`.
  void require(std::string_view key, Position where, std::string hint);
  void finish();

  void error(const Node& node, std::string_view key, std::string_view problem,
             std::string hint = {});
  void warning(const Node& node, std::string_view key, std::string_view problem,
               std::string hint = {});
  const std::string& path() const { return path_; }

 private:
  std::string full(std::string_view key) const;
  void wrong_type(const Node& node, std::string_view key, std::string_view wanted,
                  std::string hint = {});

  const Table& table_;
  const std::string path_;
  const std::string section_;
  Diagnostics& diagnostics_;
  std::vector<std::string> asked_;
};

template <class Value, size_t N>
const Node* Reader::choice(std::string_view key, Value& out,
                           const std::array<Name<Value>, N>& names) {
  std::array<std::string_view, N> words;
  for (size_t i = 0; i < N; ++i) words[i] = names[i].name;
  std::string chosen;
  const Node* node = word(key, chosen, words);
  for (const Name<Value>& name : names) {
    if (node && name.name == chosen) out = name.value;
  }
  return node;
}

}  // namespace lsmtpd::config
