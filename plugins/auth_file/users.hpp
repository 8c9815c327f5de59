// SPDX-License-Identifier: Apache-2.0
// The users of one file, a line each:
//     name:$2b$10$...                  a crypt(3) hash of a password: bcrypt, yescrypt or SHA-512
//     name:{cert-sha256}HEX            the SHA-256 fingerprint of a client certificate (EXTERNAL)
//     name:!...  or  name:*...         locked
// A name may have one password and any number of certificates. Blank lines and lines that begin
// with # are for the reader.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace auth_file {

enum class Checked { right, wrong, unknown };

// Const once it is read: any thread.
class Users {
 public:
  // Empty: it was read; else what is wrong, with the line.
  std::string read(const std::string& file);
  std::string parse(std::string_view text);

  // Takes as long for an unknown user as for the one with the most expensive hash. Blocks for some
  // ten milliseconds: for the pool.
  Checked check(std::string_view user, const std::string& password) const;
  // The user whose certificate it is; empty: nobody's.
  std::string_view user_of(std::string_view fingerprint) const;

  std::size_t size() const { return passwords_.size() + certificates_.size(); }

 private:
  std::string add(std::string_view name, std::string_view secret);

  std::map<std::string, std::string, std::less<>> passwords_;     // hash by name
  std::map<std::string, std::string, std::less<>> certificates_;  // name by fingerprint
  std::string most_expensive_;
  double most_expensive_us_ = 0;
};

// About how long a hash takes, in microseconds; 0: it is none that is allowed.
double cost_of(std::string_view hash);

}  // namespace auth_file
