// SPDX-License-Identifier: Apache-2.0
#include <crypt.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "app/exit_status.hpp"
#include "app/subcommands.hpp"
#include "base/secret.hpp"
#include "base/text.hpp"

namespace lsmtpd::app {
namespace {

constexpr unsigned long kCost = 10;
constexpr size_t kLongest = 72;  // bcrypt ignores what follows

// While one lives, the terminal shows nothing that is typed.
class NoEcho {
 public:
  NoEcho() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    active_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  ~NoEcho() {
    if (!active_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    std::fputc('\n', stderr);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  termios before_{};
  bool active_ = false;
};

// Octet by octet, past no buffer that nobody clears. False: the input ended before any.
bool read_line(Secret& line) {
  bool any = false;
  char c = 0;
  while (::read(STDIN_FILENO, &c, 1) == 1) {
    any = true;
    if (c == '\n') break;
    line.append(std::string_view(&c, 1));
  }
  return any;
}

bool read_password(Secret& password) {
  if (!::isatty(STDIN_FILENO)) return read_line(password);
  Secret again;
  const NoEcho quiet;
  std::fputs("Password: ", stderr);
  if (!read_line(password)) return false;
  std::fputs("\nAgain: ", stderr);
  if (!read_line(again)) return false;
  if (again.view() == password.view()) return true;
  std::fputs("\nlsmtpd: the passwords differ", stderr);
  password.clear();
  return false;
}

const char* fault_of(std::string_view name, std::string_view password) {
  if (name.empty() || name.find_first_of(":\n\r") != name.npos || name.front() == '#')
    return "a name has no colon, and does not begin with #";
  if (password.empty()) return "the password is empty";
  if (password.size() > kLongest) return "the password is longer than 72 octets";
  if (password.find('\0') != password.npos) return "the password contains a NUL";
  return nullptr;
}

}  // namespace

int run_auth_hash(const std::string& name) {
  Secret password;
  if (!read_password(password)) return kExitFailed;
  if (const char* fault = fault_of(name, password.view())) {
    std::fprintf(stderr, "lsmtpd: %s\n", fault);
    return kExitUsage;
  }
  Secret text(password.view());
  text.append(std::string_view("\0", 1));
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  const auto data = std::make_unique<crypt_data>();
  const char* hash = nullptr;
  if (::crypt_gensalt_rn("$2b$", kCost, nullptr, 0, setting, sizeof setting) != nullptr) {
    hash = ::crypt_r(text.view().data(), setting, data.get());
  }
  const std::string line = hash == nullptr || hash[0] == '*' ? std::string() : hash;
  explicit_bzero(data.get(), sizeof *data);
  if (line.empty()) {
    std::fprintf(stderr, "lsmtpd: crypt(3) makes no bcrypt hash here\n");
    return kExitFailed;
  }
  std::printf("%s:%s\n", name.c_str(), line.c_str());
  return kExitOk;
}

}  // namespace lsmtpd::app
