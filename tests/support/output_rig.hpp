// SPDX-License-Identifier: Apache-2.0
// An output plugin that is linked into the test, as instance "broker" on the fake host. Time stands
// still unless advance() moves it, so nothing here depends on how fast the machine is.
#pragma once

#include <gtest/gtest.h>
#include <lsmtpd/testing.h>

#include <cstdint>
#include <functional>
#include <string>

namespace lsmtpd::test {

class OutputRig {
 public:
  // Options are added before start().
  OutputRig() : test_(lsmtpd_test_new()) {
    lsmtpd_test_use(test_, &lsmtpd_entry);
    test_->name = "broker";
  }
  ~OutputRig() {
    EXPECT_EQ(finish(), "");
    lsmtpd_test_free(test_);
  }

  OutputRig& option(const char* key, const std::string& value) {
    lsmtpd_test_option(test_, key, value.c_str());
    return *this;
  }
  int start() { return lsmtpd_test_start(test_); }
  // Asks the lane to close, and leaves time to advance().
  void close() { test_->lane->lane->close(test_->lane->lane, 25000); }
  // "" or which rules of the ABI were broken.
  std::string finish() {
    if (!finished_) failures_ = lsmtpd_test_finish(test_);
    finished_ = true;
    return failures_;
  }

  lsmtpd_test_mail* mail(const std::string& content = "Subject: x\r\n\r\nhello\r\n",
                         const char* recipients = "b@example.org") {
    return lsmtpd_test_mail_bytes(test_, "a@example.org", recipients, content.data(),
                                  content.size());
  }
  lsmtpd_call send(lsmtpd_test_mail* mail, std::uint32_t flags = 0) {
    return lsmtpd_test_ask_deliver(test_, mail, nullptr, nullptr, flags);
  }
  lsmtpd_call send() { return send(mail()); }
  const lsmtpd_test_verdict& wait(lsmtpd_call call) { return *lsmtpd_test_wait(test_, call); }
  const lsmtpd_test_verdict& deliver(lsmtpd_test_mail* mail) { return wait(send(mail)); }
  const lsmtpd_test_verdict& deliver() { return deliver(mail()); }
  const lsmtpd_test_verdict* answer(lsmtpd_call call) { return lsmtpd_test_answer(test_, call); }
  void cancel(lsmtpd_call call) { lsmtpd_test_cancel(test_, call); }

  // Turns the loop until `condition`; false: it did not come.
  bool until(std::function<bool()> condition) {
    return lsmtpd_test_wait_for(
               test_,
               [](void* data) { return (*static_cast<std::function<bool()>*>(data))() ? 1 : 0; },
               &condition) != 0;
  }
  // Lets the peer and the plugin exchange what they have: nothing may come of it, so there is
  // nothing to wait for but some turns with traffic forced through the peer's thread.
  void turn(int times = 20) {
    for (int i = 0; i < times; ++i) lsmtpd_test_turn(test_, 1);
  }
  // Within this a connection that was lost is tried again (the default of `reconnect_first`).
  static constexpr std::uint64_t kFirstPause = 200;
  void advance(std::uint64_t ms) { lsmtpd_test_advance(test_, ms); }
  lsmtpd_admission admission() { return lsmtpd_test_admission(test_); }
  std::string log() const { return lsmtpd_test_log(test_); }
  std::string errors() const { return lsmtpd_test_errors(test_); }
  lsmtpd_test* raw() { return test_; }

  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

 private:
  lsmtpd_test* test_;
  bool finished_ = false;
  std::string failures_;
};

}  // namespace lsmtpd::test
