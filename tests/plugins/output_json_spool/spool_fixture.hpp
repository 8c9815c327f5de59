// SPDX-License-Identifier: Apache-2.0
// A spool in a directory of its own, asked through the fake host.
#pragma once

#include <lsmtpd/testing.h>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <sstream>
#include <string>
#include <vector>

#include "faulty_files.hpp"

namespace lsmtpd::json_spool::testing {

namespace fs = std::filesystem;

// Each message that was stored has its file, where it is to have one.
bool files_are_made();

class SpoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Faults::get().reset();
    std::string name = ::testing::TempDir() + "lsmtpd-spool-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    directory_ = root_ / "spool";
    open_host();
  }
  void TearDown() override {
    close_host();
    fs::remove_all(root_);
  }

  void open_host() {
    host_ = lsmtpd_test_new();
    host_->deadline_ms = 20'000;
    lsmtpd_test_use(host_, &lsmtpd_entry);
    options_ = {{"directory", directory_.string()}, {"min_free", "0"}, {"min_free_inodes", "0"}};
    given_ = false;
  }
  void close_host() {
    if (host_ == nullptr) return;
    EXPECT_STREQ(lsmtpd_test_finish(host_), "");
    lsmtpd_test_free(host_);
    host_ = nullptr;
  }
  // As a daemon that ends and starts again.
  void restart() {
    close_host();
    open_host();
    start();
  }

  void option(const char* key, const std::string& value) { options_[key] = value; }
  void give_options() {
    if (!given_) {
      for (const auto& [key, value] : options_)
        lsmtpd_test_option(host_, key.c_str(), value.c_str());
    }
    given_ = true;
  }
  void start() {
    give_options();
    ASSERT_EQ(lsmtpd_test_start(host_), 0) << lsmtpd_test_errors(host_);
  }
  std::string start_error() {
    give_options();
    EXPECT_NE(lsmtpd_test_start(host_), 0);
    return lsmtpd_test_errors(host_);
  }

  lsmtpd_test_mail* mail(const std::string& content = "Subject: x\r\n\r\nbody\r\n") {
    return lsmtpd_test_mail_bytes(host_, "s@example.org", "a@example.org b@example.org",
                                  content.data(), content.size());
  }
  // Waits for the file too.
  const lsmtpd_test_verdict& store(lsmtpd_test_mail* mail, const char* copy_id = nullptr,
                                   const char* target = nullptr) {
    const auto& verdict = store_only(mail, copy_id, target);
    settle();
    return verdict;
  }
  const lsmtpd_test_verdict& store_only(lsmtpd_test_mail* mail, const char* copy_id = nullptr,
                                        const char* target = nullptr) {
    // A file is named by its copy only where it is kept for an output.
    if (copy_id != nullptr && target == nullptr) target = "broker";
    return *lsmtpd_test_wait(host_, lsmtpd_test_ask_deliver(host_, mail, copy_id, target, 0));
  }
  // As store_only(), of a copy that was tried before.
  const lsmtpd_test_verdict& store_again(lsmtpd_test_mail* mail, const char* copy_id,
                                         std::uint32_t flags, std::uint32_t attempts,
                                         const char* reason) {
    const auto call =
        lsmtpd_test_ask_deliver_again(host_, mail, copy_id, "broker", flags, attempts, reason);
    return *lsmtpd_test_wait(host_, call);
  }
  void settle() {
    wait_until([] { return files_are_made(); });
  }
  static std::string id_of(const lsmtpd_test_mail* mail) {
    return {mail->envelope.id.data, static_cast<std::size_t>(mail->envelope.id.size)};
  }

  // Names in a folder of the spool, sorted; without folders and the lock.
  std::vector<std::string> files(const std::string& folder = "") {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_ / folder)) {
      const std::string name = entry.path().filename();
      if (!entry.is_directory() && name[0] != '.') names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string read(const std::string& name) {
    std::ifstream file(directory_ / name, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name, std::ios::binary) << text;
  }
  int mode(const std::string& name) {
    struct stat status {};
    ::stat((directory_ / name).c_str(), &status);
    return status.st_mode & 07777;
  }
  bool logged(const std::string& text) { return lsmtpd_test_has_logged(host_, text.c_str()) != 0; }
  // Turns the loop until it is so; fails the test if that takes too long.
  void wait_until(const std::function<bool()>& condition) {
    const auto ask = [](void* data) -> int {
      return (*static_cast<const std::function<bool()>*>(data))();
    };
    EXPECT_TRUE(lsmtpd_test_wait_for(host_, ask, const_cast<std::function<bool()>*>(&condition)));
  }

  fs::path root_;
  fs::path directory_;
  std::map<std::string, std::string> options_;
  bool given_ = false;
  lsmtpd_test* host_ = nullptr;
};

}  // namespace lsmtpd::json_spool::testing
