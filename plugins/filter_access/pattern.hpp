// SPDX-License-Identifier: Apache-2.0
// One entry of a list, as it is written and as it is looked up.
//
//   192.0.2.0/24  2001:db8::/32  192.0.2.1     a network or an address of a client
//   example.org                                the domain; of an address: all in that domain
//   *.example.org                              what is below it, at any depth
//   joe@example.org  *@example.org  *@*.example.org  joe@*
//   <>                                         the null sender
//   *                                          everything
#pragma once

#include <mail_names/ip.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "image.hpp"

namespace lsmtpd::access {

struct Pattern {
  enum class Kind { network, address, name };
  Kind kind = Kind::name;
  mail_names::Network network;
  // "example.org", ".example.org" (below it), "joe@example.org", "joe@", "<>", "*".
  std::string key;
  uint32_t labels = 0;  // of "*.example.org": 2
};

// `problem` says why there is none.
std::optional<Pattern> parse_pattern(std::string_view text, std::string& problem);

// The most precise entry of an image for a name, or for an address: the address, its domain, the
// nearest domain above, the local part, everything. Nothing: the list has none.
std::optional<uint16_t> find_name(const Image& image, const std::string& name);
std::optional<uint16_t> find_address(const Image& image, const std::string& local,
                                     const std::string& domain, bool null);

}  // namespace lsmtpd::access
