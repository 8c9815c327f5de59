// SPDX-License-Identifier: Apache-2.0
// Hides the local parts of mail addresses in a log line (log.addresses): the domain stays, and
// "hash" lets an operator see which lines are about the same address without knowing which it is.
// Any thread.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "log/log.hpp"

namespace lsmtpd::log {

// "ann@example.org" becomes "*@example.org", or "#0011223344556677@example.org" with a hash under a
// key that each start of the process makes anew.
std::string hide_local_part(std::string_view local_part, std::string_view domain, Addresses mode);

// The value of a field of that name. In values of "from" and "to" all before the last "@" is a
// local part, in others what looks like one; user names are hidden whole. The Message-ID field is
// no address, and stays.
std::string hide_addresses(std::string_view key, std::string_view value, Addresses mode);

// The fields of a line. The originals must outlive it.
class HiddenAddresses {
 public:
  HiddenAddresses(std::span<const Field> fields, Addresses mode);
  HiddenAddresses(const HiddenAddresses&) = delete;
  HiddenAddresses& operator=(const HiddenAddresses&) = delete;
  std::span<const Field> fields() const { return fields_; }

 private:
  std::string_view hidden(const Key& key, std::string_view value, Addresses mode);

  std::deque<std::string> texts_;
  std::deque<std::vector<std::string_view>> lists_;
  std::vector<Field> fields_;
};

}  // namespace lsmtpd::log
