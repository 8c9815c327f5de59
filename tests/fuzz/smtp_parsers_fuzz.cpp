// SPDX-License-Identifier: Apache-2.0
// Addresses and ESMTP parameters: accepted text is unambiguous, and stays accepted when it is
// written out again.
#include <string>

#include "base/text.hpp"
#include "fuzz_input.hpp"
#include "smtp/addresses.hpp"
#include "smtp/commands.hpp"
#include "smtp/parameters.hpp"

namespace {

using namespace lsmtpd;

void try_path(std::string_view text) {
  smtp::Path path;
  if (smtp::parse_path(text, path) != smtp::PathFault::none) return;
  fuzz::require(path.address.size() <= 254 && is_utf8(path.address));
  fuzz::require(!smtp::kind_of(path.address).control);
  const std::string_view said = text.substr(0, text.size() - path.rest.size());  // the route too
  fuzz::require(path.utf8 == smtp::kind_of(said).eight_bit && is_utf8(said));
  fuzz::require(path.rest.empty() || path.rest[0] == ' ' || path.rest[0] == '\t');
  fuzz::require(path.rest.data() + path.rest.size() == text.data() + text.size());
  smtp::Path again;
  const std::string written = "<" + std::string(path.address) + ">";
  fuzz::require(smtp::parse_path(written, again) == smtp::PathFault::none);
  fuzz::require(again.address == path.address && again.rest.empty());
}

void try_parameters(std::string_view text) {
  smtp::MailParameters mail;
  if (smtp::parse_mail_parameters(text, mail) == smtp::ParameterFault::none) {
    fuzz::require(!smtp::kind_of(text).control && !smtp::kind_of(text).eight_bit);
  }
  if (smtp::parse_rcpt_parameters(text, true) == smtp::ParameterFault::none) {
    fuzz::require(!smtp::kind_of(text).control && is_utf8(text));
  }
  if (smtp::parse_rcpt_parameters(text, false) == smtp::ParameterFault::none) {
    fuzz::require(!smtp::kind_of(text).eight_bit);
    fuzz::require(smtp::parse_rcpt_parameters(text, true) == smtp::ParameterFault::none);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try_path(text);
  try_parameters(text);
  const smtp::Command command = smtp::parse_command(text);
  fuzz::require(command.argument.size() <= text.size());
  return 0;
}
