// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: the options of a plugin: the table that declares them, the Config that holds their
// checked values, the Report that takes errors and warnings.
//
// An instance class declares its table, and if needed a check of rules that the table cannot
// express:
//     static constexpr lsmtpd_option options[] = {
//         sdk::option::size("max", "10MiB", "largest message", 1),
//         sdk::option::required(sdk::option::path("directory", nullptr, "where messages go")),
//     };
//     static void validate(sdk::Config config, sdk::Report report);   // [main], no side effects
// Config, Report and Terminal wrap a pointer: copies are cheap. Strings of a Config live until the
// instance is destroyed.
#pragma once

#include <chrono>
#include <vector>

#include "base.hpp"

namespace lsmtpd::sdk {

// The keys under `options`, defaults filled in. [any] A wrong key or type gives the empty value.
class Config {
 public:
  explicit Config(const lsmtpd_config* raw) noexcept : raw_(raw) {}

  bool is_set(const char* key) const { return raw_->is_set(raw_, key) != 0; }
  std::string_view string(const char* key) const {
    return view(raw_->string(raw_, key));
  }  // also SECRET, ENUM, PATH
  std::string path(const char* key) const { return std::string(string(key)); }
  bool boolean(const char* key) const { return raw_->integer(raw_, key) != 0; }
  int64_t integer(const char* key) const { return raw_->integer(raw_, key); }
  uint64_t size(const char* key) const {  // bytes
    return static_cast<uint64_t>(raw_->integer(raw_, key));
  }
  std::chrono::milliseconds duration(const char* key) const {
    return std::chrono::milliseconds(raw_->integer(raw_, key));
  }
  std::vector<std::string_view> list(const char* key) const {
    std::vector<std::string_view> items;
    for (uint32_t i = 0; i < raw_->count(raw_, key); ++i)
      items.push_back(view(raw_->item(raw_, key, i)));
    return items;
  }
  std::vector<std::pair<std::string_view, std::string_view>> map(const char* key) const {
    std::vector<std::pair<std::string_view, std::string_view>> items;
    for (uint32_t i = 0; i < raw_->count(raw_, key); ++i)
      items.emplace_back(view(raw_->item_key(raw_, key, i)), view(raw_->item(raw_, key, i)));
    return items;
  }
  // The tables of a list of tables; they live as long as this config.
  std::vector<Config> tables(const char* key) const {
    std::vector<Config> rows;
    for (uint32_t i = 0; i < raw_->count(raw_, key); ++i)
      if (const lsmtpd_config* row = raw_->table(raw_, key, i)) rows.emplace_back(row);
    return rows;
  }
  const lsmtpd_config* raw() const noexcept { return raw_; }

 private:
  const lsmtpd_config* raw_;
};

// Takes errors and warnings of start() and validate(): `key` is the option concerned, or "". [main]
class Report {
 public:
  explicit Report(const lsmtpd_report* raw) noexcept : raw_(raw) {}
  void error(std::string_view key, std::string_view message) const {
    raw_->error(raw_, str(key), str(message));
  }
  void warning(std::string_view key, std::string_view message) const {
    raw_->warning(raw_, str(key), str(message));
  }

 private:
  const lsmtpd_report* raw_;
};

// The output of a subcommand. [main]
class Terminal {
 public:
  explicit Terminal(const lsmtpd_terminal* raw) noexcept : raw_(raw) {}
  void out(std::string_view text) const { raw_->out(raw_, str(text)); }
  void error(std::string_view text) const { raw_->error(raw_, str(text)); }

 private:
  const lsmtpd_terminal* raw_;
};

// Rows of an option table. `default_value` is the default as it would be written in TOML without
// quotes; nullptr: unset.
namespace option {

constexpr lsmtpd_option make(uint32_t type, const char* key, const char* default_value,
                             const char* help, int64_t minimum = 0, int64_t maximum = 0,
                             const char* allowed = nullptr) noexcept {
  return {key, type, 0, default_value, minimum, maximum, allowed, help, nullptr, 0, 0};
}
constexpr lsmtpd_option string(const char* key, const char* default_value,
                               const char* help) noexcept {
  return make(LSMTPD_TYPE_STRING, key, default_value, help);
}
constexpr lsmtpd_option secret(const char* key, const char* default_value,
                               const char* help) noexcept {
  return make(LSMTPD_TYPE_SECRET, key, default_value, help);
}
constexpr lsmtpd_option boolean(const char* key, const char* default_value,
                                const char* help) noexcept {
  return make(LSMTPD_TYPE_BOOL, key, default_value, help);
}
constexpr lsmtpd_option integer(const char* key, const char* default_value,
                                const char* help) noexcept {  // any number
  return make(LSMTPD_TYPE_INT, key, default_value, help);
}
// Bounds, here and below: INT64_MAX leaves the top open, 0 and 0 allow any value.
constexpr lsmtpd_option integer(const char* key, const char* default_value, const char* help,
                                int64_t minimum, int64_t maximum = INT64_MAX) noexcept {
  return make(LSMTPD_TYPE_INT, key, default_value, help, minimum, maximum);
}
constexpr lsmtpd_option size(const char* key, const char* default_value, const char* help,
                             int64_t minimum = 0, int64_t maximum = INT64_MAX) noexcept {
  return make(LSMTPD_TYPE_SIZE, key, default_value, help, minimum, maximum);
}
constexpr lsmtpd_option duration(const char* key, const char* default_value, const char* help,
                                 int64_t minimum = 0, int64_t maximum = INT64_MAX) noexcept {
  return make(LSMTPD_TYPE_DURATION, key, default_value, help, minimum, maximum);
}
constexpr lsmtpd_option one_of(const char* key, const char* allowed, const char* default_value,
                               const char* help) noexcept {
  return make(LSMTPD_TYPE_ENUM, key, default_value, help, 0, 0, allowed);
}
constexpr lsmtpd_option path(const char* key, const char* default_value,
                             const char* help) noexcept {
  return make(LSMTPD_TYPE_PATH, key, default_value, help);
}
constexpr lsmtpd_option list(const char* key, const char* default_value,
                             const char* help) noexcept {
  return make(LSMTPD_TYPE_LIST, key, default_value, help);
}
constexpr lsmtpd_option map(const char* key, const char* default_value, const char* help) noexcept {
  return make(LSMTPD_TYPE_MAP, key, default_value, help);
}
// A list of tables, or one table: `columns` are the rows of the option table for one of them.
template <std::size_t count>
constexpr lsmtpd_option tables(const char* key, const lsmtpd_option (&columns)[count],
                               const char* help) noexcept {
  lsmtpd_option row = make(LSMTPD_TYPE_TABLES, key, nullptr, help);
  row.columns = columns;
  row.column_stride = sizeof(lsmtpd_option);
  row.column_count = static_cast<uint32_t>(count);
  return row;
}
constexpr lsmtpd_option required(lsmtpd_option row) noexcept {
  row.required = 1;
  row.default_value = nullptr;
  return row;
}

}  // namespace option
}  // namespace lsmtpd::sdk
