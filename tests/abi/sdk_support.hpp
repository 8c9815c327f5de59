// SPDX-License-Identifier: Apache-2.0
// For the tests of the SDK: an lsmtpd_entry for any class, without a shared object, and a fake host
// that starts it.
#pragma once

#include <gtest/gtest.h>
#include <lsmtpd/testing.h>
#include <lsmtpd/sdk/plugin.hpp>

#include <string>

inline constexpr lsmtpd_descriptor test_descriptor = {
    sizeof(lsmtpd_descriptor), 0, {"test", 4}, {"1.0.0", 5}, {"tests", 5}, {"a test", 6}};

template <class Class>
const lsmtpd_entry_1& entry_of() {
  using Factory = lsmtpd::sdk::detail::Factory<Class, test_descriptor>;
  static const lsmtpd_entry_1 entry = {LSMTPD_ABI_MAJOR, LSMTPD_ABI_MINOR, Factory::init,
                                       Factory::deinit, Factory::get_factory};
  return entry;
}

class FakeHost {
 public:
  template <class Class>
  static FakeHost of() {
    FakeHost host;
    lsmtpd_test_use(host.raw_, &entry_of<Class>());
    return host;
  }
  FakeHost(FakeHost&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  ~FakeHost() {
    if (raw_ == nullptr) return;
    EXPECT_STREQ(lsmtpd_test_finish(raw_), "");
    lsmtpd_test_free(raw_);
  }
  // Starts it on first use.
  lsmtpd_test* operator*() {
    if (!std::exchange(started_, true)) {
      EXPECT_EQ(lsmtpd_test_start(raw_), 0) << lsmtpd_test_errors(raw_);
    }
    return raw_;
  }
  lsmtpd_test* raw() { return raw_; }
  lsmtpd_test_mail* mail(const char* content = "Subject: x\r\n\r\nhello\r\n") {
    return lsmtpd_test_mail_new(raw_, "a@example.org", "b@example.org", content);
  }
  bool logged(const std::string& text) const {
    return lsmtpd_test_has_logged(raw_, text.c_str()) != 0;
  }

 private:
  FakeHost() = default;
  lsmtpd_test* raw_ = lsmtpd_test_new();
  bool started_ = false;
};
