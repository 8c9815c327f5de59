// The log: one line an event, as text or JSON. Never blocks a loop: lines go to a queue that a
// thread of its own writes out; when the sink cannot keep up the oldest lines are dropped, counted
// and reported.
//
// Every line is a fixed message and fields: log::info("accepted", {{"id", id}, {"size", n}}).
// Field values come from anywhere: they are escaped here, so no caller has to (promise P5). Any
// thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"

namespace lsmtpd::log {

enum class Level { trace, debug, info, warn, error, off };

struct Field {
  std::string_view key;
  std::variant<std::string_view, int64_t, uint64_t, double, bool> value;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, bool v) : key(k), value(v) {}
  Field(std::string_view k, double v) : key(k), value(v) {}
  template <class Int>
  requires std::is_integral_v<Int> Field(std::string_view k, Int v) : key(k) {
    if constexpr (std::is_signed_v<Int>) {
      value = static_cast<int64_t>(v);
    } else {
      value = static_cast<uint64_t>(v);
    }
  }
};

struct Options {
  Level level = Level::info;
  bool json = false;
  std::string file;  // empty: standard error
};

Result<Level> parse_level(std::string_view name);

// Before open() and after close() lines go to standard error at once. [main]
Status open(const Options& options);
void reopen();       // SIGHUP: closes and opens the file again, for log rotation
void close();        // writes out what is queued
uint64_t dropped();  // lines lost to overruns since open()

bool enabled(Level level);
void write(Level level, std::string_view message, std::span<const Field> fields);

inline void debug(std::string_view m, std::initializer_list<Field> f = {}) {
  write(Level::debug, m, {f.begin(), f.size()});
}
inline void info(std::string_view m, std::initializer_list<Field> f = {}) {
  write(Level::info, m, {f.begin(), f.size()});
}
inline void warn(std::string_view m, std::initializer_list<Field> f = {}) {
  write(Level::warn, m, {f.begin(), f.size()});
}
inline void error(std::string_view m, std::initializer_list<Field> f = {}) {
  write(Level::error, m, {f.begin(), f.size()});
}

}  // namespace lsmtpd::log
