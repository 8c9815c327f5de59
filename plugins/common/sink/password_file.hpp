// SPDX-License-Identifier: Apache-2.0
// A password in a file of its own, read again at each connection.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <string>
#include <tl/expected.hpp>

namespace lsmtpd::sink {

// The content of a password file without its line end, or why it cannot be read. Never waits: what
// is no regular file is refused.
tl::expected<std::string, std::string> read_password_file(const std::string& path);

// The password of one lane's connections. A file that is being replaced, or is gone for a moment,
// leaves the old one. [loop]
class Password {
 public:
  // `path` is empty where the password stands in the options.
  Password(std::string path, std::string password)
      : path_(std::move(path)), password_(std::move(password)) {}
  // Reads the file again.
  const std::string& renew(const sdk::Host& host);

 private:
  std::string path_;
  std::string password_;
  bool kept_ = false;  // the file could not be read last time
};

}  // namespace lsmtpd::sink
