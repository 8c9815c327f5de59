// SPDX-License-Identifier: Apache-2.0
// The claim check of a body that was stored apart: what is published in place of it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "source.hpp"

namespace lsmtpd::sink {

struct Claim {
  std::string location;   // of the body: a path, or s3://bucket/key
  std::string reference;  // the JSON object that is published
};

// The body that a claim check stands for.
struct ClaimedBody {
  std::string_view message_id;
  std::string_view copy_id;
  std::string_view content_type;
  std::uint64_t size = 0;
  std::string_view sha256;  // 64 digits
};

Claim make_claim(std::string location, const ClaimedBody& body);

inline constexpr std::string_view kClaimType = "application/vnd.lsmtpd.claim+json";

// Of a body that is published: of a claim check where there is one, which may be null.
std::string_view content_type(Format format, const Claim* claim);

}  // namespace lsmtpd::sink
