// SPDX-License-Identifier: Apache-2.0
// DATA and BDAT against the slow reference: both must agree on the content, the fault and the end;
// and on each of several messages in one connection, which a fault in DATA ends.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "fuzz_input.hpp"
#include "smtp_reference.hpp"
#include "smtp_script.hpp"

namespace {

using namespace lsmtpd;
using Fault = test::Content::Fault;

constexpr std::string_view envelope = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

std::string_view expected_reply(Fault fault) {
  switch (fault) {
    case Fault::bare_cr:
      return "554 5.6.0 Bare <CR>";
    case Fault::bare_lf:
      return "554 5.6.0 Bare <LF>";
    case Fault::nul_dot:
      return "554 5.6.0 Line of one dot";
    case Fault::none:
      break;
  }
  return "250 2.0.0 Ok: queued";
}

void require_outcome(const test::Played& played, size_t line, const test::Content& expected) {
  const auto replies = test::lines_of(played.replies);
  fuzz::require(replies.size() > line && replies[line].starts_with(expected_reply(expected.fault)));
  const bool stored = expected.fault == Fault::none;
  fuzz::require(played.messages.size() >= (stored ? 1U : 0U));
  if (stored) fuzz::require(played.messages[0].body == expected.body);
}

void try_data(const smtp::Settings& settings, const fuzz::Input& input) {
  const auto expected = test::read_data(input.text, settings.normalize_bare_lf);
  const std::string sent = std::string(envelope) + "DATA\r\n" + std::string(input.text);
  const test::Played played = test::play_random(settings, {}, sent, input.seed);
  if (!expected) {
    fuzz::require(played.messages.empty() && !played.closed);
    fuzz::require(test::lines_of(played.replies).size() == 4);  // banner, MAIL, RCPT, 354
    return;
  }
  require_outcome(played, 4, *expected);
  if (expected->fault != Fault::none) fuzz::require(played.closed && played.messages.empty());
}

std::string in_chunks(std::string_view left, std::mt19937& random) {
  std::string sent;
  do {
    const std::string_view chunk = left.substr(0, random() % 50);
    left.remove_prefix(chunk.size());
    sent += "BDAT " + std::to_string(chunk.size()) + (left.empty() ? " LAST\r\n" : "\r\n");
    sent += chunk;
  } while (!left.empty());
  return sent;
}

void try_chunks(const smtp::Settings& settings, const fuzz::Input& input, bool binary) {
  const auto expected = test::read_chunks(input.text, settings.normalize_bare_lf, binary);
  std::mt19937 random(input.seed);
  const std::string sent =
      (binary ? "MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n" : std::string(envelope)) +
      in_chunks(input.text, random);
  const test::Played played = test::play_random(settings, {}, sent, input.seed);
  const auto replies = test::lines_of(played.replies);
  fuzz::require(played.messages.size() == (expected.fault == Fault::none ? 1U : 0U));
  if (expected.fault == Fault::none) {
    fuzz::require(played.messages[0].body == expected.body);
    fuzz::require(replies.back().starts_with(expected_reply(Fault::none)));
  } else {
    fuzz::require(played.replies.find(expected_reply(expected.fault)) != std::string::npos);
  }
}

// The input is cut into messages at octets of 0xff; each goes by DATA or by BDAT, all in one
// stream.
void try_several(const smtp::Settings& settings, const fuzz::Input& input) {
  std::mt19937 random(input.seed);
  std::string sent;
  std::vector<std::string> bodies;
  bool ended = false;
  for (std::string_view left = input.text; !left.empty() && !ended;) {
    const std::string_view part = left.substr(0, left.find('\xff'));
    left.remove_prefix(std::min(left.size(), part.size() + 1));
    test::Content expected;
    sent += envelope;
    if (random() % 2 == 0) {
      expected = test::read_chunks(part, settings.normalize_bare_lf, false);
      sent += in_chunks(part, random);
    } else {
      const std::string raw = std::string(part) + "\r\n.\r\n";
      expected = *test::read_data(raw, settings.normalize_bare_lf);
      sent += "DATA\r\n" + raw.substr(0, raw.size() - expected.rest.size());
      ended = expected.fault != Fault::none;
    }
    if (expected.fault == Fault::none) bodies.push_back(expected.body);
  }
  const test::Played played = test::play_random(settings, {}, sent, input.seed);
  fuzz::require(played.closed == ended && played.messages.size() == bodies.size());
  for (size_t i = 0; i < bodies.size(); ++i) fuzz::require(played.messages[i].body == bodies[i]);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  GTEST_FLAG_SET(break_on_failure, true);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Input input(data, size);
  smtp::Settings settings = test::test_settings();
  settings.normalize_bare_lf = input.flag(0);
  settings.received_headers = settings.commands = 0xffffffff;
  settings.errors = 0xffffffff;
  if (input.flag(3)) {
    try_several(settings, input);
  } else if (input.flag(1)) {
    try_chunks(settings, input, input.flag(2));
  } else {
    try_data(settings, input);
  }
  return 0;
}
