// SPDX-License-Identifier: Apache-2.0
// Finds the few octets of mail content that mean something, in blocks of 64: the inner loop of
// Scanner::scan(). It looks for these, given the octets before:
// - a CR that no LF follows, an LF that no CR precedes (RFC 5321 2.3.8: neither is sent as
// content);
// - a '.' or a NUL as the first octet of a line (RFC 5321 4.5.2, and the tricks played with it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lsmtpd::smtp {

// The kind of the octet before the next one. At most one of the two is 1, the other bits are 0.
struct LineContext {
  uint64_t after_cr = 0;
  uint64_t line_start = 0;  // after CRLF, or at the very start
};

// Which of them to report: all bits set or none.
struct Want {
  uint64_t bare = 0;
  uint64_t dot = 0;
  uint64_t nul = 0;
};

// The index of the first octet wanted, or `size` where there is none; `context` is then that of
// this index. A CR is bare at the index of the octet that follows it, when that is known.
using FindSpecial = size_t (*)(const char* data, size_t size, Want want, LineContext& context);

// The fastest version that this machine can run.
extern const FindSpecial find_special;

// All that it can run, the plain one first; they always agree. For tests and benchmarks.
std::vector<FindSpecial> find_special_versions();

}  // namespace lsmtpd::smtp
