// SPDX-License-Identifier: Apache-2.0
// The answers of a policy service, cut anywhere: the reader keeps within its limit and comes to the
// same result however they are cut, and no action makes a header field of more than one field.
#include <algorithm>
#include <string>

#include "action.hpp"
#include "fuzz_input.hpp"
#include "reply_reader.hpp"

namespace {

using namespace lsmtpd::policy;
using State = ReplyReader::State;

// The state after the first octet that ends the reading, one octet at a time.
State read_slowly(ReplyReader& reader, std::string_view text) {
  State state = State::more;
  for (size_t i = 0; i < text.size() && state == State::more; ++i)
    state = reader.add(text.substr(i, 1));
  return state;
}

void check_field(const std::string& field) {
  if (field.empty()) return;
  lsmtpd::fuzz::require(field.size() > 2 && field.substr(field.size() - 2) == "\r\n");
  for (size_t at = 0; at < field.size();) {
    const size_t end = field.find("\r\n", at);
    lsmtpd::fuzz::require(end != std::string::npos && end - at <= 998);
    const char first = field[at];
    lsmtpd::fuzz::require(at == 0 ? first > ' ' : first == ' ' || first == '\t');
    const std::string_view line = std::string_view(field).substr(at, end - at);
    lsmtpd::fuzz::require(line.find_first_of(std::string_view("\r\n\0", 3)) == line.npos);
    at = end + 2;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const lsmtpd::fuzz::Input input(data, size);
  ReplyReader slow, quick;
  const State state = read_slowly(slow, input.text);
  State other = State::more;
  const size_t piece = input.seed + size_t{1};
  std::string_view rest = input.text;
  while (!rest.empty() && other == State::more) {
    other = quick.add(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
  }
  // Octets behind the answer are noticed only where they come along with it.
  if (other != State::wrong) {
    lsmtpd::fuzz::require(state == other);
    lsmtpd::fuzz::require(slow.action() == quick.action());
  }
  const Action action =
      parse_action(state == State::complete ? std::string_view(slow.action()) : input.text);
  lsmtpd::fuzz::require(action.code == 0 || (action.code >= 400 && action.code <= 599));
  check_field(header_field(action.text));
  return 0;
}
