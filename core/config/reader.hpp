// SPDX-License-Identifier: Apache-2.0
// Reads the settings of one TOML table and records what is wrong with them.
//
// Made for one table. It is asked once for each key that may stand in it; then finish() reports the
// keys that were not asked for, with the nearest right name. A key that is absent or wrong keeps
// its default, so that reading goes on and finds every mistake. Borrows the table and the
// diagnostics.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/keys.hpp"
#include "config/tree.hpp"

namespace lsmtpd::config {

using Diagnostics = std::vector<Diagnostic>;

void add_error(Diagnostics& diagnostics, Position position, std::string message,
               std::string hint = {});
void add_warning(Diagnostics& diagnostics, Position position, std::string message,
                 std::string hint = {});

// `did you mean "name"?`, or empty when no candidate is near.
std::string did_you_mean(std::string_view typed, std::span<const std::string_view> candidates);

class Reader {
 public:
  // `path` begins messages about settings ("limits"), `section` is how a person writes the table
  // ("[limits]").
  Reader(const Table& table, std::string path, std::string section, Diagnostics& diagnostics);

  // Reads `key` into `target`, its section's struct, and notes its place in `given`, with those of
  // the items of a list of strings. Returns the value's node when the key is given and right, else
  // nullptr. Not for Type::options.
  const Node* read(const Key& key, void* target, Given& given);
  const Table* table(std::string_view key);
  const Node* take(std::string_view key);  // any type

  // The key must be there: says so with what to write, at `where`.
  void require(std::string_view key, Position where, std::string hint);
  void finish();

  void error(const Node& node, std::string_view key, std::string_view problem,
             std::string hint = {});
  const std::string& path() const { return path_; }

 private:
  std::string full(std::string_view key) const;
  bool file(std::string_view key, Position where, std::string& name);
  void wrong_type(const Node& node, std::string_view key, std::string_view wanted,
                  std::string hint = {});
  std::optional<Value> value_of(const Key& key, const Node& node, std::vector<Position>* items);
  std::optional<Value> text(const Key& key, const Node& node);
  std::optional<Value> integer(const Key& key, const Node& node);
  std::optional<Value> size(const Key& key, const Node& node);
  std::optional<Value> duration(const Key& key, const Node& node);
  std::optional<Value> truth(const Key& key, const Node& node);
  std::optional<Value> certificates(const Key& key, const Node& node);
  std::optional<Value> list(const Key& key, const Node& node, std::vector<Position>* items);

  const Table& table_;
  const std::string path_;
  const std::string section_;
  Diagnostics& diagnostics_;
  std::vector<std::string> asked_;
};

}  // namespace lsmtpd::config
