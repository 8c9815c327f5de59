// SPDX-License-Identifier: Apache-2.0
// A pattern, a line end, and an address: what a pattern matches is the same for each spelling of it
// and of the address, and an address is matched by itself.
#include <string>
#include <string_view>

#include "fuzz_input.hpp"
#include "pipeline/route_table.hpp"
#include "smtp/addresses.hpp"

namespace {

using namespace lsmtpd;
using pipeline::RouteTable;

std::string joined(const smtp::Mailbox& mailbox) {
  return mailbox.domain.empty() ? mailbox.local : mailbox.local + "@" + mailbox.domain;
}

// As RCPT takes it, whole.
bool is_address(const std::string& text) {
  smtp::Path path;
  const std::string bracketed = "<" + text + ">";
  return smtp::parse_path(bracketed, path) == smtp::PathFault::none && path.address == text &&
         !text.empty();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view pattern = text.substr(0, end);
  const std::string address(text.substr(std::min(end + 1, text.size())));
  const bool kept = size % 2 == 0;
  const RouteTable::Rules rules{
      .local_case = kept ? smtp::LocalCase::kept : smtp::LocalCase::ignored,
      .delimiters = "+",
      .reject_unmatched = size % 3 == 0};

  const std::string normal = joined(smtp::normal_mailbox(address, rules.local_case));
  if (is_address(address))
    fuzz::require(joined(smtp::normal_mailbox(normal, rules.local_case)) == normal);

  RouteTable table(rules);
  if (table.add(pattern, 1)) {
    fuzz::require(table.owner(pattern) == 1u);
    const auto match = table.explain(address);
    fuzz::require(table.find(address).has_value() == match.has_value());
    if (match && match->number == 1) {
      RouteTable again(rules);
      fuzz::require(again.add(match->pattern, 1).has_value());
      fuzz::require(again.find(address) == 1u);
    }
  }
  RouteTable own(rules);
  if (is_address(address) && own.add(address, 1)) fuzz::require(own.find(address) == 1u);
  return 0;
}
