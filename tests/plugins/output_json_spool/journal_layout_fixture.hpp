// SPDX-License-Identifier: Apache-2.0
// A spool with layout = "journal".
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "spool_fixture.hpp"

namespace lsmtpd::json_spool::testing {

class JournalLayoutTest : public SpoolTest {
 protected:
  void SetUp() override {
    SpoolTest::SetUp();
    option("layout", "journal");
  }
  void start_again() {
    close_host();
    open_host();
    option("layout", "journal");
    start();
  }
  // With layout = "files" on the same directory.
  void start_with_files() {
    close_host();
    open_host();
    start();
  }
  const lsmtpd_test_verdict& load(const char* id) { return *lsmtpd_test_load_copy(host_, id); }
  std::string content(const char* id) {
    const auto& loaded = load(id);
    return loaded.kind == LSMTPD_CONTINUE ? lsmtpd_test_mail_content(loaded.mail) : "-";
  }
  std::uint32_t forget(const char* id) { return lsmtpd_test_forget(host_, id)->kind; }
  std::uint32_t dead_letter(const char* id) {
    return lsmtpd_test_dead_letter(host_, id, "refused")->kind;
  }
  std::string listed() { return lsmtpd_test_list(host_, 1, 100)->copy_ids; }

  struct Printed {
    int status;
    std::string text;
  };
  Printed spool(const std::vector<const char*>& list) {
    give_options();
    const std::size_t before = host_->terminal.size;
    const int status =
        lsmtpd_test_command(host_, list.data(), static_cast<std::uint32_t>(list.size()));
    return {status, std::string(host_->terminal.data + before)};
  }
  // Damages the content of the only message.
  void damage(const std::string& text) {
    for (const auto& entry : fs::directory_iterator(directory_ / "journal")) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      const std::size_t at = bytes.find(text);
      if (at == std::string::npos) continue;
      const int fd = ::open(entry.path().c_str(), O_WRONLY);
      EXPECT_EQ(::pwrite(fd, "ROTTEN", 6, static_cast<off_t>(at)), 6);
      ::close(fd);
    }
  }
};

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace lsmtpd::json_spool::testing
