// SPDX-License-Identifier: Apache-2.0
// The log: one line an event, as text or JSON. Never blocks a loop: lines go to a queue that a
// thread of its own writes out; when the sink cannot keep up, lines that do not fit into the queue
// are dropped, counted and reported.
//
// Every line is an event of events.hpp and fields: log::info("accepted", {{"id", id}, {"size",
// n}}). Field values may come from clients and brokers: they are escaped here, so no caller has to
// (promise P5). Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "log/events.hpp"
#include "log/level.hpp"

namespace lsmtpd::log {

// A field's name. The compiler checks the names of the core; names from plugins are escaped in each
// line.
class Key {
 public:
  // A literal of small letters, digits and '_', and not the name of a part that each line has.
  consteval Key(const char* literal) : text_(literal), plain_(true) {
    const bool reserved = text_ == "time" || text_ == "level" || text_ == "message";
    if (reserved || text_.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != text_.npos)
      throw "not fit for a field's name";  // ends the build
  }
  static Key foreign(std::string_view text) { return Key(text); }

  std::string_view text() const { return text_; }
  bool plain() const { return plain_; }

 private:
  explicit Key(std::string_view text) : text_(text) {}

  std::string_view text_;
  bool plain_ = false;
};

// Several texts: an array in JSON, with commas between them in text. Not copied: they live until
// the line is written.
using List = std::span<const std::string_view>;

struct Field {
  Key key;
  std::variant<std::string_view, int64_t, uint64_t, double, bool, List> value;

  Field(Key k, std::string_view v) : key(k), value(v) {}
  Field(Key k, const std::string& v) : key(k), value(std::string_view(v)) {}
  Field(Key k, const char* v) : key(k), value(std::string_view(v)) {}
  Field(Key k, bool v) : key(k), value(v) {}
  Field(Key k, List v) : key(k), value(v) {}
  Field(Key k, double v) : key(k), value(v) {}
  template <class Int>
  requires std::is_integral_v<Int> Field(Key k, Int v) : key(k) {
    if constexpr (std::is_signed_v<Int>) {
      value = static_cast<int64_t>(v);
    } else {
      value = static_cast<uint64_t>(v);
    }
  }
};

// How mail addresses are shown: as they are, or without their local parts (hidden_addresses.hpp).
enum class Addresses : uint8_t { full, domain, hash };

// Fields of one line that are put together piece by piece, without an allocation. Those beyond
// kMost are left out.
class Fields {
 public:
  static constexpr size_t kMost = 32;

  Fields(std::initializer_list<Field> fields) {
    for (const Field& field : fields) add(field);
  }
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  void add(const Field& field) {
    if (size_ < kMost) new (&places_[size_++]) Field(field);
  }
  operator std::span<const Field>() const {
    return {std::launder(reinterpret_cast<const Field*>(places_.data())), size_};
  }

 private:
  struct alignas(Field) Place {
    std::byte octets[sizeof(Field)];
  };
  std::array<Place, kMost> places_;
  size_t size_ = 0;
};
static_assert(std::is_trivially_destructible_v<Field>);

struct Options {
  Level level = Level::info;
  bool json = false;
  std::string file;  // empty: standard error
  Addresses addresses = Addresses::full;
};

Result<Level> parse_level(std::string_view name);

// Before open() and after close() lines go to standard error at once. [main]
Status open(const Options& options);
void reopen();       // SIGHUP: closes and opens the file again, for log rotation
void close();        // writes out the queue and the lines that wait for the end of a turn
uint64_t dropped();  // lines that found no room or could not be written, since open()

// While one lives, its thread's lines wait for end_turn(), for an error or for 4 KiB of them, and
// go to the queue in one piece: a busy loop pays for the queue once a turn and not once a line.
// Made, used and destroyed on that thread; one at a time.
class Turns {
 public:
  Turns();
  ~Turns();
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;
  void end_turn();
};

bool enabled(Level level);
Level level();                // the least that is written
void set_level(Level level);  // until the next open()
std::string_view level_name(Level level);
void write(Level level, Event event, std::span<const Field> fields);

inline void write(Level level, Event event, std::initializer_list<Field> f) {
  write(level, event, std::span(f.begin(), f.size()));
}
inline void debug(EventAt<Level::debug> e, std::initializer_list<Field> f = {}) {
  write(Level::debug, e.event(), f);
}
inline void info(EventAt<Level::info> e, std::initializer_list<Field> f = {}) {
  write(Level::info, e.event(), f);
}
inline void warn(EventAt<Level::warn> e, std::initializer_list<Field> f = {}) {
  write(Level::warn, e.event(), f);
}
inline void error(EventAt<Level::error> e, std::initializer_list<Field> f = {}) {
  write(Level::error, e.event(), f);
}

}  // namespace lsmtpd::log
