// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: parts of the other SDK headers: strings, log fields, and the guard that keeps C++
// exceptions on the plugin's side of the C ABI. Plugins include "lsmtpd/sdk/plugin.hpp", not this.
//
// C++17. Nothing here owns memory of the host or hands memory to it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "../lsmtpd.h"

namespace lsmtpd::sdk {

inline lsmtpd_str str(std::string_view text) noexcept {
  return {text.data(), text.size()};
}

// Lives as long as what `text` points to.
inline std::string_view view(lsmtpd_str text) noexcept {
  return text.size == 0 ? std::string_view()
                        : std::string_view(text.data, static_cast<std::size_t>(text.size));
}

// One "key=value" of a log line: text, or a whole number.
class Field {
 public:
  Field(std::string_view key, std::string_view text) noexcept : key_(key), text_(text) {}
  Field(std::string_view key, const char* text) noexcept : key_(key), text_(text) {}
  Field(std::string_view key, const std::string& text) noexcept : key_(key), text_(text) {}
  template <class T, class = std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>>>
  Field(std::string_view key, T number) : key_(key), digits_(std::to_string(number)) {}

  // Lives as long as this field.
  lsmtpd_log_field raw() const noexcept {
    return {str(key_), str(digits_.empty() ? text_ : std::string_view(digits_))};
  }

 private:
  std::string_view key_, text_;
  std::string digits_;
};

namespace detail {

inline void complete(const lsmtpd_host* host, lsmtpd_call call, uint32_t kind,
                     std::string_view detail) noexcept {
  lsmtpd_verdict verdict{};
  verdict.size = sizeof verdict;
  verdict.kind = kind;
  verdict.detail = str(detail);
  host->complete(host, call, &verdict);
}

inline void log(const lsmtpd_host* host, uint32_t level, std::string_view message,
                const lsmtpd_log_field* fields, uint32_t count) noexcept {
  const auto* table = static_cast<const lsmtpd_log_1*>(host->get_extension(host, LSMTPD_LOG));
  if (table != nullptr)
    table->write(host, level, str(message), fields, sizeof(lsmtpd_log_field), count);
}

// A local object of every function that the host calls. A Call that is destroyed because an
// exception passes through its owner is parked here, so that its answer has the text of the
// exception instead of a bare "dropped".
class Guard {
 public:
  explicit Guard(const lsmtpd_host* host) noexcept
      : host_(host), outer_(current()), uncaught_(std::uncaught_exceptions()) {
    current() = this;
  }
  // Calls are still parked if the plugin caught the exception itself.
  ~Guard() {
    current() = outer_;
    answer("dropped by the plugin");
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // True: an exception is on its way to a guard, which will answer the call.
  static bool park(const lsmtpd_host* host, lsmtpd_call call) noexcept {
    Guard* guard = current();
    if (guard == nullptr || std::uncaught_exceptions() <= guard->uncaught_) return false;
    if (guard->count_ == guard->parked_.size()) return false;
    guard->parked_[guard->count_++] = {host, call};
    return true;
  }

  void fail(const char* what) noexcept {
    const lsmtpd_log_field field = {str("what"), str(what)};
    log(host_, LSMTPD_LOG_ERROR, "the plugin threw an exception", &field, 1);
    answer(what);
  }

 private:
  void answer(const char* why) noexcept {
    for (std::size_t i = 0; i < count_; ++i)
      complete(parked_[i].first, parked_[i].second, LSMTPD_TEMPFAIL, why);
    count_ = 0;
  }
  static Guard*& current() noexcept {
    static thread_local Guard* guard = nullptr;
    return guard;
  }

  const lsmtpd_host* host_;
  Guard* outer_;
  int uncaught_;
  std::size_t count_ = 0;
  std::array<std::pair<const lsmtpd_host*, lsmtpd_call>, 8> parked_{};
};

// Runs `body`; its exception is logged and answers the calls that it destroyed. Returns true if
// there was none.
template <class Body>
bool guarded(const lsmtpd_host* host, Body&& body) noexcept {
  Guard guard(host);
  try {
    std::forward<Body>(body)();
    return true;
  } catch (const std::exception& error) {
    guard.fail(error.what());
  } catch (...) {
    guard.fail("an exception that is no std::exception");
  }
  return false;
}

}  // namespace detail
}  // namespace lsmtpd::sdk
